"""Whether DFFML's own dataflow file has the shape that DFFML reads, said with places."""

from __future__ import annotations

from chatbot.flowfile.document import Node
from chatbot.flowfile.problems import Report, suggest
from chatbot.flowfile.sections import mapping

_NAMED = ("definitions", "operations", "flow")
_TYPE = "int, float, string, bool, map, array, generic…"


def check(tree: Node, report: Report) -> bool:
    """Report what DFFML could not read; return whether there is nothing."""
    before = len(report)
    entries = tree.value if isinstance(tree.value, dict) else {}
    sections = {
        name: mapping(entries[name], f"`{name}`", report) for name in _NAMED if name in entries
    }
    definitions = sections.get("definitions", {})
    for name, node in definitions.items():
        given = mapping(node, f"the definition `{name}`", report)
        if len(report) == before and not isinstance(_plain(given.get("primitive")), str):
            report.add(node.key, f"the definition `{name}` has no primitive", _TYPE)
    operations = sections.get("operations", {})
    linked = _plain(entries.get("linked")) is True
    for name, node in operations.items():
        _check_operation(name, node, definitions if linked else None, report)
    for name, node in sections.get("flow", {}).items():
        if name not in operations:
            hint = suggest(name, operations, what="there are")
            report.add(node.key, f"`flow` has `{name}`, and `operations` has not", hint)
        given = mapping(node, f"the flow of `{name}`", report)
        if "inputs" in given:
            mapping(given["inputs"], f"the inputs of `{name}`", report)
    _check_seeds(entries.get("seed"), sections, report)
    return len(report) == before


def _check_seeds(node: Node | None, sections: dict[str, dict[str, Node]], report: Report) -> None:
    """Report seeds of what the file does not define, as one to be merged over another has."""
    if node is None or node.value is None:
        return
    if not isinstance(node.value, list):
        report.add(node.mark, f"`seed` must be a list, not {node.kind}")
        return
    for each in node.value:
        wanted = each.at(("definition",))
        known = sections.get("definitions", {})
        if isinstance(wanted.value, str) and wanted.value not in known:
            hint = "a part of a dataflow is laid over the rest with `chatbot dffml dataflow merge`"
            report.add(wanted.mark, f"there is no definition `{wanted.value}` in this file", hint)


def _check_operation(
    name: str, node: Node, definitions: dict[str, Node] | None, report: Report
) -> None:
    given = mapping(node, f"the operation `{name}`", report)
    for key in ("inputs", "outputs"):
        if key not in given:
            continue
        for word, each in mapping(given[key], f"`{key}` of `{name}`", report).items():
            if definitions is None:
                continue
            wanted = each.value
            if not isinstance(wanted, str) or wanted not in definitions:
                hint = suggest(str(each.plain()), definitions, what="there are")
                report.add(each.mark, f"`{word}` of `{name}` has no definition", hint)


def _plain(node: Node | None) -> object:
    return None if node is None else node.value
