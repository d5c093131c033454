"""`--listen`: a bot prints the one command that starts a node on another machine."""

from __future__ import annotations

import shlex
import socket
import stat
from pathlib import Path

import pytest

from tests.servers.processes import Process, Program

TELLS = "To start a node on another machine"


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def elsewhere(tmp_path: Path) -> Program:
    """The program on another machine: with another data folder."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return Program(folder)


OPERATIONS = ["answer_from_faq", "classify_text", "similar_questions"]


def printed(bot: Process) -> tuple[str, list[str]]:
    """Return the address and the command of the line that the bot printed."""
    lines = bot.err.splitlines()
    [number] = [i for i, line in enumerate(lines) if TELLS in line]
    variable, *command = shlex.split(lines[number + 1])
    name, _, url = variable.partition("=")
    assert name == "CHATBOT_NATS_URL"
    assert command[0] == "chatbot"
    return url, command[1:]


async def test_a_node_elsewhere_joins_with_the_printed_command_and_does_the_work(
    program: Program, elsewhere: Program, port: int
) -> None:
    listen = f"127.0.0.1:{port}"
    async with program.start("run", "support", "--no-node", "--listen", listen) as bot:
        await bot.wait_for("listens: console")
        url, command = printed(bot)
        assert url.startswith("tls://")
        assert f"@127.0.0.1:{port}?pin=" in url
        assert command == ["node", "run", *OPERATIONS]
        async with elsewhere.start(*command, CHATBOT_NATS_URL=url) as node:
            await node.wait_for("running classify_text")
            assert bot.process.stdin is not None
            bot.process.stdin.write(b"thanks!\n")
            await bot.wait_for("welcome")
            [seen] = (await program.status())["nodes"]
            assert seen["pid"] == node.pid
            assert url.partition("@")[0].removeprefix("tls://") not in node.out + node.err
        assert not (elsewhere.data / "nats").exists(), "a node needs no server of its own"
        await refused(elsewhere, url, port)
    private = [program.data / "nats" / name for name in ("token", "nats.conf")]
    assert [stat.S_IMODE(path.stat().st_mode) for path in private] == [0o600, 0o600]


async def refused(elsewhere: Program, url: str, port: int) -> None:
    """Try what must not work, while the server runs."""
    credential, _, pin = url.partition("?pin=")
    other = ("0" if pin[0] != "0" else "1") + pin[1:]
    wrong_token = url.replace(credential.removeprefix("tls://").partition("@")[0], "w40ng-t0ken")
    for address, told in (
        (f"{credential}?pin={other}", "has another certificate"),
        (wrong_token, "refuses our credentials"),
        (f"nats://127.0.0.1:{port}", ""),
        (credential, ""),
    ):
        code, out, err = await elsewhere.run("status", CHATBOT_NATS_URL=address)
        assert (code, out) == (2, ""), address
        assert told in err
        assert "Traceback" not in err
        for secret in (credential.removeprefix("tls://").partition("@")[0], "w40ng"):
            assert secret not in err


async def test_a_bot_on_this_machine_needs_no_command(program: Program) -> None:
    async with program.start("run", "support", "--no-node") as bot:
        await bot.wait_for("listens: console")
        assert TELLS not in bot.err
        async with program.start("node", "run", "classify_text") as node:
            await node.wait_for("running classify_text")


async def test_a_port_that_is_taken_is_told(program: Program) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        code, out, err = await program.run("run", "support", "--no-node", "--listen", listen)
    assert (code, out) == (2, "")
    assert "address already in use" in err
    assert "Traceback" not in err
