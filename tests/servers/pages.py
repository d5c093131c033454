"""The pages of the documentation, as a reader has them: their blocks, in order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.servers.processes import ROOT

DOCS = ROOT / "docs"
TUTORIALS = sorted((DOCS / "tutorials").glob("*.md"))
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]

_FENCED = re.compile(r"^( *)```([\w-]*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_NAMED = re.compile(r"(?:#|//) ([\w.-]+\.(?:py|yaml|toml|md|json))")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: the language that it says, its text, and where it begins."""

    page: str
    line: int
    kind: str
    text: str

    @property
    def file(self) -> str:
        """The name of the file that this is, where its first line says one."""
        found = _NAMED.fullmatch(self.first)
        return found[1] if found else ""

    @property
    def first(self) -> str:
        return self.text.partition("\n")[0]

    @property
    def commands(self) -> list[str]:
        """The commands of a block of them, each in a line; one may go on after a backslash."""
        return [line for line in self.text.replace("\\\n", "").splitlines() if line.strip()]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    text = page.read_text("utf-8")
    return [
        Block(
            str(page.relative_to(ROOT)), text.count("\n", 0, found.start()) + 1, found[2], found[3]
        )
        for found in _FENCED.finditer(text)
    ]
