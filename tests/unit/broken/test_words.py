"""Messages that a newcomer can act on: each was unhelpful, or elsewhere, when it was tried first."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatbot.flowfile.load import load
from tests.unit.broken import TOP, case, check, written

SAY = "operations:\n  say: {reply: hi}\n"
HI = f"{TOP}operations:\n  say:\n    reply: "
OFF = f"{TOP}listeners:\n  irc:\n    server:\n"
IRC = f"{TOP}listeners:\n  irc:\n    server: irc.example.org\n    channels: ['#a']\n"
DUE = f"{IRC}schedules:\n  d:\n    in: ['irc/#a']\n    every: "
JSON = '{{\n  "version": 1,\n  "operations": {{"say": {}}}{}\n'
TOML = 'version = 1\n[operations.say]\nreply = "hi"\n'

YAML_TEXT = [
 (f"{TOP}operations:\n  a:\n    inputs: ‸{{text: message.text\n  say: {{reply: hi}}\n", "this { is never closed", "}"),
 (f"{TOP}operations:\n  a: {{run: clean_text, inputs: {{text: message.text\n    ‸nick: message.nick}}}}\n", "is missing before this"),
 (f"{TOP}operations:\n  a:\n    reply: ‸\"hi\n  b:\n    reply: \"ho\"\n", "this quote is never closed"),
 (f"{HI}‸> hi there\n", "a text cannot begin with >", "quotes"),
 (f"{HI}‸| \"hi\"\n", "a text cannot begin with |", "quotes"),
 (f"{HI}‸{{{{ message.name }}}}: hi\n", "a text cannot begin with {", "quotes"),
 (f"{HI}{{text: hi, room: ‸#dev }}\n", "# begins a comment here", '"#dev"'),
 ("version: ‸2\n" + SAY, "not supported", "update `chatbot`"),
 ("version: ‸0\n" + SAY, "not supported", "chatbot flow migrate"),
]  # fmt: skip

NOT_JSON = [
 (JSON.format('{{"reply": "hi"}}‸,', "}}").replace("{{", "{").replace("}}", "}"), "a comma too many", "take it out"),
 (JSON.format("{\"reply\": ‸'hi'}", "\n}").replace("{{", "{").replace("}}", "}"), "no double quotes", '"…"'),
 ('{\n  "version": 1‸\n  "operations": {"say": {"reply": "hi"}}\n}\n', "a comma is missing here"),
 ('{\n  ‸// a bot\n  "version": 1\n}\n', "JSON has no comments", "YAML"),
 ('{"version": 1, "operations": {"say": {"reply": "hi", "when": ‸True}}}\n', "`True` means nothing", "write true"),
 ('‸{\n  "version": 1,\n  "operations": {"say": {"reply": "hi"}}\n', "this { is never closed", "}"),
 ('{"version": 1, "name": ‸"broken, "operations": 1}\n'.replace('"name": ‸"broken, ', '"name": ‸"broken,\n'), "this quote is never closed"),
 ('{"version": 1, "operations" ‸{}}\n', "a colon is missing"),
]  # fmt: skip

NOT_TOML = [
 (TOML.replace('"hi"', "‸hi"), "Invalid value", "a text needs quotes"),
 ('version = 1\nwhen = ‸["a"\n[operations.say]\nreply = "hi"\n', "Unclosed array", "close it with ]"),
]  # fmt: skip

SETTINGS = [
 (f"{TOP}commands: {{prefix: ‸!, flow: [x]}}\n{SAY}", "a text cannot begin with !", "quotes"),
 (f"{TOP}seeds: {{a: {{‸valeu: 1, lock: true}}}}\n{SAY}", "`a` has no key `valeu`", "did you mean value?"),
 (f"{TOP}parameters: {{room: x}}\noperations:\n  a: {{run: ‸karma.find, inputs: {{text: message.text}}}}\n", "no operation `karma.find`", "did you mean karma.py:find?"),
 (f"{TOP}operations:\n  a: {{run: ‸karma:find, inputs: {{text: message.text}}}}\n", "no operation `karma:find`", "did you mean karma.py:find?"),
 (f"{OFF}    port: ‸70000\n{SAY}", "1 to 65535"),
 (f"{OFF}    nick: ‸my bot\n{SAY}", "must be a nick"),
 (f"{OFF}    channels: [‸dev]\n{SAY}", "'dev' is not a channel", 'write "#dev"'),
 (f"{IRC}    rooms: ‸['#a']\n{SAY}", "must be a map, not a list", "its `channels`"),
 (f"{IRC}    limits: {{person: ‸10}}\n{SAY}", "not a whole number", "10 in 1m"),
 (f"{IRC}    password: ‸${{IRC PASSWORD}}\n{SAY}", "no variable of the environment", "${NAME}"),
 (f"{IRC}    invites: ‸anna\n{SAY}", "true or false or a list", "[a, b]"),
 (f"{TOP}storage: {{keep: ‸7 days}}\n{SAY}", "has no unit of time", "write 7d"),
 (f"{DUE}‸daily\n{SAY}", "no time that comes again", "write day at 9:00"),
 (f"{IRC}schedules: {{d: {{every: hour, in: [‸'#a']}}}}\n{SAY}", "`in` takes rooms", '"irc/#a"'),
 (f"{TOP}state: {{count: {{type: ‸array}}}}\n{SAY}", "`type` must be one of", "did you mean list?"),
 (f"{TOP}include: [‸nowhere.yaml]\n{SAY}", "there is no file"),
]  # fmt: skip

TEMPLATES = [
 (f"{HI}‸\"{{{{ 1 + }}}}\"\n", "something is missing before the }}"),
 (f"{HI}\"{{% if message.private %}}a‸{{% else if message.old %}}b{{% endif %}}\"\n", "`if` cannot stand here", "elif"),
 (f"{HI}‸\"{{{{ message.text[0 }}}}\"\n", "a `]` is missing"),
 (f"{HI}\"hi ‸{{# there\"\n", "this {# is never closed", "#}"),
 (f"{HI}\"{{{{ message.name }}}} {{{{ ‸message.nam }}}}\"\n", "a message has no field `nam`", "did you mean name?"),
 (f"{TOP}operations:\n  a:\n    run: answer\n    inputs: {{label: message.text, sender: message.name}}\n    config: {{answers: {{x: 'hi ‸{{sender!'}}}}\n", "never closes its {sender", "write {sender}"),
]  # fmt: skip

WARNED = [
 (f"{TOP}parameters:\n  ‸room: #dev   # where\n{SAY}", "`room` is empty: # begins a comment", '"#dev"'),
 (f"{IRC}schedules: {{d: {{every: hour, in: [‸'irc/#aa']}}}}\n{SAY}", "does not join `#aa`", "did you mean #a?"),
 (f"{TOP}operations:\n  a: {{run: expression, inputs: {{x: [message.text, ‸b.value]}}, config: {{text: '{{{{ x }}}}'}}}}\n  b: {{run: expression, inputs: {{y: a.value}}, config: {{text: '{{{{ y }}}}'}}}}\n", "`a` comes after itself, and may never end: `a` ← `b` ← `a`", "when"),
 (f"{HI}‸see #support for more\n", "ends before the #", "quotes"),
 (f"{HI}‸&here we go\n", "&here is no part of `reply`", "quotes"),
]  # fmt: skip


@pytest.mark.parametrize("expected", [case(c) for c in [*YAML_TEXT, *SETTINGS, *TEMPLATES]])
def test_it_is_told_in_its_place_and_what_to_do(tmp_path: Path, expected: tuple[str, ...]) -> None:
    check(tmp_path, expected)


@pytest.mark.parametrize("expected", [case(c) for c in NOT_JSON])
def test_json_is_told_in_its_place_and_what_to_do(
    tmp_path: Path, expected: tuple[str, ...]
) -> None:
    check(tmp_path, expected, ".json")


@pytest.mark.parametrize("expected", [case(c) for c in NOT_TOML])
def test_toml_is_told_in_its_place_and_what_to_do(
    tmp_path: Path, expected: tuple[str, ...]
) -> None:
    check(tmp_path, expected, ".toml")


@pytest.mark.parametrize("expected", [case(c) for c in WARNED])
def test_a_text_that_yaml_cuts_is_warned_of(tmp_path: Path, expected: tuple[str, ...]) -> None:
    text, *words = expected
    path, line, column = written(tmp_path, text)
    [warning] = load(path, environment={}.get).warnings
    assert (warning.line, warning.column) == (line, column)
    assert all(word in str(warning) for word in words)


@pytest.mark.parametrize(
    "line", ["reply: hi there  # a remark", "nick: bot #x", "a: &b c d\nb: *b"]
)
def test_an_ordinary_remark_or_anchor_is_not_warned_of(tmp_path: Path, line: str) -> None:
    from chatbot.flowfile.document import read
    from chatbot.flowfile.problems import Report

    (tmp_path / "a.yaml").write_text(f"{line}\n")
    read(tmp_path / "a.yaml", report := Report())
    assert report.warnings() == []
