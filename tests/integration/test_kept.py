"""What a flow keeps changes once for each message, whoever died while it was changed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chatbot.broker import Broker, streams
from chatbot.broker.memory import Memory, forget
from chatbot.broker.subjects import Lane
from chatbot.flowfile.load import load
from chatbot.kept import Kept, changed
from chatbot.messages import Change, ChatMessage, Outcome
from chatbot.orchestrator.keeping import Keeping
from chatbot.orchestrator.outbox import Outbox
from tests.integration.test_intake import hear, message, outcomes, taking
from tests.servers.crashing import FLOW, PLATFORM, Site, killed_itself
from tests.servers.processes import until

COUNT = """\
version: 1
name: test
order: any
state:
  mine: {start: 0, type: integer}
  all: {per: flow, start: 0}
  last: {per: room, keep: 1h}
operations:
  count: {set: {mine: {add: 1}, all: {add: 1}, last: message.text}}
  say: {reply: "{{ state.mine }} {{ state.all }} {{ state.last }}"}
"""


def by(person: str, text: str, **others: Any) -> ChatMessage:
    return msgspec.structs.replace(message(text), sender=person, **others)


def texts(found: Iterable[Outcome]) -> list[str]:
    return sorted(reply.text for each in found for reply in each.replies)


def flow(folder: Path, text: str = COUNT) -> Path:
    path = folder / "test.yaml"
    path.write_text(text)
    return path


async def kept(broker: Broker, path: Path, reader: ChatMessage) -> dict[str, Any]:
    memory = await Memory.open(broker, "test")
    return await memory.values(load(path).state, reader)


async def test_what_is_kept_is_a_persons_a_rooms_or_the_flows(
    broker: Broker, tmp_path: Path
) -> None:
    path = flow(tmp_path)
    async with taking(broker, path):
        for number, person in enumerate(["anna", "anna", "otto"], 1):
            await hear(broker, by(person, f"m{number}"))
            found = await outcomes(broker, number)
    assert texts(found.values()) == ["0 0", "0 2 m2", "1 1 m1"]
    assert await kept(broker, path, by("anna", "?")) == {"mine": 2, "all": 3, "last": "m3"}
    assert await kept(broker, path, by("eva", "?", room="#b")) == {
        "mine": 0,
        "all": 3,
        "last": None,
    }


async def test_messages_at_once_are_all_counted(broker: Broker, tmp_path: Path) -> None:
    path = flow(tmp_path)
    async with taking(broker, path), taking(broker, path):
        await hear(broker, *(by("anna", f"m{number}") for number in range(40)))
        await outcomes(broker, 40)
        await until_kept(broker, path, {"mine": 40, "all": 40})


async def until_kept(broker: Broker, path: Path, wanted: dict[str, Any]) -> None:
    async with asyncio.timeout(10):
        while not wanted.items() <= (await kept(broker, path, by("anna", "?"))).items():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("applied", [False, True], ids=["not yet changed", "changed already"])
async def test_what_a_dead_primary_decided_is_done_once_and_not_what_we_would_have(
    broker: Broker, tmp_path: Path, applied: bool
) -> None:
    path = flow(tmp_path)
    checked = load(path)
    await streams.ensure(broker, streams.flow_streams("test"))
    asked = by("anna", "hi")
    keeping = await Keeping.open(broker, "test", checked.dataflow, checked.state)
    theirs = keeping.signed(asked, decided(asked, {"name": "mine", "how": "add", "value": 100}))
    assert await Outbox(broker, "test").publish(theirs, Lane.PEOPLE)
    if applied:
        await keeping.keep(asked, theirs)
    async with taking(broker, path) as intake:
        await hear(broker, asked)
        await until(lambda: intake.record().done == 1)
    assert await kept(broker, path, by("anna", "?")) == {"mine": 100, "all": 0, "last": None}


def decided(asked: ChatMessage, *changes: dict[str, Any]) -> Outcome:
    from chatbot.orchestrator.decision import outcome_of

    return outcome_of(asked, {"changes": changes})


async def test_who_comes_after_a_message_finds_what_it_changed(
    broker: Broker, tmp_path: Path
) -> None:
    path = flow(tmp_path)
    checked = load(path)
    await streams.ensure(broker, streams.flow_streams("test"))
    keeping = await Keeping.open(broker, "test", checked.dataflow, checked.state)
    first = by("anna", "first")
    theirs = keeping.signed(first, decided(first, {"name": "mine", "how": "add", "value": 1}))
    assert await Outbox(broker, "test").publish(theirs, Lane.PEOPLE)
    async with taking(broker, path):
        await hear(broker, by("anna", "second", after=first.id))
        found = await outcomes(broker, 2)
    assert texts(found.values()) == ["1 0"]


async def test_a_message_that_fails_changes_nothing(broker: Broker, tmp_path: Path) -> None:
    text = COUNT + "  fail: {reply: '{{ 1 / (message.text | int) }}'}\n"
    path = flow(tmp_path, text)
    async with taking(broker, path):
        await hear(broker, by("anna", "0"))
        found = await outcomes(broker, 1)
        assert next(iter(found.values())).error
    assert await kept(broker, path, by("anna", "?")) == {"mine": 0, "all": 0, "last": None}


async def test_what_is_too_old_is_as_at_the_start(broker: Broker) -> None:
    memory = await Memory.open(broker, "test")
    value = Kept("mine", start=7, keep=1e-9)
    asked = by("anna", "hi")
    key = memory.key(value, asked)
    change = decided(asked, {"name": "mine", "how": "add", "value": 1, "key": key, "start": 7})
    await memory.change(asked, change.changes)
    assert await memory.values([value], asked) == {"mine": 7}
    again = by("anna", "again")
    lasting = msgspec.structs.replace(change.changes[0], keep=60.0)
    await memory.change(again, [lasting])
    assert await memory.values([value], asked) == {"mine": 8}


HOSTILE = [
    {"key": "kept.a.b"},
    {"key": "mute.x.y.z"},
    {"how": "add", "value": "much"},
    {"how": "append", "most": -5},
    {"keep": float("inf")},
    {"keep": float("nan")},
    {"keep": -1e300},
    {"how": "multiply"},
    {"how": "remove", "value": [[], {"id": []}, None]},
]


@pytest.mark.parametrize("change", HOSTILE, ids=str)
async def test_what_a_stranger_put_into_an_outcome_stops_nobody(
    broker: Broker, change: dict[str, Any]
) -> None:
    memory = await Memory.open(broker, "test")
    asked, value = by("anna", "hi"), Kept("mine", start=1)
    given = {"name": "mine", "how": "set", "value": 5, "key": memory.key(value, asked), **change}
    await memory.change(asked, decided(asked, given).changes)
    assert "mine" in await memory.values([value], asked)


async def test_who_is_forgotten_has_nothing_kept(broker: Broker, tmp_path: Path) -> None:
    path = flow(tmp_path)
    async with taking(broker, path):
        await hear(broker, by("anna", "a"), by("otto", "b"))
        await outcomes(broker, 2)
        await until_kept(broker, path, {"all": 2})
    assert await forget(broker, lambda network, person: person == "anna") == 1
    assert (await kept(broker, path, by("anna", "?")))["mine"] == 0
    assert (await kept(broker, path, by("otto", "?")))["mine"] == 1


LISTED = """\
version: 1
name: test
order: any
state: {all: {per: room, type: list, start: []}}
operations:
  one: {run: expression, inputs: {name: message.sender, id: message.text},
    config: {text: "{{ {'person': name, 'id': id} }}"}}
  keep: {set: {all: {append: one.value}}}
