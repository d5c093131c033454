"""A flow as a graph: what runs, in which subflow, and what goes from where to where."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from chatbot.flowfile.byroom import ROUTE, VALUE, route_of
from chatbot.flowfile.review import Whole, frames
from chatbot.flowfile.sections import MESSAGE, Literal, Source
from chatbot.flowfile.tracing import Frame, Origin, origins
from chatbot.flowfile.wiring import Part

OUTPUTS = "outputs"
REPLIES = "says"


@dataclass(frozen=True, slots=True)
class Node:
    """An instance, by its path (`understand/classify`); or what comes in, or what goes out.

    `kind` is `operation`, `subflow`, `message`, `inputs`, `outputs` or `says`; `runs` what an
    instance runs and `where`; `inside` the path of the subflow around it; `rooms` are those in
    which it is configured otherwise.
    """

    path: str
    kind: str
    runs: str = ""
    where: str = ""
    inside: str = ""
    rooms: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return its own name, without the subflows around it."""
        return self.path.rpartition("/")[2]

    @property
    def remark(self) -> str:
        """Return where it is configured otherwise, in words; "" where nowhere."""
        return f"configured otherwise in {', '.join(self.rooms)}" if self.rooms else ""


@dataclass(frozen=True, slots=True)
class Edge:
    """Something goes from one node to another: what it is there, and what it becomes here.

    A `condition` is no input: the target runs only if it is true.
    """

    source: str
    target: str
    output: str
    input: str = ""
    condition: bool = False


@dataclass(frozen=True, slots=True)
class Graph:
    """The nodes of a flow, in the order of its file, with a subflow before what is in it."""

    name: str
    file: str
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    def children(self, inside: str) -> list[Node]:
        """Return the nodes that lie directly in the subflow `inside`; "" is the flow itself."""
        return [node for node in self.nodes.values() if node.inside == inside]

    def holds(self, path: str) -> bool:
        """Whether the node at `path` is a subflow that is unfolded here."""
        return any(node.inside == path for node in self.nodes.values())


def graph_of(
    whole: Whole, *, folded: bool = False, where: Callable[[Part], str] | None = None
) -> Graph:
    """Return the graph of a flow or a subflow; with `folded`, a subflow is one node.

    `where` says where an instance runs.
    """
    frame = frames(whole)
    found = Graph(whole.file.name, str(whole.file.path))
    edges: dict[Edge, None] = {}
    _Builder(found, edges, folded, where or placed).add(frame, "")
    _add_ends(found, edges, frame)
    found.edges.extend(edges)
    return found


class _Builder:
    def __init__(
        self,
        graph: Graph,
        edges: dict[Edge, None],
        folded: bool,
        where: Callable[[Part], str],
    ) -> None:
        self._where = where
        self._graph = graph
        self._edges = edges
        self._folded = folded

    def add(self, frame: Frame, inside: str) -> None:
        for name, part in frame.parts.items():
            if "~" in name:  # made for one in the file: what it takes goes to that
                continue
            path = f"{inside}/{name}" if inside else name
            inner = frame.inner.get(name)
            self._graph.nodes[path] = self._node(frame, path, part, inside)
            if inner is None or self._folded or not inner.parts:
                self._wires(frame, path, part)
            else:
                self._conditions(frame, path, part)
                self.add(inner, path)

    def _node(self, frame: Frame, path: str, part: Part, inside: str) -> Node:
        name = part.section.name
        inner, rooms = frame.inner.get(name), _rooms(frame, name)
        if inner is not None:
            return Node(path, "subflow", inner.file.path.name, "", inside, rooms)
        return Node(path, "operation", part.section.run, self._where(part), inside, rooms)

    def _wires(self, frame: Frame, path: str, part: Part) -> None:
        for key, wire in part.section.inputs.items():
            for source in wire.sources:
                self._edge(frame, path, source, key)
        self._conditions(frame, path, part)

    def _conditions(self, frame: Frame, path: str, part: Part) -> None:
        for source in part.section.when:
            self._edge(frame, path, source, "", condition=True)

    def _edge(
        self,
        frame: Frame,
        path: str,
        source: Source | Literal,
        key: str,
        *,
        condition: bool = False,
    ) -> None:
        for start, output in ends(frame, source, folded=self._folded):
            self._edges[Edge(start, path, output, key, condition)] = None


