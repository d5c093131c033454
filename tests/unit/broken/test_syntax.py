"""Text that is no YAML, no JSON, or no flow at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.broken import BOT, CLEAN, OPS, TOP, case, check

SYNTAX = [
    ("version: 1\noperations:\n‸\tclean: {run: clean_text}", "is not YAML", "spaces, not with tabs"),
    (f"{TOP}operations:\n  clean:\n    run: clean_text\n    inputs:\n‸\t\ttext: message.text",
     "is not YAML", "spaces, not with tabs"),
    (f"{TOP}operations:\n  clean: ‸{{run: clean_text, inputs: {{text: message.text}}\n",
     "is not YAML", "never closed"),
    (f"{TOP}listeners:\n  irc:\n    channels: ‸[\"#a\", \"#b\"\n    nick: bot\noperations:\n{CLEAN}",
     "is not YAML", "never closed"),
    (f"{TOP}operations:\n  clean:\n    run: clean_text\n    inputs: {{text: message.text}}‸}}\n",
     "is not YAML: there is a `}` too many"),
    (f"{OPS}  answer:\n    inputs: {{label: classify.label, sender: message.name}}\n"
     "    config:\n      answers:\n        greeting: ‸\"Hello {{sender}}\n        bug: x\n",
     "is not YAML", "quote"),
    (f"{OPS}  answer:\n    inputs: {{label: classify.label, sender: message.name}}\n"
     "    config:\n      answers:\n        greeting: Hello‸: how are you\n",
     "is not YAML", "quotes"),
    (f"{TOP}operations:\n  clean:\n    run: clean_text\n   ‸inputs: {{text: message.text}}\n",
     "is not YAML", "indent"),
    (f"{TOP}operations:\n  clean:\n    run: clean_text\n     ‸inputs: {{text: message.text}}\n",
     "is not YAML", "indent"),
    (f"‸version 1\noperations:\n{CLEAN}", "is not YAML: there is no colon", "version: 1"),
    (f"‸version:1\noperations:\n{CLEAN}", "is not YAML", "space after the colon"),
    (f"{TOP}operations:\n  ‸clean:{{run: clean_text}}\n", "cannot name an operation", "space after the colon"),
    (f"{TOP}operations:\n  clean:\n    ‸run:clean_text\n    inputs: {{text: message.text}}\n",
     "is not YAML", "space after the colon"),
    (f"{OPS}  answer:\n    inputs: {{label: classify.label, sender: message.name}}\n"
     "    config: {answers: {greeting: ‸@all hello}}\n", "is not YAML", "quotes"),
    (f"{OPS}  answer:\n    inputs: {{label: classify.label, sender: message.name}}\n"
     "    config:\n      answers:\n        greeting: ‸%s hello\n", "is not YAML", "quotes"),
    (f"{OPS}  answer:\n    inputs: {{label: classify.label, sender: message.name}}\n"
     "    config:\n      answers:\n        greeting: ‸`hello`\n", "is not YAML", "quotes"),
    (f"{OPS}  answer:\n    inputs: {{label: classify.label, sender: message.name}}\n"
     "    config:\n      answers:\n        greeting: ‸*hello* there\n", "is not YAML", "quotes"),
    (f"{OPS}  answer:\n    inputs: {{label: classify.label, sender: message.name}}\n"
     "    config:\n      answers:\n        greeting: ‸!hello\n", "the tag !hello means nothing", "quotes"),
    (f"{OPS}  answer:\n    inputs: {{label: classify.label, sender: message.name}}\n"
     "    config:\n      answers:\n        greeting: ‸{sender}: hello\n", "is not YAML", "quotes"),
    (f"{OPS}  answer:\n    inputs: {{label: classify.label, sender: message.name}}\n"
     "    config:\n      answers:\n        greeting: \"a\" ‸and b\n", "is not YAML", "quotes"),
    (f"{OPS}  answer:\n    inputs: {{label: classify.label, sender: message.name}}\n"
     "    config:\n      answers:\n        greeting: \"a ‸\\d b\"\n", "is not YAML", "backslash"),
    (f"{TOP}operations:\n  clean: {{run: clean_text, inputs: {{text: message.text}}}}\n"
     f"‸---\nversion: 1\n", "is not YAML", "one document"),
    (f"{TOP}operations:\n  clean: ‸*nothing\n", "is not YAML", "alias"),
    (f"{TOP}operations:\n  clean: {{<<: ‸*nothing, run: clean_text}}\n", "is not YAML", "alias"),
    (f"{TOP}‸name: again\noperations:\n{CLEAN}", "`name` is here twice", "line 2"),
    (f"{OPS}  ‸clean: {{run: clean_text, inputs: {{text: message.text}}}}\n",
     "`clean` is here twice", "line 4"),
    (f"{BOT}‸operations:\n{CLEAN}", "`operations` is here twice", "line 3"),
    ("‸", "is empty", "version: 1"),
    ("‸# nothing but a comment\n", "is empty", "version: 1"),
    ("‸- run: clean_text\n", "a flow file must be a map", "version: 1"),
    ("‸hello\n", "a flow file must be a map"),
    ("‸42\n", "a flow file must be a map"),
    (f"{TOP}operations:\n  clean: ‸!!python/object:os.system {{run: clean_text, inputs: {{text: message.text}}}}\n",
     "the tag !!python/object:os.system means nothing"),
    (f"{TOP}operations:\n{CLEAN}  ? ‸[a, b]\n  : {{run: clean_text}}\n", "a key must be a word"),
    (f"{TOP}operations:\n  clean: {{run: clean_text, inputs: {{text: ‸“message.text”}}}}\n",
     "is not a source", "without braces or quotes"),
    ("version: 1\nname: x‸\u0001\n", "is not YAML"),
]  # fmt: skip


@pytest.mark.parametrize("expected", [case(each) for each in SYNTAX])
def test_text_that_is_no_flow(tmp_path: Path, expected: tuple[str, ...]) -> None:
    check(tmp_path, expected)
