"""Karma: `anna++` gives anna a point. The points lie in one file, which all messages share.

The rule that they guard: whoever changes the file does it under the lock of the flow's seed; the
operation itself reads, waits and writes as if it were alone.
"""

import asyncio
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from chatbot import operation

_GIVEN = re.compile(r"@?(\w[\w-]{0,31})\s?(\+\+|--)(?:\s+for\s.*)?", re.DOTALL)


class Change(NamedTuple):
    """Whose points change, and by how much."""

    name: str
    by: int


class Standing(NamedTuple):
    """How many points somebody has now."""

    points: int


@dataclass
class Disk:
    """What the flow may set under `config`."""

    seconds: float = 0.0
    """How long the file takes to be read, as one that lies far away does."""


@operation(cheap=True)
def find_change(text: str, sender: str) -> Change | None:
    """Find `NAME++` or `NAME--`; nobody gives points to themselves."""
    found = _GIVEN.fullmatch(text.strip())
    if not found or found[1].lower() == sender.lower():
        return None
    return Change(found[1].lower(), 1 if found[2] == "++" else -1)


@operation
async def change_points(name: str, by: int, ledger: str, config: Disk) -> Standing:
    """Read the points in the file `ledger`, change somebody's, and write all of them.

    Who else reads before this has written writes back what it has read: the change is lost. So
    `ledger` has to be locked in the flow.
    """
    points = _read(Path(ledger))
    await asyncio.sleep(config.seconds)
    points[name] = points.get(name, 0) + by
    _write(Path(ledger), points)
    return Standing(points[name])


def _read(path: Path) -> dict[str, int]:
    if not path.exists():
        return {}
    found: dict[str, int] = json.loads(path.read_text("utf-8"))
    return found


def _write(path: Path, points: dict[str, int]) -> None:
    """Replace the file in one step, so that nobody ever reads half of it."""
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    beside.write_text(json.dumps(points, indent=1), "utf-8")
    beside.replace(path)
