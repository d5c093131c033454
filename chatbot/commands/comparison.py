"""Two flows, two revisions of one, or a flow and earlier results, over the same log."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from chatbot.commands.playing import Decided
from chatbot.commands.screen import Screen
from chatbot.commands.tally import printable
from chatbot.errors import FlowError, UsageError
from chatbot.flowfile.problems import Report
from chatbot.flowfile.shipped import find
from chatbot.messages import Action, ChatMessage, Elsewhere, Outcome, Reply

KEPT = 1000
"""Differences that are kept, however many there are."""

SHOWN = 20
"""Differences that are shown on a terminal."""

_RESULTS = (".jsonl", ".ndjson")
_GIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Difference:
    """A message that is answered differently, `before` by the other flow and `now` by this one."""

    number: int
    message: ChatMessage
    before: str
    now: str


@dataclass(slots=True)
class Comparison:
    """What is different, counted over all messages."""

    total: int = 0
    different: int = 0
    understood: int = 0
    """Messages that are understood differently, however they are answered."""
    missing: int = 0
    """Messages that the other one has not."""
    differences: list[Difference] = field(default_factory=list)

    def add(self, message: ChatMessage, outcome: Outcome, other: Outcome | None) -> None:
        """Count a message and what both made of it."""
        self.total += 1
        if other is None or (other.id and other.id != message.id):
            self.missing += 1
            return
        self.understood += outcome.understood.get("label") != other.understood.get("label")
        if not is_same(outcome, other):
            self.different += 1
            if len(self.differences) < KEPT:
                found = Difference(self.total, message, said_by(other), said_by(outcome))
                self.differences.append(found)

    def __str__(self) -> str:
        """Return it in a sentence."""
        words = "message is" if self.total == 1 else "messages are"
        return f"{self.different:,} of {self.total:,} {words} answered differently"


def is_same(outcome: Outcome, other: Outcome) -> bool:
    """Whether both say and do the same."""
    return _done(outcome) == _done(other)


def _done(outcome: Outcome) -> tuple[object, ...]:
    return outcome.replies, outcome.actions, outcome.elsewhere, bool(outcome.error)


def said_by(outcome: Outcome) -> str:
    """Return on one line what an outcome says and does."""
    if outcome.error:
        return f"failed: {outcome.error}"
    if outcome.skipped:
        return f"({outcome.skipped})"
    there = [
        f"in {printable(each.room)}: {_said(each.replies, each.actions)}"
        for each in outcome.elsewhere
    ]
    here = _said(outcome.replies, outcome.actions)
    return " / ".join([here, *there] if here else there) or "(silence)"


def _said(replies: Iterable[Reply], actions: Iterable[Action]) -> str:
    said = [printable(reply.text) for reply in replies]
    return " / ".join([*said, *(f"{each.kind} {printable(each.to)}".strip() for each in actions)])


def plain(outcome: Outcome) -> dict[str, Any]:
    """Return what `--json` writes of the other one's outcome."""
    return {
        "understood": outcome.understood,
        "replies": outcome.replies,
        "actions": outcome.actions,
        "error": outcome.error,
        **({"elsewhere": outcome.elsewhere} if outcome.elsewhere else {}),
        **({"skipped": outcome.skipped} if outcome.skipped else {}),
    }


def show(comparison: Comparison, screen: Screen) -> None:
    """Show what is different: the first of the list, and how many there are."""
    out = screen.out
    out.print(f"{comparison}; {comparison.understood:,} have another label", markup=False)
    if comparison.missing:
        out.print(f"{comparison.missing:,} are not in what it is compared with", markup=False)
    for each in comparison.differences[:SHOWN]:
        out.print(f"{each.number}: {printable(each.message.text)}", markup=False, style="bold")
        out.print(f"  - {each.before}", markup=False, style="red")
        out.print(f"  + {each.now}", markup=False, style="green")
    if comparison.different > SHOWN:
        rest = f"… and {comparison.different - SHOWN:,} more: --report FILE or --json has them"
        out.print(rest, markup=False)


@contextmanager
def other(flow: str, against: str | None, revision: str | None) -> Iterator[str | Path | None]:
    """Yield what a flow is compared with: another flow's name, a file of results, or nothing.

    A revision of the flow in git is laid out for the time being. Raises `UsageError`.
    """
    if revision is not None:
        with tempfile.TemporaryDirectory(prefix="chatbot-revision-") as folder:
            yield str(_checked_out(flow, revision, Path(folder)))
    elif against is not None and Path(against).suffix in _RESULTS:
        path = Path(against)
        if not path.is_file():
            raise UsageError(f"there is no file {path}")
        yield path
    else:
        yield against


def _checked_out(flow: str, revision: str, folder: Path) -> Path:
    report = Report()
    path = find(flow, report)
    if path is None:
        raise FlowError(report.problems())
    path = path.resolve()
    if revision.startswith("-"):
        raise UsageError(f"{revision} is no revision")
    top = Path(_git(path.parent, "rev-parse", "--show-toplevel").decode().strip())
    archive = _git(top, "archive", "--format=tar", revision)
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    found = folder / path.relative_to(top.resolve())
    if not found.is_file():
        raise UsageError(f"{revision} has no {path.relative_to(top.resolve())}")
    return found


def _git(folder: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the user's own git
            capture_output=True,
            check=True,
            timeout=_GIT_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        why = error.stderr.decode(errors="replace").strip().splitlines()
        raise UsageError(f"git says: {why[0] if why else error.returncode}") from error
    except (OSError, subprocess.SubprocessError) as error:
        raise UsageError(f"git cannot be asked for the revision: {error}") from error
    return done.stdout


class _Recorded(msgspec.Struct):
    """A line of `chatbot replay --json`."""

    id: str
    room: str = ""
    sender: str = ""
    understood: dict[str, Any] = {}
    replies: tuple[Reply, ...] = ()
    actions: tuple[Action, ...] = ()
    error: str = ""
    elsewhere: tuple[Elsewhere, ...] = ()
    skipped: str = ""


async def recorded(path: Path) -> AsyncGenerator[Decided, None]:
    """Yield the results that `chatbot replay --json` wrote; raises `UsageError`."""
    decode = msgspec.json.Decoder(_Recorded).decode
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                found = decode(line)
            except msgspec.MsgspecError as error:
                hint = "it is what `chatbot replay --json` writes"
                raise UsageError(f"{path}:{number}: {error}", hint=hint) from error
            yield _decided(found)


def _decided(found: _Recorded) -> Decided:
    outcome = Outcome(
        found.id,
        "",
        found.room,
        found.sender,
        replies=found.replies,
        understood=found.understood,
        actions=found.actions,
        error=found.error,
        elsewhere=found.elsewhere,
        skipped=found.skipped,
    )
    return _nothing(found.id), outcome


def _nothing(id_: str) -> ChatMessage:
    from datetime import UTC, datetime

    return ChatMessage(id_, "", "", "", "", datetime(1970, 1, 1, tzinfo=UTC))
