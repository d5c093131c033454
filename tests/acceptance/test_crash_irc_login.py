"""The whole program on a network with services: in by SASL over TLS, or out with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.inspircd import Inspircd, services
from tests.servers.irc import Certificate, present
from tests.servers.processes import Program

pytestmark = pytest.mark.crash


async def test_the_program_logs_in_or_ends_with_what_to_do(
    program: Program, tmp_path: Path
) -> None:
    certificate = Certificate.make(tmp_path)
    secret = tmp_path / "secret"
    async with Inspircd(tmp_path, certificate) as server, services(server) as atheme:
        await atheme.register("robot", "hunter2")
        values = {
            "server": "localhost",
            "port": server.port,
            "ca_file": certificate.certificate,
            "channels": "['#help']",
            "account": "robot",
            "account_password_file": secret,
        }
        arguments = ["run", "support", "--no-node"]
        for key, value in values.items():
            arguments += ["--set", f"listeners.irc.{key}={value}"]
        async with present(server.plain, "ann", "#help") as ann:
            secret.write_text("hunter2\n")
            async with program.start(*arguments) as bot:
                await ann.wait_for("JOIN :#help", 30.0)
                ann.send("WHOIS helpbot")
                assert " helpbot robot " in await ann.wait_for(" 330 ")
            secret.write_text("wrong-one\n")
            async with program.start(*arguments) as bot:
                assert await bot.ended(30.0) == 2
                told = bot.out + bot.err
                assert "the login failed" in told
                assert "account_password" in told
                assert "hunter2" not in told
                assert "wrong-one" not in told
            ann.send("PING :done")
            await ann.wait_for(":done")
            assert sum("JOIN :#help" in line for line in ann.lines) == 2
