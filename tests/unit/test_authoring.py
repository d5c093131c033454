"""`@operation`: what a function's hints make of it."""

from __future__ import annotations

import dataclasses
import enum
import functools
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypedDict

import pytest

from chatbot import Action, Batch, Reply, operation
from chatbot.errors import SignatureError


@dataclasses.dataclass(frozen=True)
class Person:
    name: str
    age: int = 0


class Label(NamedTuple):
    label: str
    score: float
    why: str | None = None


class Found(TypedDict):
    people: list[Person]
    total: int


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Settings:
    times: int = 2


@dataclasses.dataclass
class Deep:
    person: Person
    colours: tuple[Colour, ...] = ()
    file: Path | None = None

    def __post_init__(self) -> None:
        assert isinstance(self.person, Person)


async def run(function: Any, config: Any = None, **inputs: Any) -> Any:
    """Run one call as a node does; what is yielded as a list."""
    async with function.imp({} if config is None else config) as implementation:
        given = await implementation(None, None).run(inputs)
        if hasattr(given, "__aiter__"):
            return [each async for each in given]
        return given


async def run_batch(function: Any, *batch: dict[str, Any]) -> list[Any]:
    async with function.imp({}) as implementation:
        found: list[Any] = await implementation(None, None).run_batch(batch)
        return found


def primitives(definitions: dict[str, Any]) -> dict[str, str]:
    return {name: definition.primitive for name, definition in definitions.items()}


async def test_a_function_stays_one_and_is_an_operation() -> None:
    @operation
    def shout(text: str, marks: int = 1) -> str:
        """Say it louder."""
        return text.upper() + "!" * marks

    own: Any = shout
    assert shout("a", 2) == "A!!"
    assert own.op.name == "shout"
    assert own.imp.__doc__ == "Say it louder."
    assert primitives(own.op.inputs) == {"text": "string", "marks": "int"}
    assert own.op.inputs["marks"].default == 1
    assert primitives(own.op.outputs) == {"result": "string"}
    assert await run(shout, text="a", marks=3) == {"result": "A!!!"}
    assert await run(shout, text="a") == {"result": "A!"}


async def test_each_field_of_a_record_is_an_output_and_one_that_is_none_gives_nothing() -> None:
    @operation
    async def classify(text: str) -> Label | None:
        return Label(text, 0.5) if text else None

    own: Any = classify
    assert primitives(own.op.outputs) == {"label": "string", "score": "float", "why": "string"}
    assert await run(classify, text="bug") == {"label": "bug", "score": 0.5}
    assert await run(classify, text="") is None


async def test_records_cross_as_maps_and_are_made_again_where_a_hint_wants_them() -> None:
    @operation
    def find(people: list[Person], one: Person | None = None) -> Found:
        assert all(isinstance(each, Person) for each in people)
        return {"people": [*people, *([one] if one else [])], "total": len(people)}

    given = [{"name": "ann", "age": 3}, Person("bob")]
    people = [{"name": "ann", "age": 3}, {"name": "bob", "age": 0}]
    assert await run(find, people=given) == {"people": people, "total": 2}
    cleo = {"people": [{"name": "cleo", "age": 0}], "total": 0}
    assert await run(find, people=[], one={"name": "cleo"}) == cleo
    with pytest.raises(TypeError, match=r"cannot take this list as `people`.*no field 'nose'"):
        await run(find, people=[{"name": "ann", "nose": 1}])


async def test_other_hints_have_their_kinds() -> None:
    @operation
    def paint(
        colour: Colour,
        size: Literal["s", "m"],
        pair: tuple[str, Person],
        tags: set[str],
        sizes: dict[str, float],
        more: Any = None,
    ) -> list[Colour]:
        assert (colour, pair, tags) == (Colour.RED, ("a", Person("b")), {"x"})
        return [colour]

    own: Any = paint
    assert primitives(own.op.inputs) == {
        "colour": "string",
        "size": "string",
        "pair": "array",
        "tags": "array",
        "sizes": "map",
        "more": "generic",
    }
    given = {"colour": "red", "size": "s", "pair": ["a", {"name": "b"}], "tags": ["x"], "sizes": {}}
    assert await run(paint, **given) == {"result": ["red"]}


