"""The connection of the `irc` library, made safe.

The rule that it guards: nothing that a server or a person sends ends the connection, and
nothing that we send can become a second line. Measured with irc 20.5: it decodes strictly
and so dies of one latin-1 byte, dies of malformed lines and of exceptions in handlers,
buffers without bound, and lets a bare CR out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from irc.client import Event, IRCError
from irc.client_aio import AioConnection, AioReactor, IrcProtocol

from chatbot.errors import ListenerError
from chatbot.listeners.irc.capabilities import BEGIN
from chatbot.listeners.irc.linebuffer import Lines
from chatbot.listeners.irc.names import fold
from chatbot.listeners.irc.reach import reach
from chatbot.listeners.irc.settings import IrcSettings

log = logging.getLogger(__name__)

UNREAD = 1024 * 1024
"""Bytes that may wait for the server to read: a flood of PINGs is answered only so far."""

FEATURES = 512
"""What a server may say that it can do (ISUPPORT); the library keeps it all."""

_QUICK: int | None = getattr(socket, "TCP_QUICKACK", None)
_UNSENDABLE = re.compile(r"[\r\n\0]")


def tls_context(settings: IrcSettings) -> ssl.SSLContext | None:
    """Return what to verify the server with; reads files. Raises `ListenerError`."""
    if not settings.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise ListenerError(
            f"cannot read the certificates in {settings.ca_file}: {error.strerror or error}",
            hint="ca_file must be a PEM file",
        ) from error
    if settings.certificate is not None:
        _show(context, settings.certificate)
    return context


def _show(context: ssl.SSLContext, certificate: Path) -> None:
    try:
        # With a password given, OpenSSL does not ask the terminal for one.
        context.load_cert_chain(certificate, password="")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "reason", None) or error
        raise ListenerError(
            f"cannot use the client certificate in {certificate}: {reason}",
            hint="`certificate` must be a PEM file with the certificate and its key, "
            "which has no passphrase",
        ) from error


class Protocol(IrcProtocol):  # type: ignore[misc]
    """Tells the wire what the library does not: when it was lost and when it is clogged."""

    connection: Wire

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Make the transport known before the first byte, which may be a PING."""
        self.connection.transport = transport

    def data_received(self, data: bytes) -> None:
        """Note the time, then let the library have the data."""
        self.connection.received = self.loop.time()
        super().data_received(data)
        self.connection.acknowledge()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection once, without a QUIT into the void."""
        self.connection.end(str(exc) if exc else "closed by the server", clean=exc is None)

    def pause_writing(self) -> None:
        """The server does not read as fast as we write."""
        self.connection.writable.clear()

    def resume_writing(self) -> None:
        """The server has caught up."""
        self.connection.writable.set()


class Wire(AioConnection):  # type: ignore[misc]
    """One connection, used once. `on_event` gets the library's events and must not block.

    `lost` is set when it is gone, `settled` as well, and by the welcome; `clean` says that
    the server closed it in order; `received` is the loop's time of the last sign of life.
    """

    buffer_class = Lines
    protocol_class = Protocol

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(AioReactor(loop=loop, on_connect=self._begin))
        self.reactor.add_global_handler("all_events", lambda _, event: on_event(event))
        self.transport: asyncio.Transport | None = None
        self.received = loop.time()
        self.writable = asyncio.Event()
        self.writable.set()
        self.lost = asyncio.Event()
        self.settled = asyncio.Event()
        self.clean = False
        self.reason = ""
        self.paused = False
        self._held: list[bytes] | None = None

    async def open(
        self, settings: IrcSettings, address: tuple[str, int], context: ssl.SSLContext | None
    ) -> None:
        """Connect and begin to register; raises `OSError`. The welcome comes as an event."""

        host, port = address

        async def factory(protocol: Protocol, _: object) -> tuple[asyncio.Transport, Protocol]:
            reached = await reach(host, port)
            return await asyncio.get_running_loop().create_connection(
                lambda: protocol,
                sock=reached,
                ssl=context,
                server_hostname=host if context else None,
            )

        # In one write: a server that has already said why not, and closed, fails the second,
        # and asyncio then throws away what it had said.
        self._held = []
        await self.connect(
            host,
            port,
            settings.nick,
            password=settings.password or None,
            username=settings.username or settings.nick,
            ircname=settings.realname or settings.nick,
            connect_factory=factory,
        )
        held, self._held = self._held, None
        self._write(b"".join(held))

    @property
    def casemapping(self) -> str:
        """How the server compares names; RFC 1459's way until it says otherwise."""
        return str(getattr(self.features, "casemapping", "rfc1459"))

    @property
    def channel_prefixes(self) -> str:
        """The characters that channels begin with here."""
        return str(getattr(self.features, "chantypes", "#&+!"))

    @property
    def nickname_now(self) -> str:
        """The nick that we have; before the welcome, the one that we asked for."""
        return str(self.get_nickname())

    def fold(self, name: str) -> str:
        """Return `name` so that names are equal which the server takes for the same."""
        return fold(name, self.casemapping)

    def same(self, one: str, other: str) -> bool:
        """Whether the server takes both names for the same."""
        return self.fold(one) == self.fold(other)

    def is_me(self, nick: str) -> bool:
        """Whether `nick` is ours at present."""
        return self.same(nick, self.nickname_now)

    def send_raw(self, string: str) -> None:
        """Write one line, whatever `string` holds; it is lost if the connection is.

        Raises `ValueError` if it exceeds 512 bytes without its tags. Never logs it: it may be the
        password.
        """
        line = self._line(_UNSENDABLE.sub(" ", string))
        if self._held is None:
            self._write(line)
        else:
            self._held.append(line)

    def encode(self, msg: str) -> bytes:
        """Return `msg` as UTF-8, with what is no Unicode (lone surrogates) replaced."""
        return msg.encode("utf-8", "replace")

    def pong(self, target: str, target2: str = "") -> None:
        """Answer a PING with its token, which may hold blanks."""
        self.send_items("PONG", f":{target}")

    def pass_(self, password: str) -> None:
        """Send the server's password, which may hold blanks."""
        self.send_items("PASS", f":{password}")

    def acknowledge(self) -> None:
        """Have the kernel acknowledge what was received now, where it can (Linux).

        Servers leave Nagle's algorithm on: they hold a line back until the one before is
        acknowledged, which a kernel may put off for 40 ms (seen with ngircd and InspIRCd).
        """
        if _QUICK is not None and self.transport is not None and not self.transport.is_closing():
            with contextlib.suppress(OSError):
                self.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, _QUICK, 1)

    def pause(self) -> None:
        """Stop reading, so that the server feels the back-pressure."""
        if self.transport is not None and not self.transport.is_closing():
            self.paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if not self.paused or self.transport is None:
            return
        self.paused = False
        self.received = self.reactor.loop.time()
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def abort(self, reason: str) -> None:
        """Drop the connection at once; `lost` is set soon after."""
        self.because(reason)
        if self.transport is not None:
            self.transport.abort()
        else:
            self.end(reason, clean=False)

    def because(self, reason: str) -> None:
        """Note why the connection ends; what was noted first stands."""
        self.reason = self.reason or reason

    def end(self, reason: str, *, clean: bool) -> None:
        """Note that the connection is gone; `clean` if the server closed it in order."""
        self.connected = False
        self.clean = clean
        self.because(reason)
        self.writable.set()
        self.lost.set()
        self.settled.set()

    def disconnect(self, message: str = "") -> None:
        """Close; the library calls it in places where it means a lost connection."""
        if self.transport is not None:
            self.transport.close()

    def _line(self, string: str) -> bytes:
        tags, blank, line = string.partition(" ") if string.startswith("@") else ("", "", string)
        made: bytes = self._prep_message(line)
        return (tags + blank).encode(errors="replace") + made

    def _write(self, data: bytes) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size() > UNREAD:
            self.abort("the server asks, and does not read")
            return
        self.transport.write(data)

    def _begin(self, *_: object) -> None:
        self.send_raw(BEGIN)

    def _process_line(self, line: str) -> None:
        if self.transport is not None and self.transport.is_closing():
            return
        try:
            super()._process_line(line)
            if len(vars(self.features)) > FEATURES:
                self.abort("the server can do more than anybody can")
        except (
            ArithmeticError,
            ValueError,
            LookupError,
            AttributeError,
            TypeError,
            IRCError,
        ) as error:
            # Whatever it was, the lines behind it are worth more than this one.
            log.warning("ignored a line that makes no sense: %s", type(error).__name__)
            log.debug("the line was %r", line, exc_info=True)
