"""Channels, capabilities, the outbox and the line buffer, each without a server."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator

import msgspec
import pytest

from chatbot.broker.subjects import Lane
from chatbot.listeners.bridge import Delivery
from chatbot.listeners.irc.capabilities import Capabilities
from chatbot.listeners.irc.channels import Channels, Standing
from chatbot.listeners.irc.linebuffer import LINE_LIMIT, Lines
from chatbot.listeners.irc.outbox import Outbox
from chatbot.listeners.irc.sasl import authentications, response
from chatbot.listeners.irc.settings import Timing
from chatbot.messages import ChatMessage, Outcome, Reply

TIMING = Timing(rejoin=5, rejoin_attempts=3, stay=600)


def channels() -> Channels:
    return Channels(["#a", "#b", "#A"], TIMING, str.lower)


def test_channels_are_joined_at_once_and_again_ever_later() -> None:
    ours = Channels(["#a"], TIMING, str.lower)
    attempts = []
    now = 0.0
    while (due := ours.next_due()) is not None:
        now = max(now, due)
        attempts.append(now)
        ours.due(now)
    assert attempts == [0, 5, 15, 35]
    assert ours.standing("#A") == Standing.CLOSED


def test_a_channel_that_we_are_in_is_open_and_a_strange_one_is_closed() -> None:
    ours = channels()
    assert ours.standing("#a") == Standing.WAITING
    assert ours.standing("#other") == Standing.CLOSED
    ours.joined("#A", 1.0)
    assert ours.standing("#a") == Standing.OPEN


def test_a_long_stay_wipes_out_what_was_before() -> None:
    ours = Channels(["#a"], TIMING, str.lower)
    for now in (0.0, 10.0):
        ours.due(now)
    ours.joined("#a", 20.0)
    ours.left("#a", 21.0)
    assert ours.next_due() == 21 + 10
    ours.due(40.0)
    ours.joined("#a", 41.0)
    ours.left("#a", 41.0 + 600)
    assert ours.next_due() == 641 + 5


def test_a_channel_that_we_were_put_into_is_not_sought_again() -> None:
    ours = Channels([], TIMING, str.lower)
    ours.joined("#forced", 0.0)
    ours.left("#forced", 1.0)
    assert ours.next_due() is None
    assert ours.find("#forced") is None


def test_an_invitation_makes_a_lost_channel_due() -> None:
    ours = Channels(["#a"], TIMING, str.lower)
    for now in (0.0, 100.0, 200.0, 300.0):
        ours.due(now)
    assert ours.standing("#a") == Standing.CLOSED
    ours.invited("#a")
    assert [channel.name for channel in ours.due(301.0)] == ["#a"]


def test_only_what_is_offered_and_wanted_is_asked_for() -> None:
    talk = Capabilities()
    assert talk.heard(["LS", "*", "multi-prefix batch sasl=PLAIN"]) == []
    assert not talk.listed
    assert talk.heard(["LS", "server-time message-tags"]) == []
    assert talk.listed
    assert talk.requests() == ["CAP REQ :batch message-tags server-time"]
    assert not talk.answered
    assert talk.heard(["ACK", "batch message-tags echo-message"]) == []
    assert not talk.answered
    assert talk.heard(["ACK", "server-time"]) == []
    assert talk.answered
    assert talk.enabled == {"batch", "message-tags", "server-time"}, "what we asked for"


def test_a_refused_list_is_asked_for_one_by_one() -> None:
    talk = Capabilities(sasl=True)
    talk.heard(["LS", "batch sasl=PLAIN,EXTERNAL"])
    talk.requests()
    assert talk.heard(["NAK", "batch sasl"]) == ["CAP REQ :batch", "CAP REQ :sasl"]
    assert talk.heard(["NAK", "batch"]) == []
    assert talk.heard(["ACK", "sasl"]) == []
    assert (talk.answered, talk.enabled) == (True, {"sasl"})


def test_what_is_offered_later_is_asked_for_later_and_what_is_withdrawn_is_gone() -> None:
    talk = Capabilities(sasl=True)
    talk.heard(["LS", "cap-notify"])
    talk.requests()
    talk.heard(["ACK", "cap-notify"])
    assert talk.heard(["NEW", "sasl=PLAIN away-notify"]) == ["CAP REQ :sasl"]
    talk.heard(["ACK", "sasl"])
    assert talk.enabled == {"cap-notify", "sasl"}
    talk.heard(["DEL", "sasl"])
    assert (talk.enabled, talk.offered) == ({"cap-notify"}, {"cap-notify": ""})


@pytest.mark.parametrize("offer", [["LS", "multi-prefix"], ["LS", ""], ["LS"]])
def test_without_a_wanted_capability_nothing_is_asked_for(offer: list[str]) -> None:
    talk = Capabilities()
    talk.heard(offer)
    assert (talk.listed, talk.requests(), talk.answered) == (True, [], True)


def test_a_flood_of_offers_is_not_remembered() -> None:
    talk = Capabilities()
    for number in range(1000):
        talk.heard(["LS", "*", f"batch=x cap{number}"])
    assert len(talk.offered) == 1


@pytest.mark.parametrize(
    ("password", "lines"), [("x", 1), ("x" * (300 - len("bot\0bot\0")), 2), ("x" * 295, 2)]
)
def test_a_login_is_sent_in_pieces_of_400_bytes(password: str, lines: int) -> None:
    sent = list(authentications(response("PLAIN", "bot", password)))
    assert len(sent) == lines
    pieces = [line.removeprefix("AUTHENTICATE ") for line in sent]
    assert all(len(piece) == 400 for piece in pieces[:-1])
    assert len(pieces[-1]) < 400
    whole = b"".join(base64.b64decode(piece) for piece in pieces if piece != "+")
    assert whole.split(b"\0") == [b"bot", b"bot", password.encode()]


def test_a_certificate_alone_is_proof_of_itself() -> None:
    assert list(authentications(response("EXTERNAL", "", "unused"))) == ["AUTHENTICATE +"]
    assert list(authentications(response("EXTERNAL", "bot", ""))) == ["AUTHENTICATE Ym90"]


def test_lines_come_whole_whatever_pieces_the_bytes_come_in() -> None:
    buffer, found = Lines(), []
    for byte in "añ\r\nb\n\r\nc".encode():
        buffer.feed(bytes([byte]))
        found += list(buffer)
    assert found == ["añ", "b", ""]


def test_latin_1_is_survived() -> None:
    buffer = Lines()
    buffer.feed(b"caf\xe9\r\nnext\r\n")
    assert list(buffer) == ["caf\ufffd", "next"]


def test_an_endless_line_is_skipped_and_the_next_one_is_not() -> None:
    buffer = Lines()
    for _ in range(20):
        buffer.feed(b"x" * LINE_LIMIT)
        assert list(buffer) == []
    buffer.feed(b"tail\r\nnext\r\n" + b"y" * (2 * LINE_LIMIT) + b"\r\nlast\r\n")
    assert list(buffer) == ["next", "last"]


class Deliveries:
    """A bridge that offers what it is given and notes what is acknowledged."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.done: list[str] = []
        self._outcomes = outcomes

    async def hear(self, message: ChatMessage) -> None:
        raise AssertionError("nothing is heard here")

    async def outcomes(self) -> AsyncIterator[Delivery]:
        for outcome in self._outcomes:
            yield Delivery(outcome, 1, self._done(outcome.id))

    def _done(self, name: str):  # type: ignore[no-untyped-def]
        async def done() -> None:
            self.done.append(name)

        return done


