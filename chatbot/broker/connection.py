"""One connection to NATS, which all parts of a process share; TLS with a pinned certificate.

The rule that it guards: no credential is ever in a message, a log or a process list.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import inspect
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NoReturn, TypeVar, cast
from urllib.parse import urlsplit

import nats
import nats.errors
from nats.aio.msg import Msg
from nats.errors import NoRespondersError
from nats.js.client import JetStreamContext
from nats.js.errors import APIError, ServiceUnavailableError

from chatbot.broker.address import Address, redact
from chatbot.broker.nats_compat import Client
from chatbot.broker.publisher import Publisher
from chatbot.errors import ConnectError

log = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds in which a server must answer at the start; later, a lost one is awaited for ever."""

PING = 3
"""Seconds between signs of life: a connection that died without a word is replaced after 9."""

SOON = 2
"""Seconds in which the server says that it has all that was sent."""

AGAIN = 0.5
"""Seconds until a server that did not answer is asked again."""

NO_LEADER = {None, 10006, 10008, 10009}
"""The server's error codes where a cluster elects a leader; none, where nobody answers."""

T = TypeVar("T")


class Broker:
    """A connection that all parts of a process share. Made by `connect`.

    `errors` are what a request may raise while the server is away.
    """

    errors = (nats.errors.Error, TimeoutError, OSError)

    def __init__(self, client: Client, url: str) -> None:
        self.nc = client
        self.js: JetStreamContext = client.jetstream(timeout=5.0)
        self.publisher = Publisher(client)
        self.address = redact(url)
        self.on_reconnect: set[Callable[[], None]] = set()
        """Called when a connection that was lost is there again."""
        self.closed: asyncio.Future[NoReturn] = asyncio.get_running_loop().create_future()
        """Fails, with `ConnectError`, when the connection is gone for good."""
        self.replicas = 0
        """Copies of each stream; 0 is three on a cluster that has so many servers, else one."""

    async def publish(self, subject: str, data: bytes) -> None:
        """Store `data` under `subject`; see `Publisher.publish`."""
        await self.publisher.publish(subject, data)

    async def insist(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Return what `ask` gives; while the server is away or has no leader, ask again.

        It may have done what was asked though its answer was lost: `ask` must be idempotent.
        What the server refuses is raised.
        """
        while True:
            try:
                return await ask()
            except nats.errors.ConnectionClosedError as error:
                raise ConnectError(f"the connection to NATS at {self.address} is closed") from error
            except APIError as error:
                if error.err_code not in NO_LEADER:
                    raise
                log.debug("asking NATS again: %r", error)
            except (TimeoutError, nats.errors.NoRespondersError, OSError) as error:
                log.debug("asking NATS again: %r", error)
            await asyncio.sleep(AGAIN)

    @asynccontextmanager
    async def listen(self, subject: str, receive: Callable[[bytes], None]) -> AsyncIterator[None]:
        """Give what is published to a plain subject to `receive`, for the block's duration."""
        async with self.answer(subject, receive):
            yield

    @asynccontextmanager
    async def answer(
        self, subject: str, reply: Callable[[bytes], bytes | Awaitable[bytes] | None]
    ) -> AsyncIterator[None]:
        """Answer requests to a plain subject with `reply` of each, for the block's duration.

        A server that is away is waited for before it begins.
        """

        async def receive(msg: Msg) -> None:
            answer = reply(msg.data)
            if inspect.isawaitable(answer):
                answer = await answer
            if answer is not None and msg.reply:
                with contextlib.suppress(nats.errors.Error):
                    await msg.respond(answer)

        sub = await self.nc.subscribe(subject, cb=receive)
        try:
            await self.insist(lambda: self.nc.flush(SOON))  # the server knows of it then
            yield
        finally:
            with contextlib.suppress(nats.errors.Error):
                await sub.unsubscribe()

    @asynccontextmanager
    async def ask_all(
        self, subject: str, question: bytes = b"", *, most: int = 1000
    ) -> AsyncIterator[asyncio.Queue[bytes]]:
        """Ask all who answer on a plain subject; yields the queue that their answers come to."""
        answers: asyncio.Queue[bytes] = asyncio.Queue(most)

        def receive(answer: bytes) -> None:
            with contextlib.suppress(asyncio.QueueFull):
                answers.put_nowait(answer)

        inbox = self.nc.new_inbox()
        async with self.listen(inbox, receive):
            await self.nc.publish(subject, question, reply=inbox)
            yield answers

    async def ask(self, subject: str, data: bytes, seconds: float) -> bytes | None:
        """Return the answer to a request; `None` where nobody listens on `subject`.

        Raises one of `errors`, a `TimeoutError` where somebody listens and does not answer.
        """
        try:
            return (await self.nc.request(subject, data, timeout=seconds)).data
        except NoRespondersError:
            return None

    @property
    def clustered(self) -> bool:
        """Whether the server is one of a cluster."""
        return bool(self.nc._server_info.get("cluster"))

    @property
    def servers(self) -> int:
        """How many servers of the cluster are known to be there, at the most; 1 without one.

        A server that clients may reach at several addresses counts once for each.
        """
        urls = self.nc._server_info.get("connect_urls") or ()
        return max(1, len(set(urls))) if self.clustered else 1

    @property
    def version(self) -> tuple[int, int]:
        """The server's version: major, minor."""
        told = self.nc.connected_server_version
        return told.major, told.minor

    @property
    def max_payload(self) -> int:
        """The most bytes that the server takes in one message."""
        return int(self.nc.max_payload)


@asynccontextmanager
async def connect(url: str, *, name: str) -> AsyncIterator[Broker]:
    """Connect for the block's duration. Raises `ConnectError` when that cannot be.

    A connection that is lost later comes back by itself, with back-off and jitter, for ever;
    should the client give it up all the same, `Broker.closed` fails.
    """
    client = Client()
    broker = Broker(client, url)
    watch = _Watch(broker)
    await _open(client, Address.parse(url), name, watch)
    try:
        await broker.publisher.open()
        await _check_jetstream(broker)
        yield broker
    finally:
        watch.leaving = True
        await _close(client)
        broker.closed.cancel()


class _Watch:
    """What the client tells us: refusals, losses, returns."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.refused: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self.last: Exception | None = None
        self.opened = False
        self.leaving = False

    async def on_error(self, error: Exception) -> None:
        self.last = error
        if "authorization" in str(error).lower() and not self.refused.done():
            self.refused.set_result(error)
        log.debug("error from NATS: %s", error)

    async def on_lost(self) -> None:
        if not self.broker.nc.is_closed:
            log.warning("lost the connection to NATS at %s; trying again", self.broker.address)
            self.broker.publisher.lost()

    async def on_back(self) -> None:
        log.warning("connected to NATS at %s again", self.broker.address)
        for told in list(self.broker.on_reconnect):
            told()

    async def on_closed(self) -> None:
        """nats-py gives up for good at most errors that the server states."""
        if self.opened and not self.leaving and not self.broker.closed.done():
            reason = f"the NATS server at {self.broker.address} closed the connection: {self.last}"
            self.broker.closed.set_exception(ConnectError(reason))


async def _open(client: Client, address: Address, name: str, watch: _Watch) -> None:
    context = await _tls(address)
    opening = asyncio.ensure_future(
        client.connect(
            list(address.servers),
            name=name,
            token=address.token,
            user=address.user,
            password=address.password,
            tls=context,
            tls_handshake_first=context is not None and address.pin is not None,
            error_cb=watch.on_error,
            disconnected_cb=watch.on_lost,
            reconnected_cb=watch.on_back,
            closed_cb=watch.on_closed,
            max_reconnect_attempts=-1,
            reconnect_time_wait=cast(int, 0.25),  # seconds; a float is taken, too
            connect_timeout=5,
            ping_interval=PING,
            max_outstanding_pings=2,
            pending_size=64 * 1024 * 1024,
            skip_subject_validation=True,  # all are made in `subjects`; it costs at each publish
        )
    )
    both: set[asyncio.Future[Any]] = {opening, watch.refused}
    try:
        await asyncio.wait(both, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        await _give_up(client, opening)
        raise
    if opening.done() and opening.exception() is None:
        watch.refused.cancel()
        watch.opened = True
        return
    await _give_up(client, opening)
    raise _why_not(watch)


def _why_not(watch: _Watch) -> ConnectError:
    shown = watch.broker.address
    if watch.refused.done():
        return ConnectError(
            f"the NATS server at {shown} refuses our credentials",
            hint="check the token or password in --nats or CHATBOT_NATS_URL",
        )
    reason = watch.last or "no answer"
    return ConnectError(
        f"no NATS server answers at {shown} ({str(reason) or type(reason).__name__})",
        hint="is it running, and is the address right?",
    )


async def _check_jetstream(broker: Broker) -> None:
    try:
        while True:
            with contextlib.suppress(TimeoutError):  # it was lost again: then as at any later time
                await broker.js.account_info()
                return
    except (ServiceUnavailableError, NoRespondersError) as error:
        raise ConnectError(
            f"the NATS server at {broker.address} has no JetStream",
            hint="switch it on: `jetstream {}` in its configuration, or nats-server -js; in a "
            "cluster, most of its servers must run",
        ) from error


async def _give_up(client: Client, opening: asyncio.Future[None]) -> None:
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    await _close(client)


async def _close(client: Client) -> None:
    with contextlib.suppress(nats.errors.Error, OSError):
        async with asyncio.timeout(2.0):
            await client.flush()
    # A transport that is closed already raises RuntimeError under uvloop.
    with contextlib.suppress(nats.errors.Error, asyncio.TimeoutError, OSError, RuntimeError):
        async with asyncio.timeout(2.0):
            await client.close()


async def _tls(address: Address) -> ssl.SSLContext | None:
    if not address.servers[0].startswith(("tls://", "wss://")):
        return None
    if address.pin is None:
        return ssl.create_default_context()
    return await asyncio.to_thread(_pinned, address)


def _pinned(address: Address) -> ssl.SSLContext:
    """Trust exactly the certificate whose SHA-256 was given: it is its own authority."""
    for server in address.servers:
        part = urlsplit(server)
        try:
            pem = ssl.get_server_certificate((part.hostname or "", part.port or 4222), timeout=5.0)
        except OSError as error:
            reason = error
            continue
        found = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
        if found != address.pin:
            raise ConnectError(
                f"the NATS server at {part.hostname}:{part.port} has another certificate than "
                "the one that the address names",
                hint="take the command that `chatbot run --listen` prints now; if it is the same, "
                "somebody may stand in between",
            )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # the pin is stricter than any name
        context.load_verify_locations(cadata=pem)
        return context
    raise ConnectError(
        f"no NATS server answers at {', '.join(address.servers)} ({reason})",
        hint="is it running, and is the address right?",
    )
