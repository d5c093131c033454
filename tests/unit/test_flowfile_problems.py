"""Everything wrong with a flow file is told at once, at its place, in a helpful sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatbot.flowfile.problems import render, suggest
from tests.unit.flowfiles import installed, problems_of, write

__all__ = ["installed"]

INNER = """\
version: 1
inputs: {text: string}
operations: {up: {run: sample_plain, inputs: {text: text}}}
outputs: {loud: up.result}
"""

# What stands before `^` in the text is where the problem must be.
WRONG = [
    ("version: ^2\noperations: {a: {run: sample_plain}}", "this version is not supported"),
    ("^name: x\noperations: {}", "the version is missing"),
    ("version: 1\n^operations: {}", "there are no operations"),
    ("^version: 1\n", "there are no operations"),
    ("version: 1\noperations: ^[a]", "`operations` must be a map, not a list"),
    ("version: 1\n^operation: {}", "a flow has no key `operation`", "did you mean operations?"),
    ("version: 1\nname: ^Big Bot", "this cannot name a flow"),
    ("version: 1\n^inputs: {text: string}", "this file is a subflow"),
    ("version: 1\noperations:\n  ^Ab: {}", "`Ab` cannot name an operation"),
    ("version: 1\noperations:\n  ^message: {}", "`message` is reserved"),
    ("^a list\n", "a flow file must be a map"),
    ("version: 1\nx: ^[", "is not YAML"),
    ("version: 1\nname: a\n^name: b", "`name` is here twice", "first in line 2"),
    ("version: 1\noperations:\n^\ta: 1", "is not YAML", "indent with spaces, not with tabs"),
    ("version: 1\nname: a^: b", "is not YAML"),
    ("version: 1\nname: ^!!python/name:os.system x", "the tag !!python/name:os.system means"),
    ("version: 1\noperations: ^!!set {a, b}", "the tag !!set means nothing here"),
    # operations
    ("{top}  ^sample_plane: {inputs: {text: message.text}}", "no operation `sample_plane`",
     "did you mean sample_plain?"),
    ("{top}  a: {run: ^sample_clear}", "no operation `sample_clear`", "did you mean sample_clean?"),
    ("{top}  a: {run: ^5}", "`run` must be a text, not a whole number"),
    ("{top}  a: {run: ^sample_broken}", "`sample_broken` cannot be loaded: No module named"),
    ("{top}  a: {run: ^sample_number}", "`sample_number` is installed, but is no operation"),
    ("{top}  a: {run: ^get_single}", "`get_single` makes a flow's result"),
    ("{top}  a: {run: ^dffml.dataflow.run}", "a subflow is written `flow: FILE`"),
    ("{top}  a: {run: sample_plain, ^wen: message.private, inputs: {text: message.text}}",
     "`a` has no key `wen`", "did you mean when?"),
    ("{top}  a: {run: sample_plain, inputs: {text: message.text}, on: ^node}",
     "`on`: `node` is too like `nodes`", "did you mean nodes?"),
    ("{on}^Primary}", "`Primary` is too like `primary`", "did you mean primary?"),
    ("{on}[gpu, ^primry]}", "`primry` is too like `primary`", "did you mean primary?"),
    ("{on}[gpu, ^nodes]}", "`nodes` is a place of its own", "leave it out"),
    ("{on}^true}", "`on` takes a label, not true or false", "host=db1"),
    ("{on}^{host: db1}}", "`on` takes a label, not a map", "host=db1"),
    ("{on}[gpu, ^[x]]}", "`on` takes a label, not a list"),
    ("{on}^[]}", "`on`: there is no label", "write nodes"),
    ("{on}^gpu size=large}", "`gpu size=large` is not a label", "[gpu, size=large]"),
    ("{on}^'size='}", "`size=` is not a label", "NAME=VALUE"),
    ("{on}^[size=large, size=small]}", "`size` is given two values, large and small"),
    ("{top}  a: {run: sample_tidy, inputs: {text: message.text}, on: ^gpu}",
     "`sample_tidy` cleans up after a context: it runs on the primary", "leave out `on`"),
    ("{top}  a: {flow: inner.yaml, inputs: {text: message.text}, ^on: nodes}",
     "`on` does not go with `flow`: a subflow itself runs on the primary", "inside the subflow"),
    ("{top}  a: {run: sample_plain, inputs: {text: message.text}, retry: ^-1}",
     "`retry` must be a whole number from 0"),
    ("{top}  a: {run: sample_plain, inputs: {text: message.text}, batch: ^0}",
     "`batch` must be a whole number from 1"),
    ("{top}  a: {run: sample_plain, inputs: {text: message.text}, concurrency: ^true}",
     "`concurrency` must be a whole number from 1"),
    ("{timeout}^0}", "`timeout` must be a time of more than 0 and at most 24h", "500ms, 30s"),
    ("{timeout}^-5s}", "`timeout` must be a time of more than 0 and at most 24h"),
    ("{timeout}^soon}", "`timeout` must be a time of more than 0 and at most 24h"),
    ("{timeout}^true}", "`timeout` must be a time of more than 0 and at most 24h"),
    ("{timeout}^25h}", "`timeout` must be a time of more than 0 and at most 24h"),
    ("{timeout}^[1s]}", "`timeout` must be a time of more than 0 and at most 24h"),
    ("{timeout}^.nan}", "`timeout` must be a time of more than 0 and at most 24h"),
    ("{top}  a: {flow: inner.yaml, inputs: {text: message.text}, ^timeout: 5s}",
     "`timeout` does not go with `flow`"),
    ("{top}  a: ^sample_plain", "`a` must be a map, not a text"),
    # sources
    ("{top}  ^a: {run: sample_plain}", "`a` needs the input `text`, and nothing gives it"),
    ("{top}  a: {run: sample_plain, inputs: {^txt: message.text, text: message.text}}",
     "`a` has no input `txt`", "did you mean text?"),
    ("{top}  a: {run: sample_plain, inputs: {text: ^message.txt}}",
     "a message has no field `txt`", "did you mean text?"),
    ("{top}  a: {run: sample_plain, inputs: {text: ^b.result}}", "there is no `b` in this flow"),
    ("{top}  a: {run: sample_plain, inputs: {text: message.text}, when: [^a.results]}",
     "`a` has no output `results`", "did you mean result?"),
    ("{top}  a: {run: sample_plain, inputs: {text: ^hello}}", "`hello` is not a source"),
    ("{top}  a: {run: sample_plain, inputs: {text: ^5}}",
     "a source must be a name, not a whole number", "{value: ...}"),
    ("{top}  a: {run: sample_plain, inputs: {text: ^[]}}", "the list of sources is empty"),
    ("{top}  a: {run: sample_plain, inputs: {text: ^{}}}", "a given input is written"),
    ("{top}  a: {run: sample_plain, inputs: {text: {value: 1, ^x: 2}}}",
     "a given input has no key `x`"),
    ("{top}  a: {run: sample_greet, inputs: {person: {value: ^{nom: x}}}}",
     "the operation does not take this value"),
    ("{top}  a: {run: sample_plain, inputs: {text: ^''}}",
     "a source must be a name, not an empty text"),
    ("{top}  a: {run: sample_plain, inputs: {text: ^input.x}}", "only a subflow has inputs"),
    ("{top}  a: {run: sample_plain, inputs: {text: message.text}}\noutputs: {x: ^a.y}",
     "`a` has no output `y`", "outputs: result"),
    # what never starts
    ("{top}  a: {run: sample_plain, inputs: {text: ^a.result}}",
     "`a` can never start: its input `text` comes only from itself", "[message.text, ...]"),
    ("{top}  a: {run: sample_plain, inputs: {text: ^b.result}}\n"
     "  b: {run: sample_plain, inputs: {text: a.result}}",
     "`a` can never start: its input `text` waits for itself, round a ← b ← a"),
    ("{top}  a: {run: sample_plain, inputs: {text: b.result}}\n"
     "  b: {run: sample_plain, inputs: {text: ^a.result}}",
     "`b` can never start: its input `text` waits for itself, round b ← a ← b"),
    ("{top}  a: {run: sample_plain, inputs: {text: message.text}, when: ^a.result}",
     "`a` can never start: its condition comes only from itself", "a condition that comes"),
    ("{top}  a: {flow: inner.yaml, inputs: {text: ^b.result}}\n"
     "  b: {run: sample_plain, inputs: {text: a.loud}}",
     "`a` can never start: its input `text` waits for itself, round a ← b ← a"),
    ("{top}  a: {run: sample_tags, inputs: {text: message.text, tags: [^a.text, b.text]}}\n"
     "  b: {run: sample_plain, inputs: {text: a.text}}",
     "`a` can never start: its input `tags` comes only from `a` and `b`, which can never"),
    # configuration
    ("{top}  ^a: {run: sample_label, inputs: {text: message.text}}",
     "the configuration of `sample_label` needs `words`"),
    ("{label}{words: {}, ^treshold: 1}", "has no key `treshold`", "did you mean threshold?"),
    ("{label}{words: {}, threshold: ^high}", "`threshold` must be a number, not a text"),
    ("{label}{words: {}, mode: ^fats}", "`mode` must be one of fast, exact", "did you mean fast?"),
    ("{label}{words: ^[a]}", "`words` must be a map, not a list"),
    ("{label}{words: {a: ^5}}", "`words`, key `a` must be a text", "put it in quotes"),
    ("{label}{words: {}, tags: [a, ^1]}", "`tags`, item 2 must be a text"),
    ("{label}{words: {}, tags: ^a}", "`tags` must be a list, not a text"),
    ("{label}{words: {}, examples: ^nothing.txt}", "`examples`: there is no file"),
    ("{label}{words: {}, examples: ^5}", "`examples` must be a file's name"),
    ("{label}{words: {}, look: {^sise: 5}}", "`look` has no key `sise`", "did you mean size?"),
    ("{label}{words: {}, look: {size: ^big}}", "`size` must be a whole number, not a text"),
    ("{label}^5", "must be a map, not a whole number"),
    ("{top}  a:\n    run: sample_label\n    inputs: {text: message.text}\n"
     "    ^config: {words: {}, threshold: 2}", "`threshold` is a probability"),
    ("{top}  a: {run: sample_plain, inputs: {text: message.text}, ^config: {x: 1}}",
     "`sample_plain` takes no configuration"),
    ("{top}  a:\n    run: sample_answer\n"
     "    inputs: {label: message.text, sender: message.sender}\n"
     "    config:\n      answers:\n        bye: ^\"{who}\"", "an unknown field", "there is sender"),
    # subflows
    ("{top}  a: {flow: ^iner.yaml}", "there is no file", "did you mean inner.yaml?"),
    ("{top}  a: {flow: inner.yaml, ^run: x, inputs: {text: message.text}}",
     "`run` does not go with `flow`"),
    ("{top}  a: {flow: inner.yaml, ^config: {}, inputs: {text: message.text}}",
     "`config` does not go with `flow`"),
    ("{top}  a: {flow: ^[x]}", "`flow` must be a text"),
    ("{top}  ^a: {flow: inner.yaml}", "`a` needs the input `text`"),
    ("{top}  a: {flow: inner.yaml, inputs: {text: message.text}}\noutputs: {x: ^a.result}",
     "`a` has no output `result`", "outputs: loud"),
    ("{top}  a: {flow: ^flow.yaml}", "a subflow contains itself: flow.yaml → flow.yaml"),
]  # fmt: skip

WRONG_INNER = [
    ("^version: 1\noperations: {{up}}\noutputs: {x: up.result}", "must declare its inputs"),
    ("version: 1\n^inputs: {n: number}\noperations: {{up}}\noutputs: {x: up.result}",
     "needs an input of type string"),
    ("version: 1\ninputs: {text: ^str}\noperations: {{up}}\noutputs: {x: up.result}",
     "this is not a type", "did you mean string?"),
    ("^version: 1\ninputs: {text: string}\noperations: {{up}}", "must have outputs"),
    ("version: 1\ninputs: {text: string}\noperations: {{up}}\noutputs: {x: ^message.text}",
     "a subflow does not see the message"),
    ("version: 1\ninputs: {text: string}\noperations: {{up}}\noutputs: {x: ^txt}",
     "this subflow has no input `txt`", "did you mean text?"),
    ("version: 1\ninputs: {text: string}\noperations: {{up}}\n"
     "outputs: {x: up.result, y: ^up.result}", "the output `y` is the same as `x`"),
    ("version: 1\ninputs: {text: string}\noperations: {{up}}\noutputs: {^x-y: text}",
     "`x-y` cannot be a name here"),
    ("version: 1\n^listeners: {}\ninputs: {text: string}\noperations: {{up}}\n"
     "outputs: {x: up.result}", "a subflow has no key `listeners`"),
    ("version: 1\ninputs: {text: string}\noperations: {a: {flow: ^flow.yaml}}\noutputs: {x: text}",
     "a subflow contains itself: flow.yaml → inner.yaml → flow.yaml"),
]  # fmt: skip


def marked(text: str) -> tuple[str, int, int]:
    """Return `text` without its `^`, and the line and column where it stood."""
    before, _, after = text.partition("^")
    line = before.count("\n") + 1
    return before + after, line, len(before) - before.rfind("\n")


def expanded(text: str) -> str:
    top = "version: 1\noperations:\n"
    label = f"{top}  a:\n    run: sample_label\n    inputs: {{text: message.text}}\n    config: "
    on = f"{top}  a: {{run: sample_plain, inputs: {{text: message.text}}, on: "
    timeout = on.replace("on: ", "timeout: ")
    up = "up: {run: sample_plain, inputs: {text: text}}"
    return (
        text.replace("{top}", top)
        .replace("{label}", label)
        .replace("{on}", on)
        .replace("{timeout}", timeout)
        .replace("{up}", up, 1)
    )


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case[1])
def test_a_problem_is_told_at_its_place(tmp_path: Path, case: tuple[str, ...]) -> None:
    text, line, column = marked(expanded(case[0]))
    path = write(tmp_path, flow=text, inner=INNER)
    found = [p for p in problems_of(path) if case[1] in p.message]
    assert [(p.file, p.line, p.column) for p in found] == [(str(path), line, column)]
    assert case[2:] == () or case[2] in found[0].hint


@pytest.mark.parametrize("case", WRONG_INNER, ids=lambda case: case[1])
def test_a_problem_in_a_subflow_is_told_there(tmp_path: Path, case: tuple[str, ...]) -> None:
    inner, line, column = marked(expanded(case[0]))
    top = "version: 1\noperations: {a: {flow: inner.yaml, inputs: {text: message.text}}}\n"
    write(tmp_path, flow=top, inner=inner)
    found = [p for p in problems_of(tmp_path / "flow.yaml") if case[1] in p.message]
    where = [(Path(p.file).name, p.line, p.column) for p in found]
    assert where == [("inner.yaml", line, column)]
    assert case[2:] == () or case[2] in found[0].hint


def test_all_problems_are_told_at_once_and_in_order(tmp_path: Path) -> None:
    flow = """\
