"""docs/operations.md: every block in it is run, as it stands there."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest

from chatbot.broker import EmbeddedServer
from chatbot.errors import FlowError
from chatbot.flowfile.load import load
from chatbot.settings import NATS_URL
from tests.acceptance.test_init import passes_pytest
from tests.servers.processes import ROOT, Program
from tests.unit.flowfiles import run

PAGE = (ROOT / "docs" / "operations.md").read_text()
NEW = "chatbot operations new shout"
PYTEST = "python -m pytest test_shout.py"
CHECK = "chatbot flow check loud.yaml"
DEV = "chatbot flow dev loud.yaml"
NODE = "chatbot node run --operations shout.py"
COMMANDS = {NEW, PYTEST, CHECK, DEV, NODE}


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def folder(program: Program) -> Path:
    """Write the page's files into the folder that the program runs in."""
    for text in [*blocks("python"), *blocks("yaml"), *blocks("toml")]:
        first, _, _ = text.partition("\n")
        (program.data / first.removeprefix("# ")).write_text(text)
    return program.data


def arguments(command: str) -> list[str]:
    return shlex.split(command)[1:]


def test_all_blocks_are_of_a_kind_that_is_run() -> None:
    kinds = set(re.findall(r"```(\w+)\n", PAGE))
    assert kinds == {"sh", "python", "yaml", "toml", "text"}
    assert {line for block in blocks("sh") for line in block.splitlines()} == COMMANDS


async def test_the_first_five_minutes(program: Program, tmp_path: Path) -> None:
    code, _, err = await program.run(*arguments(NEW))
    assert code == 0, err
    assert {path.name for path in program.data.glob("*.py")} == {"shout.py", "test_shout.py"}


async def test_the_test_passes_and_the_flow_is_right(program: Program, folder: Path) -> None:
    assert arguments(PYTEST)[:2] == ["-m", "pytest"]
    await passes_pytest(folder)
    code, _, err = await program.run(*arguments(CHECK))
    assert code == 0, err


async def test_the_journey_looks_as_shown(program: Program, folder: Path) -> None:
    code, out, err = await program.run(*arguments(DEV), stdin="how?\n")
    assert code == 0, err
    shown, said = blocks("text")[0].splitlines()
    begin = shown.partition("  3.3 ms")[0]
    assert any(line.startswith(begin) for line in out.splitlines()), out
    assert said in out.splitlines()


async def test_a_node_is_given_the_file(
    program: Program, folder: Path, nats_server: EmbeddedServer
) -> None:
    async with program.start(*arguments(NODE), **{NATS_URL: nats_server.url}) as node:
        await node.wait_for("ready to run shout.py:shout")


async def test_the_other_flows_do_what_the_page_says(folder: Path) -> None:
    calm = load(folder / "calm.yaml")
    outcome = await run(calm.dataflow, text="so many words", name="ann")
    assert [reply["text"] for reply in outcome["replies"]] == ["ann, in short?"]
    assert outcome["understood"] == {"words": 3}
    assert outcome["actions"] == []
    assert [
        each["kind"] for each in (await run(calm.dataflow, text="a " * 30, name="ann"))["actions"]
    ] == ["mute"]
    text = "version: 1\noperations: {mood: {run: mood.py, inputs: {text: message.text}}}\n"
    (folder / "mood.yaml").write_text(text + "outputs: {mood: mood.mood}\n")
    outcome = await run(load(folder / "mood.yaml").dataflow, text="HEY")
    assert outcome["understood"] == {"mood": "angry"}
    outcome = await run(load(folder / "glossary.yaml").dataflow, text="node")
    assert [reply["text"] for reply in outcome["replies"]] == [
        "node is a process that runs operations"
    ]


def test_what_is_wrong_is_told_as_shown(folder: Path) -> None:
    (folder / "wrong.yaml").write_text("version: 1\noperations: {broken: {run: broken.py}}\n")
    with pytest.raises(FlowError) as raised:
        load(folder / "wrong.yaml")
    told = [str(each).removeprefix(f"{folder}/") for each in raised.value.problems]
    assert told[:3] == blocks("text")[1].splitlines()


def test_the_package_names_the_function(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    [(name, where)] = project["project"]["entry-points"]["dffml.operation"].items()
    monkeypatch.syspath_prepend(str(folder))
    (folder / "my_operations-1.0.dist-info").mkdir()
    (folder / "my_operations-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: my-operations\nVersion: 1.0\n"
    )
    (folder / "my_operations-1.0.dist-info" / "entry_points.txt").write_text(
        f"[dffml.operation]\n{name} = {where}\nlouder = {where}\n"
    )
    text = "version: 1\noperations: {OP: {inputs: {text: message.text}}}\n"
    for each in ("shout", "louder"):
        (folder / f"{each}.yaml").write_text(text.replace("OP", each))
        flow = load(folder / f"{each}.yaml")
        assert flow.dataflow.operations[each].name == each
    del sys.modules["shout"]
