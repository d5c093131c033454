"""DFFML names a subflow's context by its first input, a string: here one is made where none is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chatbot.flowfile.sections import Literal, Section, Wire

_CONTEXT = "~context"


def with_string(section: Section, inputs: dict[str, Any]) -> dict[str, Any]:
    """Return the definitions of a subflow's inputs, a string first."""
    from dffml import Definition

    first = [name for name, definition in inputs.items() if definition.primitive == "string"][:1]
    if first:
        return {first[0]: inputs[first[0]], **inputs}
    return {_CONTEXT: Definition(f"{section.name}/{_CONTEXT}", "string"), **inputs}


def with_name(section: Section, inputs: dict[str, Any]) -> Section:
    """Return `section`, which uses a subflow; one that takes no string is given the name."""
    if any(definition.primitive == "string" for definition in inputs.values()):
        return section
    wire = Wire(section.mark, (Literal(section.name, section.mark),))
    return replace(section, inputs={_CONTEXT: wire, **section.inputs})
