"""The contract: a flow that learns runs in DFFML's memory orchestrator as in ours, unlearned."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatbot.learning import SHOWN_TEXT
from tests.integration.orchestrators import MEMORY, NODES, Kind, over
from tests.integration.test_contract_flowfiles import outcome
from tests.servers.lessons import flow_file


@over(MEMORY, NODES)
async def test_a_flow_that_learns_works_with_what_its_file_says(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CHATBOT_DATA", str(tmp_path / "data"))
    text = "how do i install it"
    found = await outcome(kind, flow_file(tmp_path), message__text=text)
    assert found["understood"]["label"] == "install"
    assert found["understood"][SHOWN_TEXT] == text
