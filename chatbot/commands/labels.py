"""`chatbot labels`: what people corrected, out and in, as it was before, and what runs beside.

The rule that it guards: what is imported is checked as a whole before any of it is kept.
"""

from __future__ import annotations

import getpass
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from chatbot.broker import Broker
from chatbot.broker.corrections import Corrections, learners, only_learner
from chatbot.commands.screen import Screen
from chatbot.commands.server import connected
from chatbot.commands.tally import printable
from chatbot.errors import BrokerError, UsageError
from chatbot.flowfile.problems import suggest
from chatbot.learning import About, Example, Vote, changes, lessons

LONGEST = 60
"""Characters of a text in a table."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Where to look: the server, and which flow where several learn."""

    nats: str | None
    data: Path | None
    flow: str | None


@dataclass(frozen=True, slots=True)
class Taught:
    """What is imported of a text: its labels, a room where it counts there alone, and the labels
    that it was said not to have."""

    text: str
    labels: tuple[str, ...]
    room: str = ""
    denied: tuple[str, ...] = ()

    @property
    def named(self) -> tuple[str, ...]:
        return self.labels + self.denied


@asynccontextmanager
async def opened(asked: Asked) -> AsyncIterator[tuple[Broker, Corrections, About]]:
    """Open what a flow learns; raises `UsageError` where that is nothing, or more than one."""
    async with connected(asked.nats, asked.data, "chatbot-labels") as broker:
        corrections, about = await only_learner(broker, asked.flow)
        try:
            yield broker, corrections, about
        except broker.errors as error:
            raise BrokerError(f"the NATS server does not answer ({error})") from error


async def flows(nats: str | None, data: Path | None) -> list[str]:
    """Return the names of the flows that learn, or did."""
    async with connected(nats, data, "chatbot-labels") as broker:
        try:
            return sorted({about.flow for about in (await learners(broker)).values()})
        except broker.errors as error:
            raise BrokerError(f"the NATS server does not answer ({error})") from error


async def every(asked: Asked) -> list[Example]:
    """Return all examples, the last changed first."""
    async with opened(asked) as (_, corrections, _):
        found = await corrections.all()
    return sorted(found, key=_last, reverse=True)


def chosen(examples: Iterable[Example], label: str | None, *, contested: bool) -> list[Example]:
    """Return those that hold now: of a label where one is named, or those people disagree on."""
    held = [each for each in examples if each.live]
    if label is not None:
        held = [each for each in held if label in each.labels]
    return [each for each in held if each.is_contested or not contested]


def as_json(example: Example) -> dict[str, Any]:
    """Return what `list --json` and `export --json` print of an example."""
    return {
        "id": example.key[:10],
        "text": example.text,
        "label": example.labels[0] if len(example.labels) == 1 else None,
        "labels": list(example.labels),
        "room": example.scope,
        "contested": example.is_contested,
        "votes": [
            {
                "label": v.label,
                "denied": v.denied,
                "by": v.by,
                "at": v.at,
                "network": v.network,
                "in": v.room,
            }
            for v in example.live
        ],
    }


def show_list(examples: Sequence[Example], screen: Screen) -> None:
    """Show a table of examples."""
    from rich.table import Table
    from rich.text import Text

    if not examples:
        screen.out.print("There are no corrections.")
        return
    table = Table("id", "label", "text", "by", "when (UTC)", "where", box=None, header_style="bold")
    for example in examples:
        live = example.live
        label = " or ".join(f"{v.said} ({v.by or 'somebody'})" for v in live)
        said = ", ".join(example.labels) or ", ".join(dict.fromkeys(v.said for v in live))
        label = f"{label}?" if example.is_contested else said
        style = "yellow" if example.is_contested else ""
        cells = [example.key[:10], label, _short(example.text), live[-1].by, _when(live[-1].at)]
        where = f"{live[-1].network} {live[-1].room}".strip()
        cells.append(f"{where}, only there" if example.scope else where)
        table.add_row(*(Text(printable(cell), style) for cell in cells))
    screen.out.print(table)
    count = sum(example.is_contested for example in examples)
    if count:
        screen.say(f"{count} of them, on which people disagree, teach nothing until they agree")


