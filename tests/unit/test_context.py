"""One context: each permutation called once, each result taken once, an end that comes once."""

from __future__ import annotations

import time
from typing import Any

import pytest
from dffml import DataFlow, Definition, Input, Stage
from dffml.df.base import OperationException
from dffml.df.exceptions import MultipleAncestorsFoundError, ValidatorMissing
from dffml.df.types import Forward, InputFlow

from tests.unit.contexts import FLAG, A, B, C, D, Running, given, operation


def chain() -> DataFlow:
    """`one` makes `b` of `a`, `two` makes `c` of `b`."""
    return DataFlow(operation("one", "a", "b"), operation("two", "b", "c"))


async def test_it_ends_when_nothing_is_outstanding_and_says_so_once() -> None:
    running = Running(chain())
    running.context.start(given(A, "1"))
    assert running.ended == []
    running.complete(0, {"b": "2"})
    assert running.ended == []
    running.complete(1, {"c": "3"})
    assert running.ended == [running.context]
    assert running.context.error is None
    assert running.values == {"a": ["1"], "b": ["2"], "c": ["3"]}
    assert running.abandoned == []


async def test_it_ends_at_once_where_there_is_nothing_to_do() -> None:
    for values in ([], given(C, "nobody takes it")):
        running = Running(chain())
        running.context.start(values)
        assert running.ended == [running.context]
        assert running.calls == []


async def test_a_result_is_taken_once() -> None:
    running = Running(chain())
    running.context.start(given(A, "1", "2"))
    running.complete(0, {"b": "x"})
    running.complete(0, {"b": "again"})
    running.fail(0, ValueError("again"))
    assert running.values["b"] == ["x"]
    assert running.called("two") == [{"b": "x"}]
    assert running.ended == []


async def test_what_comes_after_the_end_is_ignored() -> None:
    running = Running(chain())
    running.context.start(given(A, "1"))
    running.complete(0)
    assert len(running.ended) == 1
    running.complete(0, {"b": "late"})
    running.fail(0, ValueError("late"))
    running.context.add(given(A, "late"))
    assert len(running.ended) == 1
    assert running.context.error is None
    assert running.values == {"a": ["1"]}
    assert len(running.calls) == 1


async def test_a_failure_ends_it_and_gives_up_what_is_outstanding() -> None:
    running = Running(chain())
    running.context.start(given(A, "1", "2", "3"))
    error = ValueError("as asked")
    running.fail(1, error)
    assert running.ended == [running.context]
    assert isinstance(running.context.error, OperationException)
    assert running.context.error.__cause__ is error
    assert "one" in str(running.context.error)
    assert running.abandoned == [running.calls[0], running.calls[2]]
    running.complete(0, {"b": "late"})
    running.fail(2, ValueError("late"))
    assert len(running.ended) == 1
    assert running.context.error.__cause__ is error
    assert "b" not in running.values


async def test_where_it_is_not_strict_a_failure_is_the_end_of_its_call_only() -> None:
    running = Running(chain(), strict=False)
    running.context.start(given(A, "1", "2"))
    running.fail(0, ValueError("as asked"))
    assert running.ended == []
    running.complete(1, {"b": "x"})
    running.fail(2, ValueError("as asked"))
    assert running.ended == [running.context]
    assert running.context.error is None
    assert running.abandoned == []


@pytest.mark.parametrize("strict", [True, False])
async def test_a_wrong_output_is_a_failure_of_its_call(strict: bool) -> None:
    running = Running(chain(), strict=strict)
    running.context.start(given(A, "1"))
    running.complete(0, {"b": "declared", "wrong": "not"})
    assert running.ended == [running.context]
    assert running.called("two") == []
    if strict:
        assert isinstance(running.context.error, OperationException)
        assert isinstance(running.context.error.__cause__, KeyError)
    else:
        assert running.context.error is None


async def test_cancelled_it_says_nothing_more() -> None:
    running = Running(chain())
    running.context.start(given(A, "1", "2"))
    done = running.context.completion(running.calls[0].number)
    running.context.cancel()
    assert running.abandoned == running.calls
    assert done.done()
    running.complete(0, {"b": "late"})
    running.fail(1, ValueError("late"))
    running.context.add(given(A, "late"))
    assert running.ended == []
    assert running.values == {"a": ["1", "2"]}
    assert len(running.calls) == 2
    assert running.context.calls == {}, "nothing is outstanding"


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("ends", ["complete", "fail", "another fails"])
async def test_a_call_s_completion_can_be_waited_for(ends: str, strict: bool) -> None:
    running = Running(chain(), strict=strict)
    running.context.start(given(A, "1", "2", "and one that goes on"))
    done = running.context.completion(running.calls[0].number)
    assert not done.done()
    if ends == "complete":
        running.complete(1)
        assert not done.done()
        running.complete(0)
    elif ends == "fail":
        running.fail(0, ValueError())
    else:
        running.fail(1, ValueError())
        if not strict:
            assert not done.done()
            running.complete(0)
    assert done.done()
    await done


