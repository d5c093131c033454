"""Operations whose configuration has templates: what those name becomes inputs.

Such an operation's implementation has `templates(config)`, which yields each template with its
path in the configuration. The rule: what a template names is found, or refused, before it runs.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from chatbot.flowfile.document import Node
from chatbot.flowfile.problems import COMMAND_LINE, Mark, Report
from chatbot.flowfile.sections import INPUT, Section, Source, Wire
from chatbot.flowfile.template import Used, faults, used
from chatbot.messages import ChatMessage

Templates = Callable[[Any], Iterable[tuple[tuple[str | int, ...], str]]]


def templated(
    section: Section,
    operation: Any,
    texts: Iterable[tuple[tuple[str | int, ...], str]],
    instances: Iterable[str],
    report: Report,
    *,
    subflow: bool,
) -> tuple[Section, Any]:
    """Return `section` with the inputs that its templates name, and an operation that takes them.

    `instances` are those of the file: in a template a name has _ where it has - in the file.
    """
    from dffml import Definition

    names = {name.replace("-", "_"): name for name in instances}
    inputs = dict(section.inputs)
    config = section.config or Node(section.mark, None, section.mark)
    for path, text in texts:
        mark = config.at(path).mark
        found = faults(text)
        for fault in found:
            report.add(place(mark, fault.fragment, fault.line), fault.message, fault.hint)
        for each in [] if found else used(text):
            if each.origin in section.inputs or each.name in inputs:
                continue
            source = _source(each, names, place(mark, each.name), report, subflow=subflow)
            if source is not None:
                inputs[each.name] = Wire(source.mark, (source,))
    taken = {name: Definition(f"{operation.name}.{name}", "generic") for name in inputs}
    return dataclasses.replace(section, inputs=inputs), operation._replace(inputs=taken)


def with_outputs(operation: Any, names: Iterable[str]) -> Any:
    """Return an operation that has the outputs which its configuration makes."""
    from dffml import Definition

    made = {name: Definition(f"{operation.name}.{name}", "generic") for name in names}
    return operation._replace(outputs=made)


def place(mark: Mark, fragment: str, line: int = 1) -> Mark:
    """Return where `fragment` stands first at or after `mark`, or that line of the text there."""
    if mark.file == COMMAND_LINE:
        return mark
    try:
        lines = Path(mark.file).read_text("utf-8-sig", errors="replace").splitlines()
    except OSError:
        return mark
    if not fragment:
        lower = mark.line + line - (0 if _is_block(lines, mark) else 1)
        return mark if lower <= mark.line else Mark(mark.file, min(lower, len(lines)))
    word = re.compile(_word(fragment))
    for number in range(mark.line - 1, len(lines)):
        start = mark.column - 1 if number == mark.line - 1 else 0
        found = word.search(lines[number], start)
        if found:
            return Mark(mark.file, number + 1, found.start() + 1)
    return mark


def _word(fragment: str) -> str:
    """Return a pattern of `fragment`, and of no longer name that it is a part of."""
    before = r"(?<!\w)" if re.match(r"\w", fragment) else ""
    after = r"(?!\w)" if re.search(r"\w$", fragment) else ""
    return before + re.escape(fragment) + after


def _is_block(lines: list[str], mark: Mark) -> bool:
    rest = lines[mark.line - 1][mark.column - 1 :] if mark.line <= len(lines) else ""
    return rest[:1] in ("|", ">")


def _source(
    name: Used, instances: dict[str, str], mark: Mark, report: Report, *, subflow: bool
) -> Source | None:
    if name.key:
        return Source(instances.get(name.origin, name.origin), name.key, mark)
    if subflow:
        return Source(INPUT, name.origin, mark)
    hint = "write message.<field> or <operation>.<output>, or give it under `inputs`"
    hint += f"; a text needs quotes: '{name.origin}'"
    if name.origin in ChatMessage.__struct_fields__:
        hint = f"did you mean message.{name.origin}?"
    report.add(mark, f"`{name.origin}` is nothing here", hint)
    return None
