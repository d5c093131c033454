"""`forward`: what a subflow is given as it comes, while it runs, and need not wait for.

DFFML passes an input on under its own definition; so the subflow's input has that one.
"""

from __future__ import annotations

from typing import Any

from chatbot.flowfile.problems import Report, suggest
from chatbot.flowfile.sections import FlowFile, Section, Source


def definitions(
    section: Section, inputs: dict[str, Any], outer: dict[str, dict[str, Any]], report: Report
) -> dict[str, Any]:
    """Return the definitions of those of a subflow's `inputs` that are forwarded to it.

    `outer` is what is there without an operation in the flow around it.
    """
    found = {}
    for name, source in section.forward.items():
        if name not in inputs:
            hint = suggest(name, inputs, what="inputs")
            report.add(source.mark, f"`{section.name}` has no input `{name}`", hint)
            continue
        definition = _outer(source, outer, report)
        if definition is not None:
            found[name] = definition
    return found


def of_file(file: FlowFile, seeds: dict[str, dict[str, Any]]) -> dict[str, list[Any]]:
    """Return what is forwarded to each instance of a file that was found right."""
    return {
        name: [seeds[source.origin][source.key] for source in section.forward.values()]
        for name, section in file.operations.items()
        if section.forward
    }


def _outer(source: Source, outer: dict[str, dict[str, Any]], report: Report) -> Any:
    if source.origin not in outer:
        hint = "give what an operation gives as an input"
        message = "only what comes from outside can be forwarded, such as message.text"
        report.add(source.mark, message, hint)
        return None
    if source.key not in outer[source.origin]:
        hint = suggest(source.key, outer[source.origin], what="there are")
        report.add(source.mark, f"there is no `{source.origin}.{source.key}`", hint)
    return outer[source.origin].get(source.key)
