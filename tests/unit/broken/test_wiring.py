"""What goes where: inputs, sources, types, conditions, outputs, subflows' own files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.broken import CLASSIFY, CLEAN, OPS, TOP, case, check, problems_of, written

IN = f"{TOP}operations:\n  clean: {{run: clean_text, inputs: {{text: "
WHEN = f"{OPS}  answer:\n    inputs: {{label: classify.label, sender: message.name}}\n    when: "
SAY = f"{OPS}  answer:\n    inputs: "

INPUTS = [
    (f"{TOP}operations:\n  clean: {{run: clean_text, inputs: {{‸txt: message.text}}}}\n",
     "`clean` has no input `txt`", "did you mean text?"),
    (f"{TOP}operations:\n  clean: {{run: clean_text, inputs: {{text: message.text, ‸lang: message.text}}}}\n",
     "`clean` has no input `lang`", "inputs: nick, text"),
    (f"{TOP}operations:\n  clean: {{run: clean_text, inputs: ‸message.text}}\n",
     "`inputs` must be a map, not a text", "{text: message.text}"),
    (f"{TOP}operations:\n  clean: {{run: clean_text, inputs: ‸[message.text]}}\n",
     "`inputs` must be a map, not a list"),
    (f"{OPS}  ‸answer:\n    inputs: {{label: classify.label}}\n",
     "`answer` needs the input `sender`", "inputs: {sender: ...}"),
    (f"{IN}‸message.txt}}}}\n", "a message has no field `txt`", "did you mean text?"),
    (f"{IN}‸message.body}}}}\n", "a message has no field `body`"),
    (f"{IN}‸message.Text}}}}\n", "a message has no field `Text`", "did you mean text?"),
    (f"{IN}‸msg.text}}}}\n", "there is no `msg`", "did you mean message?"),
    (f"{IN}‸text}}}}\n", "`text` is not a source", "message.text"),
    (f"{IN}‸message}}}}\n", "`message` is not a source", "message.<field>"),
    (f"{IN}‸message.}}}}\n", "`message.` is not a source"),
    (f"{IN}‸.text}}}}\n", "`.text` is not a source"),
    (f"{IN}‸message text}}}}\n", "`message text` is not a source", "message.<field>"),
    (f"{IN}‸$message.text}}}}\n", "`$message.text` is not a source", "write message.text"),
    (f"{IN}‸'${{message.text}}'}}}}\n", "is not a source", "write message.text, without braces"),
    (f"{IN}‸“message.text”}}}}\n", "is not a source", "without braces or quotes"),
    (f"{IN}‸hello there}}}}\n", "is not a source", "{value: ...}"),
    (f"{IN}‸5}}}}\n", "a source must be a name, not a whole number", "{value: ...}"),
    (f"{IN}‸true}}}}\n", "a source must be a name, not true or false", "{value: ...}"),
    (f"{TOP}operations:\n  clean: {{run: clean_text, inputs: {{‸text: }}}}\n",
     "a source must be a name, not nothing"),
    (f"{IN}‸[]}}}}\n", "the list of sources is empty"),
    (f"{IN}[message.text, ‸5]}}}}\n", "a source must be a name, not a whole number"),
    (f"{IN}[message.text, ‸message.tex]}}}}\n", "a message has no field `tex`"),
    (f"{IN}{{‸val: hello}}}}}}\n", "a given input has no key `val`", "did you mean value?"),
    (f"{IN}‸{{}}}}}}\n", "a given input is written {value: ...}"),
    (f"{IN}{{value: hello, ‸type: string}}}}}}\n", "a given input has no key `type`"),
    (f"{IN}‸input.text}}}}\n", "only a subflow has inputs", "message.<field>"),
    (f"{IN}‸clean.text}}}}\n", "`clean` can never start", "comes only from itself"),
    (f"{TOP}operations:\n{CLASSIFY.replace('clean.text', '‸clean.text')}",
     "there is no `clean` in this flow"),
    (f"{TOP}operations:\n{CLEAN}{CLASSIFY.replace('clean.text', '‸clean.txt')}",
     "`clean` has no output `txt`", "did you mean text?"),
    (f"{TOP}operations:\n{CLEAN}{CLASSIFY.replace('clean.text', '‸clean')}",
     "`clean` is not a source", "clean.<output>"),
    (f"{TOP}operations:\n{CLEAN}{CLASSIFY.replace('clean.text', '‸clean_text.text')}",
     "there is no `clean_text`", "did you mean clean?"),
    (f"{TOP}operations:\n{CLEAN}{CLASSIFY.replace('clean.text', '‸clean.outputs.text')}",
     "`clean` has no output `outputs.text`", "outputs: code, links"),
    (f"{TOP}operations:\n  a: {{run: clean_text, inputs: {{text: ‸b.text}}}}\n"
     "  b: {run: clean_text, inputs: {text: message.text}, when: c.open}\n"
     "  c: {run: clean_text, inputs: {text: message.texts}}\n", "x"),
]  # fmt: skip
INPUTS.pop()

TYPES = [
    (f"{SAY}{{label: ‸classify.score, sender: message.name}}\n",
     "`score` is a number from classify.score, answer.label wants a string", "classify.label"),
    (f"{SAY}{{label: ‸classify.sure, sender: message.name}}\n",
     "`sure` is true or false from classify.sure, answer.label wants a string", "classify.label"),
    (f"{SAY}{{label: classify.label, sender: message.name, addressed: ‸message.text}}\n",
     "`text` is a string from the message, answer.addressed wants true or false", "message.addressed"),
    (f"{SAY}{{label: classify.label, sender: message.name, addressed: ‸classify.score}}\n",
     "`score` is a number from classify.score, answer.addressed wants true or false", "classify.sure"),
    (f"{SAY}{{label: classify.label, sender: ‸message.time}}\n",
     "`time` is a time from the message, answer.sender wants a string"),
    (f"{SAY}{{label: classify.label, sender: ‸message.roles}}\n",
     "`roles` is a list from the message, answer.sender wants a string"),
    (f"{SAY}{{label: classify.label, sender: ‸clean.links}}\n",
     "`links` is a list from clean.links, answer.sender wants a string", "clean.text"),
    (f"{SAY}{{label: [classify.label, ‸classify.score], sender: message.name}}\n",
     "`score` is a number from classify.score, answer.label wants a string"),
    (f"{SAY}{{label: {{value: ‸5}}, sender: message.name}}\n",
     "answer.label wants a string, not a whole number", "put it in quotes"),
    (f"{SAY}{{label: {{value: ‸[a]}}, sender: message.name}}\n",
     "answer.label wants a string, not a list"),
    (f"{SAY}{{label: classify.label, sender: message.name, addressed: {{value: ‸'yes'}}}}\n",
     "answer.addressed wants true or false, not a string"),
    (f"{TOP}operations:\n  understand: {{flow: inner.yaml, inputs: {{text: message.text, nick: ‸message.roles}}}}\n",
     "`roles` is a list from the message, understand.nick wants a string"),
    (f"{TOP}operations:\n  understand: {{flow: inner.yaml, inputs: {{text: message.text, nick: message.nick}}}}\n"
     "  answer: {inputs: {label: ‸understand.open, sender: message.name}}\n",
     "`open` is true or false from clean.open in inner.yaml, answer.label wants a string", "understand.text"),
]  # fmt: skip

CONDITIONS = [
    (f"{WHEN}‸classify\n", "`classify` is not a source", "classify.<output>"),
    (f"{WHEN}‸classify.shure\n", "`classify` has no output `shure`", "did you mean sure?"),
    (f"{WHEN}‸clasify.sure\n", "there is no `clasify`", "did you mean classify?"),
    (f"{WHEN}‸true\n", "`when` takes a source, not true or false"),
    (f"{WHEN}‸classify.label == bug\n", "is not a source", "{{ "),
    (f"{WHEN}‸not classify.sure\n", "is not a source", "{{ "),
    (f"{WHEN}‸classify.score > 0.5\n", "is not a source", "{{ "),
    (f"{WHEN}‸5\n", "`when` takes a source, not a whole number"),
    (f"{WHEN}‸{{classify.sure: true}}\n", "`when` takes a source, not a map"),
    (f"{WHEN}[classify.sure, ‸clean.opens]\n", "`clean` has no output `opens`", "did you mean open?"),
    (f"{WHEN}‸answer.reply\n", "`answer` can never start", "comes only from itself"),
    (f"{WHEN}‸message.roles\n", "`answer` can never start: `message.roles` is never true", "`roles`"),
    (f"{TOP}operations:\n  on: {{flow: gate.yaml, inputs: {{text: message.text, open: {{value: false}}}}}}\n‸", "x"),
]  # fmt: skip
CONDITIONS.pop()

OUTPUTS = [
    (f"{OPS}outputs: {{label: ‸classify.lable}}\n", "`classify` has no output `lable`", "did you mean label?"),
    (f"{OPS}outputs: {{label: ‸clasify.label}}\n", "there is no `clasify`", "did you mean classify?"),
    (f"{OPS}outputs: {{label: ‸classify}}\n", "`classify` is not a source", "classify.<output>"),
    (f"{OPS}outputs: {{label: ‸5}}\n", "a source must be a name"),
    (f"{OPS}outputs: ‸[classify.label]\n", "`outputs` must be a map, not a list", "{label: classify.label}"),
    (f"{OPS}outputs: ‸classify.label\n", "`outputs` must be a map, not a text", "{label: classify.label}"),
    (f"{OPS}outputs: {{‸my-label: classify.label}}\n", "`my-label` cannot be a name here", "letters"),
    (f"{OPS}outputs: {{label: ‸[classify.label]}}\n", "a source must be a name, not a list"),
    (f"{OPS}outputs: {{label: ‸{{value: x}}}}\n", "a source must be a name, not a map"),
]  # fmt: skip

CYCLES = [
    (f"{TOP}operations:\n  a: {{run: clean_text, inputs: {{text: ‸b.text}}}}\n"
     "  b: {run: clean_text, inputs: {text: a.text}}\n", "`a` can never start", "round a ← b ← a"),
    (f"{TOP}operations:\n  a: {{run: clean_text, inputs: {{text: message.text}}, when: ‸b.open}}\n"
     "  b: {run: clean_text, inputs: {text: a.text}}\n", "`a` can never start: its condition"),
]  # fmt: skip

TOP_INNER = f"{TOP}operations: {{u: {{flow: inner.yaml, inputs: {{text: message.text}}}}}}\n"
UP = "operations: {clean: {run: clean_text, inputs: {text: text}}}\n"
INNER_FILES = [
    (f"version: 1\ninputs: {{text: ‸str}}\n{UP}outputs: {{text: clean.text}}\n",
     "this is not a type", "did you mean string?"),
    (f"version: 1\ninputs: {{text: ‸text}}\n{UP}outputs: {{text: clean.text}}\n",
     "this is not a type", "string"),
    (f"version: 1\ninputs: {{text: string}}\n{UP}‸output: {{text: clean.text}}\n",
     "a subflow has no key `output`", "did you mean outputs?"),
    (f"‸version: 1\ninputs: {{text: string}}\n{UP}", "a subflow must have outputs", "outputs:"),
    (f"version: 1\ninputs: {{text: string}}\n‸listeners: {{console: }}\n{UP}outputs: {{text: clean.text}}\n",
     "a subflow has no key `listeners`"),
    (f"version: 1\ninputs: {{text: string}}\n{UP}outputs: {{text: ‸message.text}}\n",
     "a subflow does not see the message", "as inputs"),
    (f"version: 1\ninputs: {{text: string}}\n{UP}outputs: {{text: ‸txt}}\n",
     "this subflow has no input `txt`", "did you mean text?"),
    (f"version: 1\ninputs: {{text: string}}\n{UP}outputs: {{text: clean.text, same: ‸clean.text}}\n",
     "the output `same` is the same as `text`"),
    ("version: 1\ninputs: {text: string}\noperations: {clean: {run: clean_text, inputs: {text: ‸message.text}}}\n"
     "outputs: {text: clean.text}\n", "a subflow does not see the message"),
]  # fmt: skip


@pytest.mark.parametrize("expected", [case(each) for each in INPUTS])
def test_an_input(tmp_path: Path, expected: tuple[str, ...]) -> None:
    check(tmp_path, expected)


@pytest.mark.parametrize("expected", [case(each) for each in TYPES])
def test_a_type(tmp_path: Path, expected: tuple[str, ...]) -> None:
    check(tmp_path, expected)


@pytest.mark.parametrize("expected", [case(each) for each in [*CONDITIONS, *OUTPUTS]])
def test_a_condition_or_an_output(tmp_path: Path, expected: tuple[str, ...]) -> None:
    check(tmp_path, expected)


@pytest.mark.parametrize("expected", [case(each) for each in CYCLES])
def test_what_waits_for_itself(tmp_path: Path, expected: tuple[str, ...]) -> None:
    check(tmp_path, expected, alone=False)


@pytest.mark.parametrize("expected", [case(each) for each in INNER_FILES])
def test_a_subflows_own_file(tmp_path: Path, expected: tuple[str, ...]) -> None:
    text, message, *more = expected
    path, line, column = written(tmp_path, text)
    path.rename(tmp_path / "own.yaml")
    flow, *_ = written(tmp_path, f"‸{TOP_INNER}".replace("inner.yaml", "own.yaml"))
    found = problems_of(flow)
    assert [(Path(p.file).name, p.line, p.column) for p in found] == [("own.yaml", line, column)]
    assert all(words in str(found[0]) for words in (message, *more)), found[0]
