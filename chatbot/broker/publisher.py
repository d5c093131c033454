"""Publishing, with the acknowledgement awaited.

The rule that it guards: when `publish` returns, the message is stored.

nats-py's own `publish_async` loses the server's refusals (its reply handler raises instead of
failing the future, 2.16.0), and its `publish` sets up a request each time; this keeps one inbox.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from chatbot.errors import AlreadyPublished, BrokerError

log = logging.getLogger(__name__)

ACK_TIMEOUT = 4.0
TELL = 30.0
"""Seconds between warnings of a server that stores nothing."""

SUBJECT_IS_TAKEN = "maximum messages per subject exceeded"
PASSING = {503, 500}
"""HTTP-like codes of refusals that may pass: no leader, store full or failing."""


class _Refusal(msgspec.Struct):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _PubAck(msgspec.Struct):
    """The server's answer to a publish (NATS ADR-1: JetStream JSON API)."""

    error: _Refusal | None = None
    duplicate: bool = False


_NO_ANSWER = b""
"""What the server sends for "no responders" (no stream has the subject, or it has no leader);
what we take instead of an answer that does not come."""

_decode = msgspec.json.Decoder(_PubAck).decode


class _NoAnswerError(Exception):
    """No stream took the message, for now."""


class _CannotStoreError(Exception):
    """The server refuses the message, for now: its disk is full, or it has no leader."""


class Publisher:
    """Publishes to JetStream; one for a connection."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._loop = asyncio.get_running_loop()  # asking each time is a system call (3.11)
        self._prefix = ""
        self._numbers = itertools.count()
        self._waiting: dict[str, asyncio.Future[bytes]] = {}
        self._deadlines: dict[str, float] = {}
        self._looking = False
        self._told = -TELL

    async def open(self) -> None:
        """Subscribe to the acknowledgements; before the first `publish`."""
        self._prefix = self._client.new_inbox()
        await self._client.subscribe(
            f"{self._prefix}.*", cb=self._acknowledge, pending_msgs_limit=-1, pending_bytes_limit=-1
        )

    async def publish(self, subject: str, data: bytes) -> None:
        """Store `data` under `subject` and return when it is stored.

        While the server is away, restarts or elects a leader it tries again, with jittered
        back-off, until it is cancelled. Raises `AlreadyPublished` where the stream keeps one
        message a subject and has it, `BrokerError` for what trying again would not mend.
        """
        pause = 0.05
        while True:
            try:
                await self._publish_once(subject, data)
                return
            except nats.errors.MaxPayloadError as error:
                raise BrokerError(
                    f"{len(data)} bytes for {subject} are more than the NATS server takes",
                    hint="raise max_payload in the server's configuration",
                ) from error
            except nats.errors.ConnectionClosedError as error:
                raise BrokerError("the connection to NATS is closed") from error
            except _CannotStoreError as error:
                self._tell(error)
            except (_NoAnswerError, nats.errors.Error, OSError) as error:
                log.debug("publishing to %s again: %r", subject, error)
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
            pause = min(pause * 2, 2.0)

    def _tell(self, error: Exception) -> None:
        if self._loop.time() > self._told + TELL:
            self._told = self._loop.time()
            log.warning("the NATS server stores nothing now (%s); trying again", error)

    def lost(self) -> None:
        """Publish again, at once, what was not answered before the connection was lost."""
        for reply in self._waiting:
            self._answer(reply, _NO_ANSWER)

    async def _publish_once(self, subject: str, data: bytes) -> None:
        reply = f"{self._prefix}.{next(self._numbers)}"
        loop = self._loop
        answer = self._waiting[reply] = loop.create_future()
        try:
            await self._client.publish(subject, data, reply=reply)
            self._deadlines[reply] = loop.time() + ACK_TIMEOUT
            if not self._looking:
                self._looking = True
                loop.call_later(ACK_TIMEOUT, self._look)
            _check(subject, await answer)
        finally:
            del self._waiting[reply]
            self._deadlines.pop(reply, None)

    def _look(self) -> None:
        """Give up what had no answer in time.

        One timer looks for all: a time-out of each one's own costs as much as publishing it.
        """
        loop = self._loop
        for reply, deadline in self._deadlines.items():
            if deadline <= loop.time():
                self._answer(reply, _NO_ANSWER)
        left = [each for each in self._deadlines.values() if each > loop.time()]
        self._looking = bool(left)
        if left:
            loop.call_at(min(left), self._look)

    async def _acknowledge(self, msg: Msg) -> None:
        self._answer(msg.subject, msg.data)

    def _answer(self, reply: str, data: bytes) -> None:
        answer = self._waiting.get(reply)
        if answer is not None and not answer.done():
            answer.set_result(data)


def _check(subject: str, answer: bytes) -> None:
    if answer == _NO_ANSWER:
        raise _NoAnswerError("no stream answers")
    refusal = _decode(answer).error
    if refusal is None:
        return
    if refusal.description == SUBJECT_IS_TAKEN:
        raise AlreadyPublished(f"{subject} is taken")
    if refusal.code in PASSING:
        raise _CannotStoreError(refusal.description)
    raise BrokerError(f"NATS refuses {subject}: {refusal.description}")
