"""The compiled plan: each permutation exactly once, whatever the order of arrival."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import pytest
from dffml import DataFlow, Definition, Input, Stage
from dffml.df.exceptions import MultipleAncestorsFoundError
from dffml.df.types import InputFlow
from hypothesis import given
from hypothesis import strategies as st

from chatbot.orchestrator.plan import Source, compile_flow, permutations
from tests.unit.contexts import FLAG, A, B, C, operation


class Person(NamedTuple):
    name: str


arrivals = st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=14)


@given(arrivals, st.sets(st.integers(0, 2)))
def test_every_permutation_comes_up_exactly_once(
    events: list[tuple[int, bool]], with_default: set[int]
) -> None:
    """Items arrive in slots; after some of them the permutations are asked for."""
    slots: list[list[str]] = [[], [], []]
    defaults = [("d",) if i in with_default else () for i in range(3)]
    marks = [0, 0, 0]
    seen: list[tuple[str, ...]] = []
    for number, (slot, ask) in enumerate(events):
        slots[slot].append(f"{slot}-{number}")
        if ask:
            before = set(seen)
            new = list(permutations(slots, marks, defaults, not seen))
            everything = itertools.product(*(s or d for s, d in zip(slots, defaults, strict=True)))
            assert set(new) == set(everything) - before
            seen += new
    assert len(seen) == len(set(seen))


def test_defaults_alone_come_up_once() -> None:
    marks = [0]
    assert list(permutations([[]], marks, [("d",)], True)) == [("d",)]
    assert list(permutations([[]], marks, [("d",)], False)) == []


def test_a_step_without_parameters_comes_up_once() -> None:
    assert list(permutations([], [], [], True)) == [()]
    assert list(permutations([], [], [], False)) == []


# How a flow is compiled.


def sources_of(flow: DataFlow, step: str, parameter: str) -> list[Source]:
    plan = compile_flow(flow)
    (found,) = (s for s in plan.steps if s.name == step)
    return next(p for p in found.parameters if p.name == parameter).sources


def making(source: Any, **more: Any) -> DataFlow:
    """`take` takes its `c` from `source`; `one` and `two` give `c`s."""
    made = DataFlow(
        operation("one", "a", "b c"), operation("two", "a", "c"), operation("take", "c"), **more
    )
    made.flow["take"] = InputFlow(inputs={"c": [source]})
    made.update()
    return made


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("seed", [Source("seed", frozenset("c"))]),
        ("client", [Source("client", frozenset("c"))]),
        ({"one": "c"}, [Source(("one", "c"), frozenset("c"))]),
        ({"one": "b"}, [Source(("one", "b"), frozenset("b"))]),
        (
            {"one": "c", "two": "c"},
            [Source(("one", "c"), frozenset("c")), Source(("two", "c"), frozenset("c"))],
        ),
        ({"seed": ["a", "b"]}, [Source("seed", frozenset("ab"))]),
        ({"seed": ("a",)}, [Source("seed", frozenset("a"))]),
        ([{"one": "b"}], [Source(("one", "b"), frozenset("b"))]),
        (
            [{"one": "b"}, {"two": "c"}, "seed"],
            [Source(("one", "b"), frozenset("b"), (("two", "c"), "seed"))],
        ),
        ([{"seed": ["a"]}, "client"], [Source("seed", frozenset("a"), ("client",))]),
    ],
)
def test_a_source_is_an_origin_with_its_definitions_and_ancestors(
    source: Any, expected: list[Source]
) -> None:
    assert list(sources_of(making(source), "take", "c")) == expected


def test_several_sources_stand_in_their_order() -> None:
    made = making("seed")
    made.flow["take"].inputs["c"] = ["seed", {"two": "c"}, {"one": "c"}]
    made.update()
    assert [source.origin for source in sources_of(made, "take", "c")] == [
        "seed",
        ("two", "c"),
        ("one", "c"),
    ]


def test_an_origin_knows_all_that_it_feeds() -> None:
    made = DataFlow(operation("one", "a b", "c flag"), operation("two", "c a", conditions=[FLAG]))
    made.flow["two"].conditions.append("seed")
    plan = compile_flow(made)
    one, two = plan.steps
    fed = {
        origin: [
            (
                slot.step.name,
                slot.number,
                slot.step.parameters[slot.number - slot.step.first_slot].name,
            )
            for slot in feed.slots
        ]
        for origin, feed in plan.feeds.items()
    }
    assert fed == {
        "seed": [("one", 0, "a"), ("one", 1, "b"), ("two", 3, "a")],
        ("one", "c"): [("two", 2, "c")],
        ("one", "flag"): [],
    }
    assert plan.slot_count == 4
    assert (one.first_slot, two.first_slot) == (0, 2)
    assert [(step.name, number) for step, number, _ in plan.feeds["one", "flag"].conditions] == [
        ("two", 0)
    ]
    assert [(step.name, number) for step, number, _ in plan.feeds["seed"].conditions] == [
        ("two", 1)
    ]
    assert plan.condition_count == 2


def test_conditions_of_several_steps_have_places_of_their_own() -> None:
    gated = [operation(name, "a", conditions=[FLAG, FLAG]) for name in ("one", "two")]
    made = DataFlow(operation("judge", "b", "flag"), *gated)
    for name in ("one", "two"):
        made.flow[name].conditions = [{"judge": "flag", "seed": ["b"]}, "seed"]
    made.update()
    plan = compile_flow(made)
    assert plan.condition_count == 6
    assert [step.first_condition for step in plan.steps] == [0, 0, 3]
    numbers = [number for feed in plan.feeds.values() for _, number, _ in feed.conditions]
    assert sorted(numbers) == [0, 1, 2, 3, 4, 5]
    (seeded,) = (feed for origin, feed in plan.feeds.items() if origin == "seed")
    assert {number: source.names for _, number, source in seeded.conditions} == {
        1: frozenset("b"),
        2: frozenset(["flag"]),
        4: frozenset("b"),
        5: frozenset(["flag"]),
    }


def test_steps_are_told_apart_by_their_stage_and_what_starts_them() -> None:
    check = operation("check", validator=True)._replace(inputs={"a": A})
    plan = compile_flow(
        DataFlow(
            operation("out", "a", stage=Stage.OUTPUT),
            operation("clean", "a", stage=Stage.CLEANUP),
            operation("start", "", "a"),
            operation("take", "a", "b", expand=["b"]),
            operation("clean_start", stage=Stage.CLEANUP),
            check,
        )
    )
    assert [step.name for step in plan.output] == ["out"]
    assert [step.name for step in plan.cleanup] == ["clean", "clean_start"]
    assert [step.name for step in plan.starting] == ["start"]
    assert {name: step.name for name, step in plan.validators.items()} == {"check": "check"}
    assert [step.index for step in plan.steps] == list(range(6))


def test_outputs_say_what_they_are() -> None:
    strict = Definition(name="strict", primitive="string", validate=str.upper)
    listed = Definition(name="listed", primitive="map", spec=Person)
    made = operation("one", "a", "b c", expand=["c"])
    made.outputs.update(strict=strict, listed=listed)
    (step,) = compile_flow(DataFlow(made)).steps
    assert {key: (o.origin, o.expand, o.plain) for key, o in step.outputs.items()} == {
        "b": (("one", "b"), False, True),
        "c": (("one", "c"), True, True),
        "strict": (("one", "strict"), False, False),
        "listed": (("one", "listed"), False, False),
    }
    (bare,) = compile_flow(DataFlow(operation("one", "a", "b", expand=None))).steps
    assert not bare.outputs["b"].expand


@pytest.mark.parametrize("default", [None, 0, "", "d"])
def test_a_default_is_kept_also_if_it_is_false(default: Any) -> None:
    hint = Definition(name="hint", primitive="string", default=default)
    made = operation("one", "a")._replace(inputs={"a": A, "hint": hint})
    (step,) = compile_flow(DataFlow(made)).steps
    assert [parameter.default for parameter in step.parameters] == [(), (default,)]


def test_it_is_known_whether_anything_is_locked() -> None:
    locked = Definition(name="locked", primitive="string", lock=True)
    assert not compile_flow(making("seed")).locks
    made = operation("one")._replace(inputs={"x": locked})
    assert compile_flow(DataFlow(made)).locks
    seeded = making("seed")
    seeded.seed.append(Input(value="x", definition=locked))
    assert compile_flow(seeded).locks
    made = operation("one", "a")._replace(outputs={"x": locked})
    assert compile_flow(DataFlow(made)).locks


def test_an_instance_is_known_by_its_own_name() -> None:
    made = DataFlow(operations={"x": operation("one", "a", "b"), "y": operation("one", "b", "c")})
    plan = compile_flow(made)
    assert [step.name for step in plan.steps] == ["x", "y"]
    assert ("x", "b") in plan.feeds


# What counts.


def made_of(definition: Definition, origin: Any, *parents: Input) -> Input:
    return Input(value="v", definition=definition, origin=origin, parents=list(parents))


def test_a_source_accepts_its_definitions_alone() -> None:
    assert Source("seed", frozenset("ab")).accepts(made_of(A, "seed"), "x")
    assert Source("seed", frozenset("ab")).accepts(made_of(B, "seed"), "x")
    assert not Source("seed", frozenset("ab")).accepts(made_of(C, "seed"), "x")


def test_a_source_follows_the_ancestors_generation_by_generation() -> None:
    root = made_of(A, "seed")
    one, two = made_of(B, ("one", "b"), root), made_of(B, ("two", "b"))
    item = made_of(C, ("take", "c"), one, two)
    origin, names = ("take", "c"), frozenset("c")
    for path, counts in (
        ((), True),
        ((("one", "b"),), True),
        ((("two", "b"),), True),
        ((("one", "b"), "seed"), True),
        ((("two", "b"), "seed"), False),
        (("seed",), False),
        ((("one", "c"),), False),
        ((("one", "b"), "seed", "seed"), False),
    ):
        assert Source(origin, names, path).accepts(item, "x") is counts, path


def test_a_source_whose_ancestors_are_ambiguous_is_an_error() -> None:
    one, again = made_of(B, ("one", "b")), made_of(B, ("one", "b"))
    item = made_of(C, ("take", "c"), one, again)
    with pytest.raises(MultipleAncestorsFoundError) as raised:
        Source(("take", "c"), frozenset("c"), (("one", "b"),)).accepts(item, "where")
    assert "where" in str(raised.value)
