"""Files of tests as people break them: each is refused at the right place, with a helpful word."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatbot.commands.trials import Selection, collect
from chatbot.errors import FlowError, UsageError

FLOW = """\
version: 1
name: right
listeners: {irc: {server: irc.example.org, channels: ["#a"]}}
schedules: {morning: {every: day at 9:00, in: ["irc/#a"]}}
operations:
  say: {reply: "{{ message.text }}"}
outputs: {label: message.text, loud: message.addressed}
"""
T = "tests:\n  - "
# What is in the file, where the problem is, and what is said of it: parts of message and hint.
BROKEN = {
    "empty": ("", "1:1", ["is empty", "write `tests:`"]),
    "only a comment": ("# to do\n", "1:1", ["is empty", "write `tests:`"]),
    "nothing under tests": ("tests:\n", "1:1", ["no tests", "- {said: "]),
    "an empty list": ("defaults: {by: anna}\ntests: []\n", "2:8", ["no tests"]),
    "one test": ("test:\n  - {said: hi, reply: hi}\n", "1:1", ["`test`", "did you mean tests?"]),
    "a map of tests": ("tests:\n  said: hi\n  reply: hi\n", "2:3", ["must be a list", "- {said"]),
    "no tests before the list": ("- {said: hi, reply: hi}\n", "1:1", ["a map", "`tests:`"]),
    "a text": (f"{T}hi\n", "2:5", ["a test must be a map", "{said:"]),
    "nothing behind the dash": (f"{T}\n", "2:4", ["a test must be a map", "{said:"]),
    "say": (f"{T}{{say: hi, reply: hi}}\n", "2:6", ["`say`", "did you mean said?"]),
    "replies": (f"{T}{{said: hi, replies: hi}}\n", "2:16", ["`replies`", "did you mean reply?"]),
    "response": (f"{T}{{said: hi, response: hi}}\n", "2:16", ["`response`", "reply"]),
    "expect": (f"{T}{{said: hi, expect: hi}}\n", "2:16", ["`expect`", "reply"]),
    "nothing expected": (f"{T}{{said: hi}}\n", "2:5", ["expects nothing", "reply"]),
    "nothing said": (f"{T}{{reply: hi}}\n", "2:5", ["something `said`", "{said:"]),
    "lable": (f"{T}{{said: hi, lable: hi}}\n", "2:16", ["`lable`", "did you mean label?"]),
    "yes": (f"{T}{{said: hi, silence: yes}}\n", "2:25", ["true or false, not a text", "true"]),
    "silence and a reply": (f"{T}{{said: hi, reply: x, silence: true}}\n", "2:16", ["exclude"]),
    "a map as reply": (f"{T}{{said: hi, reply: {{text: x}}}}\n", "2:23", ["a text, not a map"]),
    "a number": (f"{T}{{said: 42, reply: x}}\n", "2:12", ["`said`", "put it in quotes"]),
    "true": (f"{T}{{said: true, reply: x}}\n", "2:12", ["`said`", "put it in quotes"]),
    "nobody": (f'{T}{{said: "", reply: x}}\n', "2:12", ["`said`", "not an empty one"]),
    "a list of people": (f"{T}{{said: hi, by: [a], reply: x}}\n", "2:20", ["`by`", "a text"]),
    "a role": (f"{T}{{said: hi, roles: mod, reply: x}}\n", "2:23", ["`roles`", "[mod]"]),
    "kik": (f"{T}{{said: hi, action: kik}}\n", "2:24", ["an action is", "did you mean kick?"]),
    "king": (f"{T}{{said: hi, action: {{king: kick}}}}\n", "2:25", ["`king`", "mean kind?"]),
    "seconds": (
        f"{T}{{said: hi, action: {{kind: mute, seconds: 30m}}}}\n",
        "2:46",
        ["`seconds`", "a number"],
    ),
    "elsewhere": (f'{T}{{said: hi, elsewhere: "*x*"}}\n', "2:27", ["a map", '"#moderators"']),
    "mornin": (f"{T}{{schedule: mornin, reply: x}}\n", "2:16", ["`mornin`", "mean morning?"]),
    "who is due": (f"{T}{{schedule: morning, by: a, reply: x}}\n", "2:25", ["`by`", "nobody says"]),
    "tomorrow": (f"{T}{{said: hi, at: tomorrow, reply: x}}\n", "2:20", ["`at`", "2026-01-31"]),
    "fortnights": (f"{T}{{said: hi, after: 2 weeks, reply: x}}\n", "2:23", ["`after`", "2h"]),
    "no list": (f"{T}conversation: {{said: hi, reply: x}}\n", "2:19", ["list of messages", "- {"]),
    "said beside": (
        f"{T}{{said: hi, conversation: [{{said: hi, reply: x}}]}}\n",
        "2:6",
        ["`said`", "conversation"],
    ),
    "one name": (
        f"{T}{{name: a, said: hi, reply: x}}\n  - {{name: a, said: ho, reply: x}}\n",
        "3:5",
        ["two tests have one name", "line 2"],
    ),
    "xfail": (f"{T}{{said: hi, reply: x, xfail: true}}\n", "2:33", ["`xfail`", "say why"]),
    "skip": (f"{T}{{said: hi, reply: x, skip: true}}\n", "2:26", ["`skip`", "xfail"]),
    "no such flow": ("flow: rigth.yaml\n" + f"{T}{{said: hi, reply: x}}\n", "1:7", ["right.yaml"]),
    "flow is no text": ("flow: [right]\n" + f"{T}{{said: hi, reply: x}}\n", "1:7", ["`flow`"]),
    "no space": (f"{T}{{said:hi, reply: x}}\n", "2:6", ["space"]),
    "an open bracket": (f"{T}{{said: hi, reply: x\n", "2:5", ["close"]),
    "a tab": ("tests:\n\t- {said: hi, reply: x}\n", "2:1", ["tab"]),
    "said twice": (f"{T}{{said: hi, said: ho, reply: x}}\n", "2:16", ["`said`", "twice"]),
    "an output": (
        f"{T}{{said: hi, outputs: {{lod: x}}}}\n",
        "2:26",
        ["`lod`", "did you mean loud?"],
    ),
    "nik": ("defaults: {nik: bot}\n" + f"{T}{{said: hi, reply: x}}\n", "1:12", ["mean nick?"]),
    "defaults of replies": (
        "defaults: {reply: x}\n" + f"{T}{{said: hi, silence: true}}\n",
        "1:12",
        ["`reply`"],
    ),
    "a list of defaults": (
        "defaults: [by: anna]\n" + f"{T}{{said: hi, reply: x}}\n",
        "1:11",
        ["`defaults`", "a map"],
    ),
    "a bound": (f'{T}{{said: hi, loud: "=> 0.5"}}\n', "2:22", ["=> 0.5", ">="]),
    "times go back": (
        f"{T}conversation:\n    - {{said: a, at: 2026-01-02, reply: a}}\n"
        "    - {said: b, at: 2026-01-01, reply: b}\n",
        "4:21",
        ["not after the message before"],
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "right.yaml").write_text(FLOW)
    return tmp_path


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_of_tests_is_refused_where_it_is_broken(folder: Path, name: str) -> None:
    text, place, parts = BROKEN[name]
    path = folder / "right.test.yaml"
    path.write_text(text)
    with pytest.raises(FlowError) as caught:
        collect(Selection(paths=[str(path)]))
    problem = caught.value.problems[0]
    told = f"{problem.message} {problem.hint}"
    assert f"{problem.line}:{problem.column}" == place, told
    for part in parts:
        assert part in told
    assert len(caught.value.problems) == 1, [str(each) for each in caught.value.problems]


RIGHT = "tests:\n  - {said: hi, reply: hi}\n  - {name: install it, said: ho, reply: ho}\n"


@pytest.mark.parametrize(
    ("file", "asked", "match", "told"),
    [
        ("other.yaml", "right.yaml", "", ["right.yaml has no tests", "write them in "]),
        ("right.tests.yaml", "right.yaml", "", ["has no tests", "call ", "right.test.yaml"]),
        ("test_right.yaml", "right.yaml", "", ["has no tests", "call ", "right.test.yaml"]),
        ("right_test.yaml", "right_test.yaml", "", ["by its name", "call it ", "right.test.yaml"]),
        ("right.test.yaml", "right.yaml", "zz", ["no test has 'zz'", "there are: hi; install it"]),
        ("a.txt", ".", "", ["there are no tests in", "FLOW.test.yaml"]),
    ],
)
def test_where_there_are_no_tests_it_is_said_how_to_have_some(
    folder: Path, file: str, asked: str, match: str, told: list[str]
) -> None:
    (folder / file).write_text(RIGHT)
    with pytest.raises(UsageError) as caught:
        collect(Selection(paths=[str(folder / asked)], match=match))
    for part in told:
        assert part in f"{caught.value.message} {caught.value.hint}"


def test_a_file_that_is_not_there_is_not_taken_for_a_flow(folder: Path) -> None:
    (folder / "right.test.yaml").write_text(RIGHT)
    with pytest.raises(FlowError) as caught:
        collect(Selection(paths=[str(folder / "rigth.test.yaml")]))
    [problem] = caught.value.problems
    assert "there is no such file" in problem.message
    assert "did you mean right.test.yaml?" in problem.hint


def test_what_is_wrong_with_the_flow_and_with_its_tests_is_said_at_once(folder: Path) -> None:
    (folder / "right.yaml").write_text(FLOW.replace("message.text", "message.txt"))
    (folder / "right.test.yaml").write_text("tests: [{said: hi\n")
    with pytest.raises(FlowError) as caught:
        collect(Selection(paths=[str(folder / "right.yaml")]))
    files = {Path(each.file).name for each in caught.value.problems}
    assert files == {"right.yaml", "right.test.yaml"}
