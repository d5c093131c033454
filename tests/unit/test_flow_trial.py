"""`chatbot flow test`: tests of flows beside them, in this process."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from chatbot.commands.screen import Screen
from chatbot.commands.trials import Selection, collect, is_flow, run
from chatbot.commands.verdicts import (
    FAILED,
    PASSED,
    XFAILED,
    XPASSED,
    Results,
    as_json,
    junit,
    lines_of,
)
from chatbot.errors import FlowError, UsageError
from chatbot.flowfile.pattern import fits, like
from tests.unit.flowfiles import installed, write

__all__ = ["installed"]

FLOW = """\
version: 1
name: small
operations:
  look: {flow: look.yaml, inputs: {text: message.text, nick: message.nick}}
  answer:
    run: sample_answer
    when: look.sure
    inputs: {label: look.label, sender: message.sender}
    config: {answers: {greeting: hello, bye: see you}}
  idle: {run: sample_plain, when: message.private, inputs: {text: message.text}}
outputs: {label: look.label, score: look.score, loud: idle.result}
"""
LOOK = """\
version: 1
inputs: {text: string, nick: string}
operations:
  clean: {run: sample_clean, inputs: {text: text, nick: nick}}
  label:
    run: sample_label
    when: clean.open
    inputs: {text: clean.text}
    config: {words: {hi: greeting, bye: bye}}
outputs: {label: label.label, score: label.score, sure: label.sure}
"""


def options(folder: Path, tests: str, **more: str) -> Selection:
    write(folder, small=FLOW, look=LOOK)
    (folder / "small.test.yaml").write_text(tests)
    return Selection(paths=[str(folder / "small.yaml")], **more)


async def results(folder: Path, tests: str, **more: str) -> Results:
    chosen = options(folder, tests, **more)
    return await run(chosen, collect(chosen), Screen(quiet=True), lambda verdict: None)


async def statuses(folder: Path, tests: str) -> list[str]:
    return [verdict.status for verdict in (await results(folder, tests)).verdicts]


async def test_what_is_as_expected_passes(tmp_path: Path) -> None:
    tests = """\
