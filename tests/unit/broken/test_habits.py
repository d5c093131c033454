"""Habits of other formats and languages, and slips of the hand, that used to be told badly."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatbot.flowfile.load import load
from tests.unit.broken import CLEAN, OPS, TOP, case, check, problems_of, written

SAY = "  say: {reply: hi}\n"
NET = f"{TOP}listeners: {{irc: {{server: a.example, channels: ['#a']}}}}\n"

SYNTAX = [
 (f"{TOP}listeners:\n  irc: {{server: a.example, channels: [‸#dev, other]}}\noperations:\n{SAY}", "# begins a comment here", '"#dev"'),
 (f"{TOP}listeners:\n  irc: {{server: a.example, channels: ['#a', ‸#dev]}}\noperations:\n{SAY}", "# begins a comment here", '"#dev"'),
 (f"{TOP}listeners:\n  irc: {{server: a.example, password: ‸${{SECRET}}}}\noperations:\n{SAY}", "${…} needs quotes here", '"${NAME}"'),
 (f"{TOP}operations:\n  say:\n    reply: ‸{{{{ message.text }}}}\n", "a template without quotes", "put the whole text in quotes"),
 (f"{TOP}operations:\n  say: {{reply: hi, when: ‸{{{{ message.private }}}}}}\n", "a template without quotes"),
 (f"{TOP}operations:\n  say:\n    reply: ‸{{{{ message.text }}}}!\n", "cannot begin with {", "in quotes"),
 (f"{TOP}operations:\n  say:\n    reply: ‸[bot] hello\n", "cannot begin with [", "in quotes"),
 (f"{TOP}operations:\n  say:\n    reply: \"C:‸\\Users\\anna\"\n", "\\U wants the number of a character", "single quotes"),
 (f"{TOP}operations:\n  say:\n    reply: 'it'‸s nice'\n", "goes on after its closing quote", "of the other kind"),
 ("‸<<<<<<< HEAD\nversion: 1\n=======\nversion: 1\n>>>>>>> x\n", "two versions of this file", "<<<"),
 (f"{TOP}operations:\n{SAY}‸<<<<<<< HEAD\n  b: {{reply: x}}\n=======\n>>>>>>> x\n", "two versions of this file"),
 (f"{TOP}operations:\n  say:‸\u00a0{{reply: hi}}\n", "looks like a space, and is none", "U+00A0"),
 (f"{TOP}operations:\n‸\u00a0 say: {{reply: hi}}\n", "looks like a space, and is none"),
 (f"{TOP}operations:\n  say:\n    reply: ‸!important\n", "the tag !important", "quotes"),
]  # fmt: skip

ENTRIES = [
 (f"{TOP}operations:\n  say:\n  ‸reply: hi\n", "`reply` stands beside `say:`, not under it", "indent"),
 (f"{TOP}operations:\n  clean:\n  ‸run: clean_text\n", "`run` stands beside `clean:`", "indent"),
 (f"{TOP}operations:\n  say:\n    ‸reply:hi\n", "must be a map, not a text", "write `reply: hi`"),
 (f"{TOP}operations:\n  say:\n    ‸reply hi\n", "must be a map, not a text", "write `reply: hi`"),
 (f"{TOP}operations:\n  say:\n    ‸reply = hi\n", "must be a map, not a text", "write `reply: hi`"),
 (f"{TOP}operations:\n  say: {{‸reply:hi}}\n", "`say` has no key `reply:hi`", "write `reply: hi`"),
 (f"{TOP}operations:\n  say: {{‸replay: hi}}\n", "`say` has no key `replay`", "did you mean reply?"),
 (f"{TOP}operations:\n  say: {{‸answer: hi}}\n", "`say` has no key `answer`", "did you mean reply?"),
 (f"{TOP}‸description: my bot\noperations:\n{SAY}", "no key `description`", "say it in a comment"),
 (f"{TOP}operations:\n  a: {{run: clean_text, inputs: {{text: ‸{{message.text}}, nick: message.nick}}}}\n", "a source is no map", "write message.text"),
 (f"{TOP}operations:\n  a: {{run: ‸my.module:work, inputs: {{text: message.text}}}}\n", "no operation `my.module:work`", "./my/module.py:work"),
 (f"{TOP}operations:\n{CLEAN}  classify:\n    run: classify_text\n    inputs: {{text: clean.text}}\n    config: {{examples: labels.yaml, threshold: 0,‸5}}\n", "has no key `5`", "write 0.5, with a point"),
 ("version: 1\nname: " + "‸" + "a" * 65 + f"\noperations:\n{SAY}", "cannot name a flow", "longer than 64"),
]  # fmt: skip

TEMPLATES = [
 (f"{OPS}  say: {{reply: hi, when: \"{{{{ classify.sure ‸&& message.private }}}}\"}}\n", "`&` means nothing", "write `and`"),
 (f"{OPS}  say: {{reply: hi, when: \"{{{{ ‸!classify.sure }}}}\"}}\n", "`!` means nothing", "write `not`"),
 (f"{OPS}  say: {{reply: \"‸{{% if message.private %}}hi\"}}\n", "this {% if %} is never closed", "{% endif %}"),
 (f"{OPS}  say: {{reply: \"{{% if message.private %}}hi‸{{% end %}}\"}}\n", "there is no `{% end %}`", "did you mean endif?"),
 (f"{OPS}  say: {{reply: \"‸{{% unless x %}}hi\"}}\n", "there is no `{% unless %}`", "if, for and set"),
 (f"{OPS}  say: {{reply: \"{{{{ ‸open('x') }}}}\"}}\n", "nothing but range"),
 (f"{OPS}  say: {{reply: \"{{{{ message.text‸.strip() }}}}\"}}\n", "nothing but range", "use a filter"),
 (f"{OPS}  say: {{reply: \"{{{{ ‸name }}}}\"}}\n", "`name` is nothing here", "did you mean message.name?"),
]  # fmt: skip

VALUES = [
 (f"{TOP}listeners:\n  irc: {{server: a.example, channels: ['#a', ‸dev]}}\noperations:\n{SAY}", "'dev' is not a channel"),
 (f"{NET}schedules: {{d: {{every: hour, ‸cron: 0 18 * * *, in: 'irc/#a'}}}}\noperations:\n{SAY}", "must have `every` or `cron`", "take one of them"),
 (f"{TOP}listeners:\n  irc: {{server: ‸a.example:6697, channels: ['#a']}}\noperations:\n{SAY}", "`server` has a port in it", "port: 6697"),
 (f"{TOP}listeners:\n  irc: {{server: a.example, channels: ['#a'], ‸ssl: true}}\noperations:\n{SAY}", "no setting `ssl`", "did you mean tls?"),
 (f"{TOP}listeners:\n  irc: ‸irc.libera.chat\noperations:\n{SAY}", "`irc` must be a map", "{server: irc.libera.chat}"),
 (f"{TOP}backlog: ‸10m\noperations:\n{SAY}", "`backlog`: there is no `10m`", "skip older than 10m"),
 (f"{TOP}state: {{count: ‸0}}\noperations:\n{SAY}", "`count` must be a map", "{start: 0}"),
 (f"{TOP}state: {{n: {{start: 0}}}}\noperations:\n  a: {{set: {{n: ‸+1}}}}\n", "must be changed by a map", "{add: 1}"),
 (f"{TOP}state: {{n: {{type: string}}}}\noperations:\n  a: {{set: {{n: {{‸add: 1}}}}}}\n", "of type string: it has no `add`"),
 (f"{TOP}state: {{n: {{type: integer}}}}\noperations:\n  a: {{set: {{n: {{‸append: message.text}}}}}}\n", "of type integer: it has no `append`"),
 (f"{TOP}state: {{n: {{type: integer}}}}\noperations:\n  a: {{set: {{n: {{value: ‸x}}}}}}\n", "must be of type integer, not a text"),
 (f"{TOP}seeds: {{a: {{value: ‸x, type: integer}}}}\noperations:\n{SAY}", "`a` must be of type integer, not a text"),
 (f"{NET}schedules: {{d: {{every: day at 18:00, in: 'irc/#a'}}}}\noperations:\n  ‸say: {{reply: \"{{{{ schedule.d.date }}}} {{{{ message.text }}}}\"}}\n",
  "`say` can never start: `schedule.d` and `message.text` never come together"),
 (f"{NET}schedules: {{d: {{every: hour, in: 'irc/#a'}}, e: {{every: day, in: 'irc/#a'}}}}\noperations:\n  up: {{run: expression, inputs: {{x: schedule.d}}, config: {{text: '{{{{ x.date }}}}'}}}}\n  ‸say: {{reply: \"{{{{ up.value }}}}\", when: \"{{{{ schedule.e.day == 'x' }}}}\"}}\n".replace("every: day,", "every: 15m,"),
  "`say` can never start"),
]  # fmt: skip

FOREIGN = [
 ('{"operations": {"x": {"name": ‸"clone_git_repo", "inputs": {}, "outputs": {}, "stage": "processing"}}, "flow": {}, "definitions": {}}', "no operation `clone_git_repo`", "pip install dffml-feature-git"),
 ('{"operations": {"x": {"name": ‸"operations.api:query", "inputs": {}, "outputs": {}, "stage": "processing"}}, "flow": {}, "definitions": {}}', "no operation `operations.api:query`", "./operations/api.py:query"),
 ('{"operations": {"x": ‸5}, "flow": {}, "definitions": {}}', "the operation `x` must be a map"),
 ('{"operations": {}, "flow": {‸"y": {"inputs": {}}}, "definitions": {}}', "`flow` has `y`, and `operations` has not"),
 ('{"linked": true, "operations": {"x": {"name": "x", "inputs": {"a": ‸"t"}}}, "flow": {}, "definitions": {}}', "`a` of `x` has no definition"),
 ('{"operations": {}, "flow": {}, "definitions": {‸"t": {"name": "t"}}}', "the definition `t` has no primitive"),
 ('{"operations": {}, "flow": {}, "definitions": {}, "seed": [{"value": 1, "definition": ‸"t"}]}', "no definition `t` in this file", "dataflow merge"),
]  # fmt: skip


@pytest.mark.parametrize("expected", [case(each) for each in SYNTAX])
def test_what_yaml_reads_otherwise_than_it_was_meant(
    tmp_path: Path, expected: tuple[str, ...]
) -> None:
    check(tmp_path, expected)


@pytest.mark.parametrize("expected", [case(each) for each in ENTRIES])
def test_an_entry_as_others_would_write_it(tmp_path: Path, expected: tuple[str, ...]) -> None:
    check(tmp_path, expected)


@pytest.mark.parametrize("expected", [case(each) for each in TEMPLATES])
def test_a_template_is_pointed_at_where_it_is_wrong(
    tmp_path: Path, expected: tuple[str, ...]
) -> None:
    check(tmp_path, expected)


@pytest.mark.parametrize("expected", [case(each) for each in VALUES])
def test_a_value_that_cannot_be(tmp_path: Path, expected: tuple[str, ...]) -> None:
    check(tmp_path, expected)


@pytest.mark.parametrize("expected", [case(each) for each in FOREIGN])
def test_a_dataflow_of_dffmls_that_has_not_its_shape(
    tmp_path: Path, expected: tuple[str, ...]
) -> None:
    check(tmp_path, expected, suffix=".json")


def test_a_value_that_became_a_comment_is_a_warning(tmp_path: Path) -> None:
    text = (
        f"{TOP}listeners:\n  irc:\n    server: a.example\n    ‸channels: #dev\noperations:\n{SAY}"
    )
    path, line, column = written(tmp_path, text)
    [warning] = load(path, environment={}.get).warnings
    assert (warning.line, warning.column) == (line, column)
    assert str(warning).endswith('`channels` is empty: # begins a comment (if it is meant, put it in quotes: "#dev")')  # fmt: skip


RIGHT = [
    "  irc: {server: a.example}   # the network\n",
    "  irc:\n    server: a.example\n    channels:   # none yet\n",
    "  irc: {server: a.example, channels: ['#a', \"#b\"]} # [#c]\n",
    "  irc:\n    server: a.example\n    channels: [\n      '#a',  #b\n    ]\n",
]


@pytest.mark.parametrize("listener", RIGHT)
def test_a_comment_that_is_one_is_left_alone(tmp_path: Path, listener: str) -> None:
    path, *_ = written(tmp_path, f"{TOP}listeners:\n{listener}operations:\n{SAY}‸")
    assert problems_of(path) == []
    assert load(path, environment={}.get).warnings == ()


SCHEDULED = [
    '  say: {reply: "{{ schedule.d.date }} {{ message.room }} {{ state.n }}"}\n',
    '  say: {reply: "{{ x }}", inputs: {x: [schedule.d, message.text]}}\n',
    '  say: {reply: "{{ x }} {{ message.text }}", inputs: {x: {from: schedule.d, default: no}}}\n',
    '  one: {reply: "{{ schedule.d.date }}"}\n  two: {reply: "{{ message.text }}"}\n',
]


@pytest.mark.parametrize("operations", SCHEDULED)
def test_what_a_schedule_and_a_message_may_share(tmp_path: Path, operations: str) -> None:
    top = f"{NET}state: {{n: {{}}}}\nschedules: {{d: {{every: day at 18:00, in: 'irc/#a'}}}}\n"
    path, *_ = written(tmp_path, f"{top}operations:\n{operations}‸")
    assert problems_of(path) == []


def test_a_table_that_is_there_twice_is_named(tmp_path: Path) -> None:
    text = 'version = 1\n[operations.say]\nreply = "hi"\n[operations.say‸]\nreply = "ho"\n'
    check(tmp_path, (text, "Cannot declare `operations.say` twice"), suffix=".toml")
