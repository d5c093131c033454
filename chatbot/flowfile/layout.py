"""Places for a graph's boxes: in layers from top to bottom, subflows as boxes of their own. Pure.

The method is that of layered drawings (Sugiyama, Tagawa and Toda 1981): layers by the longest
way, order within a layer by the mean place of what a box is connected to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from chatbot.flowfile.graph import Graph
from chatbot.flowfile.notation import lines_of, pairs, title_of
from chatbot.flowfile.outline import ordered

LETTER, LINE = 7.3, 17.0
"""The width of a letter and the height of a line, in pixels."""

PAD, GAP, BETWEEN = 12.0, 28.0, 72.0
"""Within a box, between boxes of a layer, between layers."""

SWEEPS = 4


Point = tuple[float, float]
_LANE = "lane"
"""The kind of a box that is not drawn: a line passes through it."""


@dataclass(frozen=True, slots=True)
class Box:
    """Where a node is drawn, in pixels from the top left; `holds` others or has `lines`."""

    path: str
    kind: str
    lines: tuple[str, ...]
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0
    holds: bool = False

    @property
    def middle(self) -> float:
        """Return the middle of its width."""
        return self.x + self.width / 2


@dataclass(frozen=True, slots=True)
class Layout:
    """All boxes, a subflow's before those in it, and the size of the whole.

    `lanes` has where a line runs past the layers between its ends, by those ends (or by the
    subflows that they lie in): points from top to bottom.
    """

    boxes: dict[str, Box] = field(default_factory=dict)
    lanes: dict[tuple[str, str], list[Point]] = field(default_factory=dict)
    width: float = 0.0
    height: float = 0.0


def layout_of(graph: Graph) -> Layout:
    """Return places in which no two boxes of one subflow overlap."""
    placed = _moved(_placed(graph, ""), PAD, PAD)
    return replace(placed, width=placed.width + 2 * PAD, height=placed.height + 2 * PAD)


def between(layout: Layout, source: str, target: str) -> list[Point]:
    """Return where a line from `source` to `target` has to pass through."""
    a, b = source.split("/"), target.split("/")
    shared = 0
    while shared < min(len(a), len(b)) - 1 and a[shared] == b[shared]:
        shared += 1
    owners = ("/".join(a[: shared + 1]), "/".join(b[: shared + 1]))
    return layout.lanes.get(owners, [])


def _moved(layout: Layout, x: float, y: float) -> Layout:
    boxes = {path: replace(b, x=b.x + x, y=b.y + y) for path, b in layout.boxes.items()}
    lanes = {ends: [(p + x, q + y) for p, q in way] for ends, way in layout.lanes.items()}
    return replace(layout, boxes=boxes, lanes=lanes)


def _placed(graph: Graph, inside: str) -> Layout:
    inner: dict[str, Layout] = {}
    sizes: dict[str, Box] = {}
    for node in ordered(graph, inside):
        if graph.holds(node.path):
            inner[node.path] = _placed(graph, node.path)
            sizes[node.path] = _around(graph, node.path, inner[node.path])
        else:
            sizes[node.path] = _box(node.path, node.kind, lines_of(node))
    arrows = _arrows(graph, list(sizes))
    layers = _layers(list(sizes), arrows)
    ways = _add_lanes(layers, arrows, sizes)
    own = _at(_ordered(layers, arrows), sizes)
    found = Layout(
        lanes={
            ends: [p for path in way for p in _through(own[path])] for ends, way in ways.items()
        },
        width=max((box.x + box.width for box in own.values()), default=0.0),
        height=max((box.y + box.height for box in own.values()), default=0.0),
    )
    for path, box in own.items():
        if box.kind != _LANE:
            found.boxes[path] = box
        if path in inner:
            moved = _moved(inner[path], box.x + PAD, box.y + PAD + LINE)
            found.boxes.update(moved.boxes)
            found.lanes.update(moved.lanes)
    return found


def _add_lanes(
    layers: list[list[str]], arrows: set[tuple[str, str]], sizes: dict[str, Box]
) -> dict[tuple[str, str], list[str]]:
    """Put a lane into each layer that an arrow passes; return the lanes of each such arrow."""
    depth = {path: number for number, layer in enumerate(layers) for path in layer}
    ways: dict[tuple[str, str], list[str]] = {}
    for source, target in sorted(arrows):
        passed = range(depth[source] + 1, depth[target])
        way = [f"{source}>{target}>{number}" for number in passed]
        for number, path in zip(passed, way, strict=True):
            sizes[path] = Box(path, _LANE, (), PAD, 0.0)
            layers[number].append(path)
        if way:
            ways[source, target] = way
            arrows.remove((source, target))
            stations = [source, *way, target]
            arrows.update(pairwise(stations))
    return ways


def _through(lane: Box) -> tuple[Point, Point]:
    return (lane.middle, lane.y), (lane.middle, lane.y + lane.height)


def _box(path: str, kind: str, lines: Sequence[str]) -> Box:
    width = max(map(len, lines)) * LETTER + 2 * PAD
    return Box(path, kind, tuple(lines), width, len(lines) * LINE + PAD)


def _around(graph: Graph, path: str, inner: Layout) -> Box:
    node = graph.nodes[path]
    title = title_of(node)
    width = max(inner.width, len(title) * LETTER) + 2 * PAD
    height = inner.height + 2 * PAD + LINE
    return Box(path, node.kind, (title,), width, height, holds=True)


def _arrows(graph: Graph, paths: Sequence[str]) -> set[tuple[str, str]]:
    """Return who is above whom among `paths`, with what lies in them taken for themselves."""

    def owner(path: str) -> str:
        return next((p for p in paths if path == p or path.startswith(f"{p}/")), "")

    place = {path: number for number, path in enumerate(paths)}
    found = {(owner(source), owner(target)) for source, target in pairs(graph)}
    return {(a, b) for a, b in found if a and b and place[a] < place[b]}  # none of a circle


def _layers(paths: Sequence[str], arrows: set[tuple[str, str]]) -> list[list[str]]:
    depth = dict.fromkeys(paths, 0)
    for path in paths:  # in order: what is above comes first
        depth[path] = max((depth[a] + 1 for a, b in arrows if b == path), default=0)
    layers: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for path in paths:
        layers[depth[path]].append(path)
    return layers


def _ordered(layers: list[list[str]], arrows: set[tuple[str, str]]) -> list[list[str]]:
    """Return the layers, each in the order of the mean places of its boxes' neighbours."""
    for sweep in range(SWEEPS):
        place = {path: number for layer in layers for number, path in enumerate(layer)}
        near: dict[str, list[int]] = {path: [] for path in place}
        for a, b in arrows:
            start, end = (a, b) if sweep % 2 == 0 else (b, a)
            near[end].append(place[start])

        def mean(
            path: str, near: Mapping[str, list[int]] = near, place: Mapping[str, int] = place
        ) -> float:
            return sum(near[path]) / len(near[path]) if near[path] else place[path]

        layers = [sorted(layer, key=mean) for layer in layers]
    return layers


def _at(layers: list[list[str]], sizes: Mapping[str, Box]) -> dict[str, Box]:
    widths = [sum(sizes[p].width for p in layer) + GAP * (len(layer) - 1) for layer in layers]
    whole = max(widths, default=0.0)
    found, y = {}, 0.0
    for layer, width in zip(layers, widths, strict=True):
        x = (whole - width) / 2
        height = max(sizes[path].height for path in layer)
        for path in layer:
            own = height if sizes[path].kind == _LANE else sizes[path].height
            found[path] = replace(sizes[path], x=x, y=y, height=own)
            x += sizes[path].width + GAP
        y += height + BETWEEN
    return found
