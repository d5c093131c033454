"""`chatbot forget`, beside a bot that runs."""

from __future__ import annotations

import asyncio
import getpass
import json

from tests.servers.processes import Program


async def test_somebody_is_forgotten_when_that_was_meant(program: Program) -> None:
    user = getpass.getuser()
    async with program.start("run", "support", "--console", "--no-node") as bot:
        await bot.wait_for("listens: console")
        assert bot.process.stdin is not None
        bot.process.stdin.write(b"how do I install this?\nthanks\n")
        await bot.process.stdin.drain()
        await heard(program, 2)
        code, out, err = await program.run("forget", user)
        assert (code, out) == (2, "")
        assert "2 messages would be erased: say --yes" in err
        code, out, _ = await program.run("forget", user, "--network", "irc", "--yes", "--json")
        assert (code, json.loads(out)) == (0, {"erased": 0})
        code, out, _ = await program.run("forget", user.upper(), "--yes")
        assert (code, out) == (0, "erased 2 messages\n")
        code, out, _ = await program.run("forget", user, "--yes", "--json")
        assert (code, json.loads(out)) == (0, {"erased": 0})


async def heard(program: Program, count: int) -> None:
    """Wait until the bot has heard so many messages."""
    async with asyncio.timeout(30.0):
        while True:
            queues = (await program.status())["queues"]
            if any(each["queue"].startswith("IN") and each["stored"] == count for each in queues):
                return
