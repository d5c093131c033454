"""Taking messages from a consumer: a standing pull request, renewal, settlement.

The rule that it guards: a message that was taken is settled (ack, nak, term) by whoever took
it, or it is renewed while it is worked on, or it goes to somebody else.

One pull request stands at the server at any time, topped up as room frees: a free worker never
waits for a round trip. What arrives on an inbox that nobody reads would be lost until its
`ack_wait`, so the inbox lives exactly as long as the `Pull`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import nats.errors
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig
from nats.js.errors import APIError, NotFoundError

from chatbot.broker.connection import SOON, Broker
from chatbot.errors import BrokerError

if TYPE_CHECKING:
    from nats.aio.subscription import Subscription

log = logging.getLogger(__name__)

EXPIRES = 5.0
"""Seconds that one pull request stands; a request that got lost is repeated after it."""

SHORT_REPLY = 9

REMEMBERED = 4096
"""Settled messages, at least, that are known again: a killed server forgets the acknowledgements
that it had not written down, and delivers those messages once more."""

_ACKNOWLEDGED = "$JS.ACK."
"""What the subjects begin with at which messages of a stream are acknowledged."""

_ACK, _TERM, _PROGRESS = b"+ACK", b"+TERM", b"+WPI"


class Taken:
    """A message that we hold until it is settled; settling twice does nothing."""

    __slots__ = ("_pull", "_reply", "attempt", "data", "identity", "subject", "taken")

    def __init__(self, pull: Pull, msg: Msg) -> None:
        self._pull: Pull | None = pull
        self._reply = msg.reply
        self.data = msg.data
        self.subject = msg.subject
        self.taken = time.monotonic()
        # $JS.ACK.[domain.account.]stream.consumer.delivered.stream_seq.consumer_seq.time.pending
        # (NATS ADR-15); the longer form ends in a random token.
        fields = msg.reply.split(".")
        first = 4 if len(fields) <= SHORT_REPLY else 6
        self.attempt = int(fields[first])
        """How often it was delivered. A hint: prefetched and handed-back ones count, too."""
        self.identity = (int(fields[first + 1]), int(fields[first + 3]))
        """Its sequence and the time when it was stored (ns): no other message of the stream's."""

    @property
    def sequence(self) -> int:
        """Its sequence in the stream, the same at each delivery."""
        return self.identity[0]

    async def ack(self) -> None:
        """Say that it is done: it never comes again."""
        await self._settle(_ACK)

    async def nak(self, delay: float = 0.0) -> None:
        """Hand it back; somebody gets it after `delay` seconds."""
        suffix = f' {{"delay": {int(delay * 1e9)}}}' if delay else ""
        await self._settle(f"-NAK{suffix}".encode())

    async def term(self) -> None:
        """Say that it can never succeed: it does not come again."""
        await self._settle(_TERM)

    async def _settle(self, verdict: bytes) -> None:
        pull, self._pull = self._pull, None
        if pull is not None:
            await pull._settle(self, verdict)

    async def _renew(self) -> None:
        if self._pull is not None:
            await self._pull._say(self._reply, _PROGRESS)


