"""The pictures of the documentation, made by the program: `make pictures` writes docs/pictures.

`tests/acceptance/test_pictures.py` sees whether those that are there still show what the program
shows.
"""

from __future__ import annotations

import asyncio
import html
import os
import re
import sys
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from io import StringIO
from itertools import groupby
from pathlib import Path
from typing import Any

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

from chatbot.commands import drawing
from chatbot.flowfile.graph import graph_of
from chatbot.flowfile.load import assemble
from chatbot.flowfile.picture import drawn
from tests.acceptance.test_terminal import terminal
from tests.servers.processes import ROOT, Program

FOLDER = ROOT / "docs" / "pictures"
LOG = ROOT / "flows" / "logs" / "ubuntu-2012-02-03.txt"
COLUMNS, LINES = 80, 24
COMMAND = ("run", "support")
SAID = ("how do I install this?", "does it work offline?", "my cat is ill", "thanks!")
"""What is typed in the picture of the terminal."""

_COLOURS = {"brown": "yellow", "brightbrown": "bright_yellow"}
_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
_PLOT = re.compile(r"<svg (viewBox=.*?)</svg>\s*<figcaption>(.*?)</figcaption>", re.DOTALL)


async def of_terminal(program: Program) -> str:
    """Return what a person sees who talks to the bot in a terminal."""
    async with terminal(program, *COMMAND) as desk:
        await desk.wait_for("Ctrl-D ends", "you:", timeout=90)
        for said in SAID:
            desk.type(f"{said}\r")
            await desk.wait_for(said, "[", "]", "you:")
        screen = pyte.Screen(COLUMNS, LINES)
        pyte.ByteStream(screen).feed(desk.raw)
        desk.type("\x04")
        await desk.ended(30)
    console = Console(file=StringIO(), record=True, width=COLUMNS, highlight=False)
    console.print(Text(f"$ chatbot {' '.join(COMMAND)}", style="bold"))
    for line in _lines(screen):
        console.print(line)
    picture = console.export_svg(title="chatbot", unique_id="terminal")
    return _FONT.sub("", picture)  # nothing is loaded from elsewhere


async def of_graph(program: Program) -> str:
    """Return the graph of a flow with subflows, as `flow show` draws it without Graphviz."""
    return drawn(graph_of(assemble("converter"), folded=False, where=drawing.where))


async def of_report(program: Program) -> str:
    """Return the plots of a replay's report, one below the other."""
    report = program.data / "report.html"
    given = ("replay", "support", str(LOG), "--report", str(report))
    code, _, err = await program.run(*given)
    assert code == 0, err
    plots = [
        f'<svg y="{number * 200}" width="720" height="160" {plot}</svg>'
        f'<text x="0" y="{number * 200 + 182}" font-size="13" fill="#55606f">{caption}</text>'
        for number, (plot, caption) in enumerate(_PLOT.findall(report.read_text()))
    ]
    assert plots
    size = f'viewBox="-10 -10 740 {200 * len(plots) + 10}"'
    style = 'font-family="sans-serif" style="background:white"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>{"".join(plots)}</svg>\n'


async def of_confusion(program: Program) -> str:
    """Return the confusion matrix of a flow's own examples, each learned from the others."""
    picture = program.data / "confusion.svg"
    given = ("eval", "support", "--folds", "5", "--confusion", str(picture))
    code, _, err = await program.run(*given)
    assert code == 0, err
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", picture.read_text(), flags=re.DOTALL)
    return re.sub(r"(?m) +$", "", text)


PICTURES: dict[str, Callable[[Program], Coroutine[Any, Any, str]]] = {
    "terminal": of_terminal,
    "converter": of_graph,
    "report": of_report,
    "confusion": of_confusion,
}


def shown(svg: str) -> list[str]:
    """Return the words that a picture shows, wherever they stand, and without figures.

    Models' figures are never quite the same, and where lines break is a matter of taste.
    """
    texts = re.findall(r"<text[^>]*>(.*?)</text>|<!-- (.*?) -->", svg, re.DOTALL)
    plain = (html.unescape(first or second).replace("\xa0", " ") for first, second in texts)
    words = (re.sub(r"[\d.]+", "0", word) for each in plain for word in each.split())
    return sorted(word for word in words if re.search("[A-Za-z]", word))


def _lines(screen: pyte.Screen) -> Iterator[Text]:
    """Yield the lines that are on a screen, up to the last one with something on it."""
    rows = [[screen.buffer[y][x] for x in range(COLUMNS)] for y in range(LINES)]
    while rows and not "".join(each.data for each in rows[-1]).strip():
        rows.pop()
    for row in rows:
        line = Text()
        for (colour, bold), chars in groupby(row, lambda char: (char.fg, char.bold)):
            style = Style(color=_colour(colour), bold=bold)
            line.append("".join(char.data for char in chars), style)
        line.rstrip()
        yield line


def _colour(name: str) -> str | None:
    if name == "default":
        return None
    if re.fullmatch(r"[0-9a-f]{6}", name):
        return f"#{name}"
    return _COLOURS.get(name, name.replace("bright", "bright_"))


async def _write(names: list[str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    os.environ["LOGNAME"] = "ada"
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            svg = await PICTURES[name](Program(Path(folder)))
        (FOLDER / f"{name}.svg").write_text(svg)
        print(f"docs/pictures/{name}.svg")


if __name__ == "__main__":
    asyncio.run(_write(sys.argv[1:] or list(PICTURES)))
