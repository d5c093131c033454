"""`chatbot flow test` on the flows that ship, and through NATS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.servers.nli import nli_model
from tests.servers.processes import ROOT, Program
from tests.unit import test_flow_trial_time
from tests.unit.test_flow_commands import RIGHT

ZERO_SHOT = "zero-shot.test.yaml"
"""Its model is on the hub; here it has one of ours."""

SHIPPED = sorted(p for p in (ROOT / "flows").glob("*.test.yaml") if p.name != ZERO_SHOT)


async def test_a_flow_is_tested_through_nats(program: Program) -> None:
    (program.data / "right.yaml").write_text(RIGHT)
    tests = "tests:\n  - {said: hi, reply: hello}\n  - {said: bye, reply: true}\n"
    (program.data / "right.test.yaml").write_text(tests)
    code, out, err = await program.run("flow", "test", "--json", "--nats", "right.yaml")
    assert code == 1, err
    found = json.loads(out)
    assert [each["status"] for each in found["tests"]] == ["passed", "failed"]
    [coverage] = found["coverage"].values()
    assert coverage["operations"] == {"run": 2, "all": 2, "missing": []}
    assert coverage["conditions"] == {"both": 0, "all": 1, "always": ["answer"], "never": []}


@pytest.mark.crash
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
@pytest.mark.parametrize("how", [[], ["--nats"]], ids=["here", "nats"])
async def test_a_flow_that_ships_passes_its_tests(
    program: Program, path: Path, how: list[str]
) -> None:
    code, out, err = await program.run("flow", "test", str(path), *how)
    assert code == 0, out + err


KINDS = [
    "error report crashes traceback",
    "question how where",
    "praise thanks thank great",
    "talk weather pizza morning",
]
"""Words of the tests, and of what the flow asks, that are about the same."""


@pytest.mark.crash
@pytest.mark.parametrize("how", [[], ["--nats"]], ids=["here", "nats"])
async def test_zero_shot_passes_its_tests_with_a_model_that_is_given(
    program: Program, tmp_path: Path, how: list[str]
) -> None:
    model = nli_model(tmp_path / "nli", KINDS)
    own = (f"model={model}", 'revision=""')
    given = [part for each in own for part in ("--set", f"operations.sort.config.{each}")]
    code, out, err = await program.run("flow", "test", "zero-shot", *given, *how)
    assert code == 0, out + err
    assert "9 passed" in out


@pytest.mark.crash
async def test_what_is_due_and_what_ages_is_the_same_through_nats(program: Program) -> None:
    (program.data / "timed.yaml").write_text(test_flow_trial_time.FLOW)
    (program.data / "timed.test.yaml").write_text(test_flow_trial_time.RIGHT)
    code, out, err = await program.run("flow", "test", "timed.yaml", "--json", "--nats")
    assert code == 0, out + err
    [coverage] = json.loads(out)["coverage"].values()
    assert coverage["operations"]["missing"] == []
    assert coverage["conditions"]["both"] == 1
