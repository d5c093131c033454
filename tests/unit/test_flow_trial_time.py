"""`chatbot flow test`: what comes at a time, and what was a while ago."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from chatbot.commands import bench
from chatbot.commands.screen import Screen
from chatbot.commands.trials import Selection, collect, run
from chatbot.commands.verdicts import Verdict
from chatbot.errors import FlowError
from tests.unit.flowfiles import write

FLOW = """\
version: 1
name: timed
listeners: {irc: {server: a.example, channels: ['#dev', '#help']}}
schedules:
  digest: {every: weekday at 18:00, zone: Europe/Berlin, in: ["irc/#dev", "irc/#help"]}
state:
  today: {per: room, type: list, start: [], keep: 1d}
  asked: {per: conversation, type: integer, start: 0, keep: 10m}
operations:
  note: {set: {today: {append: message.name}, asked: {add: 1}}}
  again: {when: "{{ state.asked > 0 }}", reply: "{{ message.name }} again, at {{ message.time }}"}
  say:
    reply: "{{ schedule.digest.day }} {{ schedule.digest.time }}: {{ state.today | length }} in {{ message.room }}"
"""  # noqa: E501


async def verdicts(folder: Path, tests: str) -> list[Verdict]:
    write(folder, timed=FLOW)
    (folder / "timed.test.yaml").write_text(tests)
    chosen = Selection(paths=[str(folder / "timed.yaml")])
    return (await run(chosen, collect(chosen), Screen(quiet=True), lambda _: None)).verdicts


def refused(folder: Path, tests: str) -> list[str]:
    write(folder, timed=FLOW)
    (folder / "timed.test.yaml").write_text(tests)
    with pytest.raises(FlowError) as caught:
        collect(Selection(paths=[str(folder / "timed.yaml")]))
    return [str(each).rpartition("/")[2] for each in caught.value.problems]


RIGHT = """\
tests:
  - {schedule: digest, reply: "Monday 18:00: 0 in #test"}
  - {schedule: digest, room: "#help", at: 2026-07-01 16:00, reply: "Wednesday 18:00: 0 in #help"}
  - name: a day with two who say something
    conversation:
      - {said: hi, at: 2026-01-05 12:00, silence: true}
      - {said: ho, by: otto, silence: true}
      - {schedule: digest, reply: "Monday 18:00: 2 in #test"}
      - {schedule: digest, reply: "Tuesday 18:00: 0 in #test"}
  - name: a conversation is over after ten minutes
    conversation:
      - {said: hi, silence: true}
      - {said: hi, after: 5m, reply: "anna again, at 2000-01-01 00:05:00+00:00"}
      - {said: hi, after: 11m, silence: true}
      - {said: hi, at: "2026-01-31T18:00:00+01:00", silence: true}
      - {said: hi, reply: "anna again, at 2026-01-31 17:00:01+00:00"}
"""


async def test_what_is_due_and_what_ages(tmp_path: Path) -> None:
    found = await verdicts(tmp_path, RIGHT)
    assert [(each.trial.name, each.differences) for each in found if not each.is_good] == []
    assert len(found) == 4


async def test_what_does_not_come_is_told(tmp_path: Path) -> None:
    [verdict] = await verdicts(tmp_path, 'tests: [{schedule: digest, reply: "M*: 1 in #test"}]\n')
    assert (verdict.trial.name, verdict.status) == ("digest", "failed")


@pytest.mark.parametrize(
    ("test", "place", "message"),
    [
        ("{schedule: digets, reply: true}", "1:20", "no schedule `digets` (did you mean digest?)"),
        ("{schedule: digest, said: hi, reply: x}", "1:28", "`said` does not go with `schedule`"),
        ("{schedule: digest, by: anna, reply: x}", "1:28", "`by` does not go with `schedule`"),
        ("{schedule: 5, reply: x}", "1:20", "`schedule` must be a text"),
        ("{said: hi, after: soon, reply: x}", "1:27", "`after`"),
        ("{said: hi, after: 5, reply: x}", "1:27", "`after`"),
        ("{said: hi, at: monday, reply: x}", "1:24", "`at` must be a date and a time (such as"),
        ("{said: hi, at: 12, reply: x}", "1:24", "`at` must be a date and a time"),
        (
            "{conversation: [{said: a, at: 2026-01-02, reply: x}, {said: b, at: 2026-01-01, reply: x}]}",  # noqa: E501
            "1:76",
            "`at` is not after the message before (time goes on)",
        ),
    ],
)
def test_a_time_that_is_none_is_refused(
    tmp_path: Path, test: str, place: str, message: str
) -> None:
    told = refused(tmp_path, f"tests: [{test}]\n")
    assert any(line.startswith(f"timed.test.yaml:{place}: ") and message in line for line in told)


ROUND = """\
version: 1
operations:
  more:
    run: expression
    inputs: {value: [message.text, more.value]}
    config: {text: "{{ value }}+"}
  say: {when: "{{ more.value == 'x' }}", reply: hi}
"""


async def test_a_message_that_goes_round_for_ever_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "LIMIT", 0.3)
    write(tmp_path, round=ROUND)
    (tmp_path / "round.test.yaml").write_text("tests:\n  - {said: a, silence: true}\n")
    chosen = Selection(paths=[str(tmp_path / "round.yaml")])
    async with asyncio.timeout(20):
        found = await run(chosen, collect(chosen), Screen(quiet=True), lambda _: None)
    [each] = found.verdicts[0].differences
    assert each.found == "it failed: it went on for 0.3 s: does it go round a circle?"
