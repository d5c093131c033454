"""The reference pages, made from the program: its operations, its schema, its commands.

The rule: nothing here knows a key, an operation or a command by name; what the program has is
there, in its own words.
"""

from __future__ import annotations

import contextlib
import html
import inspect
import itertools
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from chatbot.cli import cli
from chatbot.commands import operations as commands
from chatbot.commands.drawing import where
from chatbot.flowfile import fields, shipped
from chatbot.flowfile.catalog import LISTENERS, Catalog, NotLoadedError
from chatbot.flowfile.description import Description, Value, type_words
from chatbot.flowfile.graph import graph_of
from chatbot.flowfile.keys import SECTIONS
from chatbot.flowfile.load import assemble
from chatbot.flowfile.picture import drawn
from chatbot.flowfile.schema import schema

DOCS = Path(__file__).parent

OWN = "chatbot"
"""The package whose operations are shown in full; of others a line each."""

_INTRO = {
    "flows": """\
# Flows that ship

Each runs by its name (`chatbot run NAME`), and is a file to copy and change; made from the files
themselves. How one is written: [Flows](../flows.md).
""",
    "operations": """\
# Operations

What a flow can run with what comes with the program; made from the operations themselves. The
same is shown by `chatbot operations list` and `chatbot flow explain NAME`, with what else is
installed on your machine. [Writing an operation](../operations.md) says how to make others.
""",
    "flow-file": """\
# The flow file

Every key that a flow file may have, made from the schema that editors complete by (`chatbot flow
schema`). What they are for, with examples: [Flows](../flows.md).
""",
    "command-line": """\
# The command line

Every command with its options, as `--help` shows them. All that list or report take `--json`.
The exit code is 0 if it is done, 1 if it failed, 2 if the command line, a flow or a setting is
wrong and nothing was started.
""",
}


def pages() -> dict[str, str]:
    """Return the pages, and their pictures, by their paths in `docs`."""
    made = {
        "flows": flows(),
        "operations": operations(),
        "flow-file": flow_file(),
        "command-line": command_line(),
    }
    graphs = {f"reference/{name}.svg": _graph(name) for name in shipped.names()}
    return {f"reference/{n}.md": f"{_INTRO[n]}\n{text}" for n, text in made.items()} | graphs


def flows() -> str:
    """Return each flow that ships: what it is for, its graph and its file."""
    return "\n".join(_flow(name) for name in shipped.names())


def operations() -> str:
    """Return what the installed operations take, give and are configured with."""
    found = [each for each in commands.listed() if not each.broken]
    own = [each for each in found if each.package == OWN]
    others = [each for each in found if each.package != OWN]
    parts = [_operation(each) for each in own]
    rows = [
        (f"`{each.name}`", each.package, commands.where(each), _text(each.doc)) for each in others
    ]
    if rows:
        heads = ("operation", "package", "runs on", "what it does")
        parts.append(f"## Of other packages\n\n{_table(heads, rows)}")
    return "\n".join(parts)


def flow_file() -> str:
    """Return the keys of each section of a flow file, and each listener's settings."""
    defs = schema()["$defs"]
    parts = []
    for name in SECTIONS:
        told = defs[name]["description"]
        parts.append(f"## {_titled(name)}\n\n{_text(told)}\n\n{_keys(defs[name])}")
    parts.append("## Listeners\n\nThe settings of each kind, beside the keys of a listener.\n")
    catalog = Catalog(LISTENERS)
    for kind in catalog.names():
        with contextlib.suppress(NotLoadedError):  # what is not whole here is not shown
            settings = fields.fields(getattr(catalog.load(kind), "settings_type", None))
            parts.append(f"### {kind}\n\n{_settings(settings)}\n")
    return "\n".join(parts)


def command_line() -> str:
    """Return each command's usage, description, options and examples."""
    return "\n".join(_commands(cli, click.Context(cli, info_name="chatbot")))


def _flow(name: str) -> str:
    path = shipped.file(f"{name}.yaml")
    lines = path.read_text("utf-8").splitlines()
    comment = [line.removeprefix("#") for line in itertools.takewhile(_is_comment, lines)]
    told = inspect.cleandoc("\n".join(["", *comment]))
    parts = [f"## {name}", *_commented(told), f"![The graph of {path.name}]({name}.svg)"]
    tests = path.with_suffix(".test.yaml")
    if tests.is_file():
        parts.append(f"Its tests: `chatbot flow test {name}`.")
    source = "\n".join(lines[len(comment) :])
    return "\n\n".join([*parts, f"```yaml\n{source}\n```\n"])


def _commented(told: str) -> Iterator[str]:
    """Yield a comment's paragraphs; lines that are indented are commands."""
    for are_commands, lines in itertools.groupby(
        told.splitlines(), lambda line: line.startswith("  ")
    ):
        text = "\n".join(lines)
        commands_of = f"```text\n{inspect.cleandoc(text)}\n```"
        yield commands_of if are_commands else _linked(_text(text))