version: 1
operations:
  a: {run: sample_plain, inputs: {text: nobody.x}, retry: often}
  inner: {flow: inner.yaml, inputs: {text: message.txt}}
  b: {run: nothing_like_it}
outputs: {x: inner.quiet, y: b.anything}
"""
    inner = INNER.replace("up.result", "up.results")
    found = problems_of(write(tmp_path, flow=flow, inner=inner))
    assert [(Path(p.file).name, p.line) for p in found] == [
        ("flow.yaml", 3),
        ("flow.yaml", 3),
        ("flow.yaml", 4),
        ("flow.yaml", 5),
        ("flow.yaml", 6),
        ("inner.yaml", 4),
    ]
    assert found == sorted(found)


def test_a_subflow_used_twice_tells_its_problem_once(tmp_path: Path) -> None:
    flow = """\
version: 1
operations:
  a: {flow: inner.yaml, inputs: {text: message.text}}
  b: {flow: inner.yaml, inputs: {text: message.text}}
"""
    found = problems_of(write(tmp_path, flow=flow, inner=INNER.replace("up.result", "up.x")))
    assert len(found) == 1


def test_what_is_unknown_does_not_cause_more_problems(tmp_path: Path) -> None:
    flow = """\
version: 1
operations:
  a: {run: nothing_like_it, config: {x: 1}, inputs: {y: message.text}}
  b: {run: sample_plain, inputs: {text: a.z}, when: gone.sure}
  gone: {flow: gone.yaml, inputs: {text: a.z}}
