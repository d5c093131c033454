"""What a person sees in irssi, a real client, as a terminal draws it: exactly what was said."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chatbot.listeners.irc import IrcSettings
from chatbot.messages import Action, Outcome, Reply
from tests.servers.irc import Ngircd, binary
from tests.servers.listening import listening

pytestmark = pytest.mark.crash


class Irssi:
    """A person with irssi in a terminal of 100 columns."""

    def __init__(self, socket: str) -> None:
        self._socket = socket

    @classmethod
    @asynccontextmanager
    async def start(cls, folder: Path, port: int, nick: str) -> AsyncIterator[Irssi]:
        """Connect and join #chan; the client goes with the block."""
        home = folder / "irssi"
        home.mkdir()
        person = cls(f"irssi-{secrets.token_hex(4)}")
        command = f"{binary('irssi')} --home={home} -c 127.0.0.1 -p {port} -n {nick}"
        size = ("-x", "100", "-y", "40")
        await person._tmux("-f", "/dev/null", "new-session", "-d", *size, "-s", "irc", command)
        try:
            await person.sees("End of MOTD")
            await person.types("/join #chan")
            await person.sees("Join to #chan was synced")
            yield person
        finally:
            await person._tmux("kill-server")

    async def types(self, text: str) -> None:
        """Type a line."""
        await self._tmux("send-keys", "-t", "irc", "-l", text)
        await self._tmux("send-keys", "-t", "irc", "Enter")

    async def screen(self) -> list[str]:
        """Return the lines of the screen, without the time that each begins with."""
        lines = (await self._tmux("capture-pane", "-p", "-t", "irc")).splitlines()
        return [line[6:] if line[2:3] == ":" else line for line in lines]

    async def sees(self, text: str) -> list[str]:
        """Wait until `text` is on the screen; return the screen."""
        lines: list[str] = []
        try:
            async with asyncio.timeout(30):
                while text not in "\n".join(lines := await self.screen()):
                    await asyncio.sleep(0.05)  # a screen says no word when it changes
        except TimeoutError:
            pytest.fail("\n".join([f"{text!r} is not on the screen:", *lines]))
        return lines

    async def _tmux(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            binary("tmux"),
            "-u",
            "-L",
            self._socket,
            *arguments,
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
        return out.decode(errors="replace")


async def test_a_person_sees_what_was_said_and_done_and_nothing_else(
    ngircd: Ngircd, tmp_path: Path
) -> None:
    chosen = IrcSettings(
        server="127.0.0.1",
        port=ngircd.port,
        tls=False,
        nick="bot",
        channels=("#chan",),
        rate=1000,
        burst=1000,
    )
    async with Irssi.start(tmp_path, ngircd.port, "ann") as ann:
        async with listening(chosen) as bridge:
            await ann.sees("bot [~bot@127.0.0.1] has joined #chan")
            await ann.types("bot: what is ünïcode?")
            question = await bridge.next()
            assert (question.text, question.addressed) == ("bot: what is ünïcode?", True)
            await ann.types("/me ponders")
            assert (await bridge.next()).kind == "action"
            bridge.answer(
                "#chan", "it is 日本語 and naïve", "\x01VERSION\x01 a\x00b\rQUIT :x\nlast"
            )
            bridge.answer("#chan", "a notice", name="2", notice=True)
            await ann.sees("a notice")
            await ann.types("/op bot")
            await ann.sees("mode/#chan [+o bot]")
            kick = Outcome("3", "test", "#chan", "ann", (Reply("goodbye"),), actions=(KICK,))
            bridge.decide(kick)
            lines = await ann.sees("was kicked from #chan")
            said = [line.strip() for line in lines if "bot" in line or "last" in line]
            assert [line for line in said if line.startswith(("<", "-bot"))] == [
                "<@ann> bot: what is ünïcode?",
                "< bot> it is 日本語 and naïve",
                "< bot> VERSION ab",
                "< bot> QUIT :x",
                "< bot> last",
                "-bot:#chan- a notice",
                "<@bot> goodbye",
            ], lines
            assert any(
                "ann was kicked from #chan by bot [enough, now]" in line for line in lines
            ), lines


KICK = Action("kick", text="enough,\r\nnow")