class Pull:
    """Takes messages from one consumer and gives each to `deliver`, up to `limit` unsettled.

    Use as `async with Pull.open(...)`: inside, messages arrive; at its end nothing more is
    taken, and what is unsettled is handed back at once. `deliver` is called in the event loop
    and must not block; a message that it was given is not given to it again, unless it was handed
    back. `limit` may be changed at any time with `resize`.
    """

    def __init__(
        self,
        broker: Broker,
        stream: str,
        config: ConsumerConfig,
        deliver: Callable[[Taken], None],
        limit: int,
    ) -> None:
        self._broker = broker
        self._stream = stream
        self._config = config
        self._consumer = str(config.durable_name)
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{self._consumer}"
        self._deliver = deliver
        self.limit = limit
        self._unsettled: dict[tuple[int, int], Taken] = {}
        self._settled: dict[tuple[int, int], bytes] = {}
        self._settled_before: dict[tuple[int, int], bytes] = {}
        self._requested = 0
        self._asked_at = 0.0
        self._inbox = ""
        self._sub: Subscription | None = None
        self._stopped = False
        self._missing = False
        self._wake = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        broker: Broker,
        stream: str,
        config: ConsumerConfig,
        deliver: Callable[[Taken], None],
        limit: int,
    ) -> AsyncIterator[Pull]:
        """Create the consumer if need be, and take messages for the block's duration."""
        pull = cls(broker, stream, config, deliver, limit)
        await pull._create_consumer()
        pull._inbox = broker.nc.new_inbox()
        pull._sub = await broker.nc.subscribe(
            pull._inbox, cb=pull._receive, pending_msgs_limit=-1, pending_bytes_limit=-1
        )
        tasks = [asyncio.ensure_future(pull._ask()), asyncio.ensure_future(pull._renew())]
        broker.on_reconnect.add(pull._ask_anew)
        try:
            yield pull
        finally:
            broker.on_reconnect.discard(pull._ask_anew)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await pull.stop()
            await pull.hand_back()

    @property
    def unsettled(self) -> int:
        """How many messages are held."""
        return len(self._unsettled)

    def resize(self, limit: int) -> None:
        """Change how many messages may be held at once."""
        if limit > self.limit:
            self._wake.set()
        self.limit = limit

    async def stop(self) -> None:
        """Take no more; what is held stays held. Idempotent.

        What the server sent before it knew is handed back at once: nobody gets it before its
        `ack_wait`, else.
        """
        if self._stopped:
            return
        self._stopped = True
        if self._sub is not None:
            await self._broker.nc.drain_sub(self._sub, SOON)

    async def hand_back(self) -> None:
        """Give what is held to others at once, without waiting for `ack_wait`."""
        for taken in list(self._unsettled.values()):
            await taken.nak()

    async def _create_consumer(self) -> None:
        pause = 0.1
        while True:
            try:
                await self._broker.js.add_consumer(self._stream, self._config)
                return
            except NotFoundError as error:
                raise BrokerError(f"NATS has no stream {self._stream}") from error
            except (APIError, nats.errors.Error, TimeoutError) as error:
                log.debug("creating consumer %s again: %r", self._consumer, error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)

    async def _ask(self) -> None:
        """Keep the standing request topped up."""
        while True:
            if self._missing:
                self._missing = False
                await self._create_consumer()
            now = time.monotonic()
            if self._requested and now > self._asked_at + EXPIRES + 1.0:
                self._requested = 0
            room = self.limit - len(self._unsettled) - self._requested
            # Small top-ups would cost a request for each message.
            if room > 0 and (self._requested == 0 or room >= self.limit // 2):
                await self._request(room)
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):  # `wait_for` may lose our cancellation (3.11)
                    await self._wake.wait()

    def _ask_anew(self) -> None:
        """Forget what was asked over a connection that is gone."""
        self._requested = 0
        self._wake.set()

    async def _request(self, room: int) -> None:
        body = json.dumps({"batch": room, "expires": int(EXPIRES * 1e9)})
        try:
            await self._broker.nc.publish(self._next, body.encode(), reply=self._inbox)
        except nats.errors.Error as error:
            log.debug("cannot ask %s for work: %r", self._consumer, error)
            return
        self._requested += room
        self._asked_at = time.monotonic()

    async def _receive(self, msg: Msg) -> None:
        if msg.headers and not msg.reply.startswith(_ACKNOWLEDGED):
            # Not where it is one of the stream's: whoever published it wrote its headers.
            self._note(msg.headers.get("Status", ""), msg)
            return
        self._requested = max(0, self._requested - 1)
        if self._requested == 0:
            self._wake.set()
        taken = Taken(self, msg)
        identity = taken.identity
        settled = self._settled.get(identity) or self._settled_before.get(identity)
        if settled is not None:
            await self._say(msg.reply, settled)
        elif identity in self._unsettled:
            held = self._unsettled[identity]
            held._reply, held.attempt = msg.reply, taken.attempt
        elif self._stopped:
            await taken.nak()
        else:
            self._unsettled[identity] = taken
            try:
                self._deliver(taken)
            except Exception as error:
                log.error("drop a message of %s: %s", self._stream, type(error).__name__)
                log.debug("drop a message of %s", self._stream, exc_info=error)
                await taken.term()

    def _note(self, status: str, msg: Msg) -> None:
        if status == "100":
            return
        unserved = int((msg.headers or {}).get("Nats-Pending-Messages", self._requested))
        self._requested = max(0, self._requested - unserved)
        if status in {"404", "503"} or "onsumer" in (msg.headers or {}).get("Description", ""):
            self._requested = 0
            self._missing = status != "404"
        if status == "408":
            self._wake.set()

    async def _settle(self, taken: Taken, verdict: bytes) -> None:
        identity = taken.identity
        if verdict in {_ACK, _TERM}:
            self._settled[identity] = verdict
            if len(self._settled) >= REMEMBERED:
                self._settled_before, self._settled = self._settled, {}
        await self._say(taken._reply, verdict)
        self._unsettled.pop(identity, None)  # only now: its room is asked for after this is said
        if self.limit - len(self._unsettled) - self._requested >= max(1, self.limit // 2):
            self._wake.set()

    async def _say(self, reply: str, verdict: bytes) -> None:
        try:
            await self._broker.nc.publish(reply, verdict)
        except nats.errors.Error as error:
            log.debug("cannot settle with %s: %r", self._consumer, error)

    async def _renew(self) -> None:
        """Tell the server, well within `ack_wait`, that we live and work on what we hold."""
        every = (self._config.ack_wait or 30.0) / 4
        while True:
            await asyncio.sleep(every)
            oldest = time.monotonic() - every / 2
            for taken in list(self._unsettled.values()):
                if taken.taken < oldest:
                    await taken._renew()
