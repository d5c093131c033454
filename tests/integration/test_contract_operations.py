"""The contract: how an operation is run, and what it may do. Over both orchestrators."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from dffml import DataFlow, Definition, Input, op
from dffml.df.base import OperationException, OperationImplementationContext
from dffml.df.exceptions import ValidatorMissing

from tests.integration.orchestrators import (
    EVERY,
    HERE,
    PRIMARY,
    A,
    B,
    C,
    Kind,
    collecting,
    given,
    over,
)

pytestmark = pytest.mark.usefixtures("nats_address")


@EVERY
async def test_functions_coroutines_and_classes_are_operations_alike(kind: Kind) -> None:
    @op(name="function", inputs={"a": A}, outputs={"b": B})
    def function(a):
        return {"b": a + "f"}

    @op(name="coroutine", inputs={"a": A}, outputs={"b": B})
    async def coroutine(a):
        return {"b": a + "c"}

    @op(name="class", inputs={"a": A}, outputs={"b": B})
    class Operation(OperationImplementationContext):
        async def run(self, inputs):
            return {"b": inputs["a"] + "k"}

    def bare(a):
        return a + "r"

    bare.__annotations__["return"] = str  # as an object, which DFFML needs
    result = Definition(name="bare.outputs.result", primitive="str")
    made = collecting(
        function, coroutine, Operation, op(name="bare", inputs={"a": A})(bare), of=[B, result]
    )
    found = await kind.only(made, given(A, "1"))
    assert found == {"b": ["1c", "1f", "1k"], "bare.outputs.result": ["1r"]}


@EVERY
@pytest.mark.parametrize("generates", [False, True])
async def test_none_adds_nothing(kind: Kind, generates: bool) -> None:
    if generates:

        @op(name="nothing", inputs={"a": A}, outputs={"b": B})
        async def nothing(a):
            for _ in ():
                yield {}
    else:

        @op(name="nothing", inputs={"a": A}, outputs={"b": B})
        async def nothing(a):
            return None

    assert await kind.only(collecting(nothing, of=[A, B]), given(A, "1")) == {"a": ["1"]}


# What goes wrong.


def failing(error: Exception) -> Any:
    @op(name="fail", inputs={"c": C}, outputs={"b": B})
    async def fail(c):
        raise error

    return fail


@EVERY
async def test_what_an_operation_raises_is_the_cause(kind: Kind) -> None:
    with pytest.raises(OperationException, match="fail") as raised:
        await kind.run(DataFlow(failing(ValueError("as asked"))), given(C, "c"))
    assert isinstance(raised.value.__cause__, ValueError)
    assert raised.value.__cause__.args == ("as asked",)


@EVERY
async def test_an_undeclared_output_is_an_error_of_the_operation(kind: Kind) -> None:
    @op(name="odd", inputs={"a": A}, outputs={"b": B})
    async def odd(a):
        return {"b": "declared", "undeclared": 1}

    with pytest.raises(OperationException) as raised:
        await kind.run(DataFlow(odd), given(A, "1"))
    assert isinstance(raised.value.__cause__, KeyError)
    assert "undeclared" in str(raised.value.__cause__)
    found = await kind.only(collecting(odd, of=[B]), given(A, "1"), strict=False)
    assert found == {}, "and nothing of that set is taken"


@EVERY
async def test_what_a_generator_gave_before_it_raised_is_not_an_output_set_of_the_error(
    kind: Kind,
) -> None:
    @op(name="break_off", inputs={"a": A}, outputs={"b": B})
    async def break_off(a):
        yield {"b": "given"}
        raise ValueError(a)

    with pytest.raises(OperationException) as raised:
        await kind.run(DataFlow(break_off), given(A, "1"))
    assert isinstance(raised.value.__cause__, ValueError)


@EVERY
async def test_where_it_is_not_strict_the_context_goes_on_without_what_failed(kind: Kind) -> None:
    calls: list[str] = []

    @op(name="picky", inputs={"a": A}, outputs={"b": B})
    async def picky(a):
        if a == "2":
            raise ValueError(a)
        return {"b": a}

    @op(name="take", inputs={"b": B}, outputs={"c": C})
    async def take(b):
        calls.append(b)

    found = await kind.only(collecting(picky, take, of=[B]), given(A, "1", "2", "3"), strict=False)
    assert found == {"b": ["1", "3"]}
    assert sorted(calls) == ["1", "3"]


@EVERY
@pytest.mark.parametrize(
    ("retry", "failures", "tries", "works"),
    [
        (0, 0, 1, True),
        (0, 1, 1, False),
        (1, 1, 1, False),
        (2, 1, 2, True),
        (2, 2, 2, False),
        (3, 2, 3, True),
        (3, 0, 1, True),
    ],
)
async def test_an_operation_is_tried_again_where_it_runs(
    kind: Kind, retry: int, failures: int, tries: int, works: bool
) -> None:
    instances: list[Any] = []

    @op(name="flaky", inputs={"a": A}, outputs={"b": B}, retry=retry)
    async def flaky(self, a):
        instances.append(self.parent)
        if len(instances) <= failures:
            raise ValueError(a)
        return {"b": a}

    made = collecting(flaky, of=[B])
    if works:
        assert await kind.only(made, given(A, "1")) == {"b": ["1"]}
    else:
        with pytest.raises(OperationException):
            await kind.only(made, given(A, "1"))
    assert len(instances) == tries
    assert len(set(map(id, instances))) == 1, "always on the same instance"


# Configuration, and what an operation enters.


@dataclass
class PrefixConfig:
    prefix: str


@EVERY
@pytest.mark.parametrize("config", [PrefixConfig("p-"), {"prefix": "p-"}])
async def test_an_operation_has_its_configuration(kind: Kind, config: Any) -> None:
    @op(name="prefix", inputs={"a": A}, outputs={"b": B}, config_cls=PrefixConfig)
    async def prefix(self, a):
        assert self.config is self.parent.config
        return {"b": self.config.prefix + a}

    made = collecting(prefix, of=[B])
    made.configs["prefix"] = config
    assert await kind.only(made, given(A, "1")) == {"b": ["p-1"]}


@EVERY
async def test_an_operation_enters_what_it_needs_once_and_its_context_for_each_call(
    kind: Kind,
) -> None:
    events: list[str] = []

    def entering(name: str) -> Any:
        @contextlib.asynccontextmanager
        async def enter(_: Any) -> AsyncIterator[str]:
            events.append(f"{name} entered")
            yield name
            events.append(f"{name} left")

        return enter

    @op(
        name="use",
        inputs={"a": A},
        outputs={"b": B},
        imp_enter={"session": entering("session")},
        ctx_enter={"turn": entering("turn")},
    )
    async def use(self, a):
        return {"b": f"{a} {self.parent.session} {self.turn}"}

    found = await kind.only(collecting(use, of=[B]), given(A, "1", "2"))
    assert found == {"b": ["1 session turn", "2 session turn"]}
    assert events[0] == "session entered"
    assert events[-1] == "session left"
    assert events.count("session entered") == 1
    assert events.count("turn entered") == events.count("turn left") == 2


@HERE
async def test_an_operation_beside_its_context_may_look_into_it_and_add_to_it(kind: Kind) -> None:
    calls: list[Any] = []

    @op(name="add", inputs={"a": A}, outputs={})
    async def add(self, a):
        calls.append(str(self.ctx))
        await self.octx.ictx.sadd(str(self.ctx), Input(value="x" + a, definition=B))
        await self.octx.ictx.cadd(self.ctx, Input(value="y" + a, definition=B))
        definition = await self.octx.ictx.definition(self.ctx, "b")
        async with self.octx.ictx.definitions(self.ctx) as held:
            calls.append(sorted([item.value async for item in held.inputs(definition)]))

    @op(name="take", inputs={"b": B}, outputs={"c": C})
    async def take(b):
        return {"c": b}

    found = await kind.only(collecting(add, take, of=[C]), given(A, "1"))
    assert found == {"c": ["x1", "y1"]}
    assert calls == ["only", ["x1", "y1"]]


# Definitions that say what a value is.


class Person(NamedTuple):
    name: str
    age: int = 7


@HERE
async def test_values_are_what_their_definition_s_spec_says(kind: Kind) -> None:
    person = Definition(name="person", primitive="map", spec=Person)
    other = Definition(name="other", primitive="map", spec=Person)
    calls: list[Any] = []

    @op(name="age", inputs={"one": person}, outputs={"other": other})
    async def age(one):
        calls.append(one)
        return {"other": {"name": one.name, "age": one.age + 1}}

    @op(name="take", inputs={"other": other}, outputs={"b": B})
    async def take(other):
        calls.append(other)

    await kind.run(collecting(age, take, of=[B]), given(person, {"name": "bob"}))
    assert calls == [Person("bob", 7), Person("bob", 8)]
    assert [type(each) for each in calls] == [Person, Person]


@over(PRIMARY)  # DFFML's own makes them again for each call, of what they are already
async def test_so_are_those_in_lists_and_maps(kind: Kind) -> None:
    people = Definition(name="people", primitive="array", spec=Person, subspec=True)
    book = Definition(name="book", primitive="map", spec=Person, subspec=True)
    calls: list[Any] = []

    @op(name="sort", inputs={"people": people}, outputs={"book": book})
    async def sort(people):
        calls.append(people)
        return {"book": {one.name: {"name": one.name, "age": 8} for one in people}}

    @op(name="take", inputs={"book": book}, outputs={"b": B})
    async def take(book):
        calls.append(book)

    await kind.run(collecting(sort, take, of=[B]), given(people, [{"name": "bob"}]))
    assert calls == [[Person("bob", 7)], {"bob": Person("bob", 8)}]
    assert type(calls[0][0]) is type(calls[1]["bob"]) is Person


@EVERY
async def test_a_definition_s_function_makes_its_values_right(kind: Kind) -> None:
    upper = Definition(name="upper", primitive="string", validate=str.upper)
    louder = Definition(name="louder", primitive="string", validate=lambda text: text + "!")

    @op(name="say", inputs={"text": upper}, outputs={"loud": louder})
    async def say(text):
        return {"loud": text}

    found = await kind.only(collecting(say, of=[upper, louder]), given(upper, "a"))
    assert found == {"upper": ["A"], "louder": ["A!"]}


CHECKED = Definition(name="checked", primitive="string", validate="check")


def checked(calls: list[str]) -> DataFlow:
    """`check` makes good what it can, and refuses the rest; `take` takes what is good."""

    @op(name="check", inputs={"value": CHECKED}, outputs={"good": CHECKED}, validator=True)
    async def check(value):
        calls.append(f"check {value}")
        if "bad" in value:
            raise ValueError(value)
        return {"good": value.strip()}

    @op(name="take", inputs={"value": CHECKED}, outputs={"c": C})
    async def take(value):
        calls.append(f"take {value!r}")
        return {"c": value}

    return collecting(check, take, of=[C, CHECKED])


@EVERY
async def test_a_validator_stands_before_all_that_takes_the_value(kind: Kind) -> None:
    calls: list[str] = []
    found = await kind.only(checked(calls), given(CHECKED, " x ", "y"))
    assert found == {"c": ["x", "y"], "checked": ["x", "y"]}, "the unchecked is not among them"
    assert sorted(calls) == ["check  x ", "check y", "take 'x'", "take 'y'"]


@EVERY
async def test_what_a_validator_refuses_nobody_takes(kind: Kind) -> None:
    calls: list[str] = []
    with pytest.raises(OperationException):
        await kind.only(checked(calls), given(CHECKED, "bad"))
    assert calls == ["check bad"]
    found = await kind.only(checked(calls), given(CHECKED, "bad", "good"), strict=False)
    assert found == {"c": ["good"], "checked": ["good"]}


@EVERY
async def test_a_validator_that_is_missing_is_an_error(kind: Kind) -> None:
    @op(name="take", inputs={"value": CHECKED}, outputs={"c": C})
    async def take(value):
        return {"c": value}

    with pytest.raises(ValidatorMissing):
        await kind.run(DataFlow(take), given(CHECKED, "x"))
    assert await kind.run(DataFlow(take), {"x": given(CHECKED, "x")}, strict=False) == {}


@EVERY
async def test_a_value_that_says_that_it_is_valid_is_not_checked(kind: Kind) -> None:
    calls: list[str] = []
    made = checked(calls)
    made.flow["take"].inputs["value"] = ["seed"]
    made.update()
    (valid,) = given(CHECKED, " as it is ")
    valid.validated = True
    assert await kind.only(made, [valid]) == {"c": [" as it is "], "checked": [" as it is "]}
    assert calls == ["take ' as it is '"]