outputs: {x: a.q, y: gone.label}
"""
    found = problems_of(write(tmp_path, flow=flow))
    assert [p.line for p in found] == [3, 5]


@pytest.mark.parametrize(
    "operations",
    [
        "a: {run: sample_plain, inputs: {text: [message.text, b.result]}}\n"
        "  b: {run: sample_plain, inputs: {text: a.result}}",
        "a: {run: sample_plain, inputs: {text: [b.result, {value: x}]}}\n"
        "  b: {run: sample_plain, inputs: {text: a.result}}",
        "a: {run: sample_join, inputs: {left: message.text, right: a.text}}",  # it has a default
        "a: {run: sample_plain, inputs: {text: message.text}, when: [message.private, a.result]}",
    ],
)
def test_a_circle_that_something_starts_is_right(tmp_path: Path, operations: str) -> None:
    assert problems_of(write(tmp_path, flow=f"version: 1\noperations:\n  {operations}\n")) == []


def test_a_circle_is_told_and_what_follows_from_it_or_another_problem_is_not(
    tmp_path: Path,
) -> None:
    flow = """\
version: 1
operations:
  a: {run: sample_plain, inputs: {text: b.result}}
  b: {run: sample_plain, inputs: {text: a.result}}
  c: {run: sample_plain, inputs: {text: message.text}, when: b.result}
  wrong: {run: sample_plain}
  after: {run: sample_plain, inputs: {text: wrong.result}}
