"""`action` in a flow: what it gives, and what of it is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chatbot.flowfile import keys
from chatbot.flowfile.load import load
from operations.act import KINDS
from tests.unit.flowfiles import installed, problems_of, run, write

__all__ = ["installed"]

TOP = "version: 1\noperations:\n"
NETS = "version: 1\nlisteners:\n  n: {kind: sample_chat, server: x, rooms: {'#strict': "

WRONG = [
    ("  a: {action: ^redact}", "there is no action `redact`", "did you mean delete?"),
    ("  a: {action: {kind: ^kik}}", "there is no action `kik`", "did you mean kick?"),
    ("  a: {action: ^issue}", "there is no action `issue`", "`run: open_github_issue`"),
    ("  a: {action: ^dance}", "there is no action `dance`", "there are react, delete"),
    ("  a: {action: ^react}", "a reaction needs an emoji", 'text: "👍"'),
    ("  a: {action: ^[kick]}", "`action` must be a text, not a list", ""),
    ("  a: {action: ^{to: x}}", "an action needs a `kind`", "{kind: kick}"),
    ("  a: {action: {kind: kick, time: ^10m}}", "`kick` has no time", "mute and ban"),
    ("  a: {action: {kind: mute, time: ^ten}}", "'ten' is no duration", "10m"),
    ("  a: {action: {kind: mute, ^tme: 10m}}", "no key `tme`", "did you mean time?"),
    ("  a: {action: {kind: ban, text: '{{ ^message.nme }}'}}", "no field `nme`", "name?"),
    ("  a: {^action: kick, reply: hi}", "does not go with `reply`", "entry of its own"),
    ("  a: {^acton: kick}", "no key `acton`", "did you mean action?"),
]


@pytest.mark.parametrize(("text", "message", "hint"), WRONG)
def test_what_is_wrong_is_told_once_and_at_its_place(
    tmp_path: Path, text: str, message: str, hint: str
) -> None:
    [found] = problems_of(write(tmp_path, flow=TOP + text.replace("^", "", 1)))
    assert message in found.message
    assert hint in found.hint
    assert (found.line, found.column) == (3, text.index("^") + 1)


@pytest.mark.parametrize(
    ("action", "done"),
    [
        ("delete", {"kind": "delete"}),
        ("{kind: react, text: 👍}", {"kind": "react", "text": "👍"}),
        (
            '{kind: mute, to: "{{ message.sender }}", time: 10m, text: "{{ message.text }}"}',
            {"kind": "mute", "to": "anna", "seconds": 600.0, "text": "AAA"},
        ),
        ('{kind: delete, to: "{{ message.reply_to }}"}', None),
        ('{kind: delete, room: "{{ message.reply_to }}"}', None),
        ('{kind: kick, room: "#ops"}', {"kind": "kick", "room": "#ops"}),
    ],
)
async def test_an_action_is_what_its_templates_say(
    tmp_path: Path, action: str, done: dict[str, Any] | None
) -> None:
    flow = load(write(tmp_path, flow=f"{TOP}  a: {{action: {action}}}\n"))
    results = await run(flow.dataflow, text="AAA", reply_to="")
    assert results["actions"] == ([done] if done else [])


async def test_a_room_has_an_action_of_its_own(tmp_path: Path) -> None:
    strict = NETS + "{operations: {a: {config: {kind: ban}}}}}}\n"
    flow = load(write(tmp_path, flow=strict + "operations: {a: {action: kick}}\n"))
    for room, kind in (("#strict", "ban"), ("#r", "kick")):
        results = await run(flow.dataflow, room=room)
        assert [each["kind"] for each in results["actions"]] == [kind]


async def test_a_condition_of_an_action_counts(tmp_path: Path) -> None:
    text = "  a: {when: \"{{ message.text == 'x' }}\", action: kick}\n"
    flow = load(write(tmp_path, flow=TOP + text))
    assert not (await run(flow.dataflow, text="y"))["actions"]
    assert (await run(flow.dataflow, text="x"))["actions"]


def test_the_table_of_keys_has_all_kinds() -> None:
    assert keys.SECTIONS["action"].keys["kind"].choices == KINDS
