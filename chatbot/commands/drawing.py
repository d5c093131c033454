"""`chatbot flow show`: a flow's graph, as text or as a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from chatbot.errors import UsageError
from chatbot.flowfile import graph as graphs
from chatbot.flowfile import notation, outline, picture
from chatbot.flowfile.graph import Graph
from chatbot.flowfile.load import assemble
from chatbot.flowfile.wiring import Part
from chatbot.orchestrator.placement import runs_on_primary

KINDS: dict[str, Callable[[Graph], str | bytes]] = {
    "text": outline.outline,
    "mermaid": notation.mermaid,
    "svg": picture.svg,
    "png": picture.png,
    "dot": notation.dot,
}
_SUFFIXES = {".mmd": "mermaid", ".mermaid": "mermaid", ".gv": "dot", ".txt": "text"}


def kind_of(given: str | None, file: Path | None) -> str:
    """Return in what form a flow is to be shown: as `given`, or as the file's name says."""
    if given is not None:
        return given
    if file is None:
        return "text"
    kind = _SUFFIXES.get(file.suffix.lower(), file.suffix.lower().removeprefix("."))
    if kind not in KINDS:
        raise UsageError(f"what is {file} to be?", hint=f"say --as: {', '.join(KINDS)}")
    return kind


def draw(name: str, overrides: Sequence[str], kind: str, *, folded: bool) -> str | bytes:
    """Return the flow's graph in the form `kind`; raises `FlowError`, `UsageError`."""
    whole = assemble(name, overrides=overrides)
    return KINDS[kind](graphs.graph_of(whole, folded=folded, where=where))


def where(part: Part) -> str:
    """Return where an instance runs: primary, nodes, or labels of nodes."""
    placed = part.section.on
    if runs_on_primary(part.operation, part.implementation, placed):
        return "primary"
    return str(placed) if placed is not None else "nodes"
