"""An operation's `config` against the class that the operation declares for it."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chatbot.flowfile.document import Node
from chatbot.flowfile.problems import Mark, Report
from chatbot.flowfile.sections import Section
from chatbot.flowfile.templated import place
from chatbot.flowfile.values import INVALID, Values, jsonable

_FIELD = re.compile(r"\{[^{}]*\}?$")
"""What a message ends in that names a place within the text."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """A checked configuration: the object for DFFML, what the file set as JSON, its files."""

    value: Any = None
    plain: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)


def configure(section: Section, implementation: Any, folder: Path, report: Report) -> Configuration:
    """Return the configuration of `section`, an empty one when something was reported."""
    node = section.config or Node(section.mark, None, section.mark)
    record: Any = getattr(implementation, "CONFIG", None)
    if not dataclasses.is_dataclass(record) or not dataclasses.fields(record):
        if node.value not in (None, {}):
            inputs = getattr(getattr(implementation, "op", None), "inputs", {})
            given = [key for key in node.plain() if key in inputs] if _is_map(node) else []
            hint = f"it is an input: inputs: {{{given[0]}: ...}}" if given else ""
            report.add(node.key, f"`{section.run}` takes no configuration", hint)
        return Configuration()
    what = f"the configuration of `{section.run}`"
    make: Any = record
    converted = Values(folder, report).fields(node, make, what)
    if converted is INVALID:
        return Configuration()
    try:
        value = make(**converted)
    except (TypeError, ValueError) as error:
        report.add(node.key, f"{what}: {error}")
        return Configuration()
    if not _passes_own_check(value, node, implementation, report):
        return Configuration()
    files = {key: v for key, v in converted.items() if isinstance(v, Path)}
    return Configuration(value, jsonable(converted), files)


def _is_map(node: Node) -> bool:
    return isinstance(node.value, dict)


def _passes_own_check(value: Any, node: Node, implementation: Any, report: Report) -> bool:
    check = getattr(implementation, "check_config", None)
    problems = list(check(value)) if check is not None else []
    for path, message, hint, *elsewhere in problems:
        mark = node.at(tuple(path)).mark
        field = _FIELD.search(message)
        where = Mark(*elsewhere[0]) if elsewhere else place(mark, field[0]) if field else mark
        report.add(where, message, hint)
    return not problems
