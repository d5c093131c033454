"""A flow's graph as lines of text, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from chatbot.flowfile.graph import Edge, Graph, Node


def outline(graph: Graph) -> str:
    """Return the graph as text: an instance a line, in the order in which they can run."""
    width = max((_width(node) for node in graph.nodes.values()), default=0)
    lines = [f"{graph.name} ({graph.file})", *_lines(graph, "", "  ", width + 2)]
    return "\n".join(lines) + "\n"


def _lines(graph: Graph, inside: str, indent: str, width: int) -> Iterator[str]:
    for node in ordered(graph, inside):
        incoming = [edge for edge in graph.edges if edge.target == node.path]
        start = f"{indent}{_title(node)}"
        if node.kind in ("message", "inputs"):
            used = dict.fromkeys(e.output for e in graph.edges if e.source == node.path)
            yield f"{start.ljust(width)}{', '.join(used)}"
            continue
        remark = f"  [{node.remark}]" if node.remark else ""
        yield f"{start.ljust(width)}{_wires(incoming)}{remark}".rstrip()
        if graph.holds(node.path):
            yield from _lines(graph, node.path, f"{indent}│ ", width)


def _title(node: Node) -> str:
    runs = f" {node.runs}" if node.runs and node.runs != node.name else ""
    where = f" ({node.where})" if node.where else ""
    sign = "▾ " if node.kind == "subflow" else ""
    return f"{sign}{node.name}{runs}{where}"


def _width(node: Node) -> int:
    depth = node.path.count("/") if node.inside else 0
    return 2 + 2 * depth + len(_title(node))


MANY = 4
"""Outputs of one node that are told together, where they keep their names."""


def _wires(edges: list[Edge]) -> str:
    given: list[str] = []
    for source, same in groupby((e for e in edges if not e.condition), key=_kept_from):
        each = list(same)
        if source and len(each) >= MANY:
            given.append(f"{', '.join(e.output for e in each)} ← {source}")
        else:
            given += [f"{e.input or e.output} ← {e.source}.{e.output}" for e in each]
    asked = [f"if {e.source}.{e.output}" for e in edges if e.condition]
    return ", ".join([*given, *asked])


def _kept_from(edge: Edge) -> str:
    """Return where an input is from that has its name there, too; "" for another."""
    return edge.source if edge.input == edge.output else ""


def ordered(graph: Graph, inside: str) -> list[Node]:
    """Return the nodes in the subflow `inside`, what comes first before what takes from it."""
    nodes = {node.path: node for node in graph.children(inside)}
    before = {path: set[str]() for path in nodes}
    for edge in graph.edges:
        source, target = (_within(inside, end) for end in (edge.source, edge.target))
        if source in nodes and target in nodes and source != target:
            before[target].add(source)
    found: list[Node] = []
    while before:
        free = [path for path, needs in before.items() if not needs & before.keys()]
        for path in free or [next(iter(before))]:  # in a circle, the first of the file
            del before[path]
            found.append(nodes[path])
    return found


def _within(inside: str, path: str) -> str:
    """Return which node directly in `inside` has the node at `path` in it, or is it."""
    prefix = f"{inside}/" if inside else ""
    if not path.startswith(prefix):
        return ""
    return prefix + path.removeprefix(prefix).partition("/")[0]
