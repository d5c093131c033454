"""What a flow file says is what DFFML's own orchestrator does with its DataFlow."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatbot.flowfile.flow import dataflows
from chatbot.flowfile.load import load
from chatbot.labels import Placement
from tests.unit.flowfiles import installed, run, write

__all__ = ["installed"]

SUPPORT = """\
version: 1
operations:
  understand:
    flow: understand.yaml
    inputs: {text: message.text, nick: message.nick}
  answer:
    run: sample_answer
    when: understand.sure
    inputs: {label: understand.label, sender: message.sender}
    config: {answers: {greeting: hello}}
outputs: {label: understand.label, score: understand.score}
"""
UNDERSTAND = """\
version: 1
inputs: {nick: string, text: string}
operations:
  clean: {run: sample_clean, inputs: {text: text, nick: input.nick}}
  classify:
    run: sample_label
    when: clean.open
    inputs: {text: clean.text}
    config: {words: {hi: greeting}}
outputs: {label: classify.label, score: classify.score, sure: classify.sure}
"""


@pytest.fixture
def support(tmp_path: Path) -> Path:
    return write(tmp_path, support=SUPPORT, understand=UNDERSTAND)


async def test_a_message_is_understood_and_answered(support: Path) -> None:
    outcome = await run(load(support).dataflow, text="bot: hi")
    assert outcome == {
        "replies": [{"text": "anna: hello", "notice": False}],
        "understood": {"label": "greeting", "score": 1.0},
        "actions": [],
    }


async def test_a_false_condition_keeps_the_bot_silent(support: Path) -> None:
    outcome = await run(load(support).dataflow, text="what?")
    assert outcome == {"replies": [], "understood": {"label": "", "score": 0.0}, "actions": []}


async def test_an_output_that_a_condition_kept_from_coming_is_null(support: Path) -> None:
    outcome = await run(load(support).dataflow, text="@otto hi")
    assert outcome == {"replies": [], "understood": {}, "actions": []}


async def test_a_flow_can_be_run_twice(support: Path) -> None:
    dataflow = load(support).dataflow
    first = await run(dataflow, text="hi")
    assert await run(dataflow, text="hi") == first


async def test_two_subflows_in_one_flow_do_not_mix(tmp_path: Path) -> None:
    flow = """\
version: 1
operations:
  one: {flow: upper.yaml, inputs: {text: message.text}}
  two: {flow: join.yaml, inputs: {word: {value: b}, left: one.loud}}
outputs: {one: one.loud, two: two.both}
"""
    upper = """\
version: 1
inputs: {text: string}
operations:
  one: {run: sample_plain, inputs: {text: [text]}}
outputs: {loud: one.result}
"""
    join = """\
version: 1
inputs: {left: string, word: string}
operations:
  one: {run: sample_join, inputs: {left: left, right: word}}
outputs: {both: one.text}
"""
    loaded = load(write(tmp_path, flow=flow, upper=upper, join=join))
    outcome = await run(loaded.dataflow, text="a")
    assert outcome["understood"] == {"one": "A", "two": "A+b"}


async def test_a_subflow_in_a_subflow_can_give_the_reply(tmp_path: Path) -> None:
    flow = """\
version: 1
operations:
  talk: {flow: talk.yaml, inputs: {who: message.sender}}
"""
    talk = """\
version: 1
inputs: {who: string}
operations:
  talk: {flow: deep.yaml, inputs: {who: who, label: {value: greeting}}}
outputs: {said: talk.said, who: who}
"""
    deep = """\
version: 1
inputs: {who: string, label: string}
operations:
  talk: {run: sample_answer, inputs: {label: label, sender: who},
         config: {answers: {greeting: hello}, notice: true}}
outputs: {said: talk.reply}
"""
    loaded = load(write(tmp_path, flow=flow, talk=talk, deep=deep))
    assert list(loaded.instances) == ["talk", "talk/talk", "talk/talk/talk"]
    assert [path for path, _ in dataflows(loaded)] == ["", "talk", "talk/talk"]
    outcome = await run(loaded.dataflow)
    assert outcome["replies"] == [{"text": "anna: hello", "notice": True}]


async def test_replies_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    flow = """\
version: 1
operations:
  late:
    run: sample_answer
    inputs: {label: slow.result, sender: {value: late}}
    config: {answers: {A: one}}
  slow: {run: sample_plain, inputs: {text: {value: a}}}
  early:
    run: sample_answer
    inputs: {label: {value: a}, sender: {value: early}}
    config: {answers: {a: two}}
"""
    outcome = await run(load(write(tmp_path, flow=flow)).dataflow)
    assert [reply["text"] for reply in outcome["replies"]] == ["late: one", "early: two"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("{left: {value: x}}", "x+?"),
        ("{left: {value: x}, right: {value: y}}", "x+y"),
        ("{left: message.sender, right: [message.nick]}", "anna+bot"),
        ("{left: [silent.result, message.sender]}", "anna+?"),
    ],
)
async def test_inputs_are_given_wired_or_left_to_their_defaults(
    tmp_path: Path, given: str, expected: str
) -> None:
    flow = f"""\
version: 1
operations:
  silent: {{run: sample_plain, when: message.private, inputs: {{text: message.text}}}}
  other: {{run: sample_join, inputs: {{left: {{value: o}}, right: {{value: p}}}}}}
  join: {{run: sample_join, inputs: {given}}}
outputs: {{text: join.text}}
"""
    outcome = await run(load(write(tmp_path, flow=flow)).dataflow)
    assert outcome["understood"] == {"text": expected}


async def test_any_of_several_sources_will_do(tmp_path: Path) -> None:
    flow = """\
