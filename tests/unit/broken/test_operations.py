"""The top of a file, and `operations`: keys, names, what is installed, how it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.broken import BOT, CLEAN, OPS, TOP, case, check

RUN = f"{TOP}operations:\n  clean: {{run: clean_text, inputs: {{text: message.text}}, "
FLOW = f"{TOP}operations:\n  clean: {{flow: inner.yaml, inputs: {{text: message.text, nick: message.nick}}, "

FILE = [
    ("version: ‸2\noperations:\n" + CLEAN, "this version is not supported", "version 1"),
    ("version: ‸'1'\noperations:\n" + CLEAN, "this version is not supported", "without quotes"),
    ("version: ‸1.0\noperations:\n" + CLEAN, "this version is not supported", "version 1"),
    ("‸version:\noperations:\n" + CLEAN, "this version is not supported"),
    ("version: ‸[1]\noperations:\n" + CLEAN, "this version is not supported"),
    ("‸name: x\noperations:\n" + CLEAN, "the version is missing", "version: 1"),
    ("version: 1\n‸verison: 1\noperations:\n" + CLEAN, "has no key `verison`", "did you mean version?"),
    ("version: 1\nname: ‸My Bot\noperations:\n" + CLEAN, "cannot name a flow", "small letters"),
    ("version: 1\nname: ‸5\noperations:\n" + CLEAN, "cannot name a flow", "put it in quotes"),
    ("version: 1\n‸name:\noperations:\n" + CLEAN, "cannot name a flow", "small letters"),
    ("version: 1\n‸operation:\n" + CLEAN, "a flow has no key `operation`", "did you mean operations?"),
    ("version: 1\n‸Operations:\n" + CLEAN, "a flow has no key `Operations`", "did you mean operations?"),
    ("version: 1\n‸steps:\n" + CLEAN, "a flow has no key `steps`", "operations"),
    (f"{BOT}‸output: {{label: classify.label}}\n", "no key `output`", "did you mean outputs?"),
    (f"{BOT}‸listener: {{console: }}\n", "no key `listener`", "did you mean listeners?"),
    (f"{BOT}‸description: a bot\n", "a flow has no key `description`"),
    (f"{TOP}‸operations:\n", "there are no operations"),
    (f"{TOP}‸operations: {{}}\n", "there are no operations"),
    (f"{TOP}operations: ‸clean_text\n", "`operations` must be a map, not a text"),
    (f"{TOP}operations:\n  ‸- run: clean_text\n    inputs: {{text: message.text}}\n",
     "`operations` must be a map, not a list", "NAME: {run: OPERATION"),
    ("‸version: 1\nname: x\n", "there are no operations"),
    (f"{TOP}‸{CLEAN.strip()}\n", "`clean` is an operation, and stands beside", "indent it"),
]  # fmt: skip

NAMES = [
    (f"{TOP}operations:\n  ‸Clean: {{run: clean_text, inputs: {{text: message.text}}}}\n",
     "`Clean` cannot name an operation", "small letters"),
    (f"{TOP}operations:\n  ‸clean text: {{run: clean_text, inputs: {{text: message.text}}}}\n",
     "`clean text` cannot name an operation", "small letters"),
    (f"{TOP}operations:\n  ‸clean.it: {{run: clean_text, inputs: {{text: message.text}}}}\n",
     "`clean.it` cannot name an operation", "small letters"),
    (f"{TOP}operations:\n  ‸_clean: {{run: clean_text, inputs: {{text: message.text}}}}\n",
     "`_clean` cannot name an operation", "small letters"),
    (f"{TOP}operations:\n  ‸message: {{run: clean_text, inputs: {{text: message.text}}}}\n",
     "`message` is reserved"),
    (f"{TOP}operations:\n  ‸input: {{run: clean_text, inputs: {{text: message.text}}}}\n",
     "`input` is reserved"),
    (f"{TOP}operations:\n  ‸outcome: {{run: clean_text, inputs: {{text: message.text}}}}\n",
     "`outcome` is reserved"),
]  # fmt: skip

INSTALLED = [
    (f"{TOP}operations:\n  clean: {{run: ‸clean_txt, inputs: {{text: message.text}}}}\n",
     "no operation `clean_txt`", "did you mean clean_text?"),
    (f"{TOP}operations:\n  clean: {{run: ‸clean-text, inputs: {{text: message.text}}}}\n",
     "no operation `clean-text`", "did you mean clean_text?"),
    (f"{TOP}operations:\n  clean: {{run: ‸CleanText, inputs: {{text: message.text}}}}\n",
     "no operation `CleanText`", "did you mean clean_text?"),
    (f"{TOP}operations:\n  clean: {{run: ‸CLEAN_TEXT, inputs: {{text: message.text}}}}\n",
     "no operation `CLEAN_TEXT`", "did you mean clean_text?"),
    (f"{TOP}operations:\n  clean: {{run: ‸operations.text:clean_text, inputs: {{text: message.text}}}}\n",
     "no operation `operations.text:clean_text`", "did you mean clean_text?"),
    (f"{TOP}operations:\n  ‸clean: {{inputs: {{text: message.text}}}}\n",
     "no operation `clean`", "run: clean_text"),
    (f"{TOP}operations:\n  ‸classifier: {{inputs: {{text: message.text}}, config: {{examples: labels.yaml}}}}\n",
     "no operation `classifier`", "run: classify_text"),
    (f"{TOP}operations:\n  tags: {{run: ‸pos_tagger, inputs: {{text: message.text}}}}\n",
     "no operation `pos_tagger`", "pip install dffml-operations-nlp"),
    (f"{TOP}operations:\n  tags: {{run: ‸resize, inputs: {{text: message.text}}}}\n",
     "no operation `resize`", "pip install dffml-operations-image"),
    (f"{TOP}operations:\n  x: {{run: ‸translate_to_french, inputs: {{text: message.text}}}}\n",
     "no operation `translate_to_french`", "chatbot operations list"),
    (f"{TOP}operations:\n  x: {{run: ‸get_single, inputs: {{spec: message.text}}}}\n",
     "makes a flow's result", "outputs"),
    (f"{TOP}operations:\n  x: {{run: ‸dffml.dataflow.run, inputs: {{inputs: message.text}}}}\n",
     "a subflow is written `flow: FILE`"),
    (f"{TOP}operations:\n  clean: {{run: ‸5, inputs: {{text: message.text}}}}\n",
     "`run` must be a text, not a whole number"),
    (f"{TOP}operations:\n  clean: {{run: ‸[clean_text], inputs: {{text: message.text}}}}\n",
     "`run` must be a text, not a list"),
    (f"{TOP}operations:\n  clean: {{‸run: , inputs: {{text: message.text}}}}\n",
     "`run` must be a text, not nothing"),
    (f"{TOP}operations:\n  clean: ‸clean_text\n", "`clean` must be a map, not a text", "{run: clean_text}"),
    (f"{TOP}operations:\n  clean: ‸[clean_text]\n", "`clean` must be a map, not a list"),
]  # fmt: skip

KEYS = [
    (f"{RUN}‸wen: message.private}}\n", "`clean` has no key `wen`", "did you mean when?"),
    (f"{RUN}‸if: message.private}}\n", "`clean` has no key `if`", "did you mean when?"),
    (f"{RUN}‸condition: message.private}}\n", "`clean` has no key `condition`", "did you mean when?"),
    (f"{RUN}‸conditions: [message.private]}}\n", "`clean` has no key `conditions`", "did you mean when?"),
    (f"{TOP}operations:\n  ‸clean: {{run: clean_text}}\n", "`clean` needs the input `text`", "inputs: {text:"),
    (f"{TOP}operations:\n  clean: {{‸operation: clean_text, inputs: {{text: message.text}}}}\n",
     "`clean` has no key `operation`", "did you mean run?"),
    (f"{TOP}operations:\n  clean: {{run: clean_text, ‸input: {{text: message.text}}}}\n",
     "`clean` has no key `input`", "did you mean inputs?"),
    (f"{TOP}operations:\n  clean: {{run: clean_text, ‸text: message.text}}\n",
     "`clean` has no key `text`", "inputs: {text: ...}"),
    (f"{TOP}operations:\n  clean: {{run: clean_text, ‸args: {{text: message.text}}}}\n",
     "`clean` has no key `args`", "did you mean inputs?"),
    (f"{OPS}  answer:\n    inputs: {{label: classify.label, sender: message.name}}\n"
     "    ‸answers: {greeting: hi}\n", "`answer` has no key `answers`", "config: {answers: ...}"),
    (f"{OPS}  answer:\n    inputs: {{label: classify.label, sender: message.name}}\n"
     "    ‸settings: {answers: {greeting: hi}}\n", "`answer` has no key `settings`", "did you mean config?"),
    (f"{RUN}‸retries: 3}}\n", "`clean` has no key `retries`", "did you mean retry?"),
    (f"{RUN}‸node: gpu}}\n", "`clean` has no key `node`", "did you mean on?"),
    (f"{RUN}retry: ‸-1}}\n", "`retry` must be a whole number from 0"),
    (f"{RUN}retry: ‸often}}\n", "`retry` must be a whole number from 0"),
    (f"{RUN}retry: ‸1.5}}\n", "`retry` must be a whole number from 0"),
    (f"{RUN}retry: ‸true}}\n", "`retry` must be a whole number from 0"),
    (f"{RUN}‸retry: }}\n", "`retry` must be a whole number from 0"),
    (f"{RUN}batch: ‸0}}\n", "`batch` must be a whole number from 1 to 100000"),
    (f"{RUN}batch: ‸'32'}}\n", "`batch` must be a whole number from 1"),
    (f"{RUN}concurrency: ‸0}}\n", "`concurrency` must be a whole number from 1 to 1024"),
    (f"{RUN}concurrency: ‸many}}\n", "`concurrency` must be a whole number from 1"),
    (f"{RUN}timeout: ‸0}}\n", "`timeout` must be a time", "30s"),
    (f"{RUN}timeout: ‸-5s}}\n", "`timeout` must be a time", "30s"),
    (f"{RUN}timeout: ‸30 seconds}}\n", "`timeout` must be a time", "30s"),
    (f"{RUN}timeout: ‸2d}}\n", "`timeout` must be a time", "24h"),
    (f"{RUN}timeout: ‸[30s]}}\n", "`timeout` must be a time", "30s"),
    (f"{RUN}on: ‸primry}}\n", "too like `primary`", "did you mean primary?"),
    (f"{RUN}on: ‸node}}\n", "too like `nodes`", "did you mean nodes?"),
    (f"{RUN}on: ‸gpu large}}\n", "is not a label", "[gpu, size=large]"),
    (f"{RUN}on: ‸true}}\n", "takes a label, not true or false"),
    (f"{RUN}on: ‸[]}}\n", "there is no label", "write nodes"),
    (f"{RUN}on: ‸{{gpu: true}}}}\n", "takes a label, not a map"),
    (f"{RUN}on: ‸[size=1, size=2]}}\n", "`size` is given two values"),
]  # fmt: skip

SUBFLOWS = [
    (f"{TOP}operations:\n  u: {{flow: ‸iner.yaml, inputs: {{text: message.text}}}}\n",
     "there is no file", "did you mean inner.yaml?"),
    (f"{TOP}operations:\n  u: {{flow: ‸inner, inputs: {{text: message.text}}}}\n",
     "there is no file", "did you mean inner.yaml?"),
    (f"{TOP}operations:\n  u: {{flow: ‸sub/inner.yaml, inputs: {{text: message.text}}}}\n",
     "there is no file", "no folder"),
    (f"{TOP}operations:\n  u: {{flow: ‸[inner.yaml], inputs: {{text: message.text}}}}\n",
     "`flow` must be a text, not a list"),
    (f"{TOP}operations:\n  u: {{‸flow: , inputs: {{text: message.text}}}}\n",
     "`flow` must be a text, not nothing"),
    (f"{TOP}operations:\n  u: {{flow: ‸flow.yaml, inputs: {{text: message.text}}}}\n",
     "a subflow contains itself: flow.yaml → flow.yaml"),
    (f"{FLOW}‸run: clean_text}}\n", "`run` does not go with `flow`"),
    (f"{FLOW}‸config: {{}}}}\n", "`config` does not go with `flow`", "inside the subflow"),
    (f"{FLOW}‸on: gpu}}\n", "`on` does not go with `flow`"),
    (f"{FLOW}‸timeout: 5s}}\n", "`timeout` does not go with `flow`"),
    (f"{TOP}operations:\n  ‸u: {{flow: inner.yaml, inputs: {{text: message.text}}}}\n",
     "`u` needs the input `nick`", "inputs: {nick: ...}"),
    (f"{TOP}operations:\n  u: {{flow: inner.yaml, inputs: {{text: message.text, nick: message.nick, ‸txt: message.text}}}}\n",
     "`u` has no input `txt`", "did you mean text?"),
    (f"{FLOW}}}\noutputs: {{label: ‸clean.label}}\n", "`clean` has no output `label`", "outputs: open, text"),
    (f"{FLOW}}}\noutputs: {{label: ‸clean.clean.text}}\n", "`clean` has no output `clean.text`", "text"),
    (f"{TOP}operations:\n  u: {{‸include: inner.yaml, inputs: {{text: message.text, nick: message.nick}}}}\n",
     "`u` has no key `include`", "did you mean flow?"),
    (f"{TOP}operations:\n  u: {{‸subflow: inner.yaml, inputs: {{text: message.text, nick: message.nick}}}}\n",
     "`u` has no key `subflow`", "did you mean flow?"),
]  # fmt: skip


@pytest.mark.parametrize("expected", [case(each) for each in [*FILE, *NAMES]])
def test_the_top_of_the_file(tmp_path: Path, expected: tuple[str, ...]) -> None:
    check(tmp_path, expected)


@pytest.mark.parametrize("expected", [case(each) for each in [*INSTALLED, *KEYS]])
def test_an_operation(tmp_path: Path, expected: tuple[str, ...]) -> None:
    check(tmp_path, expected)


@pytest.mark.parametrize("expected", [case(each) for each in SUBFLOWS])
def test_a_subflow(tmp_path: Path, expected: tuple[str, ...]) -> None:
    check(tmp_path, expected)
