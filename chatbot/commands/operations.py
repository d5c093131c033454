"""`chatbot operations list` and `chatbot flow explain`: what is installed, and what it does."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatbot.authoring.local import LocalError, is_local, parted
from chatbot.commands.screen import Screen
from chatbot.errors import OperationError
from chatbot.flowfile.catalog import OPERATIONS, Catalog
from chatbot.flowfile.description import (
    Description,
    Value,
    all_described,
    described,
    described_in_file,
)
from chatbot.flowfile.packages import hint_for_unknown
from chatbot.orchestrator.placement import runs_on_primary

if TYPE_CHECKING:
    from rich.table import Table

BROKEN = "broken"

SHORT = {
    "reply": """\
operations:
  answer:
    when: "{{ message.text == 'hi' }}"
    reply: "Hello {{ message.name }}!\"""",
    "act": """\
operations:
  hush:
    when: "{{ message.text | length > 2000 }}"
    action: {kind: mute, time: 10m}""",
    "set_state": """\
state: {count: {per: room, type: integer, start: 0}}
operations:
  count:
    set: {count: {add: 1}}""",
}
"""What flows say instead of `run`, and how: docs/flows.md has the rest."""


def explain(name: str) -> Description:
    """Return what there is to know of an operation, also of a Python file's (`shout.py:shout`).

    Raises `OperationError`.
    """
    if is_local(name):
        try:
            return described_in_file(name)
        except LocalError as error:
            raise OperationError("\n".join(map(str, error.faults))) from error
    catalog = Catalog(OPERATIONS)
    if name not in catalog:
        hint = hint_for_unknown(name, catalog.names(), named=True)
        raise OperationError(f"there is no operation `{name}`", hint=hint)
    return described(catalog, name)


def listed() -> list[Description]:
    """Return all installed operations, in the order of their names."""
    return all_described()


def where(found: Description) -> str:
    """Return where an operation runs unless the flow says otherwise."""
    if found.broken:
        return BROKEN
    on_primary = runs_on_primary(found.operation, found.implementation, None)
    return "primary" if on_primary else "nodes"


def as_json(found: Description) -> dict[str, Any]:
    """Return what `--json` prints of an operation."""
    plain = {
        "name": found.name,
        "package": found.package,
        "version": found.version,
        "where": where(found),
    }
    if found.broken:
        return {**plain, "broken": found.broken}
    return {
        **plain,
        "documentation": "\n\n".join(each for each in (found.doc, found.details) if each),
        "stage": found.stage,
        "batches": found.batches,
        "inputs": [_plain(each) for each in found.inputs],
        "outputs": [{"name": each.name, "type": each.type} for each in found.outputs],
        "config": [_plain(each) for each in found.config],
    }


def _plain(value: Value) -> dict[str, Any]:
    found = {"name": value.name, "type": value.type, "required": value.required}
    if value.doc:
        found["documentation"] = value.doc
    return found if value.required else {**found, "default": _jsonable(value.default)}


def _jsonable(value: Any) -> Any:
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError):
        return str(value)


def table(found: Sequence[Description]) -> Table:
    """Return the operations as a table; their names are whole, however narrow the terminal is."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    rows = [(each.name, each.package, where(each)) for each in found]
    for n, column in enumerate(("operation", "package", "runs on")):
        width = max(len(column), *(len(row[n]) for row in rows)) if rows else len(column)
        shown.add_column(column, no_wrap=True, min_width=width)
    shown.add_column("what it does")
    for each, row in zip(found, rows, strict=True):
        shown.add_row(*row, Text(each.broken or each.doc, style="red" if each.broken else ""))
    return shown


def show(found: Description, screen: Screen) -> None:
    """Show an operation to people."""
    screen.out.print("\n".join(_lines(found, screen.out.width)), markup=False, soft_wrap=True)


def _lines(found: Description, width: int) -> Iterator[str]:
    yield f"{found.name} ({f'{found.package} {found.version}'.strip()})"
    if found.broken:
        yield f"  {found.broken}"
        return
    for text in (found.doc, found.details):
        if text:
            yield from ("", *_filled(text, "  ", width))
    yield f"\n  runs on: {_place(found)}"
    yield from _values("inputs", found.inputs)
    yield from _values("outputs", found.outputs)
    if found.says:
        yield f"    what the bot is to say or do: {', '.join(found.says)}"
    yield from _values("config", found.config)
    if found.config_doc:
        yield from ("", *_filled(found.config_doc, "    ", width))
    yield from ("\n  in a flow:", *(f"    {line}" for line in example(found)))


def _filled(text: str, indent: str, width: int) -> Iterator[str]:
    """Yield the lines of a docstring, its paragraphs filled to `width`; lists stay as they are."""
    for n, paragraph in enumerate(text.split("\n\n")):
        lines = paragraph.splitlines()
        if n:
            yield ""
        if any(line.startswith((" ", "-", "*", "|")) for line in lines):
            yield from (f"{indent}{line}".rstrip() for line in lines)
        else:
            yield from textwrap.wrap(
                " ".join(lines),
                max(width, 40),
                initial_indent=indent,
                subsequent_indent=indent,
                break_on_hyphens=False,
            )


def _place(found: Description) -> str:
    place = where(found)
    if found.stage != "processing":
        return f"{place} (it belongs to the stage {found.stage})"
    batch = ", many calls at once" if found.batches else ""
    return place if place == "primary" else f"{place}{batch}; `on:` in the flow says otherwise"


def _values(title: str, values: Sequence[Value]) -> Iterator[str]:
    if not values:
        return
    yield f"\n  {title}:"
    name = max(len(each.name) for each in values)
    kind = max(len(each.type) for each in values)
    for each in values:
        rest = "needed" if each.required else f"default: {json.dumps(_jsonable(each.default))}"
        rest = "" if title == "outputs" else rest
        line = f"    {each.name.ljust(name)}  {each.type.ljust(kind)}  {rest}".rstrip()
        yield f"{line}  {each.doc}" if each.doc else line


def example(found: Description) -> list[str]:
    """Return how a flow file uses the operation, with what must be given."""
    inputs = ", ".join(f"{each.name}: ..." for each in found.inputs if each.required)
    config = ", ".join(f"{each.name}: ..." for each in found.config if each.required)
    if found.name in SHORT:
        return SHORT[found.name].splitlines()
    lines = ["operations:", f"  {_instance(found)}:", f"    run: {found.name}"]
    if inputs:
        lines.append(f"    inputs: {{{inputs}}}")
    return [*lines, f"    config: {{{config}}}"] if config else lines


def _instance(found: Description) -> str:
    """Return what a flow may call an instance of it."""
    if is_local(found.name):
        file, function = parted(found.name)
        return function or Path(file).stem
    return found.name.rpartition(".")[2].lower()
