"""A seed has one name in every process that runs the flow, and no other seed has it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from dffml import DataFlow, Definition, Input

from chatbot.orchestrator.seeds import SeedNames

THING = Definition(name="thing", primitive="generic", lock=True)
OTHER = Definition(name="other", primitive="generic", lock=True)
FREE = Definition(name="free", primitive="generic")


def names(*seeds: tuple[Any, Definition], path: str = "") -> list[str]:
    flow = DataFlow()
    flow.seed += [Input(value=value, definition=definition) for value, definition in seeds]
    found = SeedNames()
    found.learn(flow, path)
    return [found.names[seed.uid] for seed in flow.seed if seed.uid in found.names]


def test_equal_flows_have_equal_names() -> None:
    seeds = [({"b": 1, "a": {2, 1, 3}}, THING), ("x", OTHER)]
    assert names(*seeds) == names(({"a": {3, 2, 1}, "b": 1}, THING), ("x", OTHER))


def test_the_names_are_those_of_another_process() -> None:
    code = (
        "import chatbot; from tests.unit.test_seeds import *;"
        "print(*names(('a', THING), (object(), OTHER)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == names(("a", THING), (object(), OTHER))


def test_what_is_not_the_same_seed_has_another_name() -> None:
    several = [
        *names(("a", THING), ("a", THING), ("b", THING), ("a", OTHER)),
        *names(("a", THING), path="within/"),
    ]
    assert len(set(several)) == 5


def test_a_seed_that_stands_elsewhere_in_the_flow_is_the_same() -> None:
    (only,) = names(("a", THING))
    assert only in names(("b", OTHER), ("x", FREE), ("a", THING))


def test_what_is_not_locked_has_no_name() -> None:
    assert names(("a", FREE)) == []


def test_a_value_that_was_changed_by_its_operation_keeps_its_name() -> None:
    flow = DataFlow()
    flow.seed.append(Input(value=[1], definition=THING))
    found = SeedNames()
    found.learn(flow, "")
    before = dict(found.names)
    flow.seed[0].value.append(2)
    found.learn(flow, "elsewhere/")
    assert found.names == before


def test_equal_seeds_of_a_flow_are_two_and_it_is_said_whether_there_is_any() -> None:
    first, second, third = names(("a", THING), ("a", THING), ("a", THING))
    assert len({first, second, third}) == 3
    flow = DataFlow()
    assert SeedNames().learn(flow, "") is False
    flow.seed.append(Input(value="a", definition=FREE))
    assert SeedNames().learn(flow, "") is False
    flow.seed.append(Input(value="a", definition=THING))
    assert SeedNames().learn(flow, "") is True
