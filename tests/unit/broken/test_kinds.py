"""Values in templates that are used as what they are not, and what follows from one fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatbot.flowfile.load import load
from tests.unit.broken import BOT, OPS, TOP, case, check, written

WHEN = f'{OPS}  say:\n    reply: hi\n    when: "{{{{ '
SAY = f"{TOP}operations:\n  say:\n    reply: "
KEEP = f"{TOP}state: {{step: {{type: string}}, count: {{type: integer}}}}\noperations:\n  keep: "
DUE = (
    f"{TOP}listeners: {{irc: {{server: a.example, channels: ['#a']}}}}\n"
    'schedules: {digest: {every: hour, in: [irc/#a]}}\noperations:\n  say: {reply: "{{ '
)

KINDS = [
 (f"{WHEN}‸classify.score > '0.5' }}}}\"\n", "is a number, and is compared with a string", "write 0.5, without quotes"),
 (f"{WHEN}‸classify.sure == 'true' }}}}\"\n", "is true or false, and is compared with a string", "write true"),
 (f"{SAY}\"{{{{ ‸message.text > 5 }}}}\"\n", "is a string, and is compared with a whole number", "| int"),
 (f"{SAY}\"{{{{ ‸message.text + 1 }}}}\"\n", "is a string, and cannot be added to a whole number"),
 (f"{SAY}\"{{% for each in ‸message.addressed %}}{{{{ each }}}}{{% endfor %}}\"\n", "is true or false, and not a list"),
 (f"{KEEP}{{set: {{step: ‸message.addressed}}}}\n", "is true or false, and the state `step` is a string", "`type`"),
 (f"{KEEP}{{set: {{count: {{add: ‸message.text}}}}}}\n", "is a string, and the state `count` is a number"),
 (f"{DUE}‸schedule.digest.dat }}}}\"}}\n", "a schedule has no field `dat`", "did you mean date?"),
 (f"{DUE}‸schedule.digst.date }}}}\"}}\n", "no schedule `digst`", "did you mean digest?"),
]  # fmt: skip

ONE = [
 (f"{BOT}".replace("label: classify.label", "label: ‸classify"), "`classify` is not a source", "classify.<output>"),
 (f"{TOP}operations:\n  a: {{run: expression, inputs: {{x: ‸a.value}}, config: {{text: '{{{{ x }}}}'}}}}\n  say: {{reply: '{{{{ a.value }}}}'}}\n", "comes only from itself"),
 (f"{TOP}operations:\n  say: {{run: answer, ‸reply: hi}}\n", "`reply` does not go with `run`"),
 (f"{TOP}operations:\n  a: {{flow: inner.yaml, inputs: {{text: message.text, nick: message.nick}}, ‸run: clean_text, config: {{}}}}\n", "`run` does not go with `flow`"),
 (f"{KEEP}{{set: {{count: {{‸increment: 1}}}}}}\n", "no key `increment`"),
 (f"{TOP}operations:\n  say:\n    reply: hi\n    when: ‸!message.addressed\n", "the tag !message.addressed", "quotes"),
 (f"{TOP}operations:\n  say: ‸hello\n", "`say` must be a map", "{reply: hello}"),
 (f"{TOP}operations:\n  say:\n    reply: hi\n    when: ‸“{{{{ message.addressed }}}}”\n", "is not a source", "straight quotes"),
 (f"{WHEN}classify.label == ‸bug }}}}\"\n", "`bug` is nothing here", "quotes: 'bug'"),
 (f"{TOP}operations:\n  say:\n    reply: hi\n    when: ‸{{value: false}}\n", "`when` takes a source, not a map", "an expression"),
 (f"{TOP}‸params: {{threshold: 0.5}}\noperations:\n  c: {{run: classify_text, inputs: {{text: message.text}}, config: {{examples: labels.yaml, threshold: '${{threshold}}'}}}}\n", "no key `params`", "did you mean parameters?"),
 (f"{TOP}‸command: {{flow: [appeal]}}\noperations:\n  say: {{reply: hi}}\n", "no key `command`", "did you mean commands?"),
 (f"{TOP}listeners:\n‸console:\noperations:\n  say: {{reply: hi}}\n", "`console` stands beside `listeners:`", "indent it"),
 (f"{TOP}include: [{{‸path: inner.yaml}}]\noperations:\n  say: {{reply: hi}}\n", "`include` has no key `path`"),
 (f"{TOP}operations:\n  a:\n    flow: ‸labels.yaml\n    inputs: {{text: message.text}}\n", "labels.yaml is no flow", "a file of examples"),
]  # fmt: skip

STRANGERS = [
 ("‸services:\n  nats: {image: nats}\n", "is no flow", "a compose file"),
 ("name: ci\non: [push]\n‸jobs:\n  test: {steps: []}\n", "is no flow", "a workflow of GitHub"),
 ("version: '3.1'\n‸intents: [greet]\nresponses: {}\n", "is no flow", "a file of Rasa"),
 ("‸apiVersion: v1\nkind: Pod\n", "is no flow", "Kubernetes"),
 ("‸greeting: [hi, hello]\nbug: [it crashes]\n", "is no flow", "a file of examples"),
 ("‸colour: red\nsize: 3\n", "is no flow", "`version: 1` and `operations:`"),
]  # fmt: skip

WARNED = [
 (f"{SAY}\"hi ‸${{message.name}}\"\n", "${message.name} is said as it stands"),
 (f"{SAY}\"hi ‸<%= message.name %>\"\n", "is said as it stands"),
 (f"{SAY}‸\"{{{{ message.name }}}}}}}}\"\n", "nothing opens these braces"),
 (f"{TOP}commands: {{flow: [forgive]}}\noperations:\n  say:\n    reply: hi\n    when: \"{{{{ message.command == '‸forgiv' }}}}\"\n", "`forgiv` is none of the flow's own commands"),
]  # fmt: skip


@pytest.mark.parametrize("expected", [case(each) for each in KINDS])
def test_a_value_that_is_used_as_what_it_is_not(tmp_path: Path, expected: tuple[str, ...]) -> None:
    check(tmp_path, expected)


@pytest.mark.parametrize("expected", [case(each) for each in ONE])
def test_one_fault_is_one_problem(tmp_path: Path, expected: tuple[str, ...]) -> None:
    check(tmp_path, expected)


@pytest.mark.parametrize("expected", [case(each) for each in STRANGERS])
def test_a_file_that_is_no_flow_is_told_as_what_it_is(
    tmp_path: Path, expected: tuple[str, ...]
) -> None:
    check(tmp_path, expected)


@pytest.mark.parametrize("expected", [case(each) for each in WARNED])
def test_what_is_hardly_meant_is_warned_of(tmp_path: Path, expected: tuple[str, ...]) -> None:
    path, line, column = written(tmp_path, expected[0])
    [warning] = load(path, environment={}.get).warnings
    assert (warning.line, warning.column) == (line, column)
    assert expected[1] in warning.message
