"""The flows in docs/flows.md are right, and as short as they are said to be."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from chatbot.flowfile.keys import SECTIONS, names
from tests.servers.processes import ROOT
from tests.unit.flowfiles import problems_of

PAGE = (ROOT / "docs" / "flows.md").read_text()
MORE = "".join((ROOT / "docs" / f"{name}.md").read_text() for name in ("moderation", "digest"))
UNDERSTANDING = (ROOT / "docs" / "understanding.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE + MORE, re.DOTALL)
FLOWS = [text for text in BLOCKS if "version: 1" in text]
NETWORKS = "version: 1\nlisteners: {console: {}}\n"
SORTING = """\
version: 1
parameters: {threshold: 0.5}
operations:
  answer:
    inputs: {label: message.text, sender: message.sender}
    config: {answers: {a: "from ${threshold} on"}}
"""


@pytest.mark.parametrize("text", FLOWS, ids=lambda text: text.splitlines()[1])
def test_a_flow_in_the_docs_is_right(tmp_path: Path, text: str) -> None:
    for path in [*(ROOT / "flows").glob("*.yaml"), *(ROOT / "flows").glob("*.md")]:
        shutil.copy(path, tmp_path)
    (tmp_path / "networks.yaml").write_text(NETWORKS)
    (tmp_path / "sorting.yaml").write_text(SORTING)
    (tmp_path / "page.yaml").write_text(text)
    path = tmp_path / "page.yaml"
    if "\ninputs:" in text:
        path = tmp_path / "user.yaml"
        path.write_text(
            "version: 1\noperations: {a: {flow: page.yaml, with: {examples: support-labels.yaml}, "
            "inputs: {text: message.text}}}\n"
        )
    assert problems_of(path) == []


def test_a_whole_bot_fits_in_few_lines() -> None:
    assert len(FLOWS[0].splitlines()) <= 40


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_is_in_the_docs(section: str) -> None:
    page = PAGE if section not in ("learning", "shadow") else UNDERSTANDING
    keys = {name: rf"(?<![\w-]){name}(:|`)" for name in names(section)}
    assert [name for name, written in keys.items() if not re.search(written, page)] == []