async def test_a_configuration_is_a_dataclass_called_config() -> None:
    @operation(output="text", cheap=True)
    def repeat(text: str, config: Settings) -> str:
        return text * config.times

    own: Any = repeat
    assert own.imp.CONFIG is Settings
    assert own.imp.cheap
    assert list(own.op.inputs) == ["text"]
    assert await run(repeat, Settings(), text="a") == {"text": "aa"}
    assert await run(repeat, {"times": 3}, text="a") == {"text": "aaa"}


async def test_what_takes_a_batch_is_given_many_calls_in_one_go() -> None:
    seen: list[list[str]] = []

    @operation
    def label(texts: Batch[str], least: Batch[int]) -> Batch[Label | ValueError]:
        seen.append(texts)
        return [Label(t, n) if t else ValueError("empty") for t, n in zip(texts, least)]  # noqa: B905

    @operation(batch=True)
    def twice(texts: list[str]) -> list[str]:
        return [text * 2 for text in texts]

    first, second, third = await run_batch(
        label, {"texts": "a", "least": 1}, {"texts": "", "least": 2}, {"texts": "c", "least": 3}
    )
    assert seen == [["a", "", "c"]]
    assert first == {"label": "a", "score": 1}
    assert isinstance(second, ValueError)
    assert third == {"label": "c", "score": 3}
    assert await run(label, texts="a", least=1) == first
    assert await run_batch(twice, {"texts": "a"}, {"texts": "b"}) == [
        {"result": "aa"},
        {"result": "bb"},
    ]


async def test_a_list_that_is_no_batch_is_one_value() -> None:
    @operation
    def count(words: list[str]) -> list[int]:
        return [len(word) for word in words]

    own: Any = count
    assert not hasattr(own.imp.CONTEXT, "run_batch")
    assert await run(count, words=["a", "bc"]) == {"result": [1, 2]}


async def test_a_batch_of_another_length_is_an_error() -> None:
    @operation
    def lose(texts: Batch[str]) -> Batch[str]:
        return texts[1:]

    with pytest.raises(ValueError, match="lose returned 1 values for 2 calls"):
        await run_batch(lose, {"texts": "a"}, {"texts": "b"})


async def test_each_yield_is_a_set_of_outputs() -> None:
    @operation
    def words(text: str) -> Iterator[str]:
        yield from text.split()

    @operation(thread=True)
    def slowly(text: str) -> Iterator[str]:
        yield from text.split()

    @operation
    async def letters(text: str) -> AsyncIterator[Label]:
        for each in text:
            yield Label(each, 1.0)

    expected = [{"result": "a"}, {"result": "b"}]
    assert await run(words, text="a b") == expected
    assert await run(slowly, text="a b") == expected
    assert await run(letters, text="x") == [{"label": "x", "score": 1.0}]


async def test_one_that_is_marked_runs_in_a_thread() -> None:
    @operation(thread=True)
    def slow() -> str:
        return threading.current_thread().name

    @operation
    def quick() -> str:
        return threading.current_thread().name

    assert (await run(slow))["result"].startswith("slow")
    assert (await run(quick))["result"] == threading.current_thread().name


async def test_an_action_that_there_is_not_fails_where_it_is_returned() -> None:
    @operation
    def take(name: str) -> Action:
        return Action(name)

    assert await run(take, name="delete") == {"action": {"kind": "delete"}}
    with pytest.raises(TypeError, match="no action `redact`: there are react, delete"):
        await run(take, name="redact")


async def test_a_reply_and_an_action_are_what_the_bot_says_and_does() -> None:
    class Both(NamedTuple):
        reply: str
        action: Action | None = None

    @operation
    def greet(name: str) -> Reply:
        return Reply(f"Hello {name}", notice=True)

    @operation(output="reply")
    def answer(name: str) -> str:
        return name

    @operation
    def mute(name: str) -> Both:
        return Both("Quiet!", Action("mute", to=name, seconds=5))

    @operation
    def warn(name: str) -> Iterator[Reply | Action]:
        yield Reply(name)
        yield Action("kick")

    own: Any = greet
    assert own.op.outputs["reply"].name == "reply"
    said = {"text": "Hello ann", "notice": True}
    assert await run(greet, name="ann") == {"reply": said}
    assert await run(answer, name="ann") == {"reply": {"text": "ann"}}
    done = {"kind": "mute", "to": "ann", "seconds": 5}
    assert await run(mute, name="ann") == {"reply": {"text": "Quiet!"}, "action": done}
    first, second = await run(warn, name="ann")
    assert (first["reply"]["text"], second["action"]["kind"]) == ("ann", "kick")


