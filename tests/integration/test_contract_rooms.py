"""Operations that are configured otherwise in some rooms, over both orchestrators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chatbot.flowfile.load import load
from tests.integration.orchestrators import MEMORY, NODES, PRIMARY, Kind, over
from tests.integration.test_contract_flowfiles import outcome
from tests.unit.flowfiles import installed, problems_of, write

__all__ = ["installed"]

FLOW = """\
version: 1
listeners:
  venue:
    kind: sample_chat
    server: example.org
    rooms:
      "#dev":
        operations:
          answer: {config: {answers: {greeting: hi developer}}}
          understand: {operations: {label: {config: {words: {yo: greeting}}}}}
          bye: {config: {text: "Bye from {{ message.room }}"}}
      "#d*": {operations: {answer: {config: {answers: {greeting: hi pattern}}}}}
      private: {operations: {answer: {config: {notice: true}}}}
operations:
  understand: {flow: inner.yaml, inputs: {text: message.text}}
  answer:
    run: sample_answer
    when: understand.sure
    inputs: {label: understand.label, sender: message.sender}
    config: {answers: {greeting: hi all}}
  bye: {reply: Bye, when: "{{ message.text == 'bye' }}"}
outputs: {label: understand.label}
"""
INNER = """\
version: 1
inputs: {text: string}
operations:
  label: {run: sample_label, inputs: {text: text}, config: {words: {hi: greeting}}}
outputs: {label: label.label, sure: label.sure}
"""


SAID = [
    ("#x", "hi", False, [("anna: hi all", False)]),
    ("#DEV", "hi", False, [("anna: hi developer", False)]),
    ("#dev", "yo", False, [("anna: hi developer", False)]),
    ("#x", "yo", False, []),
    ("#desk", "hi", False, [("anna: hi pattern", False)]),
    ("anna", "hi", True, [("anna: hi all", True)]),
    ("#dev", "bye", False, [("Bye from #dev", False)]),
    ("#x", "bye", False, [("Bye", False)]),
]


@over(MEMORY, PRIMARY)
@pytest.mark.parametrize(("room", "text", "private", "said"), SAID)
async def test_a_room_has_its_own(
    kind: Kind, tmp_path: Path, room: str, text: str, private: bool, said: list[Any]
) -> None:
    await check(kind, tmp_path, room, text, private, said)


@over(NODES)
async def test_a_room_has_its_own_on_nodes(kind: Kind, tmp_path: Path) -> None:
    await check(kind, tmp_path, *SAID[2])


async def check(
    kind: Kind, folder: Path, room: str, text: str, private: bool, said: list[Any]
) -> None:
    fields = {"room": room, "text": text, "private": private, "network": "venue"}
    given = {f"message__{name}": value for name, value in fields.items()}
    found = await outcome(kind, write(folder, flow=FLOW, inner=INNER), **given)
    assert [(each["text"], each["notice"]) for each in found["replies"]] == said
    label = "greeting" if text in ("hi", "yo") and said else ""
    assert found["understood"]["label"] == label


def test_without_rooms_that_differ_nothing_is_added(tmp_path: Path) -> None:
    text = FLOW[: FLOW.index("    rooms:")] + FLOW[FLOW.index("operations:\n  understand") :]
    flow = load(write(tmp_path, flow=text, inner=INNER))
    assert set(flow.instances) == {"understand", "understand/label", "answer", "bye", "bye~1"}


# What stands before `^` in the text is where the problem must be.
WRONG = [
    ("operations: {^anser: {config: {notice: true}}}", "there is no operation `anser`"),
    ("operations: {answer: {^confg: {}}}", "`answer` has no key `confg`"),
    ("operations: {answer: {config: {^notic: true}}}", "no key `notic`"),
    ("operations: {answer: {^operations: {}}}", "`answer` is not a subflow"),
    ("operations: {understand: {^config: {}}}", "`understand` is a subflow"),
    ("operations: {understand: {operations: {lable: {config: {^threshold: 1}}}}}", "lable"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_is_wrong_is_told_at_its_place(tmp_path: Path, text: str, message: str) -> None:
    start, end = FLOW.index('      "#dev":'), FLOW.index("operations:\n  understand")
    whole = f'{FLOW[:start]}      "#dev": {{{text}}}\n{FLOW[end:]}'
    before = whole[: whole.index("^")]
    path = write(tmp_path, flow=whole.replace("^", "", 1), inner=INNER)
    place = before.count("\n") + 1, len(before) - before.rfind("\n")
    found = problems_of(path)
    assert [p for p in found if message in p.message and (p.line, p.column) == place], found


ALONE = """\
version: 1
listeners:
  venue:
    kind: sample_chat
    server: example.org
    rooms: {"#dev": {operations: {now: {config: {}}}}}
operations:
  now: {run: now.py:now, when: message.addressed}
"""
NOW = """\
from chatbot import Reply, operation

@operation(cheap=True)
def now(text: str = "noon") -> Reply:
    return Reply(text)
"""


@over(MEMORY, PRIMARY)
@pytest.mark.parametrize("room", ["#dev", "#x"])
@pytest.mark.parametrize(("addressed", "said"), [(True, ["noon"]), (False, [])])
async def test_a_condition_holds_in_each_room_for_what_takes_nothing(
    kind: Kind, tmp_path: Path, room: str, addressed: bool, said: list[str]
) -> None:
    (tmp_path / "now.py").write_text(NOW)
    fields = {"room": room, "addressed": addressed, "network": "venue", "private": False}
    given = {f"message__{name}": value for name, value in fields.items()}
    found = await outcome(kind, write(tmp_path, flow=ALONE), **given)
    assert [each["text"] for each in found["replies"]] == said