def outcome(name: str, room: str, *texts: str) -> Outcome:
    replies = tuple(Reply(text=text) for text in texts)
    return Outcome(id=name, network="n", room=room, sender="s", replies=replies)


async def test_a_room_that_waits_holds_up_no_other_and_keeps_its_order() -> None:
    bridge = Deliveries(outcome("1", "#a", "x"), outcome("2", "#b", "x"), outcome("3", "#a", "x"))
    box = Outbox()
    await box.fill(bridge)
    only_b = box.next(lambda room: room == "#b")
    assert only_b is not None
    assert only_b.delivery.outcome.id == "2"
    box.remove(only_b)
    assert box.next(lambda room: room == "#b") is None
    first = box.next(lambda room: True)
    assert first is not None
    assert first.delivery.outcome.id == "1"


async def test_people_go_first_but_what_was_begun_is_finished() -> None:
    bulk, people = outcome("1", "#a", "x", "y"), outcome("2", "#a", "x")
    bridge = Deliveries(bulk, outcome("3", "#a", "x"), people)
    box = Outbox()
    await box.fill(bridge)
    for pending in box._waiting[:2]:
        pending.delivery = msgspec.structs.replace(pending.delivery, lane=Lane.BULK)
    order = []
    box._waiting[0].sent = 1
    while (pending := box.next(lambda room: True)) is not None:
        order.append(pending.delivery.outcome.id)
        box.remove(pending)
    assert order == ["1", "2", "3"]


async def test_silence_is_acknowledged_at_once() -> None:
    bridge = Deliveries(outcome("1", "#a"))
    await Outbox().fill(bridge)
    assert bridge.done == ["1"]


async def test_a_lost_connection_brings_back_what_was_not_confirmed() -> None:
    bridge = Deliveries(outcome("1", "#a", "x", "y"))
    box = Outbox()
    await box.fill(bridge)
    pending = box.next(lambda room: True)
    assert pending is not None
    pending.sent = 1
    box.confirm()
    assert [reply.text for reply in pending.replies] == ["y"]
    pending.sent = 1
    box.rewind()
    assert [reply.text for reply in pending.replies] == ["y"]
    assert (pending.sent, pending.rounds, bridge.done) == (0, 1, [])
    pending.sent = 1
    box.confirm()
    acknowledging = asyncio.create_task(box.acknowledge())
    async with asyncio.timeout(5):
        await box.flushed()
    acknowledging.cancel()
    assert bridge.done == ["1"]


async def test_a_full_outbox_takes_no_more() -> None:
    bridge = Deliveries(*(outcome(str(number), "#a", "x") for number in range(5)))
    box = Outbox(limit=2)
    filling = asyncio.create_task(box.fill(bridge))
    await box.changed.wait()
    for expected in range(5):
        pending = box.next(lambda room: True)
        assert pending is not None
        assert pending.delivery.outcome.id == str(expected)
        assert len(box._waiting) <= 2
        box.remove(pending)
        box.changed.clear()
        if expected < 3:
            async with asyncio.timeout(5):
                await box.changed.wait()
    async with asyncio.timeout(5):
        await filling
