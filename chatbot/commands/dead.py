"""`chatbot dead`: what could not be handled, to be read, tried again and dropped.

The rule that it guards: a letter is deleted only after its message is in IN again, under an id
that is derived from the message's own. A message has one outcome for ever, and that of the first
try says that it failed; so the second try is a message of its own, `<id>~retry-1`, the third
`<id>~retry-2`. Whoever is killed between the two steps may do both again: IN refuses the second
message, and should it have forgotten the first, OUT refuses the second outcome.

A message may have several letters (a primary that was killed when it had written one writes
another): they are shown, retried and dropped as the one that they are.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from chatbot.broker import Broker, letters, subjects
from chatbot.broker.subjects import Lane
from chatbot.commands.screen import Screen
from chatbot.commands.server import connected
from chatbot.commands.tally import printable
from chatbot.errors import AlreadyPublished, BrokerError, UsageError
from chatbot.messages import RETRY, ChatMessage, DeadLetter, digest

_RETRIED = re.compile(rf"(?P<id>.+){RETRY}(?P<number>\d+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter; `id` is what people call it by, `sequences` where it lies in the stream."""

    id: str
    letter: DeadLetter
    sequences: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which letters are meant: those named, or `all` (of one `flow` where one is named)."""

    ids: Sequence[str] = ()
    all: bool = False
    flow: str | None = None


async def every(nats: str | None, data: Path | None, flow: str | None = None) -> list[Letter]:
    """Return all letters, oldest first; those of `flow` where one is named."""
    async with _connected(nats, data) as broker:
        return await _read(broker, flow)


async def one(nats: str | None, data: Path | None, given: str) -> Letter:
    """Return the letter with this id; raises `UsageError` if there is none."""
    async with _connected(nats, data) as broker:
        return _choose(await _read(broker), Chosen([given]))[0]


async def retry(nats: str | None, data: Path | None, chosen: Chosen) -> list[Letter]:
    """Have the messages of letters handled once more, and delete the letters.

    Nothing is done if one of them is unknown, or its flow has never run here.
    """
    async with _connected(nats, data) as broker:
        found = _choose(await _read(broker, chosen.flow), chosen)
        for flow in {each.letter.flow for each in found}:
            if not await letters.has_flow(broker, flow):
                raise UsageError(
                    f"the flow {flow} has never run at this NATS server",
                    hint="start it with `chatbot run`, then retry",
                )
        for each in found:
            await _publish_again(broker, each.letter)
            await letters.drop(broker, each.sequences)
    return found


async def drop(nats: str | None, data: Path | None, chosen: Chosen) -> list[Letter]:
    """Delete letters for good; nothing is deleted if one of them is unknown."""
    async with _connected(nats, data) as broker:
        found = _choose(await _read(broker, chosen.flow), chosen)
        for each in found:
            await letters.drop(broker, each.sequences)
    return found


def summary(found: Letter) -> dict[str, Any]:
    """Return what `list --json` prints of a letter: nothing of what people wrote."""
    letter = found.letter
    return {
        "id": found.id,
        "time": letter.time,
        "flow": letter.flow,
        "network": letter.message.network,
        "room": letter.message.room,
        "lane": letter.lane,
        "operation": letter.operation,
        "kind": letter.kind,
        "attempts": letter.attempts,
        "nodes": letter.nodes,
    }


def whole(found: Letter) -> dict[str, Any]:
    """Return what `show --json` prints: all there is."""
    letter = found.letter
    message = {name: getattr(letter.message, name) for name in ChatMessage.__struct_fields__}
    return {**summary(found), "reason": letter.reason, "message": message, "trace": letter.trace}


def show_list(found: Sequence[Letter], screen: Screen) -> None:
    """Show a table of letters, without what people wrote."""
    if not found:
        screen.out.print("There are no dead letters.")
        return
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in ("id", "since", "flow", "room", "operation", "failed with"):
        table.add_column(column, no_wrap=column in {"id", "since"}, overflow="ellipsis")
    table.add_column("tried", justify="right", no_wrap=True)
    for each in found:
        letter = each.letter
        cells = (
            *(each.id, _moment(letter.time), letter.flow),
            *(f"{letter.message.network} {letter.message.room}", letter.operation, letter.kind),
        )
        table.add_row(*(Text(printable(cell) or "-") for cell in cells), str(letter.attempts))
    screen.out.print(table)
    screen.out.print("one of them in full: chatbot dead show ID", style="dim", markup=False)


def show_one(found: Letter, screen: Screen) -> None:
    """Show a letter in full, with what was written and where it failed."""
    from rich.text import Text

    letter, message = found.letter, found.letter.message
    lines = {
        "id": found.id,
        "since": _moment(letter.time),
        "flow": letter.flow,
        "message": f"{message.id} ({message.network} {message.room}, {_moment(message.time)})",
        "sender": message.sender,
        "text": message.text,
        "operation": letter.operation,
        "failed with": letter.kind,
        "reason": letter.reason,
        "tried": f"{letter.attempts} x",
        "nodes": ", ".join(letter.nodes),
        "lane": letter.lane,
    }
    for name, value in lines.items():
        screen.out.print(Text(f"{name:12}", "bold"), Text(printable(value) or "-"))
    for line in letter.trace.splitlines():
        screen.out.print(Text(f"  {printable_line(line)}", "dim"))


def printable_line(line: str) -> str:
    """Return `line` without what would move the cursor, its indentation kept."""
    return "".join(c if c.isprintable() else " " for c in line)


def next_try(message: ChatMessage) -> ChatMessage:
    """Return `message` as it is tried once more: the same, under the next id."""
    known = _RETRIED.fullmatch(message.id)
    first, number = (known["id"], int(known["number"])) if known else (message.id, 0)
    return msgspec.structs.replace(message, id=f"{first}{RETRY}{number + 1}")


@asynccontextmanager
async def _connected(nats: str | None, data: Path | None) -> AsyncIterator[Broker]:
    async with connected(nats, data, "chatbot-dead") as broker:
        try:
            yield broker
        except broker.errors as error:
            raise BrokerError(
                f"the NATS server at {broker.address} does not answer ({type(error).__name__})",
                hint="what was not done yet can be done again with the same command",
            ) from error


async def _read(broker: Broker, flow: str | None = None) -> list[Letter]:
    found: dict[str, Letter] = {}
    async for stored in letters.kept(broker, flow):
        try:
            letter = DeadLetter.decode(stored.data)
        except msgspec.MsgspecError:
            continue  # another version's
        own = digest(letter.flow, letter.message.id, length=10)
        before = found.pop(own).sequences if own in found else ()
        found[own] = Letter(own, letter, (*before, stored.sequence))
    return list(found.values())


def _choose(found: list[Letter], chosen: Chosen) -> list[Letter]:
    if chosen.all:
        return found
    known = {each.id: each for each in found}
    for given in chosen.ids:
        if given not in known:
            near = difflib.get_close_matches(given, known, n=1)
            raise UsageError(
                f"there is no dead letter {given}",
                hint=f"did you mean {near[0]}?" if near else "`chatbot dead list` shows them",
            )
    return [known[given] for given in dict.fromkeys(chosen.ids)]


async def _publish_again(broker: Broker, letter: DeadLetter) -> None:
    again = next_try(letter.message)
    subject = subjects.in_subject(letter.flow, Lane(letter.lane), again.network, again.id)
    with suppress(AlreadyPublished):  # by one that was killed before it had deleted the letter
        await broker.publish(subject, again.encode())


def _moment(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
