"""flows/moderation.yaml as people run it: on a real IRC server, and in a room of a homeserver."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.servers.inspircd import Inspircd
from tests.servers.irc import Ngircd, RawClient, present
from tests.servers.matrix import MatrixVenue
from tests.servers.processes import ROOT, Process, Program

pytestmark = pytest.mark.crash

LIVE = ("--set", "parameters.dry_run=false")
RUDE = "you are such a moron, go away"
TRIED = "shut up, you stupid idiot"


def irc_arguments(port: int, *more: str) -> list[str]:
    values = {"server": "127.0.0.1", "port": str(port), "tls": "false", "rate": "500"}
    settings = [part for k, v in values.items() for part in ("--set", f"listeners.irc.{k}={v}")]
    return ["run", "moderation", *settings, *more]


async def is_ready(bot: Process, ann: RawClient) -> None:
    """Wait until the bot is in both rooms, and give it the channel."""
    await bot.wait_for("listens: 127.0.0.1", 60.0)
    for room in ("#support", "#moderators"):
        ann.send(f"NAMES {room}")
        await ann.wait_for(lambda line: " 366 " in line)
    while not any("modbot" in line and "#moderators" in line for line in ann.lines):
        ann.send("NAMES #moderators")
        await ann.wait_for(lambda line: " 366 " in line)
    ann.send("MODE #support +o modbot")
    await ann.wait_for("MODE #support +o")


async def told(ann: RawClient, text: str) -> str:
    """Return the next line that the moderators are told with `text` in it."""
    return await ann.wait_for(
        lambda line: line.startswith(":modbot!") and " #moderators " in line and text in line, 30.0
    )


async def seen(client: RawClient, text: str) -> str:
    """Return a line with `text` in it that was seen, or the next one."""
    for line in client.lines:
        if text in line:
            return line
    return await client.wait_for(text)


async def test_three_strikes_on_irc_an_appeal_and_no_pardon_from_just_anybody(
    program: Program, ngircd: Ngircd
) -> None:
    rooms = ("#support", "#moderators")
    async with (
        present(ngircd.port, "ann", *rooms) as ann,
        present(ngircd.port, "ben", "#support") as ben,
        program.start(*irc_arguments(ngircd.port, *LIVE)) as bot,
    ):
        await is_ready(bot, ann)
        ann.send("MODE #support +m", "MODE #support +v ben")
        ben.say("#support", RUDE)
        assert "warn ben (ben) in #support for rude, strike 1: «you are" in await told(ann, "I ")
        assert "be kind" in await ben.wait_for("NOTICE #support")
        ben.say("#support", TRIED)
        await told(ann, "I redact ben")
        ben.say("#support", RUDE + "!")
        await told(ann, "I mute ben")
        await seen(ben, "MODE #support -v ben")
        ben.say("modbot", "!appeal it was a joke")
        assert "«it was a joke»" in await told(ann, "ben (ben) appeals")
        assert "I have told the moderators" in await ben.wait_for("have told")
        ben.say("modbot", "!forgive ben")
        assert "only a moderator" in await ben.wait_for("only a moderator")
    assert RUDE not in bot.err + bot.out, "what people said is in no log"


async def test_a_dry_run_says_nothing_in_the_channel(program: Program, ngircd: Ngircd) -> None:
    async with (
        present(ngircd.port, "ann", "#support", "#moderators") as ann,
        present(ngircd.port, "ben", "#support") as ben,
        program.start(*irc_arguments(ngircd.port)) as bot,
    ):
        await is_ready(bot, ann)
        for number in range(3):
            ben.say("#support", RUDE + "!" * number)
            await told(ann, f"strike {number + 1}")
        assert any("Dry run: I would mute ben" in line for line in ann.lines)
        ben.say("modbot", "!appeal")
        await ben.wait_for("have told")
        said = [line for line in ben.lines if line.startswith(":modbot!") and "JOIN" not in line]
        assert not [line for line in said if " #support " in line]


async def test_a_moderator_forgives_on_a_server_that_knows_accounts(
    program: Program, inspircd: Inspircd
) -> None:
    """InspIRCd without services has no accounts; so the flow takes the role from the test."""
    write(program, "irc", {"server": "127.0.0.1", "port": inspircd.port, "tls": False})
    async with (
        present(inspircd.port, "ann", "#support", "#moderators") as ann,
        present(inspircd.port, "ben", "#support") as ben,
        program.start("run", "own.yaml") as bot,
    ):
        await is_ready(bot, ann)
        for number in range(3):
            ben.say("#support", RUDE + "!" * number)
            await told(ann, f"strike {number + 1}")
        assert ":m:*!ben@" in await seen(ann, "MODE #support +b")
        ann.say("#moderators", "!forgive ben")
        await told(ann, "ben is forgiven")
        assert ":m:*!ben@" in await seen(ann, "MODE #support -b")
        ben.say("#support", RUDE)
        await told(ann, "strike 1")


def write(program: Program, kind: str, settings: dict[str, object]) -> Path:
    """Write a flow that is the one that ships, live, and takes everybody there for a moderator.

    Who is none is the one who is rude: `ben`.
    """
    path = program.data / "own.yaml"
    listener = {"nick": "modbot", "channels": ["#support", "#moderators"], **settings}
    shipped = (ROOT / "flows" / "moderation.yaml").read_text()
    for name in ("tone", "spam"):
        file = f"moderation-{name}-labels.yaml"
        shipped = shipped.replace(file, str(ROOT / "flows" / file))
    shipped = shipped.replace("'moderator' in message.roles", "message.sender == 'ann'")
    shipped = shipped.replace("'moderator' not in message.roles", "message.sender != 'ann'")
    begin, _, rest = shipped.partition("listeners:")
    rest = rest[rest.index("# Who is exempt") :]
    path.write_text(f"{begin}listeners: {json.dumps({kind: listener})}\n{rest}".replace(
        "dry_run: true", "dry_run: false", 1
    ))  # fmt: skip
    return path


async def test_the_second_strike_on_matrix_takes_the_message_away(
    program: Program, venue: MatrixVenue
) -> None:
    ann, ben = venue.people["ann"], venue.people["ben"]
    levels = await ann.state(venue.room, "m.room.power_levels")
    users = {**levels.get("users", {}), venue.bot.id: 100}
    await ann.put_state(venue.room, "m.room.power_levels", {**levels, "users": users})
    mods = await ann.create(venue.bot)
    arguments = {
        "listeners.matrix.user": venue.bot.id,
        "listeners.matrix.homeserver": venue.server.address,
        "listeners.matrix.token": "${MATRIX_TOKEN}",
        "listeners.matrix.invites": '["@ann:*"]',
        "parameters.moderators": json.dumps(mods),
        "parameters.dry_run": "false",
        "roles.moderator": f'["matrix/{ann.user.id}"]',
    }
    settings = [part for k, v in arguments.items() for part in ("--set", f"{k}={v}")]
    async with program.start("run", "moderation", *settings, MATRIX_TOKEN=venue.bot.token) as bot:
        await bot.wait_for(f"listens: {venue.bot.id}", 60.0)
        await venue.present()
        await ann.until_member(mods, venue.bot.id)
        await ben.say(venue.room, RUDE)
        await until_told(venue, mods, "warn ben", "strike 1")
        await ben.say(venue.room, TRIED)
        await until_told(venue, mods, "redact ben", "strike 2")
        async with asyncio.timeout(20):
            while TRIED in await ann.said(venue.room, ben.user.id):
                await asyncio.sleep(0.1)
        assert RUDE in await ann.said(venue.room, ben.user.id), "the first was only warned of"
        await ann.say(mods, f"!forgive {ben.user.id}")
        await until_told(venue, mods, "is forgiven")
        await ben.say(venue.room, RUDE)
        await until_told(venue, mods, "warn ben", "strike 1")


async def until_told(venue: MatrixVenue, room: str, *texts: str) -> None:
    async with asyncio.timeout(30):
        while True:
            last = (await venue.people["ann"].said(room, venue.bot.id))[-1:]
            if last and all(text in last[0] for text in texts):
                return
            await asyncio.sleep(0.1)


@pytest.fixture(params=["ngircd", "inspircd"])
def irc(request: pytest.FixtureRequest) -> int:
    """The port of a server, of each kind."""
    server: Ngircd | Inspircd = request.getfixturevalue(request.param)
    return server.port


def kicks_and_bans(program: Program, port: int) -> list[str]:
    write(program, "irc", {"server": "127.0.0.1", "port": port, "tls": False, "rate": 500})
    return ["run", "own.yaml", "--set", "operations.verdict.config.steps=[kick, ban]"]


async def test_who_is_kicked_may_come_back_and_who_is_banned_when_forgiven(
    program: Program, irc: int
) -> None:
    async with (
        present(irc, "ann", "#support", "#moderators") as ann,
        present(irc, "ben", "#support") as ben,
        program.start(*kicks_and_bans(program, irc)) as bot,
    ):
        await is_ready(bot, ann)
        ben.say("#support", RUDE)
        await told(ann, "I kick ben (ben) in #support for rude, strike 1")
        assert "be kind" in await seen(ben, "NOTICE #support")
        assert "KICK #support ben :rude" in await seen(ben, "KICK #support")
        ben.send("JOIN #support")
        await ben.wait_for(" 366 ")
        ben.say("#support", TRIED)
        await told(ann, "I ban ben (ben) in #support for rude, strike 2")
        await seen(ann, "MODE #support +b")
        async with asyncio.timeout(30):
            while sum("KICK #support ben" in line for line in ann.lines) < 2:
                ann.send("PING :kicked")
                await ann.wait_for("PONG")
        ben.send("JOIN #support")
        await ben.wait_for(" 474 ")
        ben.say("modbot", "!appeal I am calm now")
        assert "«I am calm now»" in await told(ann, "ben (ben) appeals")
        ann.say("#moderators", "!forgive ben")
        await told(ann, "ben is forgiven")
        await seen(ann, "MODE #support -b")
        ben.send("JOIN #support")
        await ben.wait_for(" 366 ")
    assert not any("could not" in line for line in ann.lines)


async def test_without_the_rights_for_it_the_moderators_are_told_what_to_do(
    program: Program, irc: int
) -> None:
    async with (
        present(irc, "ann", "#support", "#moderators") as ann,
        present(irc, "ben", "#support") as ben,
        program.start(*kicks_and_bans(program, irc)) as bot,
    ):
        await is_ready(bot, ann)
        ann.send("MODE #support -o modbot")
        await ann.wait_for("MODE #support -o")
        for kind, text in (("kick", RUDE), ("ban", TRIED)):
            ben.say("#support", text)
            await told(ann, f"I {kind} ben")
            why = await told(ann, f"I could not {kind} ben in #support")
            assert "the bot is no channel operator: give it +o there" in why
        ben.say("#support", "still here")
        await ann.wait_for("still here")
        ann.say("#moderators", "!forgive ben")
        await told(ann, "ben is forgiven")
        await told(ann, "I could not unban ben in #support")
    told_of = [line for line in ann.lines if "could not" in line]
    assert len(told_of) == 3, "each is told once"


@pytest.mark.parametrize("power", [0, 50])
async def test_kicks_and_bans_on_matrix_and_what_a_bot_without_power_says(
    program: Program, venue: MatrixVenue, power: int
) -> None:
    ann, ben = venue.people["ann"], venue.people["ben"]
    levels = await ann.state(venue.room, "m.room.power_levels")
    users = {**levels.get("users", {}), venue.bot.id: power}
    await ann.put_state(venue.room, "m.room.power_levels", {**levels, "users": users})
    mods = await ann.create(venue.bot)
    arguments = {
        "listeners.matrix.user": venue.bot.id,
        "listeners.matrix.homeserver": venue.server.address,
        "listeners.matrix.token": "${MATRIX_TOKEN}",
        "listeners.matrix.invites": '["@ann:*"]',
        "parameters.moderators": json.dumps(mods),
        "parameters.dry_run": "false",
        "roles.moderator": f'["matrix/{ann.user.id}"]',
        "operations.verdict.config.steps": "[kick, ban]",
    }
    settings = [part for k, v in arguments.items() for part in ("--set", f"{k}={v}")]
    async with program.start("run", "moderation", *settings, MATRIX_TOKEN=venue.bot.token) as bot:
        await bot.wait_for(f"listens: {venue.bot.id}", 60.0)
        await venue.present()
        await ann.until_member(mods, venue.bot.id)
        await ben.say(venue.room, RUDE)
        if not power:
            lacks = f"I could not kick {ben.user.id}", "power level is 0, and 50 is needed"
            await until_told(venue, mods, *lacks)
            await ben.say(venue.room, TRIED)
            await until_told(venue, mods, f"I could not ban {ben.user.id}")
            return
        await until_told(venue, mods, "I kick ben", "strike 1")
        await ann.until_member(venue.room, ben.user.id, "leave")
        await ben.join(venue.room)
        await ben.say(venue.room, TRIED)
        await until_told(venue, mods, "I ban ben", "strike 2")
        await ann.until_member(venue.room, ben.user.id, "ban")
        await ann.say(mods, f"!forgive {ben.user.id}")
        await until_told(venue, mods, "is forgiven")
        await ann.until_member(venue.room, ben.user.id, "leave")
