"""What a stranger sends takes no more than its place: what is remembered of it has an end."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from chatbot.broker.subjects import Lane
from chatbot.flowfile.document import LONGEST, MOST, parse
from chatbot.flowfile.problems import Mark, Report
from chatbot.messages import Call, ChatMessage, DeadLetter, Result
from chatbot.nodes import roster
from chatbot.nodes.results import result_of
from chatbot.orchestrator.burial import dead_letter
from tests.unit.flowfiles import problems_of, write


def test_the_roster_forgets_those_that_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roster, "EXPIRY", -1.0)
    seen = roster.Roster(lambda _: None)
    for number in range(100):
        seen._change(f"node.{number}", b"garbage")
    assert len(seen._seen) <= 1


@pytest.mark.parametrize("text", ["\ud800", "x" * 10_000_000])
def test_what_an_operation_raises_can_always_be_sent(text: str) -> None:
    result = result_of(Call(1, 2, {}), ValueError(text))
    assert len(result.encode()) < 50_000
    assert Result.decode(result.encode()).error is not None


def test_a_dead_letter_can_always_be_written() -> None:
    said = ChatMessage("id", "net", "#r", "anna", "hi", datetime(2026, 1, 1, tzinfo=UTC))
    for text in ("\ud800" * 9, "x" * 10_000_000):
        letter = dead_letter("flow", Lane.PEOPLE, said, ValueError(text)).encode()
        assert len(letter) < 50_000
        assert DeadLetter.decode(letter).message == said


def test_a_subflow_that_names_the_next_one_twice_is_not_read_for_ever(tmp_path: Path) -> None:
    inner = "version: 1\ninputs: {text: string}\noutputs: {text: a.text}\noperations:\n"
    twice = "  %s: {flow: f%d.yaml, inputs: {text: text}}\n"
    files = {f"f{n}": inner + "".join(twice % (name, n + 1) for name in "ab") for n in range(1, 30)}
    outer = "version: 1\noperations: {a: {flow: f1.yaml, inputs: {text: message.text}}}\n"
    found = [str(each) for each in problems_of(write(tmp_path, f0=outer, **files))]
    assert any("subflows" in each for each in found), found


def test_a_file_that_is_no_flow_for_its_size_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "long.yaml"
    with path.open("wb") as file:
        file.truncate(LONGEST + 1)
    assert [f"over {LONGEST >> 20} MiB" in str(each) for each in problems_of(path)] == [True]


def test_aliases_are_counted_as_often_as_they_stand() -> None:
    report = Report()
    rows = ["- &a0 [x, x]"] + [f"- &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 30)]
    assert parse("\n".join(rows), Mark("f"), report) is None
    assert [f"over {MOST} values" in str(each) for each in report.problems()] == [True]