def _is_comment(line: str) -> bool:
    return line.startswith("#")


def _linked(text: str) -> str:
    """Return a text in which the names of pages are links."""

    def link(found: re.Match[str]) -> str:
        there = (DOCS / found[1]).is_file()
        return f"[docs/{found[1]}](../{found[1]})" if there else found[0]

    return re.sub(r"docs/([\w/-]+\.md)", link, text)


def _graph(name: str) -> str:
    return drawn(graph_of(assemble(name), folded=False, where=where))


def _operation(found: Description) -> str:
    parts = [f"## {found.name}", _text(found.doc), _text(found.details)]
    batches = ", many calls at once" if found.batches else ""
    parts.append(f"Runs on: {commands.where(found)}{batches}.")
    if found.inputs:
        rows = [(f"`{each.name}`", each.type, _default(each)) for each in found.inputs]
        parts.append(_table(("input", "type", "default"), rows))
    if found.outputs:
        rows = [(f"`{each.name}`", each.type) for each in found.outputs]
        parts.append(_table(("output", "type"), rows))
    if found.config:
        rows = [(f"`{e.name}`", e.type, _default(e), _text(e.doc)) for e in found.config]
        parts.append(_table(("setting", "type", "default", ""), rows))
        parts.append(_text(found.config_doc))
    parts.append("```yaml\n" + "\n".join(commands.example(found)) + "\n```\n")
    return "\n\n".join(part for part in parts if part)


def _default(value: Value) -> str:
    return "needed" if value.required else _literal(value.default)


def _keys(section: dict[str, Any]) -> str:
    required = section.get("required", ())
    rows = [
        (
            f"`{name}`",
            _type(key),
            "needed" if name in required else _literal(key["default"]) if "default" in key else "",
            _text(key.get("description", "")) + _examples(key),
        )
        for name, key in section["properties"].items()
    ]
    return _table(("key", "type", "default", ""), rows) + "\n"


def _settings(settings: list[fields.Field]) -> str:
    rows = [
        (
            f"`{each.name}`",
            type_words(each.annotation),
            "needed" if each.required else _literal(each.default),
            _text(each.doc),
        )
        for each in settings
    ]
    return _table(("setting", "type", "default", ""), rows)


def _type(key: Any) -> str:
    """Return what a key's value is, in a few words."""
    words = _types(key) if isinstance(key, dict) else []
    return " or ".join(dict.fromkeys(words)) or "any"


def _types(key: dict[str, Any]) -> list[str]:
    if "enum" in key:
        return [_literal(each) for each in key["enum"]]
    given = key.get("type", [])
    words = [_WORDS.get(each, each) for each in ([given] if isinstance(given, str) else given)]
    # A reference to the environment may stand for any setting: it has a pattern.
    inner = [
        word for each in key.get("anyOf", ()) if "pattern" not in each for word in _types(each)
    ]
    return [word for word in words or inner if word != "null"]


_WORDS = {"string": "text", "object": "map", "array": "list", "boolean": "true or false"}


def _examples(key: dict[str, Any]) -> str:
    shown = ", ".join(f"`{each}`" for each in key.get("examples", ()))
    return f" For example {shown}." if shown else ""


def _commands(command: click.Command, context: click.Context) -> Iterator[str]:
    """Yield the description of a command, and of those under it."""
    path = context.command_path
    yield f"## {path}\n"
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```text\n{path} {usage}\n```\n"
    yield from _paragraphs(command.help or "")
    yield from _paragraphs(command.epilog or "")
    records = [each.get_help_record(context) for each in command.get_params(context)]
    rows = [(f"`{record[0]}`", _text(record[1])) for record in records if record]
    yield _table(("option", ""), rows) + "\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield from _commands(below, click.Context(below, context, info_name=name))


def _paragraphs(text: str) -> Iterator[str]:
    """Yield a help text as Markdown; what click leaves as it is, is a block."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if not paragraph.startswith("\b"):
            yield f"{_text(paragraph)}\n"
            continue
        lines = paragraph.strip("\b\n").splitlines()
        if lines[0].endswith(":"):
            yield f"{_text(lines.pop(0))}\n"
        yield "```text\n" + inspect.cleandoc("\n".join(lines)) + "\n```\n"


def _titled(name: str) -> str:
    return {"flow": "A flow", "subflow": "A subflow"}.get(name, name.capitalize())


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(heads), *(list(row) for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("\\|", "|").replace("|", "\\|")


def _text(text: str) -> str:
    """Return a text of the program as Markdown: no HTML, and stars that are none of Markdown's."""
    parts = text.split("`")
    parts[::2] = [html.escape(part, quote=False).replace("*", "\\*") for part in parts[::2]]
    return "`".join(parts)


def _literal(value: Any) -> str:
    return f"`{value if isinstance(value, str) and value else json.dumps(value, default=str)}`"
