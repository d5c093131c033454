"""The pictures in the docs show what the program shows; `make pictures` makes them anew."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests import pictures
from tests.servers.pages import DOCS, PAGES
from tests.servers.processes import Program

QUICK = {"converter"}
NAMES = [
    pytest.param(name, marks=[] if name in QUICK else pytest.mark.crash)
    for name in pictures.PICTURES
]


@pytest.mark.parametrize("name", NAMES)
async def test_a_picture_is_up_to_date(
    name: str, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "ada")
    there = (pictures.FOLDER / f"{name}.svg").read_text()
    made = await pictures.PICTURES[name](program)
    assert pictures.shown(there)
    assert pictures.shown(made) == pictures.shown(there), "run `make pictures`"


def test_every_picture_is_on_a_page_and_loads_nothing_from_elsewhere() -> None:
    pages = "\n".join(page.read_text() for page in PAGES)
    files = {path.name: path for path in (DOCS / "pictures").iterdir()}
    assert set(files) == {f"{name}.svg" for name in pictures.PICTURES}
    for name, path in files.items():
        assert f"pictures/{name})" in pages
        assert not re.search(r"url\(|href=\"http|<script", path.read_text().replace("url(#", ""))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, place = link.partition("#")
        if re.match(r"\w+:", link):
            continue
        target = (page.parent / file).resolve() if file else page
        assert target.exists() or "reference" in target.parts, link
        if place and target.suffix == ".md":
            assert place in anchors(target), link


def anchors(page: Path) -> set[str]:
    """Return what a page's headings are called in links."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    plain = (re.sub(r"\[(.*?)\]\(.*?\)|[`*]", r"\1", each).lower() for each in headings)
    return {re.sub(r"[^\w\- ]", "", each).strip().replace(" ", "-") for each in plain}
