"""The IRC listener: one connection after the other, for ever, with the queues between them."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import ssl
from collections import deque

from chatbot.errors import ListenerError
from chatbot.listeners.bridge import Bridge
from chatbot.listeners.irc.hearing import Heard
from chatbot.listeners.irc.memory import Memory
from chatbot.listeners.irc.outbox import Outbox
from chatbot.listeners.irc.pace import Backoff
from chatbot.listeners.irc.people import People
from chatbot.listeners.irc.registration import Refusal
from chatbot.listeners.irc.session import Session
from chatbot.listeners.irc.settings import IrcSettings, Timing
from chatbot.listeners.irc.speaker import Speaker
from chatbot.listeners.irc.wire import tls_context
from chatbot.listeners.secret import secret_of

log = logging.getLogger(__name__)


class IrcListener:
    """Hears and speaks on one IRC network; see `Listener`.

    What is heard reaches the bridge in its order and is never dropped while we are connected
    (IRC has no history: what is said meanwhile is lost). A reply is said under the network's
    rate limit, waits while we are away, and is acknowledged as `settings.delivery` says.
    """

    settings_type = IrcSettings

    def __init__(self, network: str, settings: IrcSettings, timing: Timing | None = None) -> None:
        self.network = network
        self._settings = settings
        self._timing = timing or Timing()

    def describe(self) -> str:
        """Return where this is, for a status line: `irc.libera.chat:6697 #a,#b`."""
        server = _shown((self._settings.server, self._settings.port))
        return f"{server} {','.join(self._settings.channels)}".strip()

    async def run(self, bridge: Bridge) -> None:
        """Hear and speak until cancelled; leaves within about a second then.

        Raises `ListenerError` when a secret or a certificate cannot be read or verified, and
        when the servers have refused us, or the login, three times in a row for a reason that
        waiting does not mend (ten times, where the network's services are away).
        """
        if problems := self._settings.problems():
            key, wrong = problems[0]
            raise ListenerError(f"{self.network}: {key} {wrong}")
        settings, context = await asyncio.to_thread(_read, self._settings)
        raise await _Run(self.network, settings, self._timing, bridge).until_refused(context)


def _read(settings: IrcSettings) -> tuple[IrcSettings, ssl.SSLContext | None]:
    """Return the settings with the secrets that lie in files, and what to verify with."""
    own = secret_of(settings.account_password, settings.account_password_file, "account_password")
    password = secret_of(settings.password, settings.password_file)
    found = dataclasses.replace(
        settings,
        password=password,
        password_file=None,
        account_password=own,
        account_password_file=None,
    )
    if problems := found.problems():  # that a file had several lines, say
        key, wrong = problems[0]
        raise ListenerError(f"{key} {wrong}")
    return found, tls_context(found)


class _Run:
    """The state of one `run`."""

    def __init__(self, network: str, settings: IrcSettings, timing: Timing, bridge: Bridge) -> None:
        self._network = network
        self._settings = settings
        self._timing = timing
        self._bridge = bridge
        self._heard = Heard()
        self._people = People()
        self._memory = Memory(bridge)
        self._outbox = Outbox(at_most_once=settings.delivery == "at-most-once")
        self._speaker = Speaker(network, settings, self._outbox)
        self._servers = deque(settings.addresses)
        self._backoff = Backoff(timing.backoff, timing.backoff_most, len(self._servers))
        self._refusals: list[Refusal] = []

    async def until_refused(self, context: ssl.SSLContext | None) -> ListenerError:
        await self._memory.load()
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._heard.run(self._bridge)),
                group.create_task(self._outbox.fill(self._bridge)),
                group.create_task(self._outbox.acknowledge()),
                group.create_task(self._memory.run()),
            ]
            try:
                return await self._connect_for_ever(context)
            finally:
                await self._flush()
                for task in tasks:
                    task.cancel()

    async def _connect_for_ever(self, context: ssl.SSLContext | None) -> ListenerError:
        while True:
            session = Session(
                self._network,
                self._settings,
                self._timing,
                address=self._servers[0],
                people=self._people,
                memory=self._memory,
                heard=self._heard,
                outbox=self._outbox,
            )
            reason = await self._connect(session, context)
            if isinstance(reason, ListenerError):
                return reason
            if self._is_last_word(session.refusal):
                return self._refused()
            if session.lasted >= self._timing.stable:
                self._backoff.reset()
            else:
                self._servers.rotate(-1)
            delay = self._backoff.next()
            log.warning("disconnected from %s: %s; again in %.1f s", self._network, reason, delay)
            await asyncio.sleep(delay)

    async def _connect(
        self, session: Session, context: ssl.SSLContext | None
    ) -> str | ListenerError:
        """Return why the connection came to nothing or to its end."""
        try:
            await session.open(context)
            await session.serve(self._speaker.run)
        except ssl.SSLCertVerificationError as error:
            return self._unverified(session, error)
        except OSError as error:
            return session.reason or str(error) or type(error).__name__
        finally:
            # A QUIT that the server answered confirms what was said before it.
            if await session.close():
                self._outbox.confirm()
            self._outbox.rewind()
        return session.reason

    async def _flush(self) -> None:
        """Let what was heard reach the bridge, and what was said be acknowledged."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timing.leave):
                await self._heard.flushed()
                await self._outbox.flushed()

    def _is_last_word(self, refusal: Refusal | None) -> bool:
        if refusal is None:
            self._refusals.clear()
            return False
        self._refusals.append(refusal)
        return len(self._refusals) >= refusal.tries * len(self._servers)

    def _refused(self) -> ListenerError:
        last = self._refusals[-1]
        return ListenerError(f"{self._network} refuses the bot: {last.reason}", hint=last.hint)

    def _unverified(
        self, session: Session, error: ssl.SSLCertVerificationError
    ) -> str | ListenerError:
        """Return the error, where there is no other server; else note the refusal."""
        reason = (
            f"cannot verify the certificate of {_shown(self._servers[0])}: {error.verify_message}"
        )
        hint = "name the authority with `ca_file`, or, where nobody listens in, set `tls: false`"
        if len(self._servers) == 1:
            return ListenerError(reason, hint=hint)
        session.refuse(reason, hint, 1)
        return reason


def _shown(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
