"""The benchmark itself: it measures what it says, and says what it measured."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.benchmarks.table import BEGIN, END
from tests.servers.processes import ROOT, environment

ASKED = {
    "w1": ["≥ 15 ×", "≥ 10 ×", "≥ 25 ×", "", ""],
    "w3": ["≤ 1 ms, ≤ 1.6 ×", "≤ 5 ms"],
    "w4": ["≥ 5 ×", "", "≤ 2.5 ms", "≤ 8 ms"],
}


async def bench(folder: Path, *arguments: str, patience: float = 90.0) -> tuple[int, str]:
    """Run the benchmark; return its exit code and output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.benchmarks",
        *arguments,
        cwd=ROOT,
        env=environment(folder),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(patience):
        out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


async def test_each_figure_stands_beside_what_it_is_compared_with(tmp_path: Path) -> None:
    told, shown = tmp_path / "figures.json", tmp_path / "page.md"
    shown.write_text(f"Before.\n\n{BEGIN}\n| W0: an older table |\n{END}\n\nAfter.\n")
    code, out = await bench(
        tmp_path, "--quick", "--only", "w1,w3,w4", "--json", str(told), "--markdown", str(shown)
    )
    assert code == 0, out
    found = json.loads(told.read_text())
    assert {"cores", "Python", "nats-server", "nats-py", "dffml"} <= set(
        found["machine"].replace(",", "").split()
    )
    figures = found["figures"]
    for section, asked in ASKED.items():
        assert [each["asked"] for each in figures if each["section"] == section] == asked
    for each in figures:
        assert each["measured"] > 0
        assert each["that"] > 0
        assert each["compared_with"]
        assert abs(each["ratio"] - each["measured"] / each["that"]) < 1e-9
        assert each["reached"] in ({True, False} if each["asked"] else {None})
        assert (each["cpu_us"] is not None) == (each["unit"] == "/s")
    page = shown.read_text()
    assert page.startswith(f"Before.\n\n{BEGIN}\n{found['machine']}")
    assert page.endswith(f"|\n{END}\n\nAfter.\n")
    rows = [line for line in page.splitlines() if line.startswith("| W")]
    assert len(rows) == len(figures)
    assert all(each["what"] in row for each, row in zip(figures, rows, strict=True))


async def test_a_part_that_there_is_not_is_refused_with_those_that_there_are(
    tmp_path: Path,
) -> None:
    code, out = await bench(tmp_path, "--only", "w1,w9")
    assert code == 2
    assert "there is no w9; there are w1, w2, w3, w4" in out


@pytest.mark.crash
@pytest.mark.timeout(600)
async def test_a_flow_stands_beside_the_bare_model(tmp_path: Path) -> None:
    told = tmp_path / "figures.json"
    arguments = ("--quick", "--only", "model", "--json", str(told))
    code, out = await bench(tmp_path, *arguments, patience=500.0)
    assert code == 0, out
    figures = json.loads(told.read_text())["figures"]
    asked = ["≥ 0.95 ×", "", "≥ 3.5 ×", "", "", "≤ 3 ms", ""]
    asked += ["≥ 0.95 ×", "", "≥ 8 ×", "", "", "≤ 3 ms", ""]
    assert [each["asked"] for each in figures] == asked
    rates = [each for each in figures if each["unit"] == "/s"]
    assert all(each["measured"] > 0 for each in rates)
    assert all(each["that"] > 0 for each in figures), "each stands beside something"
