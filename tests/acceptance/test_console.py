"""`make run`'s program with lines from a pipe, as a script uses it."""

from __future__ import annotations

import asyncio
import signal

from tests.servers.processes import Program


async def test_lines_from_a_pipe_are_understood_and_answered_in_order(program: Program) -> None:
    said = "how do I install this?\n\nthanks!\nhow do I install this?\n"
    code, out, err = await program.run("run", "support", stdin=said)
    assert code == 0, err
    install, thanks, again = out.splitlines()
    assert install.startswith("[install ")
    assert "README" in install
    assert thanks.startswith("[thanks ")
    assert "welcome" in thanks
    assert again == install


async def test_ctrl_c_drains_and_exits_cleanly(program: Program) -> None:
    async with program.start("run", "support") as bot:
        assert bot.process.stdin is not None
        bot.process.stdin.write(b"thanks!\n")
        await bot.wait_for("welcome")
        bot.signal(signal.SIGINT)
        assert await bot.ended(15.0) == 0
        assert "Traceback" not in bot.err


async def test_a_second_ctrl_c_exits_at_once(program: Program) -> None:
    async with program.start("run", "support", "--no-node") as bot:
        await bot.wait_for("listens: console")
        bot.signal(signal.SIGINT)
        await bot.wait_for("draining")
        bot.signal(signal.SIGINT)
        async with asyncio.timeout(20.0):
            assert await bot.ended() in {0, 130}


async def test_a_killed_bot_leaves_nothing_behind_and_starts_again(program: Program) -> None:
    async with program.start("run", "support", "--no-node") as bot:
        await bot.wait_for("listens: console")
        await bot.kill()
    async with program.start("run", "support", "--no-node") as bot:
        await bot.wait_for("listens: console")