outputs: {x: c.result}
"""
    found = problems_of(write(tmp_path, flow=flow))
    assert [(p.line, "never start" in p.message) for p in found] == [
        (3, True),
        (4, True),
        (6, False),
    ]


def test_what_never_starts_in_a_subflow_is_told_there_and_once(tmp_path: Path) -> None:
    inner = """\
version: 1
inputs: {text: string}
operations:
  up: {run: sample_plain, inputs: {text: up.result}}
outputs: {loud: up.result}
"""
    flow = """\
version: 1
operations:
  a: {flow: inner.yaml, inputs: {text: message.text}}
  b: {flow: inner.yaml, inputs: {text: a.loud}}
"""
    (problem,) = problems_of(write(tmp_path, flow=flow, inner=inner))
    assert (Path(problem.file).name, problem.line, problem.column) == ("inner.yaml", 4, 42)


def test_a_problem_prints_as_editors_expect(tmp_path: Path) -> None:
    path = write(tmp_path, flow="version: 1\noperations:\n  a: {run: sample_plane}\n")
    [problem] = problems_of(path)
    message = f"{path}:3:12: there is no operation `sample_plane` (did you mean sample_plain?)"
    assert str(problem) == message
    assert render(problem) == (f"{message}\n  3 |   a: {{run: sample_plane}}\n    |            ^")


def test_a_problem_of_a_file_that_is_gone_still_prints(tmp_path: Path) -> None:
    [problem] = problems_of(tmp_path / "none.yaml")
    assert render(problem) == str(problem)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "flow.yaml"
    path.write_bytes(b"version: 1\nname: \xff\n")
    [problem] = problems_of(path)
    assert (problem.line, problem.column, problem.message) == (2, 7, "is not UTF-8 text")


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_an_empty_file_is_refused(tmp_path: Path, text: str) -> None:
    [problem] = problems_of(write(tmp_path, flow=text))
    assert problem.message == "is empty"


def test_a_file_whose_name_cannot_be_the_flows_needs_a_name(tmp_path: Path) -> None:
    path = tmp_path / "My Flow.yaml"
    path.write_text(
        "version: 1\noperations: {a: {run: sample_plain, inputs: {text: message.text}}}"
    )
    [problem] = problems_of(path)
    assert "cannot name a flow" in problem.message
    path.write_text(path.read_text() + "\nname: mine\n")
    assert problems_of(path) == []


def test_a_short_list_is_shown_where_nothing_is_near() -> None:
    assert suggest("zzz", ["b", "a"], what="fields") == "fields: a, b"
    assert suggest("zzz", [str(n) for n in range(20)]) == ""
