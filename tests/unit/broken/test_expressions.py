"""Conditions and replies with expressions and templates; state, schedules and included files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.broken import CLEAN, OPS, TOP, case, check

A = f"{OPS}  answer:\n    when: "
R = "    inputs: {label: classify.label, sender: message.name}\n    config: {answers: {greeting: hi}}\n"

EXPRESSIONS = [
 (f"{A}\"{{{{ classify.label == '‸bgu' }}}}\"\n{R}", "label is never `bgu`: it comes from classify.label", "did you mean bug?"),
 (f"{A}\"{{{{ classify.label in ['bug', '‸greting'] }}}}\"\n{R}", "label is never `greting`", "did you mean greeting?"),
 (f"{A}‸\"{{{{ classify.label == 'bug' and classify.label == 'greeting' }}}}\"\n{R}", "can never start", "is never true"),
 (f"{A}‸\"{{{{ message.private and not message.private }}}}\"\n{R}", "can never start"),
 (f"{A}‸\"{{{{ false }}}}\"\n{R}", "can never start"),
 (f"{A}‸\"{{{{ 1 > 2 }}}}\"\n{R}", "can never start"),
 (f"{A}\"{{{{ message.kind == '‸reation' }}}}\"\n{R}", "kind is never `reation`", "did you mean reaction?"),
 (f"{A}\"{{{{ ‸classify.lable == 'bug' }}}}\"\n{R}", "has no output `lable`", "did you mean label?"),
 (f"{A}‸\"{{{{ classify.label == }}}}\"\n{R}", "no template"),
 (f"{A}\"{{{{ classify.label ‸= 'bug' }}}}\"\n{R}", "no template", "compared with =="),
 (f"{A}\"‸{{{{ classify.score > 0.5 \"\n{R}", "no template", "close it with }}"),
 (f"{A}‸classify.label == 'bug'\n{R}", "is not a source", "{{"),
 (f"{A}‸not classify.sure\n{R}", "is not a source", "{{"),
 (f"{OPS}  say: {{reply: \"Hello {{{{ ‸message.nam }}}}\"}}\n", "a message has no field `nam`", "did you mean name?"),
 (f"{OPS}  say: {{reply: \"Hello {{{{ ‸sender }}}}\"}}\n", "`sender` is nothing here", "message"),
 (f"{OPS}  say: {{reply: \"Hello ‸{{{{ message.name }}\"}}\n", "no template", "never closed"),
 (f"{OPS}  say: {{reply: \"Hello {{{{ message.name | ‸shout }}}}\"}}\n", "shout"),
 (f"{OPS}  say: {{‸reply: }}\n", "`reply` must be a text"),
 (f"{OPS}  say: {{reply: ‸5}}\n", "`reply` must be a text"),
 (f"{OPS}  say: {{reply: {{‸txt: hi}}}}\n", "`reply` has no key `txt`", "did you mean text?"),
 (f"{OPS}  say: {{reply: {{by: classify.label, texts: {{‸greting: hi, bug: x}}}}}}\n", "label is never `greting`", "did you mean greeting?"),
 (f"{OPS}  say: {{reply: {{by: ‸classify.lable, texts: {{greeting: hi}}}}}}\n", "no output `lable`"),
 (f"{OPS}  say: {{reply: {{‸texts: {{greeting: hi}}}}}}\n", "need a `by`"),
 (f"{OPS}  say: {{reply: hi, ‸config: {{}}}}\n", "`say` has no key `config`"),
 (f"{OPS}  count: {{set: {{‸counter: {{add: 1}}}}}}\n", "no state"),
 (f"{TOP}state: {{n: {{type: ‸int}}}}\noperations:\n{CLEAN}", "type", "did you mean integer?"),
 (f"{TOP}state: {{n: {{‸scope: room}}}}\noperations:\n{CLEAN}", "has no key `scope`"),
 (f"{TOP}state: {{n: {{per: ‸user}}}}\noperations:\n{CLEAN}", "`per`"),
 (f"{TOP}state: {{n: {{keep: ‸forever}}}}\noperations:\n{CLEAN}", "`keep`"),
 (f"{TOP}schedules: {{‸daily: {{in: irc/#a}}}}\noperations:\n{CLEAN}", "daily"),
 (f"{TOP}include: ‸nets.yaml\noperations:\n{CLEAN}", "there is no file"),
 (f"{TOP}‸includes: inner.yaml\noperations:\n{CLEAN}", "no key `includes`", "did you mean include?"),
]  # fmt: skip

AFTER = [
    (f"{OPS}  say: {{reply: hi, ‸run: answer}}\n".replace("‸run", "run").replace("reply", "‸reply"),
     "`reply` does not go with `run`"),
    (f"{TOP}schedules: {{daily: {{every: ‸day at 25:00, in: irc/#a}}}}\noperations:\n{CLEAN}",
     "a time that no clock shows", "day at 18:00"),
    (f"{TOP}schedules: {{daily: {{cron: ‸'* * *', in: irc/#a}}}}\noperations:\n{CLEAN}", "five fields"),
    (f"{TOP}schedules: {{daily: {{every: day at 18:00, ‸zon: UTC, in: irc/#a}}}}\noperations:\n{CLEAN}",
     "`daily` has no key `zon`", "did you mean zone?"),
    (f"{TOP}schedules: {{daily: {{every: hour, in: ‸irc/#a}}}}\noperations:\n{CLEAN}",
     "there is no listener `irc`"),
    (f"{TOP}parameters: {{threshold: 0.5}}\noperations:\n{CLEAN}  classify:\n    run: classify_text\n"
     "    inputs: {text: clean.text}\n    config: {examples: labels.yaml, threshold: \"‸${treshold}\"}\n",
     "there is no parameter `treshold`", "did you mean threshold?"),
]  # fmt: skip


@pytest.mark.parametrize("expected", [case(each) for each in EXPRESSIONS])
def test_an_expression_a_reply_or_a_state(tmp_path: Path, expected: tuple[str, ...]) -> None:
    check(tmp_path, expected)


@pytest.mark.parametrize("expected", [case(each) for each in AFTER])
def test_what_more_follows_from(tmp_path: Path, expected: tuple[str, ...]) -> None:
    check(tmp_path, expected, alone=False)