# What is called.


async def test_all_values_that_come_together_are_there_before_the_first_call() -> None:
    running = Running(DataFlow(operation("gated", "a b", conditions=[FLAG])))
    running.context.plan.dataflow.flow["gated"].conditions = ["seed"]
    running = Running(running.context.plan.dataflow)
    running.context.start(given(FLAG, True) + given(A, "1") + given(B, "x") + given(FLAG, False))
    assert running.calls == []
    assert len(running.ended) == 1


async def test_inputs_that_were_there_are_not_held_twice() -> None:
    running = Running(chain(), inputs=given(A, "before"))
    running.context.start(given(A, "new"))
    assert running.values == {"a": ["before", "new"]}
    assert running.called("one") == [{"a": "before"}, {"a": "new"}]


async def test_values_added_later_join_those_that_were_there() -> None:
    running = Running(DataFlow(operation("join", "a b"), operation("keep", "c")))
    running.context.start(given(A, "1") + given(C, "busy"))
    assert running.called("join") == []
    running.context.add(given(B, "x"))
    running.context.add(given(A, "2"))
    running.context.add(given(B, "y") + given(A, "3"))
    pairs = [(call["a"], call["b"]) for call in running.called("join")]
    assert len(pairs) == 6
    assert set(pairs) == {(a, b) for a in "123" for b in "xy"}
    assert pairs[:2] == [("1", "x"), ("2", "x")]


async def test_a_call_s_parents_are_the_values_that_it_was_made_of() -> None:
    hint = Definition(name="hint", primitive="string", default="h")
    made = operation("join", "a b", "c")._replace(inputs={"a": A, "hint": hint, "b": B})
    running = Running(DataFlow(made))
    values = given(A, "1") + given(B, "x")
    running.context.start(values)
    (call,) = running.calls
    assert call.inputs == {"a": "1", "hint": "h", "b": "x"}
    assert call.parents == values
    call.inputs["a"] = "changed"
    assert call.inputs["a"] == "1", "a new dict each time"
    running.complete(0, {"c": "2"})
    assert list(running.inputs[-1].parents) == values
    assert running.inputs[-1].origin == ("join", "c")
    assert running.inputs[-1].definition is C


def conditional(conditions: list[Any], takes: str = "a") -> DataFlow:
    """`take` needs the conditions; `one` and `two` give flags; `busy` keeps the context open."""
    made = DataFlow(
        operation("one", "b", "flag"),
        operation("two", "c", "flag"),
        operation("busy", "d"),
        operation("take", takes, conditions=[FLAG] * len(conditions)),
    )
    made.flow["take"] = InputFlow(inputs={key: ["seed"] for key in takes.split()})
    made.flow["take"].conditions = conditions
    made.update()
    return made


async def test_a_condition_s_latest_value_counts() -> None:
    running = Running(conditional(["seed"]))
    running.context.start(given(A, "1") + given(D, "busy"))
    assert running.called("take") == []
    running.context.add(given(FLAG, True))
    assert running.called("take") == [{"a": "1"}]
    running.context.add(given(A, "2"))
    running.context.add(given(FLAG, False) + given(A, "3"))
    assert running.called("take") == [{"a": "1"}, {"a": "2"}]
    running.context.add(given(A, "4"))
    running.context.add(given(FLAG, True))
    assert [call["a"] for call in running.called("take")] == ["1", "2", "3", "4"]


async def test_a_missing_condition_blocks_those_after_it_only() -> None:
    running = Running(conditional([{"one": "flag"}, {"two": "flag"}]))
    running.context.start(given(A, "1") + given(B, "b") + given(C, "c"))
    running.complete(1, {"flag": True})  # of `two`
    assert running.called("take") == []
    running.complete(0, {"flag": False})
    assert running.called("take") == [{"a": "1"}]


async def test_what_never_had_its_conditions_is_not_called() -> None:
    running = Running(conditional([{"one": "flag"}], takes=""))
    running.context.start(given(B, "b", "b"))
    running.complete(0, {"flag": False})
    running.complete(1, {"flag": True})
    assert len(running.called("take")) == 1
    running = Running(conditional(["seed"], takes=""))
    running.context.start(given(FLAG, True) + given(D, "busy"))
    running.context.add(given(FLAG, True))
    assert len(running.called("take")) == 1