def as_examples(examples: Iterable[Example]) -> str:
    """Return what is agreed upon, and counts everywhere, as a file of examples."""
    from ruamel.yaml import YAML

    found: dict[str, list[str]] = {}
    for lesson in lessons(examples):
        if lesson.label and not lesson.room:
            found.setdefault(lesson.label, []).append(lesson.text)
    written = io.StringIO()
    yaml = YAML()
    yaml.width = 10_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(found, written)
    return written.getvalue()


def read_taught(path: Path) -> list[Taught]:
    """Read a file of examples, or what `export --json` printed; raises `UsageError`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    if data.lstrip().startswith(b"["):
        return _from_json(path, data)
    from chatbot.flowfile.document import read
    from chatbot.flowfile.problems import Report

    report = Report()
    tree = read(path, report)
    found = tree.plain() if tree is not None else None
    texts = isinstance(found, dict) and all(
        isinstance(each, list) and all(isinstance(text, str) for text in each)
        for each in found.values()
    )
    if report or not isinstance(found, dict) or not texts:
        problems = "; ".join(str(each) for each in report.problems()) or f"{path} is no such file"
        raise UsageError(problems, hint="label: [texts], as YAML; or what `export --json` printed")
    labels: dict[str, list[str]] = {}
    for label, each in found.items():
        for text in each:
            labels.setdefault(text, []).append(label)
    return [Taught(text, tuple(each)) for text, each in labels.items() if text.strip()]


async def take(asked: Asked, taught: Sequence[Taught], by: str, screen: Screen) -> int:
    """Keep what is imported; return how many texts changed. Unknown labels are all told first."""
    async with opened(asked) as (_, corrections, about):
        unknown = sorted({label for each in taught for label in each.named} - set(about.labels))
        if unknown:
            names = ", ".join(f"{label} ({suggest(label, about.labels)})" for label in unknown)
            raise UsageError(f"{about.operation} of {about.flow} has no label {names}")
        _check_single(taught, about)
        changed, now = 0, datetime.now(UTC)
        with screen.counting("importing", len(taught)) as advance:
            for each in taught:
                before = await corrections.get(each.text, each.room)
                if before is None or sorted(before.taught) != sorted(each.labels or ("",)):
                    votes = [Vote(label, by, 0, now) for label in each.labels]
                    votes += [Vote(label, by, 0, now, denied=True) for label in each.denied]
                    await corrections.vote(each.text, each.room, *votes, several=about.several)
                    changed += 1
                advance()
    return changed


def _check_single(taught: Iterable[Taught], about: About) -> None:
    """Raise `UsageError` for texts with several labels where a text may have one."""
    several = [each for each in taught if len(each.labels) > 1 or each.denied]
    if several and not about.several:
        raise UsageError(
            f"{about.operation} of {about.flow} gives a text one label, not several or none",
            hint="with `several: true` in its configuration it gives several",
        )


async def history(asked: Asked) -> list[dict[str, Any]]:
    """Return the changes, oldest first, as `--json` prints them."""
    async with opened(asked) as (_, corrections, _):
        examples = await corrections.all()
    return [
        {
            "number": number,
            "at": vote.at if added else vote.undone_at,
            "change": "added" if added else "taken back",
            "label": vote.label,
            "denied": vote.denied,
            "text": example.text,
            "room": example.scope,
            "by": vote.by if added else vote.undone_by,
        }
        for number, vote, example, added in changes(examples)
    ]


def show_history(found: Sequence[dict[str, Any]], screen: Screen) -> None:
    """Show a table of changes, the last one at the end."""
    from rich.table import Table
    from rich.text import Text

    if not found:
        screen.out.print("There are no corrections.")
        return
    table = Table("change", "when (UTC)", "", "label", "text", "by", box=None, header_style="bold")
    for each in found:
        sign, style = ("+", "green") if each["change"] == "added" else ("-", "red")
        cells = [str(each["number"]), _when(each["at"]), sign, each["label"]]
        cells[-1] = f"not {cells[-1]}" if each["denied"] else cells[-1]
        cells += [_short(each["text"]), each["by"]]
        table.add_row(*(Text(printable(cell), style if cell == sign else "") for cell in cells))
    screen.out.print(table)


async def roll_back(asked: Asked, number: int) -> int:
    """Have all as it was after a change; return how many texts changed."""
    async with opened(asked) as (_, corrections, _):
        last = await corrections.count()
        if not 0 <= number <= last:
            raise UsageError(
                f"there is no change {number}: the last one is {last}",
                hint="`chatbot labels history` lists them; 0 is before the first",
            )
        return await corrections.roll_back(number, whoami())


async def take_back(asked: Asked, by: str, network: str | None) -> int:
    """Take back all that somebody taught, on one network or on all; return of how many texts.

    Raises `UsageError` where that is nothing.
    """

    def is_theirs(vote: Vote) -> bool:
        return vote.by == by and network in (None, vote.network)

    async with opened(asked) as (_, corrections, _):
        examples = await corrections.all()
        found = [each for each in examples if any(is_theirs(vote) for vote in each.live)]
        if not found:
            known = {vote.by for each in examples for vote in each.live if vote.by}
            hint = suggest(by, sorted(known), what="those who taught")
            raise UsageError(f"{by} taught nothing that holds now", hint=hint)
        for each in found:
            await corrections.take_back(each, is_theirs, Vote("", whoami(), 0, datetime.now(UTC)))
    return len(found)


async def settle(asked: Asked, given: str, labels: Sequence[str]) -> Example:
    """Decide what a text is, whatever people called it; raises `UsageError` for unknown ones."""
    async with opened(asked) as (_, corrections, about):
        for label in labels:
            if label not in about.labels:
                raise UsageError(f"there is no label {label}", hint=suggest(label, about.labels))
        _check_single([Taught(given, tuple(labels))], about)
        found = [each for each in await corrections.all() if each.key.startswith(given)]
        if len(found) != 1:
            which = "several texts" if found else "no text"
            raise UsageError(f"{which} with the id {given}", hint="see `chatbot labels list`")
        by, now = whoami(), datetime.now(UTC)

        def is_other(vote: Vote) -> bool:
            return vote.denied or vote.label not in labels

        await corrections.take_back(found[0], is_other, Vote("", by, 0, now))
        votes = [Vote(label, by, 0, now) for label in labels]
        where = found[0].text, found[0].scope
        return await corrections.vote(*where, *votes, several=about.several)


def whoami() -> str:
    """Return by whom the history says that it was done here."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run under a number alone
        return "operator"


