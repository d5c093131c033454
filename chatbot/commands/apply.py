"""`chatbot flow apply`: every primary of a flow reads its own file anew.

No flow crosses the wire: whoever has a credential for NATS may ask a primary to read its file
again, and nothing more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from chatbot.broker import Broker, subjects
from chatbot.commands.revisions import READY
from chatbot.commands.screen import Screen
from chatbot.commands.server import connected
from chatbot.commands.tally import printable
from chatbot.errors import UsageError
from chatbot.flowfile.flow import Flow
from chatbot.flowfile.load import load
from chatbot.messages import Reloaded
from chatbot.nodes.roster import Roster

PATIENCE = READY + 5.0
"""Seconds in which a primary must have answered."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a flow on one primary, which `answer` says; `None` if there was none."""

    host: str
    pid: int
    revision: str
    answer: Reloaded | None

    @property
    def is_done(self) -> bool:
        """Whether the primary runs the revision that was checked here."""
        return self.answer is not None and self.answer.after == self.revision

    @property
    def note(self) -> str:
        """What to tell people of it."""
        if self.answer is None:
            return f"no answer in {PATIENCE:.0f} s: is it of an older version?"
        if self.answer.error:
            return f"refused: {self.answer.error}"
        if not self.is_done:
            return "its file, or a --set of its own, is not what was checked here"
        return "unchanged" if self.answer.before == self.answer.after else "from the next message"


async def apply(
    name: str, overrides: Sequence[str], nats: str | None, data: Path | None, screen: Screen
) -> list[Applied]:
    """Check a flow here, then have all its primaries reload it; return what became of each.

    Raises `FlowError` with all that is wrong with it here, and `UsageError` where no primary
    runs it; then nobody was asked.
    """
    flow = load(name, overrides=overrides)
    async with connected(nats, data, "chatbot-apply") as broker, Roster.follow(broker) as roster:
        known = {(each.host, each.pid) for each in roster.primaries if each.flow == flow.name}
        if not known:
            raise UsageError(
                f"no primary runs the flow {flow.name}", hint=f"start one: chatbot run {name}"
            )
        with screen.busy(f"waiting for {len(known)} primaries of {flow.name}"):
            answers = await _ask(broker, flow, known)
    return [
        Applied(host, pid, flow.revision, answers.get((host, pid)))
        for host, pid in sorted(known | set(answers))
    ]


def show(applied: Sequence[Applied], screen: Screen) -> None:
    """Show what became of the flow as a table, with what is wrong below it."""
    from rich.table import Table
    from rich.text import Text

    table = Table("primary", "was", "runs", "", box=None, header_style="bold")
    for each in applied:
        was, runs = (each.answer.before, each.answer.after) if each.answer else ("?", "?")
        style = "green" if each.is_done else "red"
        cells = [f"{each.host}:{each.pid}", was[:12], runs[:12]]
        table.add_row(*(Text(printable(cell)) for cell in cells), Text(each.note, style))
    screen.out.print(table)
    for each in applied:
        if each.answer is not None:
            for line in filter(None, [*each.answer.problems, each.answer.hint]):
                text = printable(f"  {each.host}:{each.pid}: {line}")
                screen.out.print(text, markup=False, soft_wrap=True)


def as_json(applied: Sequence[Applied]) -> list[dict[str, object]]:
    """Return what `--json` prints."""
    return [
        {
            "host": each.host,
            "pid": each.pid,
            "revision": each.revision,
            "done": each.is_done,
            "note": each.note,
            "before": each.answer.before if each.answer else None,
            "after": each.answer.after if each.answer else None,
            "problems": each.answer.problems if each.answer else [],
        }
        for each in applied
    ]


async def _ask(
    broker: Broker, flow: Flow, known: set[tuple[str, int]]
) -> dict[tuple[str, int], Reloaded]:
    found: dict[tuple[str, int], Reloaded] = {}
    async with broker.ask(subjects.reload_subject(flow.name)) as answers:
        try:
            async with asyncio.timeout(PATIENCE):
                while not known <= set(found):
                    answer = _decoded(await answers.get())
                    if answer is not None:
                        found[answer.host, answer.pid] = answer
        except TimeoutError:
            pass  # said of each that did not answer
    return found


def _decoded(data: bytes) -> Reloaded | None:
    try:
        return Reloaded.decode(data)
    except msgspec.MsgspecError:
        return None
