"""`chatbot flow test` on the flows that ship, and through NATS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.servers.processes import ROOT, Program
from tests.unit.test_flow_commands import RIGHT

SHIPPED = sorted((ROOT / "flows").glob("*.test.yaml"))


async def test_a_flow_is_tested_through_nats(program: Program) -> None:
    (program.data / "right.yaml").write_text(RIGHT)
    tests = "tests:\n  - {said: hi, reply: hello}\n  - {said: bye, reply: true}\n"
    (program.data / "right.test.yaml").write_text(tests)
    code, out, err = await program.run("flow", "test", "right.yaml", "--json", "--nats")
    assert code == 1, err
    found = json.loads(out)
    assert [each["status"] for each in found["tests"]] == ["passed", "failed"]
    assert found["coverage"] == {}


@pytest.mark.crash
@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
@pytest.mark.parametrize("how", [[], ["--nats"]], ids=["here", "nats"])
async def test_a_flow_that_ships_passes_its_tests(
    program: Program, path: Path, how: list[str]
) -> None:
    code, out, err = await program.run("flow", "test", str(path), *how)
    assert code == 0, out + err
