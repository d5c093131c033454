"""Flow files as people get them wrong: what stands before `‸` is where the problem must be.

A case is (text of the file, words of the message, words of the hint or of the message).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from chatbot.errors import FlowError
from chatbot.flowfile.load import load
from chatbot.flowfile.problems import Problem, render

Case = tuple[str, ...]

TOP = "version: 1\nname: broken\n"
CLEAN = "  clean: {run: clean_text, inputs: {text: message.text, nick: message.nick}}\n"
CLASSIFY = (
    "  classify:\n    run: classify_text\n    inputs: {text: clean.text}\n"
    "    config: {examples: labels.yaml}\n"
)
ANSWER = (
    "  answer:\n    when: classify.sure\n"
    "    inputs: {label: classify.label, sender: message.name}\n"
    "    config:\n      answers: {greeting: Hello, bug: Please report it.}\n"
)
BOT = f"{TOP}operations:\n{CLEAN}{CLASSIFY}{ANSWER}"
"""A whole flow that is right."""

OPS = f"{TOP}operations:\n{CLEAN}{CLASSIFY}"
LABELS = "greeting: [hi, hello, good morning]\nbug: [it crashes, i found a bug]\n"
INNER = """\
version: 1
inputs: {text: string, nick: string}
operations: {clean: {run: clean_text, inputs: {text: text, nick: nick}}}
outputs: {text: clean.text, open: clean.open}
"""


def case(expected: Case) -> object:
    """Name a case by the message that it wants."""
    return pytest.param(expected, id=expected[1][:60])


def written(folder: Path, text: str, suffix: str = ".yaml") -> tuple[Path, int, int]:
    """Write the flow, with a subflow and labels beside it; return where `‸` stood."""
    before, found, after = text.partition("‸")
    assert found, "a case says where"
    path = folder / f"flow{suffix}"
    path.write_text(before + after, encoding="utf-8")
    (folder / "labels.yaml").write_text(LABELS)
    (folder / "one.yaml").write_text("greeting: [hi, hello]\n")
    (folder / "inner.yaml").write_text(INNER)
    (folder / "karma.py").write_text("def find() -> None: ...\n")
    return path, before.count("\n") + 1, len(before) - before.rfind("\n")


def problems_of(path: Path, *overrides: str) -> list[Problem]:
    """Return what is wrong with the flow at `path`; each can be rendered."""
    try:
        load(path, overrides=overrides, environment={}.get)
    except FlowError as error:
        for problem in error.problems:
            assert render(problem, overrides)
        return error.problems
    return []


def check(folder: Path, expected: Case, suffix: str = ".yaml", *, alone: bool = True) -> None:
    """Assert that the case is refused at its place, with its words, and no more is made of it."""
    text, message, *more = expected
    path, line, column = written(folder, text, suffix)
    found = problems_of(path)
    told = "\n".join(map(str, found))
    [problem] = [p for p in found if message in p.message] or [pytest.fail(f"not told:\n{told}")]
    assert (Path(problem.file).name, problem.line, problem.column) == (path.name, line, column), (
        told
    )
    for words in more:
        assert words in str(problem), told
    assert len(found) == 1 or not alone, f"one fault, several problems:\n{told}"
