"""What a flow made of a log: counts and examples by label, however long the log."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chatbot.commands.screen import Screen
from chatbot.messages import ChatMessage, Outcome

if TYPE_CHECKING:
    from rich.table import Table

EXAMPLES = 2
"""Messages that are kept of each label."""

LONGEST = 500
"""Characters that are kept of an example."""

REASONS = 5


@dataclass(slots=True)
class Label:
    """The messages of one label; the examples are the surest, those that were answered first."""

    messages: int = 0
    answered: int = 0
    unsure: int = 0
    examples: list[tuple[bool, float, str]] = field(default_factory=list)

    def add(self, message: ChatMessage, outcome: Outcome) -> None:
        self.messages += 1
        self.answered += bool(outcome.replies)
        self.unsure += outcome.understood.get("sure") is False
        text = printable(message.text[:LONGEST])
        score = outcome.understood.get("score")
        rank = score if isinstance(score, float) else 0.0
        if all(text != known for _, _, known in self.examples):
            found = [*self.examples, (bool(outcome.replies), rank, text)]
            found.sort(key=lambda example: example[:2], reverse=True)
            self.examples = found[:EXAMPLES]


@dataclass(slots=True)
class Tally:
    """What the flow made of the messages so far."""

    labels: defaultdict[str, Label] = field(default_factory=lambda: defaultdict(Label))
    failures: Counter[str] = field(default_factory=Counter)
    commands: Counter[str] = field(default_factory=Counter)
    """Those to the bot itself, which the flow does not have."""

    def add(self, message: ChatMessage, outcome: Outcome) -> None:
        if outcome.skipped:
            self.commands[message.command] += 1
        elif outcome.error:
            self.failures[outcome.error] += 1
        else:
            self.labels[str(outcome.understood.get("label") or "")].add(message, outcome)

    @property
    def failed(self) -> int:
        return self.failures.total()

    @property
    def answered(self) -> int:
        return sum(label.answered for label in self.labels.values())

    @property
    def silent(self) -> int:
        return sum(label.messages - label.answered for label in self.labels.values())

    @property
    def total(self) -> int:
        return self.failed + self.answered + self.silent + self.commands.total()

    @property
    def commanded(self) -> str:
        """How often which command was given, in words; empty for none."""
        found = (f"{count:,} x {name}" for name, count in self.commands.most_common(REASONS))
        more = len(self.commands) - REASONS
        return ", ".join([*found, f"{more} others"] if more > 0 else found)


def show(tally: Tally, seconds: float, screen: Screen) -> None:
    """Show the table of labels, and what became of the messages."""
    if tally.labels:
        screen.out.print(_table(tally))
    rate = tally.total / seconds if seconds else 0.0
    messages = "message" if tally.total == 1 else "messages"
    screen.out.print(f"{tally.total} {messages} in {seconds:.1f} s, {rate:.0f} a second")
    screen.out.print(
        f"{tally.answered} answered, {tally.silent} silent, {tally.failed} failed; nothing was sent"
    )
    if tally.commands:
        told = f"commands to the bot, not carried out: {tally.commanded}"
        screen.out.print(told, markup=False)
    for reason, count in tally.failures.most_common(REASONS):
        screen.out.print(f"failed: {count} x {reason}", markup=False, style="red")


def _table(tally: Tally) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("label", no_wrap=True, max_width=24)
    columns = ["messages", "share", "answered"]
    unsure = any(label.unsure for label in tally.labels.values())
    for column in [*columns, "unsure"] if unsure else columns:
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("for example")
    for name, label in sorted(tally.labels.items(), key=lambda item: _place(*item)):
        figures = [str(label.messages), f"{label.messages / tally.total:.1%}", str(label.answered)]
        table.add_row(
            Text(name or "(none)", style="" if name else "dim"),
            *([*figures, str(label.unsure)] if unsure else figures),
            Text(
                "\n".join(text for *_, text in label.examples),
                "dim",
                no_wrap=True,
                overflow="ellipsis",
            ),
        )
    return table


def _place(name: str, label: Label) -> tuple[bool, int, str]:
    return not name, -label.messages, name


def printable(text: str) -> str:
    """Return `text` on one line, without what would move the cursor or change the colours."""
    return "".join(c if c.isprintable() else " " for c in text).strip()