def ends(frame: Frame, source: Source | Literal, *, folded: bool) -> Iterator[tuple[str, str]]:
    """Yield the node and the output that each value of `source` comes from."""
    if isinstance(source, Literal):
        return
    part = frame.parts.get(source.origin)
    if part is not None and "~" in source.origin:
        for each in _stands_for(part):
            yield from ends(frame, each, folded=folded)
        return
    if folded and source.origin in frame.parts:
        yield _path(frame, source.origin), source.key
        return
    for origin in origins(frame, source):
        if isinstance(origin, Origin):
            at = origin.source.origin
            if "~" in at:
                yield from ends(origin.frame, origin.source, folded=folded)
                continue
            outside = origin.part is None
            yield at if outside else _path(origin.frame, at), origin.source.key


def _stands_for(part: Part) -> Iterator[Source | Literal]:
    """Yield what an instance that was made takes for the one of the file."""
    wires = part.section.inputs
    for wire in [wires[VALUE]] if part.section.run == ROUTE else wires.values():
        yield from wire.sources
    yield from part.section.when


def _rooms(frame: Frame, name: str) -> tuple[str, ...]:
    """Return the rooms in which an instance is configured otherwise: with networks, of several."""
    route = frame.parts.get(route_of(name))
    if route is None or route.section.config is None:
        return ()
    several = len(frame.file.listeners) > 1
    listed = route.section.config.plain()["rooms"]
    return tuple(f"{room} on {network}" if several else room for network, room in listed)


def _path(frame: Frame, name: str) -> str:
    if frame.outer is None:
        return name
    return f"{_path(frame.outer, frame.instance)}/{name}"


def placed(part: Part) -> str:
    """Return where the flow, or the operation itself, has it run; `nodes` by default."""
    if part.section.on is not None:
        return str(part.section.on)
    return "primary" if getattr(part.implementation, "cheap", False) else "nodes"


def _add_ends(graph: Graph, edges: dict[Edge, None], frame: Frame) -> None:
    """Add what comes in and what goes out as nodes, where there is any."""
    for name, source in frame.file.outputs.items():
        for start, output in ends(frame, source, folded=_is_folded(graph)):
            edges[Edge(start, OUTPUTS, output, name)] = None
    if frame.outer is None and frame.file.inputs == {}:
        for name, part in frame.parts.items():
            for key in () if "~" in name else part.decisions:
                says = ends(frame, Source(name, key, part.section.mark), folded=_is_folded(graph))
                edges |= {Edge(start, REPLIES, output): None for start, output in says}
    starts = dict.fromkeys(edge.source for edge in edges if edge.source not in graph.nodes)
    outside = {start: Node(start, "message" if start == MESSAGE else "inputs") for start in starts}
    rest = dict(graph.nodes)
    graph.nodes.clear()
    graph.nodes.update({**outside, **rest})
    for end in (REPLIES, OUTPUTS):
        if any(edge.target == end for edge in edges):
            graph.nodes[end] = Node(end, end)


def _is_folded(graph: Graph) -> bool:
    return all(not node.inside for node in graph.nodes.values())


def between(graph: Graph, source: str, target: str) -> Sequence[Edge]:
    """Return the edges from one node to another."""
    return [edge for edge in graph.edges if (edge.source, edge.target) == (source, target)]


def joined(edges: Sequence[Edge]) -> str:
    """Return what goes along edges between the same nodes, for a label."""
    inputs = [
        e.output if e.output == e.input or not e.input else f"{e.output} → {e.input}"
        for e in edges
        if not e.condition
    ]
    conditions = [f"if {e.output}" for e in edges if e.condition]
    return ", ".join([*inputs, *conditions])
