"""Files that include others, and are given parameters: one flow, and each problem at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatbot.flowfile.load import load
from tests.unit.flowfiles import installed, problems_of, run, write

__all__ = ["installed"]

BASE = """\
version: 1
parameters: {nick: helpbot, word: {type: string}, bound: {type: number, default: 0.5}}
listeners: {sample_chat: {server: example.org, nick: "${nick}", password: "${PASSWORD:-}"}}
operations:
  label: {run: sample_label, inputs: {text: message.text}, config: {threshold: "${bound}",
    words: {hi: "${word}"}}}
"""
FLOW = """\
version: 1
include: {file: base.yaml, with: {word: greeting}}
operations:
  label: {config: {mode: exact}}
  say: {reply: "It is a {{ label.label }}, ${nick}"}
"""


async def test_what_is_included_is_as_if_it_stood_there(tmp_path: Path) -> None:
    path = write(tmp_path, flow=FLOW, base=BASE)
    flow = load(path)
    assert flow.name == "flow"
    assert flow.listeners["sample_chat"].settings["nick"] == "helpbot"
    config = flow.instances["label"].config
    assert config == {"threshold": 0.5, "words": {"hi": "greeting"}, "mode": "exact"}
    assert flow.sources == {path, tmp_path / "base.yaml"}
    outcome = await run(flow.dataflow, text="hi")
    assert [each["text"] for each in outcome["replies"]] == ["It is a greeting, ${nick}"]


def test_own_parameters_can_be_set_on_the_command_line(tmp_path: Path) -> None:
    path = write(tmp_path, base=BASE)
    assert problems_of(path)[0].message == "base.yaml needs the parameter `word`"
    flow = load(path, overrides=["parameters.word=greeting", "parameters.bound=0.9"])
    assert flow.instances["label"].config["threshold"] == 0.9


def test_a_subflow_has_parameters_and_two_uses_differ(tmp_path: Path) -> None:
    inner = (
        "version: 1\nparameters: {word: {type: string}, end: '!'}\ninputs: {text: string}\n"
        "operations:\n"
        "  a: {run: sample_join, inputs: {left: text, right: {value: '${word}${end}'}}}\n"
        "outputs: {a: a.text}\n"
    )
    outer = (
        "version: 1\noperations:\n"
        "  one: {flow: inner.yaml, with: {word: x}, inputs: {text: message.text}}\n"
        "  two: {flow: inner.yaml, with: {word: y, end: '?'}, inputs: {text: message.text}}\n"
        "outputs: {one: one.a, two: two.a}\n"
    )
    path = write(tmp_path, flow=outer, inner=inner)
    assert len({load(path).revision, _changed(path).revision}) == 2


def _changed(path: Path) -> object:
    path.write_text(path.read_text().replace("word: y", "word: z"))
    return load(path)


def test_a_file_that_an_included_one_names_is_beside_that_one(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "examples.yaml").write_text("a: [b]\n")
    part = (
        "version: 1\noperations:\n  label: {run: sample_label, inputs: {text: message.text}, "
        "config: {words: {}, examples: examples.yaml}}\n  in: {flow: inner.yaml, "
        "inputs: {text: message.text}}\n"
    )
    write(
        folder,
        part=part,
        inner="version: 1\ninputs: {text: string}\noperations:\n"
        "  a: {run: sample_plain, inputs: {text: text}}\noutputs: {a: a.result}\n",
    )
    flow = load(write(tmp_path, flow="version: 1\ninclude: parts/part.yaml\n"))
    assert flow.instances["label"].files == {"examples": folder / "examples.yaml"}
    assert folder / "inner.yaml" in flow.sources


# What stands before `^` in the text is where the problem must be.
WRONG = [
    ("include: ^bsae.yaml\n", "there is no file"),
    ("include: {^fil: base.yaml}\n", "`include` has no key `fil`"),
    ("include: [^5]\n", "`include` takes files"),
    ("include: {file: ^base.yaml}\n", "base.yaml needs the parameter `word`"),
    (
        "include: {file: base.yaml, with: {word: x, ^bond: 1}}\n",
        "base.yaml has no parameter `bond`",
    ),
    ("include: {file: base.yaml, with: {word: ^5}}\n", "the parameter `word` must be of type"),
    ("include: {file: base.yaml, with: {word: x, bound: ^high}}\n", "must be of type number"),
    ("include: ^flow.yaml\n", "a file includes itself: flow.yaml → flow.yaml"),
    ("parameters: {a: 1}\noperations: {a: {reply: '^${b}'}}\n", "there is no parameter `b`"),
    ("parameters: {a: [1]}\noperations: {a: {reply: ^'x ${a}'}}\n", "cannot be part of a text"),
    ("parameters: {a: {type: ^text}}\noperations: {a: {reply: '${a}'}}\n", "not a type"),
    (
        "operations:\n  a: {flow: inner.yaml, with: {^x: 1}, inputs: {text: message.text}}\n",
        "inner.yaml has no parameter `x`",
    ),
    (
        "operations:\n  a: {run: sample_plain, ^with: {}, inputs: {text: message.text}}\n",
        "`a` has no key `with`",
    ),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_is_wrong_is_told_at_its_place(tmp_path: Path, text: str, message: str) -> None:
    text = f"version: 1\n{text}"
    before = text[: text.index("^")]
    inner = (
        "version: 1\ninputs: {text: string}\noperations: {b: {run: sample_plain, inputs: "
        "{text: text}}}\noutputs: {b: b.result}\n"
    )
    path = write(tmp_path, flow=text.replace("^", "", 1), base=BASE, inner=inner)
    place = before.count("\n") + 1, len(before) - before.rfind("\n")
    found = problems_of(path)
    assert [p for p in found if message in p.message and (p.line, p.column) == place], found


def test_what_is_wrong_in_an_included_file_is_told_there(tmp_path: Path) -> None:
    base = BASE.replace("threshold", "treshold")
    found = problems_of(write(tmp_path, flow=FLOW, base=base))
    assert [(Path(p.file).name, p.line) for p in found] == [("base.yaml", 5)]
