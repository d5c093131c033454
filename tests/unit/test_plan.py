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

from chatbot.orchestrator.plan import NOWHERE, Plan, Source, compile_flow, permutations
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


class Long(list[int]):
    """A slot's items; says how many of them were copied."""

    copied = 0

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        if isinstance(place, slice):
            self.copied += len(found)
        return found


def test_one_more_item_does_not_cost_those_before_it() -> None:
    held = Long(range(10_000))
    marks = [10_000, 1]
    held.append(7)
    assert list(permutations([held, ["seed"]], marks, [(), ()], False)) == [(7, "seed")]
    assert held.copied == 1


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
    assert plan.slot_count == 4
    assert [step.first_slot for step in plan.steps] == [0, 2]
    assert slots_of(plan, "seed", "a") == [("one", 0), ("two", 3)]
    assert slots_of(plan, "seed", "b") == [("one", 1)]
    assert slots_of(plan, "seed", "c") == []
    assert slots_of(plan, ("one", "c"), "c") == [("two", 2)]
    assert slots_of(plan, ("one", "flag"), "flag") == []
    assert plan.condition_count == 2
    assert states_of(plan, ("one", "flag"), "flag") == [("two", 0, True)]
    assert states_of(plan, "seed", "a") == [("two", 1, False)]
    assert states_of(plan, ("one", "c"), "c") == []
    assert plan.targets("elsewhere", "a") is NOWHERE


def slots_of(plan: Plan, origin: Any, name: str) -> list[tuple[str, int]]:
    return [(step.name, number) for step, number, _ in plan.targets(origin, name).slots]


def states_of(plan: Plan, origin: Any, name: str) -> list[tuple[str, int, bool]]:
    found = plan.targets(origin, name).conditions
    return [(step.name, state, counts) for step, state, _, counts in found]


def test_what_may_be_ready_is_touched_also_by_another_definition() -> None:
    made = DataFlow(operation("one", "a b", "c"), operation("two", "c", conditions=[FLAG]))
    plan = compile_flow(made)
    for name in ("a", "b", "something else"):
        assert [step.name for step in plan.targets("seed", name).touched] == ["one", "two"]
    assert [step.name for step in plan.targets(("one", "c"), "c").touched] == ["two"]


def test_a_step_of_one_parameter_is_called_with_each_value_by_itself() -> None:
    plan = compile_flow(DataFlow(operation("one", "a", "b"), operation("two", "b", "c")))
    for origin, name, step in (("seed", "a", "one"), (("one", "b"), "b", "two")):
        targets = plan.targets(origin, name)
        assert [each.name for each, _ in targets.direct] == [step]
        assert (targets.slots, targets.touched, targets.conditions) == ((), (), ())
    assert plan.targets("seed", "b").direct == ()
    assert plan.steps[0].outputs["b"].targets is plan.targets(("one", "b"), "b")


@pytest.mark.parametrize("changed", ["condition", "default", "stage", "validator"])
def test_other_steps_of_one_parameter_are_not(changed: str) -> None:
    one = operation("one", "a", "b")
    if changed == "condition":
        one = operation("one", "a", "b", conditions=[FLAG])
    elif changed == "stage":
        one = operation("one", "a", "b", stage=Stage.OUTPUT)
    elif changed == "validator":
        one = operation("one", "a", "b", validator=True)
    else:
        hint = Definition(name="a", primitive="string", default="d")
        one = one._replace(inputs={"a": hint})
    targets = compile_flow(DataFlow(one)).targets("seed", "a")
    assert targets.direct == ()
    assert [number for _, number, _ in targets.slots] == [0]


def test_ancestors_are_looked_at_unless_another_source_takes_the_value_anyway() -> None:
    plan = compile_flow(making([{"one": "c"}, {"two": "c"}]))
    ((_, sources),) = plan.targets(("one", "c"), "c").direct
    assert [source.path for source in sources] == [(("two", "c"),)]
    made = making([{"one": "c"}, {"two": "c"}])
    made.flow["take"].inputs["c"].append({"one": "c"})
    made.update()
    ((_, sources),) = compile_flow(made).targets(("one", "c"), "c").direct
    assert sources == ()


def test_conditions_of_several_steps_have_places_of_their_own() -> None:
    gated = [operation(name, "a", conditions=[FLAG, FLAG]) for name in ("one", "two")]
    made = DataFlow(operation("judge", "b", "flag"), *gated)
    for name in ("one", "two"):
        made.flow[name].conditions = [{"judge": "flag", "seed": ["b"]}, "seed"]
    made.update()
    plan = compile_flow(made)
    assert plan.condition_count == 6
    assert [step.first_condition for step in plan.steps] == [0, 0, 3]
    assert states_of(plan, ("judge", "flag"), "flag") == [("one", 0, True), ("two", 3, True)]
    assert states_of(plan, "seed", "b") == [
        ("one", 1, True),
        ("one", 2, False),
        ("two", 4, True),
        ("two", 5, False),
    ]
    assert [state for _, state, counts in states_of(plan, "seed", "flag") if counts] == [2, 5]


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
