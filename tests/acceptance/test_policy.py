"""Who is answered, and what people tell the bot to do: real IRC, the program as it is started."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.servers.irc import Ngircd, RawClient
from tests.servers.processes import Process, Program, until

ROOM = "#room"

ECHO = """\
version: 1
name: {name}
listeners:
  irc: {{server: 127.0.0.1, port: {port}, tls: false, nick: {name}, channels: ["{room}"],
        rate: 500, burst: 100, limits: {{person: 5 in 1h}}}}
roles: {{moderator: [irc/anna]}}
operations:
  say: {{run: test_say, inputs: {{text: message.text}}}}
outputs: {{text: message.text}}
"""


def echo(folder: Path, port: int, name: str, **changes: str) -> Path:
    path = folder / f"{name}.yaml"
    text = ECHO.format(port=port, name=name, room=ROOM)
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return path


def run(path: Path, *more: str) -> list[str]:
    return ["run", str(path), "--no-node", *more]


def said(client: RawClient, who: str) -> list[str]:
    """Return what somebody said in the room, as `client` saw it."""
    found = (line for line in client.lines if line.startswith(f":{who}!"))
    return [line.split(" :", 1)[1] for line in found if f"PRIVMSG {ROOM}" in line]


@asynccontextmanager
async def visiting(port: int, nick: str) -> AsyncIterator[RawClient]:
    client = await RawClient.connect(port, nick, ROOM)
    try:
        yield client
    finally:
        await client.close()


async def joined(client: RawClient, bot: Process, nick: str) -> None:
    await bot.wait_for("listens: 127.0.0.1")
    while not any(line.startswith(f":{nick}!") and "JOIN" in line for line in client.lines):
        await client.next_line()


async def test_people_ask_why_and_are_answered_so_often(
    program: Program, ngircd: Ngircd, tmp_path: Path
) -> None:
    path = echo(tmp_path, ngircd.port, "echo")
    async with visiting(ngircd.port, "anna") as person, program.start(*run(path)) as bot:
        await joined(person, bot, "echo")
        person.say(ROOM, "hello")
        await person.wait_for(":echo!")
        person.say(ROOM, "echo: !why")
        line = await person.wait_for(":echo!")
        assert f"PRIVMSG {ROOM} :anna: text hello; answered at " in line
        person.say(ROOM, "!mute 10m")
        line = await person.wait_for(":echo!")
        assert "sorry, !mute is for who has the role moderator; are you logged in?" in line
        person.say("echo", "!help")
        line = await person.wait_for(":echo!")
        assert "PRIVMSG anna :!broken, !help [COMMAND], !mute [TIME]" in line
        person.say(ROOM, *(f"more {number}" for number in range(9)))
        await bot.wait_for("that is more than 5 in 1h from one person")
        async with visiting(ngircd.port, "ben") as other:
            other.say(ROOM, "the last")
            while "the last" not in said(person, "echo"):
                await person.next_line()
        assert said(person, "echo")[-3:] == ["more 0", "more 1", "the last"], "5 in all"
        assert bot.err.count("dropped a message") == 1
        assert "more 3" not in bot.err, "no word of theirs"


async def test_a_moderator_has_the_bot_be_silent(
    program: Program, ngircd: Ngircd, tmp_path: Path
) -> None:
    path = tmp_path / "posted"
    path.write_text("")
    flow = tmp_path / "quiet.yaml"
    flow.write_text(
        "version: 1\nname: quiet\n"
        f"listeners: {{net: {{kind: test_platform, folder: {tmp_path}}}}}\n"
        "roles: {moderator: [net/anna]}\n"
        "operations:\n  say: {run: test_say, inputs: {text: message.text}}\n"
    )

    def post(text: str) -> None:
        with path.open("a") as file:
            file.write(f"{text}\n")

    def heard() -> str:
        found = tmp_path / "said"
        return found.read_text() if found.exists() else ""

    async with program.start(*run(flow)) as bot:
        await bot.wait_for("listens: the tests' platform")
        post("before")
        await until(lambda: "before" in heard())
        post("!mute 10m")
        await until(lambda: "I am silent here until" in heard())
        post("meanwhile")
        post("!why")
        await until(lambda: "not answered (muted)" in heard())
        code, out, _ = await program.run("status")
        assert code == 0
        assert re.search(r"quiet +net +#room +anna +9 min", out), out
        await program.run("forget", "anna", "--yes")
        (mute,) = (await program.status())["mutes"]
        assert (mute["flow"], mute["network"], mute["room"]) == ("quiet", "net", "#room")
        assert mute["by"] == ""
    async with program.start(*run(flow)) as bot:
        post("after a restart")
        post("!status")
        await until(lambda: "silent here until" in heard().rpartition("\n[")[2])
        post("!unmute")
        await until(lambda: "I am back" in heard())
        post("now")
        await until(lambda: '"now"' in heard())
    assert "meanwhile" not in heard()
    assert "after a restart" not in heard()


async def test_two_bots_in_a_room_do_not_talk_to_each_other_for_long(
    program: Program, ngircd: Ngircd, tmp_path: Path
) -> None:
    free = {"{person: 5 in 1h}": "off"}
    paths = [echo(tmp_path, ngircd.port, name, **free) for name in ("one", "two")]
    async with visiting(ngircd.port, "anna") as person, program.start(*run(paths[0])) as first:
        await joined(person, first, "one")
        other = Program(tmp_path / "other")
        other.data.mkdir()
        async with other.start(*run(paths[1])) as second:
            await joined(person, second, "two")
            person.say(ROOM, "hello, you two")
            await until(lambda: "it looks like a loop" in first.err + second.err)
            person.say(ROOM, "still there?")
            for bot in ("one", "two"):
                while "still there?" not in said(person, bot):
                    await person.next_line()
            talk = [*said(person, "one"), *said(person, "two")]
            assert talk.count("hello, you two") < 150
            assert "hello" not in first.err + second.err
