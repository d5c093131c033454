"""The reference pages are made from the program, and have all of it."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator

import click
import pytest

from chatbot.cli import cli
from chatbot.flowfile import shipped
from chatbot.flowfile.description import all_described
from chatbot.flowfile.keys import SECTIONS
from tests.servers.pages import DOCS, ROOT


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("generated", DOCS / "generated.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, str] = module.pages()
    return found


def test_each_page_is_on_the_site(pages: dict[str, str]) -> None:
    site = (ROOT / "mkdocs.yml").read_text()
    assert all(path in site for path in pages if path.endswith(".md"))


def test_every_flow_that_ships_is_there_with_its_graph(pages: dict[str, str]) -> None:
    page = pages["reference/flows.md"]
    for name in shipped.names():
        [section] = re.findall(rf"^## {name}\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)
        told = section.partition("```yaml")[0]
        assert len(told.split()) > 20, f"{name} has a comment on top that says what it is for"
        assert f"name: {name}\n" in section
        assert "<svg" in pages[f"reference/{name}.svg"]


def test_every_operation_of_ours_is_there_with_its_inputs(pages: dict[str, str]) -> None:
    page = pages["reference/operations.md"]
    own = [each for each in all_described() if each.package == "chatbot" and not each.broken]
    assert len(own) >= 12
    for each in own:
        begin = rf"^## {re.escape(each.name)}\n"
        [section] = re.findall(rf"{begin}(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)
        for value in (*each.inputs, *each.outputs, *each.config):
            assert f"| `{value.name}` |" in section, (each.name, value.name)


def test_every_key_of_a_flow_file_is_there(pages: dict[str, str]) -> None:
    page = pages["reference/flow-file.md"]
    assert [
        key for each in SECTIONS.values() for key in each.keys if f"| `{key}` |" not in page
    ] == []
    for kind in ("console", "irc", "jsonl", "matrix"):
        assert f"### {kind}\n" in page
    assert "| `overflow` | split or cut | `split` |" in page


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from commands(below, f"{path} {name}")


def test_every_command_and_option_is_there(pages: dict[str, str]) -> None:
    page = pages["reference/command-line.md"]
    for path, command in commands(cli, "chatbot"):
        if command.hidden:
            continue
        assert f"## {path}\n" in page
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                assert all(each in page for each in option.opts), (path, option.opts)


def test_tables_have_as_many_cells_as_heads(pages: dict[str, str]) -> None:
    for path, page in pages.items():
        if not path.endswith(".md"):
            continue
        cells = 0
        for line in page.splitlines():
            found = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
            assert not (cells and found) or cells == found, (path, line)
            cells = found
