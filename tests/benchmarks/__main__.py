"""`make bench`: what the issue of the orchestrator asks for, measured beside what it is compared
with, in the same run.

    make bench                          everything; several minutes
    make bench ARGS='--only w1,w4'      a part
    make bench ARGS='--quick'           small counts, to see that it works; no figure is of use
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from chatbot import service
from tests.benchmarks import inputs, memory, model, others, scaling, table, w1, w2, w3, w4
from tests.benchmarks.figures import Figure, Scale, Tell

Section = Callable[[Scale, Tell], Awaitable[list[Figure]]]

SECTIONS: dict[str, Section] = {
    "w1": w1.measure,
    "w2": w2.measure,
    "w3": w3.measure,
    "w4": w4.measure,
    "inputs": inputs.measure,
    "memory": memory.measure,
    "model": model.measure,
    "others": others.measure,
    "scaling": scaling.measure,
}

QUICK = Scale(rounds=1, share=0.01)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS='…'", description=__doc__)
    parser.add_argument("--only", default=",".join(SECTIONS), help="w1,w2,… (default: all)")
    parser.add_argument("--rounds", type=int, default=3, help="of each rate (default: 3)")
    parser.add_argument("--quick", action="store_true", help="small counts")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--markdown", type=Path, help="write the table into this file")
    given = parser.parse_args()
    given.only = [name.strip() for name in given.only.split(",")]
    if unknown := set(given.only) - set(SECTIONS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    return given


async def main() -> int:
    given = options()
    scale = QUICK if given.quick else Scale(rounds=given.rounds)
    figures: list[Figure] = []
    console = Console(width=None if sys.stdout.isatty() else 190)
    with telling(len(given.only)) as tell:
        for name in given.only:
            figures += await SECTIONS[name](scale, lambda what, name=name: tell(name, what))
            gc.collect()
    title = table.machine()
    console.print(table.terminal(figures, title))
    write(given, figures, title)
    return 0


def write(given: Any, figures: list[Figure], title: str) -> None:
    if given.json:
        given.json.write_text(json.dumps(table.as_json(figures, title), indent=2))
    if given.markdown:
        table.put(given.markdown, figures, title)


@contextmanager
def telling(sections: int) -> Any:
    """Show on a terminal what is measured now; elsewhere, a line for each section's start."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    seen: list[str] = []
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("starting", total=sections)

        def tell(section: str, what: str) -> None:
            if section not in seen:
                seen.append(section)
            bar.update(task, description=f"{section}: {what}", completed=len(seen) - 1)
            if what.startswith("skipped") or not console.is_terminal:
                console.print(f"{section}: {what}", highlight=False)

        yield tell


if __name__ == "__main__":
    sys.exit(service.run(main))