defaults: {by: otto}
tests:
  - {said: hi, label: greeting, reply: "otto: hello", score: "> 0.5"}
  - {said: "bot: bye", name: with the bot's name, reply: ["*see you"], by: kim}
  - {said: what?, label: "", silence: true, score: 0}
  - {said: "@kim hi", reply: false, action: []}
  - {said: psst, private: true, loud: PSST, outputs: {loud: "P*"}}
  - name: a talk
    conversation:
      - {said: hi, reply: true}
      - {said: bye, by: kim, reply: "kim: see you"}
"""
    assert await statuses(tmp_path, tests) == [PASSED] * 6


async def test_what_is_not_as_expected_fails_with_a_diff(tmp_path: Path) -> None:
    tests = """\
tests:
  - {said: hi, label: bye, reply: "anna: good day"}
  - {said: what?, reply: true}
  - {said: bye, silence: true, action: kick}
"""
    first, second, third = (await results(tmp_path, tests)).verdicts
    assert [each.status for each in (first, second, third)] == [FAILED] * 3
    shown = "\n".join(lines_of(first))
    assert f"{tmp_path / 'small.test.yaml'}:2:5: hi" in shown
    assert "- bye" in shown
    assert "+ greeting" in shown
    assert "- anna: good day" in shown
    assert "+ anna: hello" in shown
    assert "+ silence" in "\n".join(lines_of(second))
    assert [each.what for each in third.differences] == ["reply", "action"]


async def test_a_step_of_a_talk_is_shown_with_its_line(tmp_path: Path) -> None:
    tests = """\
tests:
  - name: talk
    conversation:
      - {said: hi, reply: true}
      - {said: bye, reply: false}
"""
    [verdict] = (await results(tmp_path, tests)).verdicts
    assert "  line 5: bye" in list(lines_of(verdict))


async def test_an_expected_failure_is_none_and_its_absence_is_one(tmp_path: Path) -> None:
    tests = """\
tests:
  - {said: what?, reply: true, xfail: it does not know questions}
  - {said: hi, reply: true, xfail: it did not}
"""
    found = await results(tmp_path, tests)
    assert [each.status for each in found.verdicts] == [XFAILED, XPASSED]
    assert found.failed == 1


async def test_coverage_says_what_never_ran_and_which_condition_was_never_false(
    tmp_path: Path,
) -> None:
    found = await results(tmp_path, "tests: [{said: hi, reply: true}]")
    [coverage] = found.coverage.values()
    assert coverage.missing == ["idle"]
    assert sorted(coverage.half) == ["answer", "look/label"]
    more = "tests: [{said: hi, reply: true}, {said: '@a', private: true, silence: true}]"
    [coverage] = (await results(tmp_path, more)).coverage.values()
    assert (coverage.missing, coverage.half) == ([], [])
    assert coverage.plain()["conditions"]["both"] == 3


async def test_an_operation_is_entered_once_for_all_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flowfile_samples import operations  # type: ignore[import-not-found]

    entered = []

    class Counting(operations.SampleLabel.imp):  # type: ignore[misc]
        async def __aenter__(self) -> object:
            entered.append(1)
            return await super().__aenter__()

    monkeypatch.setattr(operations.SampleLabel, "imp", Counting)
    tests = "tests: [{said: hi, reply: true}, {said: bye, reply: true}]"
    assert await statuses(tmp_path, tests) == [PASSED] * 2
    assert entered == [1]


async def test_a_conversation_finds_what_it_left_and_another_test_does_not(tmp_path: Path) -> None:
    flow = """\
version: 1
name: small
state: {said: {type: integer, start: 0, per: person}}
operations:
  count: {run: set_state, config: {changes: {said: {add: 1}}}}
  once: {run: sample_plain, when: "{{ state.said == 1 }}", inputs: {text: message.text}}
outputs: {loud: once.result}
"""
    tests = """\
tests:
  - name: twice
    conversation:
      - {said: a, outputs: {loud: null}}
      - {said: b, loud: B}
      - {said: c, by: kim, loud: null}
  - {said: d, loud: null, silence: true}
"""
    look = LOOK
    write(tmp_path, small=flow, look=look)
    (tmp_path / "small.test.yaml").write_text(tests)
    chosen = Selection(paths=[str(tmp_path / "small.yaml")])
    found = await run(chosen, collect(chosen), Screen(quiet=True), lambda verdict: None)
    assert [each.differences for each in found.verdicts] == [(), ()]


async def test_junit_and_json_have_each_test(tmp_path: Path) -> None:
    tests = """\
tests:
  - {said: hi, reply: true}
  - {said: "bye \\x01<&>", reply: true}
  - {said: what?, reply: true, xfail: why}
"""
    found = await results(tmp_path, tests)
    [suite] = ElementTree.fromstring(junit(found))
    assert {key: suite.get(key) for key in ("tests", "failures", "skipped")} == {
        "tests": "3",
        "failures": "1",
        "skipped": "1",
    }
    assert [len(case) for case in suite] == [0, 1, 1]
    plain = json.loads(json.dumps(as_json(found)))
    assert (plain["passed"], plain["failed"], plain["xfailed"]) == (1, 1, 1)
    assert plain["tests"][1]["differences"][0]["expected"] == "a reply"


async def test_k_takes_some(tmp_path: Path) -> None:
    tests = "tests: [{said: hi, reply: true}, {said: bye, reply: false}]"
    assert [v.trial.name for v in (await results(tmp_path, tests, match="HI")).verdicts] == ["hi"]
    with pytest.raises(UsageError, match="no test has 'x'"):
        collect(options(tmp_path, tests, match="x"))


WRONG = [
    ("tests: ‸5", "`tests` must be a list"),
    ("‸flow: small.yaml", "there are no tests"),
    ("tests:\n  - ‸hi", "a test must be a map"),
    ("tests:\n  - ‸{reply: hello}", "must have something `said`"),
    ("tests:\n  - ‸{said: hi}", "the test expects nothing"),
    ("tests:\n  - {said: ‸5, reply: hello}", "`said` must be a text", "quotes"),
    ("tests:\n  - {said: hi, ‸lable: greeting}", "no key `lable`", "did you mean label?"),
    ("tests:\n  - {said: hi, by: ‸5, reply: x}", "`by` must be a text"),
    ("tests:\n  - {said: hi, private: ‸'yes', reply: x}", "`private` must be true or false"),
    ("tests:\n  - {said: hi, roles: ‸moderator, reply: x}", "`roles` must be a list of texts"),
    ("tests:\n  - {said: hi, silence: ‸maybe}", "`silence` must be true or false"),
    ("tests:\n  - {said: hi, silence: true, ‸reply: x}", "exclude each other"),
    ("tests:\n  - {said: hi, outputs: {‸scor: 1}}", "no output `scor`", "did you mean score?"),
    ("tests:\n  - {said: hi, action: ‸kik}", "an action is one of", "did you mean kick?"),
    ("tests:\n  - {said: hi, reply: x, xfail: ‸true}", "`xfail` must say why"),
    ("tests:\n  - {name: a, conversation: ‸hi}", "`conversation` must be a list"),
    (
        "tests:\n  - {name: a, said: hi, reply: x}\n  - ‸{name: a, said: ho, reply: y}",
        "two tests have one name",
    ),
    ("flow: ‸smal.yaml\ntests: [{said: hi, reply: x}]", "there is no flow", "did you mean small"),
    ("defaults: {‸form: a}\ntests: [{said: hi, reply: x}]", "no key `form`"),
    ("tests:\n  - {said: ‸\"hi, reply: x}\n", "is not YAML", "never closed"),
]  # fmt: skip


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case[1])
def test_a_wrong_file_of_tests_is_refused_with_its_place(
    tmp_path: Path, case: tuple[str, ...]
) -> None:
    before, _, after = case[0].partition("‸")
    chosen = options(tmp_path, before + after)
    path = tmp_path / "small.test.yaml"
    with pytest.raises(FlowError) as refused:
        collect(Selection(paths=[str(path)]) if "flow:" in before else chosen)
    [problem] = refused.value.problems
    assert case[1] in problem.message
    assert all(words in str(problem) for words in case[2:])
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    assert (problem.line, problem.column) == (line, column)


def test_a_flow_without_tests_is_said(tmp_path: Path) -> None:
    path = write(tmp_path, small=FLOW, look=LOOK)
    with pytest.raises(UsageError) as refused:
        collect(Selection(paths=[str(path)]))
    assert "small.test.yaml" in refused.value.hint


def test_patterns_and_bounds() -> None:
    assert like("a*c", "abbc")
    assert like("*", "")
    assert like(r"2 \* 3", "2 * 3")
    assert not like(r"2 \* 3", "2 x 3")
    assert not like("a.c", "abc")
    assert fits("< 0.5", 0.4)
    assert fits(">= 1", 1)
    assert not fits("> 1", 1)
    assert not fits(True, 0)


ROOMS = """\
version: 1
listeners:
  venue:
    kind: sample_chat
    server: example.org
    rooms: {"#dev": {operations: {loud: {config: {}}}}}
operations:
  loud: {run: sample_plain, when: message.addressed, inputs: {text: message.text}}
outputs: {loud: loud.result}
"""


async def test_what_ran_in_a_room_where_it_differs_has_run(tmp_path: Path) -> None:
    path = write(tmp_path, rooms=ROOMS)
    tests = 'tests: [{said: "bot: hi", network: venue, room: "#dev", loud: "*"}]'
    (tmp_path / "rooms.test.yaml").write_text(tests)
    chosen = Selection(paths=[str(path)])
    found = await run(chosen, collect(chosen), Screen(quiet=True), lambda verdict: None)
    [coverage] = found.coverage.values()
    assert [each.status for each in found.verdicts] == [PASSED]
    assert (coverage.missing, coverage.half) == ([], ["loud"])


def test_what_follows_nats_is_an_address_or_a_flow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, small=FLOW)
    for flow in ("small.yaml", ".", "support"):
        assert is_flow(flow)
    for address in ("nats://a", "tls://t@a:4222", "ws://a", "127.0.0.1:4222", "a:1,b:2"):
        assert not is_flow(address)
    with pytest.raises(UsageError, match="neither a server nor a flow"):
        is_flow("smal.yaml")
