"""What is wrong in a file that a flow names is told in that file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.broken import TOP, problems_of

CLASSIFY = (
    f"{TOP}operations:\n  classify: {{run: classify_text, inputs: {{text: message.text}}, "
    "config: {examples: FILE}}\noutputs: {label: classify.label}\n"
)
FAQ = (
    f"{TOP}operations:\n  faq: {{run: answer_from_faq, "
    "inputs: {text: message.text, sender: message.name}, config: {file: FILE}}\n"
)
INCLUDE = f"{TOP}include: [FILE]\n"
SAY = "  say: {reply: hi}\n"

CASES = [
 (CLASSIFY, "a.yaml", "bug:\n  - it crashes\nhelp:\n  - ‸help me: please\n", "is a map, not a text", "put it in quotes"),
 (CLASSIFY, "a.yaml", "bug: [it crashes]\n‸help:\nthanks: [thank you]\n", "the label 'help' has no examples"),
 (CLASSIFY, "a.yaml", "‸bug: it crashes\nhelp: [help me]\n", "is a text, not a list"),
 (CLASSIFY, "a.yaml", "bug: [it crashes]\nhelp: [help me, ‸it crashes]\n", "under 'bug' and 'help'", "take it out of one"),
 (CLASSIFY, "a.yaml", "‸- it crashes\n- help\n", "is a list, not a map of labels"),
 (CLASSIFY, "a.yaml", "‸bug: [it crashes, it hangs]\n", "has fewer than two labels"),
 (CLASSIFY, "a.yaml", "bug: [it crashes]\nhelp: [help me, ‸12]\n", "is a whole number", "quotes"),
 (CLASSIFY, "a.csv", "‸sentence,intent\nit crashes,bug\nhelp me,help\n", "has no columns `text` and `label`", "it has sentence, intent"),
 (CLASSIFY, "a.csv", "‸text,intent\nit crashes,bug\nhelp me,help\n", "has no column `label`", "it has text, intent"),
 (CLASSIFY, "a.jsonl", '{"text": "it crashes", "label": "bug"}\n‸{"text": "help me", "lable": "help"}\n', "has no label", '"label": "…"'),
 (FAQ, "a.md", "‸Just some text.\nNo headings at all.\n", "has no question", "## How do I"),
 (INCLUDE, "a.yaml", "version: 1\noperations:\n  say: {‸replay: hi}\n", "has no key `replay`", "did you mean reply?"),
 (INCLUDE, "a.yaml", 'version: 1\noperations:\n  say: {reply: ‸"hi}\n', "this quote is never closed"),
 (INCLUDE, "a.yaml", f"‸operations:\n{SAY}", "the version is missing", "version: 1"),
]  # fmt: skip


@pytest.mark.parametrize("case", [pytest.param(c, id=c[3][:50]) for c in CASES])
def test_a_fault_in_a_file_that_is_named_is_told_there(
    tmp_path: Path, case: tuple[str, ...]
) -> None:
    flow, name, text, message, *more = case
    before, found, after = text.partition("‸")
    assert found
    (tmp_path / name).write_text(before + after)
    (tmp_path / "flow.yaml").write_text(flow.replace("FILE", name))
    [problem] = problems_of(tmp_path / "flow.yaml")
    place = (name, before.count("\n") + 1, len(before) - before.rfind("\n"))
    assert (Path(problem.file).name, problem.line, problem.column) == place
    for words in (message, *more):
        assert words in str(problem)
