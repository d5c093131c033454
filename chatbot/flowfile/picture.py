"""A flow's graph as a picture: SVG, and PNG where Pillow or Graphviz is installed."""

from __future__ import annotations

import io
import math
import shutil
import subprocess
from collections.abc import Iterator
from html import escape
from itertools import pairwise, starmap
from typing import Any

from chatbot.errors import UsageError
from chatbot.flowfile.graph import Graph, joined
from chatbot.flowfile.labelling import labels_of
from chatbot.flowfile.layout import LINE, PAD, Box, Layout, Point, between, layout_of
from chatbot.flowfile.notation import END, FILLS, INK, LINES, dot, is_condition, pairs

_DIM = "#55606f"
_SECONDS = 30.0
SCALE = 2
"""Pixels of a PNG for one of the layout: screens are dense."""


def svg(graph: Graph) -> str:
    """Return the graph as SVG: drawn by Graphviz where it is installed, else here."""
    if shutil.which("dot"):
        return _graphviz(graph, "svg").decode()
    return drawn(graph)


def png(graph: Graph) -> bytes:
    """Return the graph as PNG; raises `UsageError` where nothing can draw one."""
    if shutil.which("dot"):
        return _graphviz(graph, "png")
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise UsageError(
            "a PNG needs Graphviz or Pillow", hint="pip install 'chatbot[png]', or take SVG"
        ) from error
    layout = layout_of(graph)
    size = (int(layout.width * SCALE) + 1, int(layout.height * SCALE) + 1)
    image = Image.new("RGB", size, "white")
    font: Any = ImageFont.load_default(size=12 * SCALE)
    _paint(graph, layout, ImageDraw.Draw(image), font)
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def _graphviz(graph: Graph, kind: str) -> bytes:
    try:
        done = subprocess.run(
            ["dot", f"-T{kind}", *(["-Gdpi=144"] if kind == "png" else [])],  # noqa: S607 - whichever Graphviz the user has
            input=dot(graph).encode(),
            capture_output=True,
            check=True,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise UsageError(f"Graphviz cannot draw this: {error}", hint="take Mermaid") from error
    return done.stdout


def drawn(graph: Graph) -> str:
    """Return the graph as SVG, drawn without any other program."""
    layout = layout_of(graph)
    size = f'width="{layout.width:.0f}" height="{layout.height:.0f}"'
    box = f'viewBox="0 0 {layout.width:.0f} {layout.height:.0f}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box} font-family="monospace" '
        'font-size="12">',
        f"<title>{escape(graph.name)}</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="{LINES}"/></marker></defs>',
        *(_svg_box(each) for each in layout.boxes.values()),
        *_svg_edges(graph, layout),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _svg_box(box: Box) -> str:
    round_ = 16 if box.kind not in FILLS else 5
    rect = (
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" '
        f'height="{box.height:.1f}" rx="{round_}" fill="{FILLS.get(box.kind, END)}" '
        f'stroke="{LINES}"/>'
    )
    texts = [
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{"start" if box.holds else "middle"}" '
        f'fill="{_DIM if number else INK}">{escape(line)}</text>'
        for number, (line, x, y) in enumerate(_lines(box))
    ]
    return "".join([rect, *texts])


def _lines(box: Box) -> Iterator[tuple[str, float, float]]:
    """Yield each line of a box and where it stands: its start or its middle, and its foot."""
    for number, line in enumerate(box.lines):
        x = box.x + PAD if box.holds else box.middle
        yield line, x, box.y + PAD / 2 + LINE * (number + 0.75)


def _svg_edges(graph: Graph, layout: Layout) -> Iterator[str]:
    ways = {ends: _way(layout, *ends) for ends in pairs(graph)}
    for ends, edges in pairs(graph).items():
        way = ways[ends]
        path = f"M{way[0][0]:.1f} {way[0][1]:.1f}" + "".join(starmap(_curve, pairwise(way)))
        dashes = ' stroke-dasharray="5 3"' if is_condition(edges) else ""
        yield (
            f'<path d="{path}" fill="none" stroke="{LINES}" marker-end="url(#tip)"{dashes}>'
            f"<title>{escape(joined(edges))}</title></path>"
        )
    for label in labels_of(_texts(graph), ways, layout).values():
        for line, foot in label.feet():
            yield (
                f'<text x="{label.x:.1f}" y="{foot:.1f}" text-anchor="middle" font-size="10" '
                f'fill="{_DIM}" paint-order="stroke" stroke="white" stroke-width="3">'
                f"{escape(line)}</text>"
            )


def _texts(graph: Graph) -> dict[tuple[str, str], str]:
    return {ends: joined(edges) for ends, edges in pairs(graph).items()}


def _way(layout: Layout, source: str, target: str) -> list[Point]:
    """Return where a line begins, passes and ends."""
    first, last = layout.boxes[source], layout.boxes[target]
    start, end = (first.middle, first.y + first.height), (last.middle, last.y)
    return [start, *between(layout, source, target), end]


def _curve(start: Point, end: Point) -> str:
    bend = (end[1] - start[1]) / 2 if end[1] > start[1] else 30.0  # a circle goes up again
    points = ((start[0], start[1] + bend), (end[0], end[1] - bend), end)
    return "C" + " ".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _paint(graph: Graph, layout: Layout, draw: Any, font: Any) -> None:
    small = font.font_variant(size=10 * SCALE)
    for box in layout.boxes.values():
        corners = [n * SCALE for n in (box.x, box.y, box.x + box.width, box.y + box.height)]
        fill = FILLS.get(box.kind, END)
        draw.rounded_rectangle(corners, 5 * SCALE, fill=fill, outline=LINES, width=SCALE)
        for line, x, y in _lines(box):
            anchor = "ls" if box.holds else "ms"
            draw.text((x * SCALE, y * SCALE), line, font=font, fill=INK, anchor=anchor)
    ways = {ends: _way(layout, *ends) for ends in pairs(graph)}
    for ends, edges in pairs(graph).items():
        for part in _dashed(ways[ends]) if is_condition(edges) else [ways[ends]]:
            draw.line([n * SCALE for point in part for n in point], fill=LINES, width=SCALE)
        x, y = ways[ends][-1]
        tip = [(x, y), (x - 4, y - 7), (x + 4, y - 7)]
        draw.polygon([(p * SCALE, q * SCALE) for p, q in tip], fill=LINES)
    for label in labels_of(_texts(graph), ways, layout).values():
        for line, foot in label.feet():
            at = (label.x * SCALE, foot * SCALE)
            look: dict[str, Any] = {"stroke_width": SCALE, "stroke_fill": "white", "anchor": "ms"}
            draw.text(at, line.replace("→", "->"), font=small, fill=_DIM, **look)


def _dashed(way: list[Point]) -> Iterator[list[Point]]:
    """Yield the dashes of a line."""
    for (a, b), (x, y) in pairwise(way):
        length = math.dist((a, b), (x, y))
        for start in range(0, int(length), 8):
            first, last = start / length, min(start + 5, length) / length
            yield [(a + part * (x - a), b + part * (y - b)) for part in (first, last)]