version: 1
operations:
  a: {run: sample_plain, inputs: {text: {value: x}}, when: message.private}
  b: {run: sample_plain, inputs: {text: {value: y}}, when: [message.private, message.addressed]}
  join: {run: sample_join, inputs: {left: [a.result, b.result]}}
outputs: {text: join.text}
"""
    dataflow = load(write(tmp_path, flow=flow)).dataflow
    assert (await run(dataflow, addressed=True))["understood"] == {"text": "Y+?"}
    assert (await run(dataflow))["understood"] == {}


async def test_a_default_that_cannot_be_hashed_is_kept(tmp_path: Path) -> None:
    flow = """\
version: 1
operations:
  default: {run: sample_tags, inputs: {text: message.text}}
  given: {run: sample_tags, inputs: {text: message.text, tags: {value: [c]}}}
outputs: {default: default.text, given: given.text}
"""
    outcome = await run(load(write(tmp_path, flow=flow)).dataflow, text="x")
    assert outcome["understood"] == {"default": "x a b", "given": "x c"}


async def test_a_value_with_a_spec_passes_through_a_subflow(tmp_path: Path) -> None:
    flow = """\
version: 1
operations:
  inner: {flow: inner.yaml, inputs: {text: message.text}}
outputs: {people: inner.people}
"""
    inner = """\
version: 1
inputs: {text: string}
operations: {find: {run: sample_people, inputs: {text: text}}}
outputs: {people: find.people}
"""
    dataflow = load(write(tmp_path, flow=flow, inner=inner)).dataflow
    people = (await run(dataflow, text="ann bob"))["understood"]["people"]
    assert [person.name for person in people] == ["ann", "bob"]
    assert (await run(dataflow, text=""))["understood"] == {}


async def test_a_given_value_is_converted_by_the_operations_spec(tmp_path: Path) -> None:
    flow = """\
version: 1
operations:
  greet: {run: sample_greet, inputs: {person: {value: {name: ann, age: 5}}}}
outputs: {text: greet.text}
"""
    loaded = load(write(tmp_path, flow=flow))
    assert (await run(loaded.dataflow))["understood"] == {"text": "ann, 5"}


def test_the_dataflow_has_no_name_twice(support: Path) -> None:
    flow = load(support)
    assert set(flow.dataflow.operations) == {"understand", "answer", "outcome"}
    answer = flow.dataflow.operations["answer"]
    assert answer.instance_name == "answer"
    assert {d.name for d in answer.inputs.values()} == {
        "answer.inputs.label",
        "answer.inputs.sender",
    }
    assert answer.outputs["reply"].name == "reply"
    assert flow.dataflow.flow["answer"].conditions == [{"understand": "sure"}]
    assert flow.dataflow.flow["understand"].inputs["text"] == [{"seed": ["message.text"]}]
    understand = flow.dataflow.operations["understand"]
    assert list(understand.outputs) == ["label", "score", "sure"]
    assert next(iter(understand.inputs.values())).primitive == "string"


def test_the_instances_say_what_a_node_must_know(support: Path) -> None:
    examples = support.parent / "examples.txt"
    examples.write_text("x")
    overrides = [
        "operations.understand.operations.classify.config.examples=examples.txt",
        "operations.understand.operations.classify.on=[size=large, gpu]",
        "operations.understand.operations.classify.batch=8",
        "operations.understand.operations.classify.retry=2",
        "operations.understand.operations.classify.timeout=1.5m",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(support.parent)  # a path on the command line is relative to where one is
        flow = load(support, overrides=overrides)
    classify = flow.instances["understand/classify"]
    assert classify.operation == "sample_label"
    assert classify.on == Placement(labels=("gpu", "size=large"))
    assert (classify.batch, classify.concurrency, classify.retry) == (8, 1, 2)
    assert classify.timeout == 90.0
    assert flow.instances["answer"].timeout == 60.0, "unless it is said"
    assert flow.instances["understand"].timeout == 0.0, "its operations have limits"
    assert classify.files == {"examples": examples}
    assert classify.config == {"words": {"hi": "greeting"}, "examples": str(examples)}
    assert flow.instances["understand"].operation == "dffml.dataflow.run"
    inner = flow.dataflow.configs["understand"].dataflow
    assert inner.operations["classify"].retry == 2
    assert inner.configs["classify"].examples == examples


def test_the_revision_follows_what_the_flow_does(support: Path) -> None:
    first = load(support).revision
    assert load(support).revision == first
    changed = load(support, overrides=["operations.answer.config.notice=true"]).revision
    inside = "operations.understand.operations.classify.config.threshold=0.6"
    limit = "operations.answer.timeout=5s"
    others = [load(support, overrides=[each]).revision for each in (inside, limit)]
    assert len({first, changed, *others}) == 4
    support.write_text(support.read_text() + "listeners: {sample_chat: {password: secret}}\n")
    assert load(support).revision == first


def test_the_revision_follows_where_it_runs(support: Path) -> None:
    where = "operations.understand.operations.classify.on="
    places = ["primary", "nodes", "gpu", "[gpu, size=large]"]
    assert len({load(support, overrides=[where + place]).revision for place in places}) == 4


def test_the_revision_follows_the_content_of_files(support: Path) -> None:
    examples = support.parent / "examples.txt"
    override = f"operations.understand.operations.classify.config.examples={examples}"
    revisions = []
    for text in ("one", "two"):
        examples.write_text(text)
        revisions.append(load(support, overrides=[override]).revision)
    assert revisions[0] != revisions[1]
