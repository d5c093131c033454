"""What a context gets of a message, and what is decided for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatbot.flowfile.load import load
from chatbot.orchestrator.decision import fields_of
from tests.unit.flowfiles import installed, write

__all__ = ["installed"]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("operations: {a: {run: sample_plain, inputs: {text: message.text}}}", {"text"}),
        (
            "operations: {a: {run: sample_plain, when: message.private, "
            "inputs: {text: [message.kind, message.text]}}}",
            {"text", "kind", "private"},
        ),
        (
            "operations: {a: {run: sample_plain, inputs: {text: message.text}}}\n"
            "outputs: {who: message.sender}",
            {"text", "sender"},
        ),
        (
            "operations: {a: {flow: inner.yaml, inputs: {text: message.text, by: message.nick}}}",
            {"text", "nick"},
        ),
    ],
    ids=["an input", "a condition", "an output", "a subflow"],
)
def test_a_context_gets_the_fields_that_its_flow_uses(
    tmp_path: Path, text: str, fields: set[str]
) -> None:
    inner = (
        "version: 1\ninputs: {text: string, by: string}\n"
        "operations: {b: {run: sample_clean, inputs: {text: text, nick: by}}}\n"
        "outputs: {text: b.text}\n"
    )
    path = write(tmp_path, flow=f"version: 1\n{text}\n", inner=inner)
    assert set(fields_of(load(path).dataflow)) == fields
