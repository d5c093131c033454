"""The contract: what a flow file can say, over DFFML's memory orchestrator and ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dffml import Input

from chatbot.flowfile.load import load
from tests.integration.orchestrators import EVERY, OURS, Kind
from tests.unit.flowfiles import installed, write

__all__ = ["installed"]

TOP = "version: 1\noperations:\n"


async def outcome(kind: Kind, path: Path, **fields: Any) -> dict[str, Any]:
    """Return what the flow at `path` decides for one message."""
    flow = load(path)
    made = {"id": "1", "network": "n", "room": "#r", "sender": "anna", "text": "", "nick": "bot"}
    given = {f"message.{k}": v for k, v in {**made, "name": "anna"}.items()}
    given |= {k.replace("__", "."): v for k, v in fields.items()}
    inputs = [
        Input(value=value, definition=flow.dataflow.definitions[name])
        for name, value in given.items()
        if name in flow.dataflow.definitions
    ]
    found = await kind.only(flow.dataflow, inputs)
    assert isinstance(found, dict)
    return found


async def shown(kind: Kind, folder: Path, text: str, **fields: Any) -> dict[str, Any]:
    found = await outcome(kind, write(folder, flow=text), **fields)
    understood = found["understood"]
    assert isinstance(understood, dict)
    return understood


@EVERY
async def test_alternate_sources_are_each_taken(kind: Kind, tmp_path: Path) -> None:
    flow = TOP + (
        "  a: {run: sample_plain, inputs: {text: message.text}}\n"
        "  b: {run: sample_each, inputs: {text: [a.result, message.sender]}}\n"
        "  c: {run: sample_all, inputs: {text: b.text}}\n"
        "outputs: {seen: c.seen}\n"
    )
    await shown(kind, tmp_path, flow, message__text="x")
    from flowfile_samples.operations import SEEN

    assert sorted(SEEN) == ["X", "anna"]
    SEEN.clear()


@EVERY
async def test_only_what_came_by_its_ancestors_is_taken(kind: Kind, tmp_path: Path) -> None:
    flow = TOP + (
        "  left: {run: sample_plain, inputs: {text: message.text}}\n"
        "  right: {run: sample_plain, inputs: {text: message.sender}}\n"
        "  both: {run: sample_each, inputs: {text: [left.result, right.result]}}\n"
        "  one:\n"
        "    run: sample_plain\n"
        "    inputs: {text: {from: both.text, via: left.result}}\n"
        "outputs: {one: one.result}\n"
    )
    assert await shown(kind, tmp_path, flow, message__text="x") == {"one": "X"}


@EVERY
async def test_a_default_stands_where_nothing_comes(kind: Kind, tmp_path: Path) -> None:
    flow = TOP + (
        "  never: {run: sample_plain, when: message.private, inputs: {text: message.text}}\n"
        "  a:\n"
        "    run: sample_join\n"
        "    inputs: {left: message.text, right: {from: never.result, default: none}}\n"
        "outputs: {a: a.text}\n"
    )
    found = await shown(kind, tmp_path, flow, message__text="x", message__private=False)
    assert found == {"a": "x+none"}


@EVERY
async def test_a_default_may_be_the_first_input(kind: Kind, tmp_path: Path) -> None:
    flow = TOP + (
        "  never: {run: sample_plain, when: message.private, inputs: {text: message.text}}\n"
        "  a:\n"
        "    inputs: {term: {from: never.result, default: none}}\n"
        '    reply: "{{ term }} {{ message.text }}"\n'
        "outputs: {a: a.reply}\n"
    )
    found = await shown(kind, tmp_path, flow, message__text="x", message__private=False)
    assert found["a"]["text"] == "none x"


@EVERY
async def test_seeds_are_there_for_all(kind: Kind, tmp_path: Path) -> None:
    flow = (
        "version: 1\nseeds: {end: '!', mark: {value: '?', type: string, lock: true}}\n"
        "operations:\n"
        "  a: {run: sample_join, inputs: {left: message.text, right: seeds.end}}\n"
        "  b: {run: sample_join, inputs: {left: a.text, right: seeds.mark}}\n"
        "outputs: {b: b.text}\n"
    )
    assert await shown(kind, tmp_path, flow, message__text="x") == {"b": "x+!+?"}
    dataflow = load(tmp_path / "flow.yaml").dataflow
    assert [s.definition.lock for s in dataflow.seed if s.definition.name == "seeds.mark"] == [True]


@EVERY
async def test_a_list_that_is_expanded_is_many_values(kind: Kind, tmp_path: Path) -> None:
    flow = TOP + (
        "  words: {run: sample_words, expand: [words], inputs: {text: message.text}}\n"
        "  each: {run: sample_all, inputs: {text: words.words}}\n"
        "outputs: {seen: each.seen}\n"
    )
    await shown(kind, tmp_path, flow, message__text="a b c")
    from flowfile_samples.operations import SEEN

    assert sorted(SEEN) == ["a", "b", "c"]
    SEEN.clear()


@EVERY
async def test_one_call_at_a_time_uses_what_is_locked(kind: Kind, tmp_path: Path) -> None:
    flow = TOP + (
        "  table: {run: sample_plain, lock: [result], inputs: {text: message.text}}\n"
        "  a: {run: sample_use, inputs: {text: table.result}}\n"
        "  b: {run: sample_use, inputs: {text: table.result}}\n"
        "outputs: {a: a.most, b: b.most}\n"
    )
    assert await shown(kind, tmp_path, flow, message__text="x") == {"a": 1, "b": 1}


@EVERY
async def test_what_cleans_up_runs_at_the_end(kind: Kind, tmp_path: Path) -> None:
    flow = TOP + (
        "  last: {run: sample_all, stage: cleanup, inputs: {text: a.text}}\n"
        "  a: {run: sample_each, inputs: {text: message.text}}\n"
        "outputs: {a: a.text}\n"
    )
    from flowfile_samples.operations import SEEN

    assert await shown(kind, tmp_path, flow, message__text="x") == {"a": "x"}
    assert SEEN == ["x"]
    SEEN.clear()


@EVERY
async def test_a_validator_mends_what_comes_in(kind: Kind, tmp_path: Path) -> None:
    flow = (
        "version: 1\nvalidate: {text: tidy}\noperations:\n"
        "  tidy: {run: sample_plain}\n"
        "  a: {run: sample_each, inputs: {text: message.text}}\n"
        "outputs: {a: a.text}\n"
    )
    assert await shown(kind, tmp_path, flow, message__text="x") == {"a": "X"}


@EVERY
async def test_a_validator_of_a_subflow_mends_its_inputs(kind: Kind, tmp_path: Path) -> None:
    outer = TOP + "  in: {flow: inner.yaml, inputs: {word: message.text}}\noutputs: {a: in.a}\n"
    inner = (
        "version: 1\ninputs: {word: string}\nvalidate: {word: tidy}\noperations:\n"
        "  tidy: {run: sample_plain}\n"
        "  a: {run: sample_each, inputs: {text: word}}\n"
        "outputs: {a: a.text}\n"
    )
    path = write(tmp_path, flow=outer, inner=inner)
    found = await outcome(kind, path, message__text="x")
    assert found["understood"] == {"a": "X"}


@EVERY
async def test_expressions_are_conditions_inputs_and_outputs(kind: Kind, tmp_path: Path) -> None:
    flow = TOP + (
        "  a: {run: sample_clean, inputs: {text: message.text}}\n"
        "  yes:\n"
        "    run: sample_join\n"
        "    when: \"{{ a.open and message.text in ('x', 'y') }}\"\n"
        "    inputs: {left: '{{ a.text | upper }}', right: '{{ message.sender }}: {{ a.text }}'}\n"
        "  no: {run: sample_plain, when: '{{ not a.open }}', inputs: {text: a.text}}\n"
        "outputs: {yes: yes.text, no: no.result, length: '{{ yes.text | length }}'}\n"
    )
    found = await shown(kind, tmp_path, flow, message__text="x")
    assert found == {"yes": "X+anna: x", "length": 9}


@EVERY
async def test_a_reply_is_filled_in(kind: Kind, tmp_path: Path) -> None:
    flow = TOP + (
        "  classify-it: {run: sample_label, inputs: {text: message.text}, "
        "config: {words: {hi: greeting, ho: other}}}\n"
        "  hello: {reply: 'Hello {{ message.name }}!', when: classify-it.sure}\n"
        "  more:\n"
        "    reply: {by: classify-it.label, texts: {greeting: 'G {{ classify_it.score }}'}, "
        "text: else}\n"
    )
    found = await outcome(kind, write(tmp_path, flow=flow), message__text="hi")
    assert sorted(each["text"] for each in found["replies"]) == ["G 1.0", "Hello anna!"]
    found = await outcome(kind, tmp_path / "flow.yaml", message__text="ho")
    assert sorted(each["text"] for each in found["replies"]) == ["Hello anna!", "else"]


@EVERY
async def test_what_is_set_is_decided_with_the_outcome(kind: Kind, tmp_path: Path) -> None:
    flow = (
        "version: 1\nstate: {count: {start: 0}, last: {}, all: {}}\noperations:\n"
        "  note:\n"
        "    when: '{{ state.count < 5 }}'\n"
        "    set:\n"
        "      count: {add: 1}\n"
        "      last: message.text\n"
        "      all: {append: message.text, most: 3}\n"
    )
    path = write(tmp_path, flow=flow)
    found = await outcome(kind, path, message__text="x", state__count=4)
    assert found["changes"] == [
        {"name": "count", "how": "add", "value": 1},
        {"name": "last", "how": "set", "value": "x"},
        {"name": "all", "how": "append", "value": "x", "most": 3},
    ]
    found = await outcome(kind, path, message__text="x", state__count=5)
    assert found["changes"] == []


@OURS  # DFFML's own fails where an alternate definition has no value
async def test_what_is_due_starts_only_what_uses_it(kind: Kind, tmp_path: Path) -> None:
    flow = (
        "version: 1\nlisteners: {venue: {kind: sample_chat}}\n"
        "schedules: {digest: {every: day at 18:00, in: venue/room}}\noperations:\n"
        "  say: {reply: 'It is {{ schedule.digest }}'}\n"
        "  hear: {reply: 'You said {{ message.text }}'}\n"
    )
    path = write(tmp_path, flow=flow)
    found = await outcome(kind, path, message__text="x")
    assert [each["text"] for each in found["replies"]] == ["You said x"]


@OURS  # DFFML's own loses what comes before the subflow runs
async def test_what_is_forwarded_need_not_be_there(kind: Kind, tmp_path: Path) -> None:
    outer = TOP + (
        "  in:\n    flow: inner.yaml\n    inputs: {text: message.text}\n"
        "    forward: {more: message.account}\noutputs: {a: in.a, b: in.b}\n"
    )
    inner = (
        "version: 1\ninputs: {text: string, more: string}\noperations:\n"
        "  a: {run: sample_plain, inputs: {text: text}}\n"
        "  b: {run: sample_join, inputs: {left: more, right: text}}\n"
        "outputs: {a: a.result, b: b.text}\n"
    )
    path = write(tmp_path, flow=outer, inner=inner)
    found = await outcome(kind, path, message__text="x")
    assert found["understood"] == {"a": "X"}
    found = await outcome(kind, path, message__text="x", message__account="y")
    assert found["understood"] == {"a": "X", "b": "y+x"}


@OURS
async def test_a_call_that_fails_is_tried_again(kind: Kind, tmp_path: Path) -> None:
    flow = TOP + (
        "  a: {run: sample_flaky, retry: 3, inputs: {text: message.text}}\noutputs: {a: a.text}\n"
    )
    assert await shown(kind, tmp_path, flow, message__text="x") == {"a": "x"}
