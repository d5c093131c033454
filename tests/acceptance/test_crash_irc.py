"""Rows 1, 2, 9 and 10 of the crash table on a real IRC server, which keeps nothing and confirms
nothing: what was heard is answered, once more at most, or once at most, as the flow says."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from chatbot.broker import EmbeddedServer, connect, subjects
from chatbot.messages import ChatMessage
from chatbot.nodes.roster import Roster
from tests.acceptance.test_crashes import CHANNEL, Person, in_channel, person
from tests.servers.crashing import (
    FLOW,
    LAST,
    PARTS,
    Site,
    all_of,
    killed_itself,
    stopped_itself,
)
from tests.servers.irc import Ngircd
from tests.servers.processes import until

IRC = """\
version: 1
name: crash
listeners:
  irc:
    server: 127.0.0.1
    port: {port}
    tls: false
    nick: echo
    channels: ["{channel}"]
    rate: 500
    burst: 100
    delivery: {delivery}
"""
TEXTS = [f"text {number}" for number in range(4)]


class Channel:
    """A channel with one person in it, and the bot's site."""

    def __init__(self, site: Site, anna: Person, roster: Roster) -> None:
        self.site = site
        self.anna = anna
        self.roster = roster

    async def last(self) -> None:
        """Say one more thing and wait for its answer: what came before it has been said by then."""
        self.anna.say(LAST)
        await until(lambda: self.anna.answers[LAST] == PARTS)
        await self.site.settled()

    async def heard(self) -> list[str]:
        """Return what was heard; each has its one outcome, and no other has one."""
        heard = await self.site.stored(subjects.in_stream(FLOW), ChatMessage)
        await self.site.audit_outcomes({each.id: each.text for each in heard})
        return [each.text for each in heard]


Variant = Callable[[Channel, str], Awaitable[None]]


async def restarted(channel: Channel, point: str) -> None:
    """It dies while people talk, and is started again."""
    async with channel.site.start("bot", point) as first:
        await in_channel(first, channel.anna)
        channel.anna.say(*TEXTS)
        await killed_itself(first)
    channel.anna.client.lines.clear()
    async with channel.site.start("bot") as second:
        await in_channel(second, channel.anna)
        await channel.last()


async def server_killed(channel: Channel, point: str) -> None:
    """It dies, the NATS server is killed and comes back, and then it is started again."""
    async with channel.site.start("bot", point) as first:
        await in_channel(first, channel.anna)
        channel.anna.say(*TEXTS)
        await killed_itself(first)
    await channel.site.restart_server(signal.SIGKILL)
    channel.anna.client.lines.clear()
    async with channel.site.start("bot") as second:
        await in_channel(second, channel.anna)
        await channel.last()


async def succeeded(channel: Channel, point: str) -> None:
    """It stands still; another takes its place before it is dead."""
    async with channel.site.start("bot", point, "stop") as first:
        await in_channel(first, channel.anna)
        channel.anna.say(*TEXTS)
        await stopped_itself(first)
        channel.anna.client.lines.clear()
        async with channel.site.start("bot") as second:
            await channel.site.there(channel.roster, "bot", second)
            await first.kill()
            await in_channel(second, channel.anna)
            await channel.last()


async def thawed(channel: Channel, point: str) -> None:
    """It stands still, another does what it had and takes its place; then it goes on."""
    async with channel.site.start("bot", point, "stop") as first:
        await in_channel(first, channel.anna)
        channel.anna.say(*TEXTS)
        await stopped_itself(first)
        channel.anna.client.lines.clear()
        async with channel.site.start("bot") as second:
            await in_channel(second, channel.anna)
            await channel.last()
            first.signal(signal.SIGCONT)
            await first.wait_for("lost the lease")
            first.signal(signal.SIGTERM)
            assert await first.ended(15.0) == 0


def complete(answers: Counter[str], heard: list[str]) -> None:
    """Find that all that was heard was answered, and said once more at most."""
    assert set(answers) == set(heard)
    assert all(PARTS <= count <= 2 * PARTS for count in answers.values()), answers


def at_most_once(answers: Counter[str], heard: list[str]) -> None:
    """Find that nothing was said twice, and that one outcome at most was cut short."""
    assert set(answers) <= set(heard)
    assert all(count <= PARTS for count in answers.values()), answers
    assert sum(answers[text] < PARTS for text in heard) <= 1, answers


Audit = Callable[[Counter[str], list[str]], None]
CASES: dict[str, list[tuple[str, Variant, Audit]]] = {
    "at-least-once": [
        ("before IN", restarted, complete),
        ("sent IN", restarted, complete),
        ("before OUT", thawed, complete),
        ("said", restarted, complete),
        ("confirmed", restarted, complete),
        ("acked OUT", restarted, complete),
        ("said", server_killed, complete),
        ("sent OUT", server_killed, complete),
        ("said", succeeded, complete),
        ("stored IN", succeeded, complete),
    ],
    "at-most-once": [
        ("said", restarted, at_most_once),
        ("acked OUT", restarted, at_most_once),
        ("taken OUT", thawed, at_most_once),
        ("said", thawed, at_most_once),
        ("said", server_killed, at_most_once),
        ("said", succeeded, at_most_once),
    ],
}


@pytest.mark.crash
@pytest.mark.parametrize("delivery", CASES)
async def test_what_was_heard_on_irc_is_said_as_the_flow_promises_whoever_dies(
    delivery: str, tmp_path: Path
) -> None:
    await all_of(crash(tmp_path, delivery, *case) for case in CASES[delivery])


async def crash(parent: Path, delivery: str, point: str, variant: Variant, audit: Audit) -> None:
    folder = parent / f"{point}-{variant.__name__}".replace(" ", "-")
    try:
        (folder / "data").mkdir(parents=True)
        async with (
            EmbeddedServer.start(folder / "data") as server,
            connect(server.url, name="auditor") as broker,
            Roster.follow(broker) as roster,
            Ngircd(folder) as ngircd,
            person(ngircd, "anna") as anna,
        ):
            listeners = IRC.format(port=ngircd.port, channel=CHANNEL, delivery=delivery)
            channel = Channel(Site(folder, server, broker, listeners), anna, roster)
            async with channel.site.start("node"):
                await variant(channel, point)
                heard = await channel.heard()
            if point == "before IN":
                assert heard == [*TEXTS[:1], LAST], "IRC keeps nothing: the rest is lost"
            audit(anna.answers, heard)
    except Exception as error:
        error.add_note(f"{delivery} at {point}, {variant.__name__}")
        raise
