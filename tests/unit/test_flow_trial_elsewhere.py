"""Tests of flows about other rooms, due times and the flow's own commands, in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatbot.commands.screen import Screen
from chatbot.commands.trials import Selection, Verdict, collect, run
from chatbot.errors import FlowError

FLOW = """\
version: 1
listeners: {irc: {server: irc.example.org, channels: ["#a"]}}
commands: {flow: [tell]}
schedules: {day: {every: day, in: ["irc/#a"]}}
state: {count: {per: room, start: 0}}
operations:
  talk: {run: expression, config: {text: "{{ not message.command }}"}}
  count: {when: talk.value, set: {count: {add: 1}}}
  due: {reply: "{{ schedule.day.day }}: {{ state.count }}"}
  told:
    when: "{{ message.command == 'tell' }}"
    reply: {room: "#b", text: "{{ message.arguments }}"}
"""


async def verdicts(folder: Path, *tests: str) -> list[Verdict]:
    (folder / "a.yaml").write_text(FLOW)
    text = "\n".join(f"  - {test}" for test in tests)
    (folder / "a.test.yaml").write_text(f'defaults: {{room: "#a"}}\ntests:\n{text}\n')
    options = Selection(paths=[str(folder / "a.yaml")])
    results = await run(options, collect(options), Screen(), lambda _: None)
    return results.verdicts


GOOD = [
    '{said: "!tell all is well", silence: true, elsewhere: {"#b": "all * well"}}',
    "{said: hello, elsewhere: false}",
    "conversation: [{said: hi, silence: true}, {said: ho, silence: true}, "
    '{schedule: day, reply: "Sunday: 2", elsewhere: false}]',
]


async def test_what_is_told_elsewhere_and_when_it_is_due_can_be_asked_for(tmp_path: Path) -> None:
    assert [each.status for each in await verdicts(tmp_path, *GOOD)] == ["passed"] * 3


@pytest.mark.parametrize(
    ("test", "what"),
    [
        ('{said: "!tell x", elsewhere: {"#b": "y"}}', ["in #b"]),
        ('{said: "!tell x", elsewhere: false}', ["in #b"]),
        ('{said: "!tell x", elsewhere: {"#c": "x"}}', ["in #c", "in #b"]),
        ('{said: hello, elsewhere: {"#b": "*"}}', ["in #b"]),
        ('{schedule: day, reply: "Monday: *"}', ["reply"]),
    ],
)
async def test_what_is_not_so_is_a_difference(tmp_path: Path, test: str, what: list[str]) -> None:
    [verdict] = await verdicts(tmp_path, test)
    assert [each.what for each in verdict.differences] == what


@pytest.mark.parametrize(
    ("test", "wrong"),
    [
        ("{schedule: dai, silence: true}", "the flow has no schedule `dai`"),
        ('{said: x, elsewhere: "#b"}', "`elsewhere`"),
        ("{silence: true}", "a test must have something `said`"),
    ],
)
async def test_what_cannot_be_is_refused_with_its_line(
    tmp_path: Path, test: str, wrong: str
) -> None:
    with pytest.raises(FlowError) as caught:
        await verdicts(tmp_path, test)
    [problem] = caught.value.problems
    assert wrong in problem.message
    assert problem.line == 3