def _from_json(path: Path, data: bytes) -> list[Taught]:
    try:
        rows = msgspec.json.decode(data, type=list[dict[str, Any]])
    except msgspec.MsgspecError as error:
        raise UsageError(f"{path} is not what `export --json` prints: {error}") from error
    return [
        Taught(text, tuple(labels), str(row.get("room") or ""), tuple(denied))
        for row in rows
        for text, labels, denied in [(row.get("text"), *_labels_of(row))]
        if isinstance(text, str) and text.strip() and (labels or denied)
    ]


def _labels_of(row: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return the labels that a row has, and those that it was said not to have; of what people
    disagree on, none."""
    given, votes = row.get("labels"), row.get("votes")
    if row.get("contested"):
        return [], []
    labels = given if isinstance(given, list) else [row.get("label")]
    denied = [
        vote.get("label")
        for vote in (votes if isinstance(votes, list) else [])
        if isinstance(vote, dict) and vote.get("denied")
    ]
    return _texts(labels), _texts(denied)


def _texts(given: Iterable[object]) -> list[str]:
    return list(dict.fromkeys(each for each in given if isinstance(each, str) and each))


def _last(example: Example) -> int:
    return max((max(vote.number, vote.until) for vote in example.votes), default=0)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _when(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M}" if instant else ""
