"""Every fenced block of the README and the docs is run, checked, or has a reason why not.

A new block is looked at by its kind. Where that cannot be, `ELSEWHERE` says which test runs it, or
`REASONS` why nothing can; a block with neither fails, and so does an entry without its block.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import shutil
import textwrap
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from chatbot.commands import drawing
from chatbot.commands.flow import check
from chatbot.commands.screen import Screen
from chatbot.errors import FlowError
from chatbot.flowfile.catalog import LISTENERS, OPERATIONS
from chatbot.flowfile.keys import SECTIONS
from chatbot.flowfile.load import load
from chatbot.flowfile.problems import render
from chatbot.flowfile.trial import read_trials
from chatbot.inference.examples import read_examples
from chatbot.listeners.bridge import Bridge, Delivery
from operations.faq_file import read_faq
from tests.acceptance.test_tutorials import fits
from tests.servers.pages import PAGES, ROOT, TUTORIALS, Block, blocks

FLOWS = ROOT / "flows"
BLOCKS = [block for page in PAGES if page not in TUTORIALS for block in blocks(page)]

# Page and a part of the first line of a block → the test that runs it.
ELSEWHERE = {
    ("README.md", "<alice> hi all"): "tests.acceptance.test_docs:test_the_readmes_transcript",
    (
        "README.md",
        "from chatbot.orchestrator.orchestrator import NatsOrchestrator",
    ): "tests.acceptance.test_docs:test_the_readmes_library_call_runs_a_dataflow",
    (
        "docs/operating.md",
        '{"line":1,"id":"line-1","room":"console","sender":"anna",',
    ): "tests.acceptance.test_docs:test_lines_of_json_from_a_script",
    (
        "docs/triage.md",
        "anna: noted as bug: ",
    ): "tests.acceptance.test_crash_filing:test_the_flow_that_ships_opens_links_and_adds",
}
FLOWS_TESTS = "tests.acceptance.test_flow_test:test_a_flow_that_ships_passes_its_tests"
ELSEWHERE |= {
    ("docs/digest.md", "Today: 214 messages of 31 people"): FLOWS_TESTS,
}
REASONS = {
    ("docs/architecture.md", "IRC / Matrix (Gitter) / console"): "a drawing",
    ("docs/matrix.md", "POST /_synapse/admin/v1/users/"): "an administrator's request to a server",
    ("docs/listeners.md", "listeners:"): "the listener is the reader's own",
}
WHOLE_PAGES = {
    "docs/operations.md": "tests.acceptance.test_docs_operations:"
    "test_all_blocks_are_of_a_kind_that_is_run",
}
COMMANDS = "tests.acceptance.test_docs:test_the_docs_have_no_other_commands_than_those_run_here"

NETWORKS = "version: 1\nlisteners: {console: {}}\n"
SORTING = """\
version: 1
parameters: {threshold: 0.5}
operations:
  answer:
    inputs: {label: message.text, sender: message.sender}
    config: {answers: {a: "from ${threshold} on"}}
"""


def told(block: Block, table: Iterable[tuple[str, str]]) -> bool:
    """Whether a block is in a table."""
    return any(page == block.page and first in block.first for page, first in table)


def test_there_is_a_test_or_a_reason_for_every_block() -> None:
    open_ones = [
        str(each)
        for each in BLOCKS
        if each.kind not in KINDS and each.kind != "sh" and each.page not in WHOLE_PAGES
        if not any(told(each, table) for table in (ELSEWHERE, REASONS, SHOWN, DRAWN))
    ]
    assert open_ones == []


def test_what_is_said_of_blocks_is_of_blocks_that_there_are() -> None:
    for page, first in [*ELSEWHERE, *REASONS, *SHOWN, *DRAWN]:
        assert any(each.page == page and first in each.first for each in BLOCKS), first
    assert all((ROOT / page).exists() for page in WHOLE_PAGES)


@pytest.mark.parametrize("name", [*ELSEWHERE.values(), *WHOLE_PAGES.values(), COMMANDS])
def test_the_test_that_runs_a_block_is_there(name: str) -> None:
    module, _, function = name.partition(":")
    assert inspect.isfunction(getattr(importlib.import_module(module), function))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with what a reader has: the flows that ship, and files that pages name."""
    monkeypatch.setenv("GITHUB_TOKEN", "t0ken")
    for path in FLOWS.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    (tmp_path / "networks.yaml").write_text(NETWORKS)
    (tmp_path / "sorting.yaml").write_text(SORTING)
    return tmp_path