async def test_what_is_not_as_the_hint_says_is_told() -> None:
    @operation
    def classify(text: str) -> Label:
        return text  # type: ignore[return-value]

    with pytest.raises(TypeError, match="classify returned a str, not a Label"):
        await run(classify, text="a")


def refused(decorate: Any) -> list[str]:
    with pytest.raises(SignatureError) as raised:
        decorate()
    return [f"{fault.message} ({fault.hint})" for fault in raised.value.faults]


def test_all_that_is_wrong_with_a_signature_is_told_with_its_place() -> None:
    def bad(text, *rest: str, key: Missing = 1, made: list[print] = ()):  # type: ignore # noqa
        return text

    with pytest.raises(SignatureError) as raised:
        operation(bad)
    faults = raised.value.faults
    line = bad.__code__.co_firstlineno
    assert {(fault.file, fault.line) for fault in faults} == {(__file__, line)}
    assert [fault.message.split("<")[0] for fault in faults] == [
        "`bad` does not say what it returns",
        "`text` has no type hint",
        "`*rest` cannot be inputs: a flow gives each by its name",
        "the hint of `key` names `Missing`, which is not known here",
        "the hint of `made`: ",
    ]
    assert [fault.column for fault in faults] == sorted(fault.column for fault in faults)
    assert all(fault.hint for fault in faults)
    assert f"{__file__}:{line}:{faults[1].column}: `text` has no type hint" in str(raised.value)


def test_what_does_not_go_together_is_refused() -> None:
    def mixed(a: Batch[str], b: str) -> str: ...  # type: ignore[empty-body]
    def single(a: str) -> str: ...  # type: ignore[empty-body]
    def yields(a: str) -> str:  # type: ignore[misc]
        yield a

    def config(config: int) -> None: ...
    def position(a: str, /) -> None: ...
    async def waits() -> None: ...
    def alone(a: list[str]) -> Batch[str]: ...  # type: ignore[empty-body]
    def record() -> Label: ...  # type: ignore[empty-body]

    assert "some inputs are batches, and some are not" in refused(lambda: operation(mixed))[0]
    assert "batch=True" in refused(lambda: operation(batch=True)(single))[0]
    assert "it returns a batch, and takes none" in refused(lambda: operation(alone))[0]
    assert refused(lambda: operation(yields)) == [
        "it yields, and its hint does not say so (write -> Iterator[…])"
    ]
    assert "must be a dataclass" in refused(lambda: operation(config))[0]
    assert "take out the `/`" in refused(lambda: operation(position))[0]
    assert "runs in no thread" in refused(lambda: operation(thread=True)(waits))[0]
    assert "does not go with" in refused(lambda: operation(cheap=True, thread=True)(single))[0]
    assert "names one value" in refused(lambda: operation(output="a")(record))[0]
    assert "cannot name" in refused(lambda: operation(name="a b")(single))[0]
    with pytest.raises(TypeError, match="not a class"):
        operation(Label)


def test_importing_the_package_imports_nothing_that_is_heavy() -> None:
    told = "import chatbot, sys; print(sorted({'dffml', 'msgspec', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


async def test_a_configuration_that_crossed_is_made_again_with_all_that_is_in_it() -> None:
    @operation
    def show(config: Deep) -> str:
        return f"{config.person.name} {config.colours[0].name} {config.file}"

    own: Any = show
    crossed = {"person": {"name": "ann"}, "colours": ["red"], "file": Path("a")}
    assert await run(show, crossed) == {"result": "ann RED a"}
    assert await run(show, own.imp.configured(**crossed)) == {"result": "ann RED a"}


async def test_a_function_may_call_itself_within_another() -> None:
    @operation
    def count(number: int) -> int:
        return 1 + count(number - 1) if number else 0

    assert await run(count, number=3) == {"result": 3}


async def test_other_decorators_may_stand_below() -> None:
    def logged(function: Any) -> Any:
        @functools.wraps(function)
        def call(*given: Any, **named: Any) -> Any:
            return function(*given, **named)

        return call

    @operation
    @logged
    async def slow(text: str, config: Settings) -> str:
        return text * config.times

    own: Any = slow
    assert primitives(own.op.inputs) == {"text": "string"}
    assert await run(slow, text="a") == {"result": "aa"}
