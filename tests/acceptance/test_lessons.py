"""The four lessons that ship as flows: right, tested, and each shows what it is there to show."""

from __future__ import annotations

import json
import math
import runpy
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatbot.commands import flow as commands
from chatbot.commands.screen import Screen
from chatbot.commands.trials import Selection, collect, run
from tests.servers.irc import IiClient, Ngircd
from tests.servers.processes import ROOT, Program

FLOWS = ROOT / "flows"
LESSONS = ["calculator", "karma", "factoids", "converter"]
CALCULATOR, CONVERTER, KARMA = (
    runpy.run_path(str(FLOWS / f"{name}.py")) for name in ("calculator", "converter", "karma")
)
TIMES = 20


def calculated(expression: str) -> tuple[str | None, str | None]:
    answer = CALCULATOR["calculate"](expression, CALCULATOR["Rounding"]())
    return answer.result, answer.problem


@pytest.mark.parametrize("name", [*LESSONS, "arithmetic", "convert"])
def test_a_lesson_is_right_without_a_warning(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    commands.check([str(FLOWS / f"{name}.yaml")], [], Screen())
    assert "warning" not in capsys.readouterr().err


@pytest.mark.parametrize("name", LESSONS)
async def test_a_lesson_passes_its_tests_and_they_run_all_of_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    selection = Selection(paths=(str(FLOWS / f"{name}.yaml"),))
    results = await run(selection, collect(selection), Screen(quiet=True), lambda _: None)
    assert [each for each in results.verdicts if not each.is_good] == []
    assert len(results.verdicts) >= 6
    [coverage] = results.coverage.values()
    assert coverage.missing == []


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("2 + 3 * 4", "14"),
        ("-(2 + 3) ** 2", "-25"),
        ("7 // 2 + 7 % 2", "4"),
        ("2 ** 0.5", "1.414213562"),
        ("0.1 + 0.2", "0.3"),
        ("2 ** 1000", f"{2**1000:.10g}"),
        ("1 / 8", "0.125"),
    ],
)
def test_the_calculator_calculates(expression: str, result: str) -> None:
    assert calculated(expression) == (result, None)
    assert math.isclose(float(result), eval(expression), rel_tol=1e-9)


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("9 ** 9 ** 9", "that is too large for me"),
        ("2 ** 1024 * 1.0", "that is too large for me"),
        ("10.0 ** 400", "that is too large for me"),
        ("(2 ** 1000) * (2 ** 1000)", "that is too large for me"),
        ("(-8) ** 0.5", "that is no real number"),
        ("0 ** -1", "nothing can be divided by zero"),
        ("1 % 0", "nothing can be divided by zero"),
        ("((((((((1", "I cannot read that sum"),
        ("2 (3)", "I cannot read that sum"),
        ("1 +", "I cannot read that sum"),
        ("(1, 2)", "I know numbers, brackets and + - * / // % ** only"),
        ("().__class__", "I know numbers, brackets and + - * / // % ** only"),
        ("1+" * 100 + "1", "that is too long for me"),
    ],
)
def test_the_calculator_says_what_it_cannot_and_soon(expression: str, problem: str) -> None:
    assert calculated(expression) == (None, problem)


def test_brackets_as_deep_as_a_sum_may_be_do_no_harm() -> None:
    for deep in ("(" * 99 + "1" + ")" * 99, "-" * 199 + "1", "2**" * 66 + "2"):
        result, problem = calculated(deep)
        assert (result is None) != (problem is None)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.text("0123456789.+-*/%() ^?=", max_size=250), st.booleans())
def test_whatever_is_said_ends_soon_in_a_result_or_a_problem(text: str, addressed: bool) -> None:
    began = time.process_time()
    found = CALCULATOR["find_sum"](text, "bot", addressed)
    result, problem = calculated(found.expression) if found else ("", None)
    assert (result is None) != (problem is None)
    assert time.process_time() - began < 1.0


def test_what_is_long_is_soon_found_to_be_nothing() -> None:
    began = time.process_time()
    for long in (" " * 60_000 + "x", "1 " * 30_000, "a" * 60_000, "1+" * 30_000, "?" * 60_000):
        assert CALCULATOR["find_sum"](long, "bot", True) is None
        assert CONVERTER["find_conversion"](long) is None
        assert KARMA["find_change"](long, "anna") is None
    assert time.process_time() - began < 1.0


@pytest.mark.crash
async def test_the_calculator_answers_in_a_channel(
    program: Program, ngircd: Ngircd, tmp_path: Path
) -> None:
    here = {"server": "127.0.0.1", "port": ngircd.port, "tls": "false"}
    given = [part for k, v in here.items() for part in ("--set", f"listeners.irc.{k}={v}")]
    async with (
        program.start("run", "calculator", *given) as bot,
        IiClient(tmp_path, ngircd.port, "anna") as anna,
    ):
        await bot.wait_for("listens: 127.0.0.1")
        await anna.join("#calculator")
        await anna.wait_for("calculator", room="#calculator")
        anna.say("#calculator", "we are here 24/7")
        anna.say("#calculator", "calculator: what is 2 + 3 * 4?")
        line = await anna.wait_for("= 14", room="#calculator", timeout=30.0)
        assert "<calculator> anna: 2 + 3 * 4 = 14" in line
        assert sum("<calculator>" in each for each in anna.shown("#calculator")) == 1


async def praised(program: Program, *arguments: str) -> int:
    """Have one person praised by twenty lines at once; return the points in the file."""
    said = "otto++\n" * TIMES
    code, out, err = await program.run("run", "karma", *arguments, stdin=said)
    assert (code, out.count("otto has")) == (0, TIMES), err
    found: int = json.loads((program.data / "karma.json").read_text())["otto"]
    return found


@pytest.mark.crash
async def test_the_lock_keeps_every_point_and_without_it_some_are_lost(program: Program) -> None:
    assert await praised(program) == TIMES
    (program.data / "karma.json").unlink()
    assert await praised(program, "--set", "seeds.ledger.lock=false") < TIMES


@pytest.mark.crash
async def test_a_room_has_its_own_facts_and_all_share_what_is_set(program: Program) -> None:
    lines = [{"text": "?docs"}, {"text": "??node"}, {"text": "?nothing"}]
    said = "".join(json.dumps(each) + "\n" for each in lines)
    given = ("--jsonl", "--set", "parameters.site=https://chatbot.example")
    code, out, err = await program.run("run", "factoids", *given, stdin=said)
    assert code == 0, err
    replies = [[r["text"] for r in json.loads(line)["replies"]] for line in out.splitlines()]
    assert replies[0][0].endswith("the documentation is at https://chatbot.example/docs")
    assert replies[1:] == [["node: a process that runs operations"], []]