def flow_of_yaml(block: Block, folder: Path) -> None:
    """Check a flow, a subflow, a part of a flow, its tests, or examples: what it looks like."""
    given: dict[str, Any] = YAML(typ="safe").load(block.text)
    name = "support.test.yaml" if "tests" in given else "page.yaml"
    file = folder / (block.file or name)
    file.write_text(block.text)
    if "tests" in given:
        outputs = load(folder / "support.yaml", environment=SET).outputs
        read_trials(file, outputs, set(re.findall(r"schedule: (\w+)", block.text)))
    elif "version" in given:
        check_whole(file, given)
    elif given.keys() <= SECTIONS["flow"].keys.keys():
        whole = YAML(typ="safe").load(folder / "support.yaml") | given
        YAML().dump(whole, file)
        assert problems_of_part(file) == []
    else:
        assert read_examples(file)


def check_whole(file: Path, given: dict[str, Any]) -> None:
    if "operations" not in given:
        given["operations"] = {"say": {"reply": "x"}}
        YAML().dump(given, file)
    user = file
    if given.get("parameters") and "inputs" in given:
        user = file.with_name("user.yaml")
        uses = (
            "{a: {flow: %s, with: {examples: support-labels.yaml}, inputs: {text: message.text}}}"
        )
        user.write_text(f"version: 1\noperations: {uses % file.name}\n")
    if "inputs" not in given:
        assert problems_of_part(user) == []
        return
    try:
        check([str(user)], [], Screen(quiet=True))
    except FlowError as error:
        raise AssertionError("\n".join(map(str, error.problems))) from None


def problems_of_part(file: Path) -> list[str]:
    """Return what is wrong, but for secrets in files that are the reader's."""
    try:
        load(file, environment=SET)
    except FlowError as error:
        told = [str(each) for each in error.problems]
        return [each for each in told if not each.endswith("_file` is not a file")]
    return []


def SET(name: str) -> str:  # noqa: N802
    """Return what a variable of the environment is: something."""
    own = f"{name.lower()}-of-the-reader"
    return f"https://example.org/{own}" if name.endswith("_URL") else own


def parsed_toml(block: Block, folder: Path) -> None:
    """Check that the entry points that a package is to have are in groups that are looked at."""
    given = tomllib.loads(block.text)
    [group] = given["project"]["entry-points"]
    assert group in (LISTENERS, OPERATIONS, "chatbot.command")


def fragment(block: Block, folder: Path) -> None:
    """Check that what a fragment calls is there: methods of a bridge and of its deliveries."""
    tree = ast.parse(f"async def f():\n{textwrap.indent(block.text, '    ')}")
    kinds = {"bridge": Bridge, "delivery": Delivery}
    named = [
        (kinds[node.value.id], node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        if node.value.id in kinds
    ]
    assert named
    assert all(hasattr(kind, name) for kind, name in named)


def faq(block: Block, folder: Path) -> None:
    (folder / "page.md").write_text(block.text)
    assert [each.question for each in read_faq(folder / "page.md")]


KINDS: dict[str, Callable[[Block, Path], None]] = {
    "yaml": flow_of_yaml,
    "toml": parsed_toml,
    "python": fragment,
    "markdown": faq,
}
CHECKED = [
    each
    for each in BLOCKS
    if each.kind in KINDS and each.page not in WHOLE_PAGES
    if not told(each, ELSEWHERE) and not told(each, REASONS)
]


@pytest.mark.parametrize("block", CHECKED, ids=str)
def test_a_block_is_right(block: Block, folder: Path) -> None:
    KINDS[block.kind](block, folder)


# Blocks of what the program shows, with what is changed in support.yaml before it does.
SHOWN: dict[tuple[str, str], tuple[str, str]] = {
    (
        "docs/flow-tools.md",
        "`score` is a number",
    ): ("inputs: {label: understand.label,", "inputs: {label: understand.score,"),
    (
        "docs/flow-tools.md",
        "label is never `instal`",
    ): ("        install:", "        instal:"),
}


DRAWN = {("docs/flow-tools.md", "support (flows/support.yaml)")}


@pytest.mark.parametrize(("page", "first"), SHOWN)
def test_what_is_wrong_is_told_as_the_page_shows(page: str, first: str, folder: Path) -> None:
    before, after = SHOWN[page, first]
    file = folder / "support.yaml"
    text = file.read_text()
    assert text.count(before) == 1
    file.write_text(text.replace(before, after))
    [block] = [each for each in BLOCKS if each.page == page and first in each.first]
    with pytest.raises(FlowError) as raised:
        load(file, environment=SET)
    shown = "\n".join([*map(render, raised.value.problems), raised.value.message])
    assert without_lines(shown.replace(f"{folder}/", "")) == without_lines(block.text)


def without_lines(shown: str) -> str:
    """Return what is shown without the numbers of lines, which others change."""
    return re.sub(r"(?m)^( +\d+| +)(?= \|)|(?<=yaml:)\d+", "", shown).strip()


def test_a_flow_is_shown_as_the_page_shows_it() -> None:
    [block] = [each for each in BLOCKS if (each.page, each.first) in DRAWN]
    shown = drawing.draw(str(FLOWS / "support.yaml"), [], "text", folded=False)
    assert fits(block.text, str(shown).replace(f"{ROOT}/", ""))
