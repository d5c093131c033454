"""What every listener does, on a real server of its network, with real people on the other side."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chatbot.messages import Action, Outcome, Reply
from tests.servers.gittering import GitterVenue
from tests.servers.listening import PATIENCE, MemoryBridge
from tests.servers.matrix import MatrixVenue
from tests.servers.venues import NETWORK, IrcVenue, Venue

VENUES: dict[str, Callable[[Path], AbstractAsyncContextManager[Venue]]] = {
    "gitter": GitterVenue.open,
    "irc": IrcVenue.open,
    "matrix": MatrixVenue.open,
}
HOSTILE = "a\rQUIT :x\nPRIVMSG #room :y\x00z \u202eabc <script>alert(1)</script> &amp; \x01PING\x01"


@pytest.fixture(params=sorted(VENUES))
async def venue(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Venue]:
    async with VENUES[request.param](tmp_path) as venue:
        yield venue


@asynccontextmanager
async def listening(
    venue: Venue, bridge: MemoryBridge | None = None
) -> AsyncIterator[MemoryBridge]:
    """Run a listener for the block's duration; it leaves quickly."""
    bridge = bridge or MemoryBridge()
    running = asyncio.ensure_future(venue.listener().run(bridge))
    try:
        present = asyncio.ensure_future(venue.present())
        await asyncio.wait({running, present}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            present.cancel()
            running.result()
        await present
        yield bridge
    finally:
        running.cancel()
        async with asyncio.timeout(3.0):
            with contextlib.suppress(asyncio.CancelledError):
                await running


def outcome(venue: Venue, name: str, *texts: str, actions: tuple[Action, ...] = ()) -> Outcome:
    replies = tuple(Reply(text=text) for text in texts)
    return Outcome(name, NETWORK, venue.room, venue.sender("ann"), replies, actions=actions)


async def shown(venue: Venue, *wanted: str) -> list[str]:
    """Return what the bot was seen to say, once `wanted` are among it."""
    async with asyncio.timeout(PATIENCE):
        while not set(wanted) <= set(found := await venue.shown()):
            await asyncio.sleep(0.02)
    return found


async def answered(bridge: MemoryBridge, venue: Venue, name: str, *texts: str) -> None:
    bridge.decide(outcome(venue, name, *texts))
    assert await bridge.next_acknowledged() == name


async def test_what_is_said_is_heard_once_with_all_that_is_known(venue: Venue) -> None:
    async with listening(venue) as bridge:
        before = datetime.now(UTC)
        await venue.say("ann", "héllo *there* <b>")
        await venue.say("ben", "hi")
        first, second = await bridge.next(), await bridge.next()
        assert (first.network, first.room, first.text) == (NETWORK, venue.room, "héllo *there* <b>")
        assert (first.sender, second.sender) == (venue.sender("ann"), venue.sender("ben"))
        assert (first.kind, first.addressed, first.private, first.old) == (
            *("message", False, False, False),
        )
        assert abs(first.time - before) < timedelta(seconds=30)
        assert first.time.tzinfo is not None
        assert first.nick
        assert first.name
        assert first.id
        assert first.id != second.id
        assert bridge.heard.empty()


async def test_who_speaks_to_the_bot_addresses_it(venue: Venue) -> None:
    async with listening(venue) as bridge:
        await venue.say("ann", venue.address("what now?"))
        message = await bridge.next()
        assert message.addressed
        assert not message.private


async def test_a_private_message_is_private_and_addressed(venue: Venue) -> None:
    async with listening(venue) as bridge:
        await venue.whisper("ben", "psst")
        message = await bridge.next()
        assert (message.text, message.private, message.addressed) == ("psst", True, True)
        assert message.room != venue.room
        bridge.decide(Outcome("1", NETWORK, message.room, message.sender, (Reply("yes?"),)))
        assert await bridge.next_acknowledged() == "1"
        assert await venue.shown() == [], "it was said to Ben alone"


async def test_what_somebody_does_is_an_action(venue: Venue) -> None:
    async with listening(venue) as bridge:
        await venue.act("ann", "waves")
        message = await bridge.next()
        assert (message.kind, message.text) == ("action", "waves")


async def test_neither_itself_nor_other_bots_are_heard(venue: Venue) -> None:
    async with listening(venue) as bridge:
        await answered(bridge, venue, "1", "hello")
        await shown(venue, "hello")
        if venue.has_notices:
            await venue.notice("ben", "beep")
        await venue.say("ann", "the next")
        assert (await bridge.next()).text == "the next"


async def test_replies_are_said_in_order_and_acknowledged(venue: Venue) -> None:
    async with listening(venue) as bridge:
        texts = [f"reply {number}" for number in range(6)]
        bridge.decide(outcome(venue, "1", *texts[:3]))
        bridge.decide(outcome(venue, "2", *texts[3:]))
        assert {await bridge.next_acknowledged(), await bridge.next_acknowledged()} == {"1", "2"}
        assert await shown(venue, *texts) == texts


async def test_silence_is_acknowledged(venue: Venue) -> None:
    async with listening(venue) as bridge:
        await answered(bridge, venue, "1")
        await answered(bridge, venue, "2", "", "  ")
        assert await venue.shown() == []


async def test_what_is_too_long_arrives_in_part_at_least_and_is_acknowledged(venue: Venue) -> None:
    async with listening(venue) as bridge:
        words = [f"wörd{number}" for number in range(20_000)]
        await answered(bridge, venue, "1", " ".join(words))
        await answered(bridge, venue, "2", "the end")
        said = await shown(venue, "the end")
        found = " ".join(said[:-1]).removesuffix("…").split()
        assert len(found) > 50
        assert found[:50] == words[:50], "whole words in their order"


async def test_hostile_text_is_only_text(venue: Venue) -> None:
    async with listening(venue) as bridge:
        await answered(bridge, venue, "1", HOSTILE)
        await answered(bridge, venue, "2", "the end")
        said = await shown(venue, "the end")
        assert "y" not in said
        assert said[0].startswith("a")
        await venue.say("ann", "still there?")
        assert (await bridge.next()).text == "still there?"


async def test_a_server_that_was_killed_is_found_again(venue: Venue) -> None:
    async with listening(venue) as bridge:
        await venue.restart()
        await venue.present()
        await answered(bridge, venue, "1", "here again")
        await shown(venue, "here again")
        await venue.say("ann", "back?")
        assert (await bridge.next()).text == "back?"


async def test_nothing_that_was_heard_is_lost_while_it_cannot_be_stored(venue: Venue) -> None:
    async with listening(venue) as bridge:
        bridge.open.clear()
        texts = [f"line {number}" for number in range(20)]
        for text in texts:
            await venue.say("ann", text)
        bridge.open.set()
        assert [(await bridge.next()).text for _ in texts] == texts


async def test_what_was_said_meanwhile_is_heard_once_by_who_listens_next(venue: Venue) -> None:
    if not venue.has_history:
        pytest.skip("what nobody hears there is lost")
    async with listening(venue) as bridge:
        await venue.say("ann", "one")
        first = await bridge.next()
        await answered(bridge, venue, "1", "said")
        async with asyncio.timeout(PATIENCE):
            while not bridge.stored:
                await asyncio.sleep(0.01)
    texts = [f"meanwhile {number}" for number in range(5)]
    for text in texts:
        await venue.say("ben", text)
    async with listening(venue, bridge):
        heard = [await bridge.next() for _ in texts]
        await venue.say("ann", "now")
        while (last := await bridge.next()).text != "now":
            heard.append(last)
    new = [each for each in heard if each.id != first.id]
    assert [each.text for each in new] == texts
    assert all(each.old for each in new)
    assert not last.old


async def test_what_was_not_acknowledged_is_said_by_who_listens_next(venue: Venue) -> None:
    async with listening(venue) as bridge:
        bridge.may_acknowledge.clear()
        bridge.decide(outcome(venue, "1", "once?", "and again"))
        await shown(venue, "once?", "and again")
    bridge.may_acknowledge.set()
    async with listening(venue, bridge):
        bridge.decide(outcome(venue, "1", "once?", "and again"), attempt=2)
        assert await bridge.next_acknowledged() == "1"
        await answered(bridge, venue, "2", "the end")
        said = await shown(venue, "the end")
    if venue.is_idempotent:
        assert said == ["once?", "and again", "the end"]
    else:
        assert set(said) == {"once?", "and again", "the end"}


async def test_an_action_that_cannot_be_done_is_told_and_the_rest_goes_on(
    venue: Venue, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with listening(venue) as bridge:
        actions = (Action("kick", to=venue.sender("ben"), text="s3cret reason"),)
        bridge.decide(outcome(venue, "1", "said all the same", actions=actions))
        assert await bridge.next_acknowledged() == "1"
        await shown(venue, "said all the same")
        async with asyncio.timeout(PATIENCE):
            while "kick" not in caplog.text:
                await asyncio.sleep(0.01)
        assert "s3cret reason" not in caplog.text
        await venue.say("ben", "still here")
        assert (await bridge.next()).sender == venue.sender("ben")


async def test_no_secret_is_in_what_it_says_of_itself(
    venue: Venue, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with listening(venue) as bridge:
        await answered(bridge, venue, "1", "hello")
    listener = venue.listener()
    told = [caplog.text, repr(listener), listener.describe(), repr(vars(listener))]
    assert [s for s in venue.secrets for text in told if s in text] == []
