"""Answers to labels."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.answer import AnswerConfig, answer, check_config, fill
from operations.placement import is_cheap


async def say(config: AnswerConfig | dict[str, Any], label: str, sender: str = "anna") -> Any:
    async with answer.imp(config) as imp, imp(None, None) as context:
        return await context.run({"label": label, "sender": sender})


async def test_a_label_gets_the_answer_of_the_flow() -> None:
    config = {"answers": {"install": "{sender}: see the README ({label})"}}
    expected = {"reply": {"text": "anna: see the README (install)", "notice": False}}
    assert await say(config, "install") == expected


async def test_a_label_without_an_answer_gets_none() -> None:
    assert await say(AnswerConfig({"install": "x", "bye": ""}), "chatter") is None
    assert await say(AnswerConfig({"install": "x", "bye": ""}), "bye") is None


async def test_an_answer_can_be_a_notice() -> None:
    outputs = await say(AnswerConfig({"bye": "bye"}, notice=True), "bye")
    assert outputs["reply"]["notice"] is True


def test_answering_runs_on_the_primary() -> None:
    assert is_cheap(answer.imp)
    assert answer.op.outputs["reply"].name == "reply"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{sender}}", "{sender}"),
        ("{sender.__class__}", "{sender.__class__}"),
        ("{sender[0]}", "{sender[0]}"),
        ("{0} {} {", "{0} {} {"),
        ("{ sender }!", "anna!"),
    ],
)
def test_a_template_reaches_nothing_but_its_fields(template: str, text: str) -> None:
    assert fill(template, sender="anna", label="x") == text


def test_a_nick_with_braces_is_only_a_nick() -> None:
    assert fill("{sender}: {label}", sender="{label}", label="{sender}") == "{label}: {sender}"


@given(st.text(), st.text())
def test_filling_never_raises(template: str, sender: str) -> None:
    fill(template, sender=sender, label="x")


def test_an_unknown_field_is_a_problem_with_a_hint() -> None:
    config = AnswerConfig({"install": "{sender} {{x}}", "bye": "{sendr} and {who}"})
    [typo, unknown] = check_config(config)
    assert typo[0] == ("answers", "bye")
    assert "{sendr}" in typo[1]
    assert typo[2] == "did you mean {sender}?"
    assert "{sender} and {label}" in unknown[2]
    assert list(answer.imp.check_config(AnswerConfig({"install": "{sender}"}))) == []
