"""Commands, in any room: run by a primary instead of the flow, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chatbot.broker import Broker, EmbeddedServer, connect, subjects
from chatbot.broker.buckets import open_bucket
from chatbot.broker.state import LastHeard, Mute, State, all_mutes, forget, mute_key
from chatbot.flowfile.load import load
from chatbot.messages import ChatMessage, digest
from chatbot.nodes.roster import Roster
from chatbot.orchestrator.intake import Intake
from chatbot.orchestrator.mutes import Mutes
from chatbot.orchestrator.primary import primary
from chatbot.policy import Policy, Rules, Terms
from tests.integration.test_hostile import GARBAGE
from tests.integration.test_intake import dead_letters
from tests.servers.processes import until
from tests.servers.rooms import FLOW, NETWORK, Room

FLOW_FILE = """\
version: 1
name: test
operations:
  say: {run: test_dawdle, inputs: {text: message.text}}
  shout: {run: test_shout, on: primary, inputs: {text: message.text}}
outputs: {loud: shout.text}
"""
RULES = Rules((("moderator", ("net/ben",)), ("scribe", ("net/ben",))))
BEN: dict[str, Any] = {"sender": "ben", "account": "ben"}


@asynccontextmanager
async def primaries(
    broker: Broker, folder: Path, count: int = 1, more: str = ""
) -> AsyncIterator[list[Intake]]:
    path = folder / "test.yaml"
    path.write_text(FLOW_FILE + more)
    flow = load(path)
    async with Roster.follow(broker) as roster:
        if count == 1:
            async with primary(broker, flow, roster) as intake:
                yield [intake]
        else:
            async with primary(broker, flow, roster) as one, primary(broker, flow, roster) as two:
                yield [one, two]


async def test_help_says_which_commands_there_are(broker: Broker, tmp_path: Path) -> None:
    async with primaries(broker, tmp_path), Room.open(broker, RULES) as room:
        listed = await room.ask("!help")
        assert listed.startswith("anna: !broken, !help [COMMAND], !mute [TIME], !note TEXT, ")
        assert "missing" not in listed, "it cannot be loaded"
        told = await room.ask("bot: !help mute")
        assert told == (
            "anna: !mute [TIME]: have me say nothing in this room for a time, but for commands, "
            "for who has the role moderator"
        )
        assert await room.ask("!help") == listed
        assert "did you mean mute?" in await room.ask("!help muet")
        private = await room.ask("!help why", private=True, addressed=True, room="anna")
        assert private.startswith("!why: say")


async def test_a_command_that_there_is_not_is_the_flows_unless_it_is_said_to_the_bot(
    broker: Broker, tmp_path: Path
) -> None:
    async with primaries(broker, tmp_path), Room.open(broker) as room:
        assert await room.ask("!sttus 0") == "!sttus 0"
        addressed = await room.ask("bot: !sttus", addressed=True)
        assert addressed == "anna: there is no !sttus: did you mean !status?"
        addressed = await room.ask("bot: !xyzzy", addressed=True)
        assert addressed == "anna: there is no !xyzzy: !help lists what there is"


async def test_why_says_what_was_understood_and_what_became_of_it(
    broker: Broker, tmp_path: Path
) -> None:
    async with primaries(broker, tmp_path) as (intake,), Room.open(broker) as room:
        assert "no message here yet" in await room.ask("!why")
        first = await room.hear("first 0")
        await room.outcome(first)
        told = await room.ask("!why")
        revision = intake.record().revision[:8]
        assert told.startswith("anna: loud FIRST 0; answered at ")
        assert told.endswith(f" UTC by revision {revision}")
        slow = await room.hear("slow 0.5")
        assert (await room.ask("!why")).startswith("anna: loud SLOW 0.5; answered"), "it waits"
        await room.outcome(slow)
        assert "loud FIRST 0" in await room.ask("!why", reply_to=first)
        failed = await room.hear("this is no number")
        assert (await room.outcome(failed)).error
        assert "nothing to show; it failed (" in await room.ask("!why")
        old = await room.hear("old 0", time=datetime.now(UTC) - timedelta(hours=1))
        await room.outcome(old)
        assert "not answered (too old)" in await room.ask("!why")
        assert "know nothing of that" in await room.ask("!why", reply_to="nothing at all")
        bulk = await room.hear("found later 0", old=True)
        await room.outcome(bulk)
        assert "loud FOUND LATER 0; answered" in await room.ask("!why"), "of the other lane, too"


async def test_why_tells_nothing_of_another_room(broker: Broker, tmp_path: Path) -> None:
    async with primaries(broker, tmp_path):
        async with Room.open(broker) as room:
            secret = await room.hear("a secret 0", room="anna", private=True, addressed=True)
            await room.outcome(secret)
            told = await room.ask("!why", reply_to=secret, **BEN)
            assert "know nothing of that" in told
            assert "SECRET" not in told
        async with Room.open(broker) as room:
            asked = await room.ask("!why", room="anna", private=True, id="of another anna")
            assert "no message here yet" in asked, "nothing of it is stored"


async def test_why_knows_what_was_dropped_and_the_last_message_after_a_restart(
    broker: Broker, tmp_path: Path
) -> None:
    policy = Policy(Terms(only_addressed=True, person=None, room=None))
    async with primaries(broker, tmp_path):
        async with Room.open(broker, policy=policy) as room:
            await room.outcome(await room.hear("bot: answered 0", addressed=True))
            await room.hear("to nobody 0")
            assert "I answer here only who speaks to me" in await room.ask("!why")
            await room.outcome(await room.hear("bot: the last 0", addressed=True))
        async with Room.open(broker, policy=policy) as room:
            assert "loud BOT: THE LAST 0" in await room.ask("!why", id="another")


async def test_status_is_a_line(broker: Broker, tmp_path: Path) -> None:
    async with primaries(broker, tmp_path, 2) as (one, _), Room.open(broker, RULES) as room:
        told = await room.ask("!status")
        assert f"flow test {one.record().revision[:8]}, 2 primaries, 0 nodes, nothing waits" in told
        await room.ask("!mute 1h", **BEN)
        assert "silent here until" in await room.ask("!status")


async def test_all_primaries_are_silent_in_a_muted_room(broker: Broker, tmp_path: Path) -> None:
    async with primaries(broker, tmp_path, 2) as both, Room.open(broker, RULES) as room:
        assert "I am silent here until" in await room.ask("!mute 1h", **BEN)
        await until(lambda: all(each.silence.muted for each in both))
        said = await asyncio.gather(*(room.ask(f"hello {n} 0") for n in range(20)))
        assert set(said) == {"muted"}
        assert sum(each.record().skipped for each in both) == 20
        assert await room.ask("hello 0", room="#other") == "hello 0"
        assert "not answered (muted)" in await room.ask("!why"), "commands are answered"
        assert await room.ask("!unmute", **BEN) == "ben: I am back"
        await until(lambda: not any(each.silence.muted for each in both))
        assert await room.ask("hello again 0") == "hello again 0"
        assert await room.ask("!unmute", **BEN) == "ben: I was not silent here"


async def test_what_runs_while_a_room_is_muted_is_not_said(broker: Broker, tmp_path: Path) -> None:
    async with primaries(broker, tmp_path), Room.open(broker, RULES) as room:
        slow = await room.hear("slow 1")
        await room.ask("!mute 1h", **BEN)
        outcome = await room.outcome(slow)
        assert (outcome.replies, outcome.skipped) == ((), "muted")
        assert outcome.understood == {"loud": "SLOW 1"}


async def test_a_mute_holds_for_a_primary_that_comes_later_until_it_is_over(
    broker: Broker, tmp_path: Path
) -> None:
    async with Room.open(broker, RULES) as room:
        async with primaries(broker, tmp_path):
            await room.ask("!mute 2s", **BEN, time=datetime.now(UTC))
        async with primaries(broker, tmp_path) as (intake,):
            assert await room.ask("hello 0") == "muted"
            await until(
                lambda: not intake.silence.is_muted(ChatMessage("", NETWORK, "#room", "", "", NOW))
            )
            assert await room.ask("hello again 0") == "hello again 0"


NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("!mute soon", "'soon' is no duration"),
        ("!mute 8d", "at most 7d"),
        ("!mute 0s", "is none at all"),
    ],
)
async def test_what_is_written_wrongly_is_said(
    broker: Broker, tmp_path: Path, text: str, answer: str
) -> None:
    async with primaries(broker, tmp_path), Room.open(broker, RULES) as room:
        assert answer in await room.ask(text, **BEN)


async def test_who_has_no_right_is_told_so_and_a_nick_gives_none(
    broker: Broker, tmp_path: Path
) -> None:
    async with primaries(broker, tmp_path), Room.open(broker, RULES) as room:
        told = await room.ask("!mute 1h", sender="ben")
        assert told == ("ben: sorry, !mute is for who has the role moderator; are you logged in?")
        told = await room.ask("!mute 1h", sender="ben", account="eve")
        assert told == "ben: sorry, !mute is for who has the role moderator here"
        assert await room.ask("hello 0") == "hello 0"


async def test_a_plug_in_adds_commands(
    broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with primaries(broker, tmp_path), Room.open(broker, RULES) as room:
        first = await room.hear("hello 0")
        outcome = await room.outcome(await room.hear("!note a b", **BEN))
        assert outcome.replies[0].text == "ben: noted: a b"
        assert [(each.kind, each.to) for each in outcome.actions] == [("react", first)]
        assert "role scribe" in await room.ask("!note a b")
        assert await room.ask("!broken") == "the outcome cannot be had (ValueError)"
        (letter,) = await dead_letters(broker)
        assert letter.message.command == "broken"
        assert "there is no !missing" in await room.ask("bot: !missing", addressed=True)
    assert "secret" not in caplog.text


async def test_a_command_is_run_though_no_node_is_there_and_not_when_it_is_old(
    broker: Broker, tmp_path: Path
) -> None:
    async with primaries(broker, tmp_path), Room.open(broker, RULES) as room:
        long_ago = datetime.now(UTC) - timedelta(hours=1)
        assert await room.ask("!mute 2h", **BEN, time=long_ago) == "too old"
    more = "backlog: record\n"
    async with primaries(broker, tmp_path, more=more), Room.open(broker, RULES, name="#b") as room:
        assert await room.ask("!mute 2h", **BEN, time=long_ago) == "too old"
    assert await all_mutes(broker) == []


async def test_where_there_are_no_commands_the_flow_gets_them(
    broker: Broker, tmp_path: Path
) -> None:
    off = Rules(prefix="")
    async with primaries(broker, tmp_path, more="commands: off\n"), Room.open(broker, off) as room:
        assert await room.ask("!why 0") == "!why 0"


async def test_a_reaction_is_no_message_to_a_flow_that_does_not_look_at_the_kind(
    broker: Broker, tmp_path: Path
) -> None:
    async with primaries(broker, tmp_path), Room.open(broker) as room:
        for kind in ("reaction", "unreaction"):
            outcome = await room.outcome(await room.hear("thumb 0", kind=kind, reply_to="x"))
            assert (outcome.replies, outcome.understood, outcome.error) == ((), {}, "")
        assert await room.ask("waves 0", kind="action") == "waves 0"


async def test_a_flow_may_look_at_the_kind_of_a_message(broker: Broker, tmp_path: Path) -> None:
    path = tmp_path / "test.yaml"
    path.write_text(
        "version: 1\nname: test\noperations:\n"
        "  say: {run: test_say, inputs: {text: message.kind}}\n"
    )
    async with (
        Roster.follow(broker) as roster,
        primary(broker, load(path), roster),
        Room.open(broker) as room,
    ):
        assert await room.ask("+1", kind="reaction") == "reaction"


async def test_mutes_are_read_again_when_the_server_was_away(
    broker: Broker, nats_server: EmbeddedServer
) -> None:
    mute = Mute(FLOW, NETWORK, "#room", NOW + timedelta(hours=1), "ben")
    async with (
        Mutes.follow(broker, FLOW) as mutes,
        connect(nats_server.url, name="other") as other,
    ):
        state = await State.open(other, FLOW)
        await mutes.mute(mute)
        await mutes.mute(Mute(FLOW, NETWORK, "#kept", NOW + timedelta(hours=1)))
        broker.on_reconnect.discard(mutes._stale.set)
        mutes._known.pop(mute_key(FLOW, NETWORK, "#kept"))  # as if it had not been told
        mutes.rooms.clear()
        await state.unmute(NETWORK, "#room")
        mutes._stale.set()
        await until(lambda: set(mutes.rooms) == {(NETWORK, "#kept")})
        assert mutes.until(NETWORK, "#room") is None


async def test_what_changes_while_mutes_are_read_stands(broker: Broker) -> None:
    mute = Mute(FLOW, NETWORK, "#room", NOW + timedelta(hours=1))
    async with Mutes.follow(broker, FLOW) as mutes:
        reading = asyncio.ensure_future(mutes._read())
        await asyncio.sleep(0)
        mutes._change(mute_key(FLOW, NETWORK, "#room"), mute)  # as the watch tells it
        await reading
        assert mutes.until(NETWORK, "#room") == mute.until


async def test_garbage_in_the_state_stops_nobody(broker: Broker, tmp_path: Path) -> None:
    async def litter() -> None:
        for number, content in enumerate(GARBAGE):
            for key in (f"mute.{digest(FLOW)}.a.{number}", f"mute.{digest(FLOW)}.~.{number}"):
                await broker.publish(f"$KV.{subjects.STATE}.{key}", content)
            await broker.publish(f"$KV.{subjects.STATE}.last.{number}.a.b", content)

    mute = Mute(FLOW, NETWORK, "#room", NOW + timedelta(hours=1))
    await open_bucket(broker, subjects.STATE)
    await litter()
    async with primaries(broker, tmp_path) as (intake,), Room.open(broker, RULES) as room:
        await litter()
        key = f"$KV.{subjects.STATE}.last.{digest(FLOW)}.{digest(NETWORK)}.{digest('#room')}"
        await broker.publish(key, b"\xff")
        assert "no message here yet" in await room.ask("!why")
        await intake.silence.mutes._state.mute(mute)  # type: ignore[union-attr]
        await until(lambda: intake.silence.muted)
        assert await room.ask("hello 0") == "muted"
    assert await all_mutes(broker) == [mute]
    assert await forget(broker, lambda *_: True) == 1


async def test_who_is_forgotten_is_in_no_state(broker: Broker) -> None:
    state = await State.open(broker, FLOW)
    await state.remember(LastHeard(FLOW, NETWORK, "#a", "1", "Anna"))
    await state.remember(LastHeard(FLOW, NETWORK, "#b", "2", "ben"))
    await state.mute(Mute(FLOW, NETWORK, "#a", NOW + timedelta(hours=1), "anna"))
    assert await forget(broker, lambda n, s: s.casefold() == "anna", "another") == 0
    assert await forget(broker, lambda n, s: s.casefold() == "anna") == 2
    assert await state.last(NETWORK, "#a") is None
    assert await state.last(NETWORK, "#b") is not None
    (mute,) = await all_mutes(broker)
    assert (mute.room, mute.by) == ("#a", "")
    bucket = await open_bucket(broker, subjects.STATE)
    assert b"nna" not in b"".join((await bucket.all()).values())
