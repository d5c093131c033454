"""The bot as people start it, taught in a room of a real homeserver: by a reaction and a reply."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.servers.lessons import flow_file
from tests.servers.matrix import MatrixVenue
from tests.servers.matrix_people import Person
from tests.servers.processes import Program

pytestmark = pytest.mark.crash

SAID, TAUGHT = "flux warp flux", "install"


def write_flow(program: Program, venue: MatrixVenue) -> None:
    settings = {
        "user": venue.bot.id,
        "homeserver": venue.server.address,
        "token": "${MATRIX_TOKEN}",
        "invites": ["@ann:*"],
        "reactions": True,
    }
    path = flow_file(program.data)
    text = path.read_text()
    text = text.replace("net: {kind: irc}", f"matrix: {json.dumps(settings)}")
    text = text.replace("net/ben, net/carl", f'"matrix/{venue.people["ben"].user.id}"')
    say = "  say: {run: test_say, inputs: {text: classify.label}}\noutputs:"
    path.write_text(text.replace("outputs:", say))


async def test_a_reaction_and_a_reply_in_a_room_teach_the_bot(
    program: Program, venue: MatrixVenue
) -> None:
    write_flow(program, venue)
    ann, ben = venue.people["ann"], venue.people["ben"]

    async def answer(person: Person, text: str, **more: object) -> str:
        before = len(await ann.said(venue.room, venue.bot.id))
        await person.say(venue.room, text, **more)
        async with asyncio.timeout(30):
            while len(said := await ann.said(venue.room, venue.bot.id)) <= before:
                await asyncio.sleep(0.1)
        return said[before]

    async def until_answered(wanted: str) -> None:
        async with asyncio.timeout(30):
            while await answer(ann, SAID) != wanted:
                pass

    given = {"MATRIX_TOKEN": venue.bot.token, "XDG_CACHE_HOME": str(program.data / "cache")}
    async with program.start("run", "test.yaml", **given) as bot:
        await bot.wait_for(f"listens: {venue.bot.id}")
        await venue.present()
        before = await answer(ann, SAID)
        assert before != TAUGHT
        about = await ann.say(venue.room, SAID)
        relates = {"rel_type": "m.annotation", "event_id": about, "key": "?"}
        reaction = await ben.send(venue.room, "m.reaction", {"m.relates_to": relates})
        await until_answered(TAUGHT)
        await ben.redact(venue.room, reaction)
        await until_answered(before)
        reply = {"m.relates_to": {"m.in_reply_to": {"event_id": about}}}
        told = await answer(ben, f"!label {TAUGHT}", **reply)
        assert f"is {TAUGHT}; !undo takes it back" in told
        await until_answered(TAUGHT)
        code, out, _ = await program.run("labels", "history", "--json")
        assert code == 0
        assert [each["change"] for each in json.loads(out)] == ["added", "taken back", "added"]
    assert SAID not in bot.out + bot.err, "what people said is in no log"
