"""`validate`: an operation that checks, or mends, what comes from outside before anybody has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chatbot.flowfile.problems import Report, suggest
from chatbot.flowfile.sections import FlowFile, Name, Source
from chatbot.flowfile.wiring import Part


def take(
    file: FlowFile, parts: dict[str, Part], seeds: dict[str, Any], report: Report
) -> dict[str, Source]:
    """Return which output stands for each field of `seeds` that is validated.

    Their definitions, in `seeds`, then name the validator, which takes them.
    """
    return {
        field: found
        for field, name in file.validate.items()
        if (found := _validator(field, name, parts, seeds, report)) is not None
    }


def _validator(
    field: str,
    name: Name,
    parts: dict[str, Part],
    seeds: dict[str, Any],
    report: Report,
) -> Source | None:
    if field not in seeds:
        hint = suggest(field, seeds, what="there are")
        report.add(name.mark, f"`validate`: there is no field `{field}`", hint)
        return None
    part = parts.get(name.text)
    if part is None:
        hint = suggest(name.text, _plain(parts), what="there are")
        report.add(name.mark, f"there is no operation `{name.text}` in this file", hint)
        return None
    if part.operation is None:
        return None  # was reported
    if len(part.operation.inputs) != 1 or len(part.operation.outputs) != 1:
        message = f"`{name.text}` cannot validate: it must have one input, and one output"
        report.add(name.mark, message)
        return None
    [key], [output] = part.operation.inputs, part.operation.outputs
    seeds[field] = seeds[field]._replace(validate=name.text)
    # It is given what has this very definition, however it is called here.
    operation = part.operation._replace(inputs={key: seeds[field]})
    parts[name.text] = replace(part, operation=operation)
    return Source(name.text, output, name.mark)


def _plain(parts: Mapping[str, Part]) -> list[str]:
    return [name for name in parts if "~" not in name]
