"""A flow's graph in notations that other tools draw: Mermaid, and Graphviz's DOT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chatbot.flowfile.graph import Edge, Graph, Node, joined

_MERMAID = {
    "message": ('(["', '"])'),
    "inputs": ('(["', '"])'),
    "outputs": ('(["', '"])'),
    "says": ('(["', '"])'),
    "operation": ('["', '"]'),
    "subflow": ('[["', '"]]'),
}


FILLS = {"operation": "#eef4ff", "subflow": "#f7f7f7"}
END = "#e9f7ec"
LINES, INK = "#5b6b82", "#1b2433"
"""The colours of pictures: boxes by their kind, the ends of a flow, lines, and what is written."""


def is_condition(edges: Sequence[Edge]) -> bool:
    """Whether nothing but conditions goes from one node to another: such a line is dashed."""
    return all(edge.condition for edge in edges)


def pairs(graph: Graph) -> dict[tuple[str, str], list[Edge]]:
    """Return the edges by the nodes that they connect, in the graph's order."""
    found: dict[tuple[str, str], list[Edge]] = {}
    for edge in graph.edges:
        found.setdefault((edge.source, edge.target), []).append(edge)
    return found


def mermaid(graph: Graph) -> str:
    """Return the graph as a Mermaid flowchart, which GitHub and many editors draw."""
    ids = {path: f"n{number}" for number, path in enumerate(graph.nodes)}
    lines = ["flowchart TD", *_mermaid_nodes(graph, ids, "", "  ")]
    for (source, target), edges in pairs(graph).items():
        label = joined(edges).replace('"', "#quot;")
        arrow = "-.->" if is_condition(edges) else "-->"
        lines.append(f'  {ids[source]} {arrow}|"{label}"| {ids[target]}')
    return "\n".join(lines) + "\n"


def _mermaid_nodes(graph: Graph, ids: dict[str, str], inside: str, indent: str) -> Iterator[str]:
    for node in graph.children(inside):
        if graph.holds(node.path):
            yield f'{indent}subgraph {ids[node.path]}["{title_of(node)}"]'
            yield from _mermaid_nodes(graph, ids, node.path, indent + "  ")
            yield f"{indent}end"
        else:
            opened, closed = _MERMAID[node.kind]
            yield f"{indent}{ids[node.path]}{opened}{'<br/>'.join(lines_of(node))}{closed}"


def lines_of(node: Node) -> list[str]:
    """Return what a box for `node` says, a line each."""
    if node.kind in ("message", "inputs", "outputs", "says"):
        return [node.name]
    runs = f"{node.runs} · {node.where}" if node.where else node.runs
    lines = [node.name, runs] if runs != node.name else [node.name]
    return [*lines, node.remark] if node.remark else lines


def title_of(node: Node) -> str:
    """Return what stands above an unfolded subflow."""
    title = f"{node.name} ({node.runs})"
    return f"{title}, {node.remark}" if node.remark else title


def dot(graph: Graph) -> str:
    """Return the graph in DOT, for Graphviz."""
    lines = [
        f"digraph {_quoted(graph.name)} {{",
        f'  graph [fontname="sans-serif", fontsize=12, fontcolor="{INK}", color="{LINES}"];',
        '  node [shape=box, style="rounded,filled", fontname="sans-serif", fontsize=12, '
        f'color="{LINES}", fontcolor="{INK}", fillcolor="{END}"];',
        f'  edge [fontname="sans-serif", fontsize=10, color="{LINES}", fontcolor="{INK}"];',
        "  compound=true;",
        *_dot_nodes(graph, "", "  "),
    ]
    for (source, target), edges in pairs(graph).items():
        end = _leaf(graph, target)
        style = ", style=dashed" if is_condition(edges) else ""
        into = f", lhead={_quoted(f'cluster {target}')}" if end != target else ""
        label = _quoted(joined(edges))
        lines.append(f"  {_quoted(source)} -> {_quoted(end)} [label={label}{style}{into}];")
    return "\n".join([*lines, "}"]) + "\n"


def _leaf(graph: Graph, path: str) -> str:
    """Return a node that is drawn: of an unfolded subflow, the first in it."""
    while graph.holds(path):
        path = graph.children(path)[0].path
    return path


def _dot_nodes(graph: Graph, inside: str, indent: str) -> Iterator[str]:
    for node in graph.children(inside):
        if graph.holds(node.path):
            yield f"{indent}subgraph {_quoted(f'cluster {node.path}')} {{"
            yield f"{indent}  label={_quoted(title_of(node))};"
            yield f'{indent}  style="rounded,filled"; fillcolor="{FILLS["subflow"]}";'
            yield from _dot_nodes(graph, node.path, indent + "  ")
            yield f"{indent}}}"
        else:
            label = _quoted("\n".join(lines_of(node)))
            fill = f', fillcolor="{FILLS[node.kind]}"' if node.kind in FILLS else ""
            yield f"{indent}{_quoted(node.path)} [label={label}{fill}];"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
