"""What of a dataflow can never start is found, and nothing else."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from dffml import DataFlow, Definition, Stage, op
from dffml.df.types import InputFlow

from chatbot.flowfile.reachability import Need, never_starting
from chatbot.orchestrator.plan import compile_flow
from chatbot.orchestrator.reachability import stuck_in, warn
from tests.integration import contract

A, B, C = (Definition(name=name, primitive="string") for name in "abc")
D = Definition(name="d", primitive="string", default="x")


@op(name="chicken", inputs={"b": B}, outputs={"a": A})
def chicken(b):  # type: ignore[no-untyped-def]
    return {"a": b}


@op(name="egg", inputs={"a": A}, outputs={"b": B})
def egg(a):  # type: ignore[no-untyped-def]
    return {"b": a}


@op(name="cook", inputs={"a": A}, outputs={"c": C})
def cook(a):  # type: ignore[no-untyped-def]
    return {"c": a}


@op(name="lay", inputs={"d": D}, outputs={"a": A})
def lay(d):  # type: ignore[no-untyped-def]
    return {"a": d}


@op(name="sweep", inputs={"a": A}, outputs={}, stage=Stage.CLEANUP)
def sweep(a):  # type: ignore[no-untyped-def]
    return {}


def told(dataflow: DataFlow) -> list[str]:
    return [str(stuck) for stuck in stuck_in(compile_flow(dataflow))]


def test_a_circle_and_what_comes_after_it_never_start() -> None:
    assert told(DataFlow(chicken, egg, cook, sweep)) == [
        "`chicken` can never start: its input `b` waits for itself, round chicken ← egg ← chicken",
        "`egg` can never start: its input `a` waits for itself, round egg ← chicken ← egg",
        "`cook` can never start: its input `a` comes only from `chicken`, which can never start",
        "`sweep` can never start: its input `a` comes only from `chicken`, which can never start",
    ]


def test_a_circle_that_something_starts_is_right() -> None:
    assert told(DataFlow(chicken, egg, lay, cook)) == []
    seeded = DataFlow(chicken, egg, cook)
    seeded.flow["egg"].inputs["a"].append("seed")
    assert told(seeded) == []


def test_an_alternate_definition_from_the_seed_starts_it() -> None:
    dataflow = DataFlow(chicken, egg)
    dataflow.flow["egg"] = InputFlow(inputs={"a": [{"chicken": "a"}, {"seed": ["c"]}]})
    assert told(dataflow) == []


def test_an_origin_that_names_no_operation_never_comes() -> None:
    dataflow = DataFlow(cook)
    dataflow.flow["cook"] = InputFlow(inputs={"a": [{"ghost": "a"}]})
    dataflow.update()
    (line,) = told(dataflow)
    assert line == "`cook` can never start: its input `a`, from `ghost`, comes from nowhere"


def test_an_output_of_a_later_stage_never_comes() -> None:
    @op(name="late", inputs={"d": D}, outputs={"a": A}, stage=Stage.CLEANUP)
    def late(d):  # type: ignore[no-untyped-def]
        return {"a": d}

    assert len(told(DataFlow(late, cook))) == 1


def test_an_operation_of_which_the_flow_says_nothing_never_starts() -> None:
    dataflow = DataFlow(operations={"cook": cook.op}, flow={"cook": InputFlow()})
    assert len(told(dataflow)) == 1


def test_the_first_condition_must_come_and_the_others_need_not() -> None:
    circle = {"chicken": chicken.op, "egg": egg.op}
    for conditions, count in (
        ([{"egg": "b"}], 3),
        (["seed", {"egg": "b"}], 2),
        ([{"egg": "b"}, "seed"], 3),
    ):
        gated = cook.op._replace(inputs={"d": D}, conditions=[B for _ in conditions])
        flow = {name: InputFlow(inputs=given) for name, given in _circle()}
        flow["cook"] = InputFlow(inputs={"d": ["seed"]}, conditions=conditions)
        dataflow = DataFlow(operations={**circle, "cook": gated}, flow=flow)
        assert len(told(dataflow)) == count, conditions


def _circle() -> Iterator[tuple[str, dict[str, list[object]]]]:
    yield "chicken", {"b": [{"egg": "b"}]}
    yield "egg", {"a": [{"chicken": "a"}]}


@pytest.mark.parametrize(
    "dataflow",
    [
        contract.flow(contract.add, get=["sum"]),
        contract.flow(contract.is_big, contract.spell, get=["word"]),
        contract.flow(contract.hinted, get=["word"]),
        contract.flow(contract.start, get=["word"]),
        contract.flow(contract.start_if, get=["word"]),
        contract.flow(contract.broken, contract.clean, get=["word"]),
        contract.alternate_flow(),
        contract.affix_twice(),
    ],
)
def test_nothing_is_said_of_dataflows_that_run(dataflow: DataFlow) -> None:
    assert told(dataflow) == []


def test_it_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    warn(compile_flow(DataFlow(chicken, egg)))
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "`egg` can never start: its input `a` waits" in caplog.text


def test_a_long_chain_is_followed_whatever_its_order() -> None:
    needs = {f"{n}": [Need("x", (f"{n + 1}",))] for n in range(300)}
    assert len(never_starting({**needs, "300": [Need("x", ("300",))]})) == 301
    assert never_starting({**needs, "300": []}) == []
