"""`chatbot status`: what is said of operations that no node runs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from chatbot.commands.screen import Screen
from chatbot.commands.status import Status, show
from chatbot.messages import FlowRecord, NodeRecord, OperationRecord

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RECORD = OperationRecord("k1", "classify_text", "classify", labels=("gpu",))


def shown(capsys: pytest.CaptureFixture[str], *nodes: NodeRecord) -> str:
    flow = FlowRecord("support", "r1", [RECORD])
    show(Status("nats://a:4222", [flow], [], list(nodes), [], [], 0), Screen(quiet=True))
    return capsys.readouterr().out


def node(*labels: str) -> NodeRecord:
    return NodeRecord("n", "here", 1, "0.1.0", NOW, ["classify_text"], labels=list(labels))


def test_a_node_that_still_starts_is_not_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, node("gpu"))
    assert "none yet: a node starts it" in out
    assert "start a node with" not in out


def test_one_that_will_not_run_it_is_no_help(capsys: pytest.CaptureFixture[str]) -> None:
    for out in (shown(capsys), shown(capsys, node())):
        assert "none: its work waits" in out
        assert "start a node with: chatbot node run classify_text --label gpu" in out