async def test_processing_alone_is_called() -> None:
    made = DataFlow(
        operation("clean", "a", stage=Stage.CLEANUP),
        operation("out", "a", stage=Stage.OUTPUT),
        operation("clean_all", stage=Stage.CLEANUP),
        operation("start"),
    )
    running = Running(made)
    running.context.start(given(A, "1"))
    assert [call.step.name for call in running.calls] == ["start"]
    plan = running.context.plan
    found = [(s.name, i) for s, i in running.context.parameter_sets(plan.cleanup + plan.output)]
    assert found == [("clean", {"a": "1"}), ("clean_all", {}), ("out", {"a": "1"})]
    assert list(running.context.parameter_sets(plan.cleanup + plan.output)) == []


# Validators.

CHECKED = Definition(name="checked", primitive="string", validate="check")


def checking() -> DataFlow:
    check = operation("check", validator=True)._replace(
        inputs={"value": CHECKED}, outputs={"good": CHECKED}
    )
    take = operation("take")._replace(inputs={"value": CHECKED})
    return DataFlow(check, take, operation("one", "a"))


async def test_an_unchecked_value_goes_to_its_validator_alone() -> None:
    running = Running(checking())
    (unchecked,) = given(CHECKED, "raw")
    running.context.start([unchecked])
    assert [(call.step.name, call.inputs) for call in running.calls] == [
        ("check", {"value": "raw"})
    ]
    assert running.inputs == []
    running.complete(0, {"good": "fine"})
    assert running.called("take") == [{"value": "fine"}]
    assert running.called("check") == [{"value": "raw"}]
    assert list(running.inputs[0].parents) == [unchecked]


async def test_a_valid_value_is_not_given_to_the_validator() -> None:
    made = checking()
    made.flow["take"].inputs["value"] = ["seed"]
    made.update()
    (valid,) = given(CHECKED, "valid")
    valid.validated = True
    running = Running(made)
    running.context.start([valid])
    assert [call.step.name for call in running.calls] == ["take"]


async def test_a_missing_validator_ends_it() -> None:
    running = Running(chain())
    running.context.start(given(A, "1") + given(CHECKED, "raw"))
    assert running.ended == [running.context]
    assert isinstance(running.context.error, ValidatorMissing)
    assert "check" in str(running.context.error)
    assert running.calls == running.abandoned


@pytest.mark.parametrize("strict", [True, False])
async def test_an_ambiguous_ancestry_ends_it(strict: bool) -> None:
    made = DataFlow(operation("join", "a b", "c"), operation("take", "c"))
    made.flow["take"].inputs["c"] = [[{"join": "c"}, "seed"]]
    made.update()
    running = Running(made, strict=strict)
    running.context.start(given(A, "1") + given(B, "2", "3"))
    running.complete(0, {"c": "4"})
    assert running.ended == [running.context]
    assert isinstance(running.context.error, MultipleAncestorsFoundError)
    assert running.abandoned[-1] is running.calls[1]


# Forwarding.


class Parent:
    """Takes what is forwarded."""

    def __init__(self) -> None:
        self.forwarded: list[list[Input]] = []

    def forward(self, values: list[Input]) -> None:
        self.forwarded.append(list(values))


async def test_values_are_offered_for_forwarding_where_the_flow_forwards() -> None:
    made = chain()
    parent = Parent()
    running = Running(made, octx=parent)
    running.context.start(given(A, "1"))
    assert parent.forwarded == []
    made.forward = Forward()
    made.forward.add("one", [B])
    running = Running(made, octx=parent)
    running.context.start(given(A, "1"))
    running.complete(0, {"b": "2"})
    assert [[item.value for item in each] for each in parent.forwarded] == [["1"], ["2"]]


# What it costs.


async def test_ten_thousand_inputs_cost_the_same_at_the_end_as_at_the_start() -> None:
    made = DataFlow(operation("join", "a b"), operation("one", "a", "c"), operation("two", "c"))
    running = Running(made)
    running.context.start(given(B, "x") + given(A, "0"))
    inputs = given(A, *map(str, range(10_000)))
    seconds: list[float] = []
    for start in range(0, 10_000, 1000):
        before = time.process_time()
        for item in inputs[start : start + 1000]:
            running.context.add([item])
        seconds.append(time.process_time() - before)
    assert len(running.calls) == 2 * 10_001
    first, last = min(seconds[:3]), min(seconds[-3:])
    assert last < 3 * first, seconds