"""


async def test_items_that_say_whose_they_are_are_forgotten_too(
    broker: Broker, tmp_path: Path
) -> None:
    path = flow(tmp_path, LISTED)
    async with taking(broker, path):
        for number, person in enumerate(["anna", "otto", "anna"], 1):
            await hear(broker, by(person, f"m{number}"))
            await outcomes(broker, number)
    assert await forget(broker, lambda network, person: person == "anna") == 2
    assert (await kept(broker, path, by("eva", "?")))["all"] == [{"person": "otto", "id": "m2"}]
    assert await forget(broker, lambda network, person: person == "anna") == 0


def test_items_are_removed_by_themselves_or_by_their_ids() -> None:
    def left(value: Any, *gone: Any) -> Any:
        return changed(value, [], [Change("x", "remove", [*gone])])

    notes = [{"id": "1", "text": "a"}, {"id": "2"}, "3", 4]
    assert left(notes, "1", "3") == [{"id": "2"}, 4]
    assert left(notes, {"id": "2"}, 5) == [{"id": "1", "text": "a"}, "3", 4]
    assert left(None, "1") == []
    assert changed([1], [], [Change("x", "remove", "nonsense")]) == [1]


CRASH = """\
state: {{count: {{per: flow, start: 0}}}}
operations:
  count: {{set: {{count: {{add: 1}}}}}}
  say: {{reply: "{{{{ message.text }}}}"}}
"""


@pytest.mark.crash
@pytest.mark.parametrize("point", ["sent OUT", "stored OUT", "kept", "before OUT"])
async def test_a_primary_that_is_killed_while_it_counts_counts_nothing_twice(
    nats_server: Any, broker: Broker, tmp_path: Path, point: str
) -> None:
    (tmp_path / "data").mkdir(exist_ok=True)
    site = Site(tmp_path, nats_server, broker, PLATFORM)
    (tmp_path / "data" / "crash.yaml").write_text((PLATFORM + CRASH).format(folder=tmp_path))
    said = [f"m{number}" for number in range(6)]
    async with site.start("whole", point) as doomed:
        site.post(*said)
        await killed_itself(doomed)
    async with site.start("whole"):
        await until(lambda: len(site.said()) == len(said), 25.0)
        await site.settled()
    memory = await Memory.open(broker, FLOW)
    found = await memory.values([Kept("count", per="flow", start=0)], by("anna", "?"))
    assert found == {"count": len(said)}
    assert {text for each in site.said().values() for text in each} == set(said)
