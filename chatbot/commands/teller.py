"""The journey of each message through a flow, on a terminal, a line for each call.

The rule that it guards: it is told with the names that stand in the flow file.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterable, Sequence
from typing import Any

from rich.text import Text

from chatbot.commands.screen import Screen
from chatbot.errors import RemoteError
from chatbot.flowfile.naming import EXPRESSION, is_ours, told
from chatbot.orchestrator.journey import WHEN, Journeys, Leg, Untaken

LATE = 2.0
"""Seconds after which a call that still runs is shown."""

LONGEST = 72
"""Characters of a value that are shown."""

_REVISION = re.compile(r"[0-9a-f]{16,}")
"""What a trained model's revision looks like, which says nothing to who writes the flow."""

_RAISED = re.compile(r'File "([^"\n]+)", line (\d+)')


class Teller:
    """Writes journeys on a terminal, a line for each call, and one for what was not called."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._numbers: dict[str, int] = {}
        self._late: set[tuple[str, str]] = set()
        self._called: set[tuple[str, str]] = set()
        self.journeys = Journeys(leg=self.leg, untaken=self.untaken)

    def leg(self, leg: Leg) -> None:
        """Show a call that has given something, or failed."""
        if is_ours(leg.path) and leg.error is None:
            return
        self._called.add((leg.message, told(leg.path)))
        line = self._line(leg.message, "✗" if leg.error else "✓", told(leg.path))
        line.append(_values(leg.inputs), style="dim")
        if leg.error is not None:
            line.append(f" → {_failure(leg.error)}", style="red")
        elif leg.outputs:
            line.append(" → ")
            line.append(_given(leg), style="green")
        else:
            line.append(" → nothing", style="dim")
        line.append(f"  {_duration(leg.seconds)}{', on a node' if leg.is_remote else ''}", "dim")
        self._print(line)

    def untaken(self, untaken: Sequence[Untaken]) -> None:
        """Show the operations of one context that were not called, a line for each reason."""
        for why, paths in self._by_reason(untaken).items():
            line = self._line(untaken[0].message, "·", "not run")
            line.append(f"{', '.join(paths)} ({why})", style="dim")
            self._print(line)

    def look(self) -> None:
        """Show, once, the calls that take long."""
        for leg in self.journeys.waiting(LATE):
            if (leg.message, leg.path) not in self._late:
                self._late.add((leg.message, leg.path))
                line = self._line(leg.message, "…", told(leg.path))
                line.append(_values(leg.inputs), style="dim")
                where = "waits for a node, or runs there" if leg.is_remote else "runs"
                line.append(f" {where} since {_duration(leg.seconds)}", style="yellow")
                self._print(line)

    def _by_reason(self, untaken: Iterable[Untaken]) -> dict[str, list[str]]:
        """Return the operations of the file; what an expression of one lacked is its reason."""
        whys: dict[str, str] = {}
        for each in untaken:
            path = told(each.path).removesuffix(f" {EXPRESSION}")
            if is_ours(each.path) or (each.message, path) in self._called:
                continue
            if whys.get(path, WHEN) == WHEN:
                whys[path] = each.why
        found: dict[str, list[str]] = {}
        for path, why in whys.items():
            found.setdefault(why, []).append(path)
        return found

    def _line(self, message: str, sign: str, path: str) -> Text:
        number = self._numbers.setdefault(message, len(self._numbers) + 1)
        style = {"✓": "green", "✗": "bold red", "…": "yellow"}.get(sign, "dim")
        line = Text(f"#{number} ", style="dim")
        line.append(f"{sign} ", style=style)
        line.append(f"{path:<20} ", style="bold" if sign != "·" else "dim")
        return line

    def _print(self, line: Text) -> None:
        self._screen.out.print(line, soft_wrap=True)


def _given(leg: Leg) -> str:
    outputs = leg.outputs or {}
    if told(leg.path).endswith(EXPRESSION):
        return ", ".join(_brief(value) for value in outputs.values())
    return _values({name: value for name, value in outputs.items() if not _is_noise(name, value)})


def _is_noise(name: str, value: Any) -> bool:
    """Whether it is the revision of a model, which programs compare and nobody reads."""
    return name == "revision" and isinstance(value, str) and bool(_REVISION.match(value))


def _values(values: dict[str, Any]) -> str:
    return " ".join(f"{name}={_brief(value)}" for name, value in values.items()) or "–"


def _brief(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict) and "text" in value:  # what a reply is not
        value = {name: each for name, each in value.items() if each is not False}
    text = "".join(c if c.isprintable() else " " for c in repr(value))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _failure(error: BaseException) -> str:
    """Say what was raised, here or on a node, and in which line."""
    said = f"{type(error).__name__}: {error}"
    remote = error if isinstance(error, RemoteError) else error.__cause__
    if isinstance(remote, RemoteError):
        said, trace = f"{remote.kind}: {str(remote).partition(': ')[2]}", remote.trace
    else:
        trace = "".join(traceback.format_exception(error))
    places = _RAISED.findall(trace)
    return f"{said} ({places[-1][0]}:{places[-1][1]})" if places else said


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.1f} s"
