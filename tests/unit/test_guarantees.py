"""No claim on the page of guarantees without a test, and no test that is not there."""

from __future__ import annotations

import re

from chatbot.storage import Storage
from chatbot.units import DAY
from tests.servers.processes import ROOT

PAGE = ROOT / "docs" / "guarantees.md"
TEST = re.compile(r"`(test_\w+)`")


def claims() -> list[str]:
    """Return the rows of the page's tables, without their heads."""
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    return [row for row in rows if not row.startswith(("| what holds", "|---"))]


def test_each_claim_has_a_test_beside_it() -> None:
    assert claims()
    assert [row for row in claims() if not TEST.search(row.rpartition(" | ")[2])] == []


def test_each_test_that_is_named_is_there() -> None:
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    assert set(TEST.findall(PAGE.read_text())) - there == set()


def test_the_page_says_how_long_things_are_kept_as_the_program_does() -> None:
    page, kept = PAGE.read_text(), Storage()
    assert f"for {kept.keep / DAY:.0f} days, OUT one outcome for" in page
    assert f"OUT one outcome for {kept.outcomes / DAY:.0f}" in page
