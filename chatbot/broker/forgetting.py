"""Forgetting what was said: in IN, in OUT, in the dead letters and among the questions.

The rule that it guards: a message that was forgotten is not answered any more, and all that is
left of it is its id, so that nothing brings it back.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from chatbot.broker import gauge, letters, questions, stored, subjects
from chatbot.broker.connection import Broker
from chatbot.broker.stored import Stored
from chatbot.broker.subjects import Lane
from chatbot.errors import AlreadyPublished, BrokerError
from chatbot.messages import ChatMessage, DeadLetter, Outcome, Record

ATTEMPTS = 5
AT_ONCE = 16

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True, order=True)
class Said:
    """A message, as the streams know it."""

    flow: str
    network: str
    id: str


async def forget(
    broker: Broker, said: Iterable[Said], *, done: Callable[[], None] = lambda: None
) -> None:
    """Erase messages, with what their flows decided for them and what became of that.

    What waits to be said for them is not said any more, and what runs for them comes to nothing.
    Call `done` after each. Raises `BrokerError` or one of `broker.errors` where the server does
    not answer; to do it once more is no harm.
    """
    room = asyncio.Semaphore(AT_ONCE)
    wanted = set(said)

    async def one(each: Said) -> None:
        async with room:
            await _silence(broker, each)
            await _call_off(broker, each)
            await _erase_last(broker, subjects.in_stream(each.flow), _heard(each))
        done()

    async with asyncio.TaskGroup() as group:
        for each in wanted:
            group.create_task(one(each))
    await letters.drop(broker, [s async for s, found in _letters(broker) if found in wanted])
    await questions.retract(broker, {(each.network, each.id) for each in wanted})


async def said_by(
    broker: Broker, is_meant: Callable[[str, str], bool], flow: str | None = None
) -> set[Said]:
    """Return what is kept of people's messages, of one flow where one is named.

    `is_meant` is asked with a network and a sender.
    """
    kept = functools.partial(stored.stored, broker, subject=">")
    found: set[Said] = set()
    for name in [flow] if flow else await flows(broker):
        async for _, heard in _decoded(kept(subjects.in_stream(name)), ChatMessage):
            if is_meant(heard.network, heard.sender):
                found.add(Said(name, heard.network, heard.id))
        async for _, decided in _decoded(kept(subjects.out_stream(name)), Outcome):
            if is_meant(decided.source or decided.network, decided.sender):
                found.add(Said(name, decided.network, decided.id))
    async for _, letter in _decoded(letters.kept(broker, flow), DeadLetter):
        if is_meant(letter.message.network, letter.message.sender):
            found.add(Said(letter.flow, letter.message.network, letter.message.id))
    return found


async def flows(broker: Broker) -> list[str]:
    """Return the flows of which anything is kept."""
    names = [str(stream.config.name) for stream in await gauge.all_streams(broker)]
    prefix = subjects.IN_PREFIX
    return [name.removeprefix(prefix) for name in names if name.startswith(prefix)]


async def _silence(broker: Broker, said: Said) -> None:
    """Put an outcome without a word in the place of what the flow decided, or may yet decide."""
    subject = subjects.out_subject(said.flow, said.network, said.id)
    nothing = Outcome(id=said.id, network=said.network, room="", sender="").encode()
    for _ in range(ATTEMPTS):
        try:
            await broker.publish(subject, nothing)
            return
        except AlreadyPublished:
            decided = [
                subjects.out_subject(said.flow, said.network, said.id, lane) for lane in Lane
            ]
            await _erase_last(broker, subjects.out_stream(said.flow), decided)
    raise BrokerError("an outcome comes again and again", hint="try once more in a moment")


async def _call_off(broker: Broker, said: Said) -> None:
    """Erase what other listeners were to do for a message; what they have done stays done."""
    wanted = subjects.out_parts(said.flow, said.id)
    info = await broker.js.stream_info(subjects.out_stream(said.flow), subjects_filter=wanted)
    own = subjects.out_subject(said.flow, said.network, said.id)
    parts = [subject for subject in info.state.subjects or {} if subject != own]
    await _erase_last(broker, subjects.out_stream(said.flow), parts)


def _heard(said: Said) -> list[str]:
    return [subjects.in_subject(said.flow, lane, said.network, said.id) for lane in Lane]


async def _erase_last(broker: Broker, stream: str, wanted: Iterable[str]) -> None:
    found = [await stored.sequence_of(broker, stream, subject) for subject in wanted]
    await stored.erase(broker, stream, [sequence for sequence in found if sequence is not None])


async def _letters(broker: Broker, flow: str | None = None) -> AsyncIterator[tuple[int, Said]]:
    async for sequence, letter in _decoded(letters.kept(broker, flow), DeadLetter):
        yield sequence, Said(letter.flow, letter.message.network, letter.message.id)


async def _decoded(kept: AsyncIterator[Stored], kind: type[R]) -> AsyncIterator[tuple[int, R]]:
    """Yield what a stream keeps, but for what is not understood."""
    async for each in kept:
        try:
            yield each.sequence, kind.decode(each.data)
        except msgspec.MsgspecError:
            continue
