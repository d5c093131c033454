"""DFFML's own dataflow files, in and out: what they do is what their flow does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from dffml import DataFlow, Definition, GetMulti, GetSingle, Input, MemoryOrchestrator, op

from chatbot.flowfile.exporting import exported
from chatbot.flowfile.load import load
from tests.integration.orchestrators import EVERY, Kind
from tests.integration.test_contract_flowfiles import outcome
from tests.unit.flowfiles import installed, problems_of, write

__all__ = ["installed"]


def own_file(path: Path, *operations: str, get: Any = GetSingle, spec: Any = None) -> Path:
    """Write what `dffml dataflow create` would, of installed operations."""
    from chatbot.flowfile.catalog import OPERATIONS, Catalog

    catalog = Catalog(OPERATIONS)
    found = {name: catalog.operation(name).operation for name in operations}
    made = DataFlow(operations={**found, **({get.op.name: get.op} if get else {})})
    if get:
        made.seed.append(Input(value=spec, definition=get.op.inputs["spec"]))
    path.write_text(json.dumps(made.export(linked=True), default=str))
    return path


@EVERY
async def test_a_file_of_dffmls_answers_what_is_said(kind: Kind, tmp_path: Path) -> None:
    path = own_file(tmp_path / "own.json", "sample_label", spec=["sample_label.label"])
    tree = json.loads(path.read_text())
    tree["configs"] = {"sample_label": {"words": {"hi": "greeting"}}}
    path.write_text(json.dumps(tree))
    found = await outcome(kind, path, message__text="hi")
    assert found["understood"] == {"sample_label_label": "greeting"}
    assert [each["text"] for each in found["replies"]] == ["greeting"]


@EVERY
async def test_a_file_of_dffmls_is_a_subflow(kind: Kind, tmp_path: Path) -> None:
    own_file(
        *(tmp_path / "own.json", "sample_each", "sample_words"),
        get=GetMulti,
        spec=[{"said": "each.text"}, "words.words"],
    )
    inputs = problems_of(write(tmp_path, flow="version: 1\noperations: {a: {flow: own.json}}\n"))
    wanted = [problem.message.split("`")[3] for problem in inputs]
    flow = (
        "version: 1\noperations:\n  in:\n    flow: own.json\n    inputs: "
        f"{{{wanted[0]}: message.text, {wanted[1]}: message.sender}}\n"
        "outputs: {said: in.said, words: in.words.words}\n"
    )
    found = await outcome(kind, write(tmp_path, flow=flow), message__text="a")
    assert found["understood"] == {"said": ["a"], "words": [["anna"]]}


@EVERY
async def test_what_is_not_wanted_to_come_is_nothing(kind: Kind, tmp_path: Path) -> None:
    path = own_file(tmp_path / "own.json", "sample_people", get=None)
    found = await outcome(kind, path, message__text="")
    assert found == {"replies": [], "understood": {}, "actions": []}


FLOW = """\
version: 1
operations:
  understand: {flow: inner.yaml, inputs: {text: message.text, nick: message.nick}}
  say: {reply: "Hello {{ message.name }}: {{ understand.label }}", when: understand.sure}
outputs: {label: understand.label}
"""
INNER = """\
version: 1
inputs: {text: string, nick: string}
validate: {text: tidy}
operations:
  tidy: {run: sample_plain}
  clean: {run: sample_clean, inputs: {text: text, nick: nick}}
  label: {run: sample_label, inputs: {text: clean.text}, when: clean.open,
    config: {words: {HI: greeting}}}
outputs: {label: label.label, sure: label.sure}
"""


@EVERY
@pytest.mark.parametrize("text", ["hi", "what?", "@otto hi"])
async def test_a_flow_that_was_exported_does_the_same(
    kind: Kind, tmp_path: Path, text: str
) -> None:
    path = write(tmp_path, flow=FLOW, inner=INNER)
    again = tmp_path / "again.json"
    again.write_text(json.dumps(exported(load(path))))
    assert problems_of(again) == []
    fields = {"message__text": text, "message__name": "anna"}
    assert await outcome(kind, again, **fields) == await outcome(kind, path, **fields)


REAL = """\
version: 1
operations:
  inner: {flow: inner.yaml, inputs: {text: message.text, nick: message.nick}}
  say: {reply: "{{ message.name }}: {{ inner.text }}", when: inner.open}
outputs: {text: inner.text}
"""
REAL_INNER = """\
version: 1
inputs: {text: string, nick: string}
operations:
  clean: {run: clean_text, inputs: {text: text, nick: nick}}
outputs: {text: clean.text, open: clean.open}
"""


@pytest.mark.parametrize(("text", "said"), [("bot: hi", ["anna: hi"]), ("@otto hi", [])])
async def test_dffmls_own_loader_takes_what_was_exported(
    tmp_path: Path, text: str, said: list[str]
) -> None:
    plain = json.loads(json.dumps(exported(load(write(tmp_path, flow=REAL, inner=REAL_INNER)))))
    made = DataFlow._fromdict(**plain)
    values = {"text": text, "nick": "bot", "name": "anna"}
    inputs = [
        Input(value=value, definition=made.definitions[f"message.{name}"])
        for name, value in values.items()
    ]
    async for _, results in MemoryOrchestrator.run(made, {"x": inputs}):
        assert [each["text"] for each in results["replies"]] == said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"operations": {"sample_label": {"name": "sample_labal"}}}, "no operation `sample_labal`"),
        ({"operations": {"a": 5}, "flow": {}}, "the operation `a` must be a map"),
        ({"configs": {"sample_label": {"wrods": {}}}}, "no key `wrods`"),
        ({"seed": [{"value": ["x"], "definition": "get_single_spec"}]}, "collects `x`"),
    ],
)
def test_what_is_wrong_with_a_file_of_dffmls_is_told(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = own_file(tmp_path / "own.json", "sample_label", spec=["sample_label.label"])
    tree = json.loads(path.read_text())
    tree["configs"] = {"sample_label": {"words": {}}}
    tree = {**tree, **change}
    if message.startswith("no operation"):
        tree["flow"] = {}
    path.write_text(json.dumps(tree, indent=1))
    assert [p for p in problems_of(path) if message in p.message], problems_of(path)


def test_what_no_message_has_is_refused(tmp_path: Path) -> None:
    number = Definition(name="number", primitive="int")
    result = Definition(name="result", primitive="int")

    @op(name="sample_plain", inputs={"text": number}, outputs={"result": result})
    def plain(text: int) -> None:
        return None

    made = DataFlow(operations={"sample_plain": plain.op})
    (tmp_path / "own.json").write_text(json.dumps(made.export(linked=True)))
    [problem] = problems_of(tmp_path / "own.json")
    assert "this dataflow wants `number`, which no message has" in problem.message
