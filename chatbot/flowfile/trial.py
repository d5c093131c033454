"""A flow's tests as a file: what is said, and what is to come of it; checked, with places.

flow: support.yaml                  # without it: the file beside that has the same name
defaults: {by: anna, room: "#support"}
tests:
  - {said: how do I install this?, label: install, reply: "*README*"}
  - {said: did you see the game?, silence: true}
  - name: a conversation
    conversation: [{said: hi}, {by: otto, said: "helpbot: hi", label: greeting}]
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chatbot import units
from chatbot.errors import FlowError, UsageError
from chatbot.flowfile.document import Node, read
from chatbot.flowfile.expecting import check_bound, read_actions, with_meant_keys
from chatbot.flowfile.problems import Mark, Report, suggest
from chatbot.flowfile.sections import keys, mapping

SUFFIXES = (".test.yaml", ".test.yml", ".test.json")

_BEGIN = "write `tests:`, and below it `- {said: …, label: …}`"
_TOP = ("flow", "defaults", "tests")
_CASE = ("name", "conversation", "xfail")
_FIELDS = {
    "by": str,
    "room": str,
    "network": str,
    "nick": str,
    "account": str,
    "kind": str,
    "reply_to": str,
    "thread": str,
    "repository": str,
    "addressed": bool,
    "private": bool,
    "old": bool,
    "roles": list,
}
"""What a step may say of its message, beside what was `said`."""

_TIMES = ("schedule", "at", "after")
"""What a step says of time."""

_EXPECTED = ("reply", "silence", "action", "elsewhere", "outputs", "error")
_OWN = (*_FIELDS, *_EXPECTED, *_TIMES)
_WORDS = {str: "a text", bool: "true or false", list: "a list of texts"}


@dataclass(frozen=True, slots=True)
class Expected:
    """What is to come of a message; what is `None` is not asked.

    `replies` are patterns, in which `*` stands for any text. `replied`: whether there is a reply
    at all. `actions` have those fields that they must have.
    """

    outputs: dict[str, Any] = field(default_factory=dict)
    replied: bool | None = None
    replies: tuple[str, ...] | None = None
    actions: tuple[dict[str, Any], ...] | None = None
    error: str | None = None
    elsewhere: dict[str, str] | None = None
    """Room → a pattern of all that is said there."""


@dataclass(frozen=True, slots=True)
class Step:
    """One message, or a schedule that is `due`, and what is to come of it.

    `message` has the fields that are given. It comes `at` a time, in UTC, or so many seconds
    `after` the one before.
    """

    mark: Mark
    said: str
    message: dict[str, Any]
    expected: Expected
    due: str | None = None
    at: datetime | None = None
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """One test: messages one after the other. `xfail` says why it is known to fail."""

    name: str
    mark: Mark
    steps: tuple[Step, ...]
    xfail: str | None = None


@dataclass(frozen=True, slots=True)
class TrialFile:
    """The tests of one flow."""

    path: Path
    flow: Path
    trials: tuple[Trial, ...]


def is_trial(path: Path) -> bool:
    """Whether a file is one of tests, by its name."""
    return path.name.endswith(SUFFIXES)


def beside(flow: Path) -> Path | None:
    """Return the file with the tests of `flow`, where there is one."""
    found = (flow.with_name(flow.stem + suffix) for suffix in SUFFIXES)
    return next((path for path in found if path.is_file()), None)


def read_trials(
    path: Path, outputs: Collection[str] = (), schedules: Collection[str] = ()
) -> TrialFile:
    """Return the tests in the file at `path`; raises `FlowError` with all that is wrong with it.

    `outputs` are those of the flow: a step may ask for them by their names. `schedules` are those
    that a step may have due.
    """
    report = Report()
    tree = read(path, report, _BEGIN)
    found = _Reader(report, outputs, schedules).file(tree, path) if tree is not None else None
    if report or found is None:
        raise FlowError(report.problems())
    return found


def flow_of(path: Path) -> Path:
    """Return the flow that the tests at `path` are for; raises `FlowError`."""
    report = Report()
    tree = read(path, report, _BEGIN)
    given = tree.value.get("flow") if tree is not None and isinstance(tree.value, dict) else None
    name = path.name
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    found = [path.with_name(f"{name}{suffix}") for suffix in (".yaml", ".yml", ".json", ".toml")]
    if given is not None and isinstance(given.value, str):
        found = [path.parent / given.value]
    for flow in found:
        if flow.is_file():
            return flow
    mark = given.mark if given is not None else Mark(str(path))
    others = [p.name for p in path.parent.glob("*.y*ml") if not is_trial(p)]
    hint = suggest(found[0].name, others, what="there are")
    report.add(mark, f"there is no flow {found[0]}", hint or "name it: `flow: FILE`")
    raise FlowError(report.problems())


class _Reader:
    def __init__(
        self, report: Report, outputs: Collection[str], schedules: Collection[str]
    ) -> None:
        self._report = report
        self._schedules = tuple(schedules)
        self._outputs = tuple(outputs)

    def file(self, tree: Node, path: Path) -> TrialFile:
        what = "a file of tests"
        hint = _BEGIN
        if not isinstance(tree.value, dict):
            self._report.add(tree.mark, f"{what} must be a map, not {tree.kind}", hint)
            return TrialFile(path, path, ())
        entries = keys(tree, _TOP, what, self._report)
        self._text(entries.get("flow"), "`flow`")
        defaults = self._fields(entries.get("defaults"), "`defaults`")
        tests = entries.get("tests")
        if tests is None or tests.value in (None, []):
            self._report.add(tests.mark if tests else tree.mark, "there are no tests", hint)
            return TrialFile(path, path, ())
        if not isinstance(tests.value, list):
            self._report.add(tests.mark, f"`tests` must be a list, not {tests.kind}", hint)
            return TrialFile(path, path, ())
        trials = [self._trial(node, defaults, n) for n, node in enumerate(tests.value, 1)]
        return TrialFile(path, flow_of(path), tuple(self._named_apart(trials)))

    def _named_apart(self, trials: list[Trial]) -> Iterator[Trial]:
        first: dict[str, Trial] = {}
        for trial in trials:
            other = first.setdefault(trial.name, trial)
            if other is trial:
                yield trial
            elif trial.steps and trial.name == trial.steps[0].said:
                yield replace(trial, name=f"{trial.name} (line {trial.mark.line})")
            else:
                hint = f"the first is in line {other.mark.line}; give one a `name`"
                self._report.add(trial.mark, "two tests have one name", hint)

    def _trial(self, node: Node, defaults: Mapping[str, Any], number: int) -> Trial:
        if not isinstance(node.value, dict):
            hint = "write {said: …, label: …}"
            self._report.add(node.mark, f"a test must be a map, not {node.kind}", hint)
            return Trial(f"test {number}", node.mark, ())
        steps: tuple[Step, ...]
        talk = node.value.get("conversation")
        if talk is None:
            known = ("name", "xfail", *self._step_keys())
            steps = (self._step(with_meant_keys(node, known, self._report), defaults, known),)
        else:
            keys(node, _CASE, "a conversation", self._report)
            steps = self._conversation(talk, defaults)
        said = _called(steps[0]) if steps else ""
        name = self._text(node.value.get("name"), "`name`")
        return Trial(name or said or f"test {number}", node.mark, steps, self._xfail(node))

    def _conversation(self, node: Node, defaults: Mapping[str, Any]) -> tuple[Step, ...]:
        if not isinstance(node.value, list) or not node.value:
            hint = "write a list: - {said: …, label: …}"
            self._report.add(node.mark, "`conversation` must be a list of messages", hint)
            return ()
        known = self._step_keys()
        meant = [with_meant_keys(each, known, self._report) for each in node.value]
        steps = [self._step(each, defaults, known) for each in meant]
        self._check_order(steps, node.value)
        return tuple(steps)

    def _check_order(self, steps: list[Step], nodes: list[Node]) -> None:
        latest: datetime | None = None
        for step, node in zip(steps, nodes, strict=True):
            if step.at is not None:
                if latest is not None and step.at <= latest:
                    message = "`at` is not after the message before"
                    self._report.add(node.at(("at",)).mark, message, "time goes on")
                latest = step.at

    def _step_keys(self) -> tuple[str, ...]:
        return tuple(
            dict.fromkeys(("said", *_TIMES, *_FIELDS, *_EXPECTED, "label", *self._outputs))
        )

    def _step(self, node: Node, defaults: Mapping[str, Any], known: tuple[str, ...]) -> Step:
        before = len(self._report)
        given = keys(node, known, "a test", self._report)
        said, due = given.get("said"), given.get("schedule")
        if said is None and due is None and len(self._report) == before:
            self._report.add(node.mark, "a test must have something `said`", "{said: …}")
        if due is not None:
            self._check_due(due, given)
        text = self._text(said, "`said`") or ""
        of_message = {name: each for name, each in given.items() if name in _FIELDS}
        message = {**defaults, **self._each_field(of_message)}
        at, after = self._at(given.get("at")), self._after(given.get("after"))
        expected = self._expected(given, node, told=len(self._report) > before)
        due_text = self._text(due, "`schedule`")
        return Step(node.mark, text, message, expected, due=due_text, at=at, after=after)

    def _check_due(self, due: Node, given: Mapping[str, Node]) -> None:
        for name in ("said", *_FIELDS):
            if name in given and name not in ("room", "network"):
                message = f"`{name}` does not go with `schedule`: nobody says anything then"
                self._report.add(given[name].key, message)
        if isinstance(due.value, str) and due.value not in self._schedules:
            hint = suggest(due.value, self._schedules, what="there are")
            self._report.add(due.mark, f"the flow has no schedule `{due.value}`", hint)

    def _at(self, node: Node | None) -> datetime | None:
        if node is None or node.value is None:
            return None
        try:
            found = datetime.fromisoformat(str(node.value))
        except ValueError:
            hint = "such as 2026-01-31 18:00; it is UTC where it does not say otherwise"
            self._report.add(node.mark, "`at` must be a date and a time", hint)
            return None
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)

    def _after(self, node: Node | None) -> float | None:
        if node is None or node.value is None:
            return None
        try:
            return units.duration(str(node.value))
        except UsageError as error:
            self._report.add(node.mark, f"`after`: {error.message}", f"such as 2h; {error.hint}")
            return None

    def _fields(self, node: Node | None, what: str) -> dict[str, Any]:
        return {} if node is None else self._each_field(keys(node, _FIELDS, what, self._report))

    def _each_field(self, given: Mapping[str, Node]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, node in given.items():
            wanted, value = _FIELDS[name], node.plain()
            texts = not isinstance(value, list) or all(isinstance(each, str) for each in value)
            if type(value) is not wanted or not texts:
                message = f"`{name}` must be {_WORDS[wanted]}, not {node.kind}"
                hint = f"write [{value}]" if wanted is list and isinstance(value, str) else ""
                self._report.add(node.mark, message, hint)
                continue
            found["sender" if name == "by" else name] = (
                tuple(value) if isinstance(value, list) else value
            )
        return found

    def _text(self, node: Node | None, what: str) -> str | None:
        if node is None or (isinstance(node.value, str) and node.value):
            return None if node is None else str(node.value)
        found = "an empty one" if node.value == "" else node.kind
        quotes = "put it in quotes" if not isinstance(node.value, str | list | dict) else ""
        self._report.add(node.mark, f"{what} must be a text, not {found}", quotes)
        return None

    def _xfail(self, node: Node) -> str | None:
        given = node.value.get("xfail") if isinstance(node.value, dict) else None
        if given is not None and not (isinstance(given.value, str) and given.value):
            hint = "xfail: it takes a bug for a question"
            self._report.add(given.mark, "`xfail` must say why the test fails", hint)
        return None if given is None else str(given.value)

    def _expected(self, given: Mapping[str, Node], node: Node, *, told: bool) -> Expected:
        asked = [
            name
            for name in given
            if name not in _FIELDS and name not in ("said", "name", "xfail", *_TIMES)
        ]
        if not asked and not told:
            hint = 'such as label: bug, reply: "*README*", silence: true'
            self._report.add(node.mark, "the test expects nothing", hint)
        outputs = {
            name: given[name].plain()
            for name in given
            if name == "label"
            or (name in self._outputs and name not in (*_FIELDS, *_EXPECTED, *_TIMES))
        }
        for name in outputs:
            check_bound(given[name], name, self._report)
        more = given.get("outputs")
        for name, each in mapping(more, "`outputs`", self._report).items() if more else ():
            if self._outputs and name not in self._outputs:
                hint = suggest(name, self._outputs, what="outputs")
                self._report.add(each.key, f"the flow has no output `{name}`", hint)
            check_bound(each, name, self._report)
            outputs[name] = each.plain()
        if "label" in given and self._outputs and "label" not in self._outputs:
            hint = suggest("label", self._outputs, what="outputs")
            self._report.add(given["label"].key, "the flow has no output `label`", hint)
        replied, replies = self._replies(given)
        return Expected(
            outputs=outputs,
            replied=replied,
            replies=replies,
            actions=read_actions(given.get("action"), self._report),
            error=self._text(given.get("error"), "`error`"),
            elsewhere=self._elsewhere(given.get("elsewhere")),
        )

    def _replies(self, given: Mapping[str, Node]) -> tuple[bool | None, tuple[str, ...] | None]:
        silence, reply = given.get("silence"), given.get("reply")
        if silence is not None and not isinstance(silence.value, bool):
            message = f"`silence` must be true or false, not {silence.kind}"
            self._report.add(silence.mark, message)
        replied = None if silence is None else silence.value is False
        if reply is None:
            return replied, None
        if silence is not None and silence.value is True and reply.value is not False:
            self._report.add(reply.key, "`reply` and `silence` exclude each other", "take one")
        if isinstance(reply.value, bool):
            return reply.value, None
        items = reply.value if isinstance(reply.value, list) else [reply]
        texts = [self._text(each, "`reply`") for each in items]
        return replied, tuple(text for text in texts if text is not None)

    def _elsewhere(self, node: Node | None) -> dict[str, str] | None:
        if node is None:
            return None
        hint = 'write {"#moderators": "*spam*"}, or false for nothing'
        entries = {} if node.value is False else mapping(node, "`elsewhere`", self._report, hint)
        texts = {room: self._text(each, f"`{room}`") for room, each in entries.items()}
        return {room: text for room, text in texts.items() if text is not None}


def _called(step: Step) -> str:
    """Return what a test is called that has no name."""
    when = f" at {step.at:%Y-%m-%d %H:%M}" if step.at is not None and step.due else ""
    return f"{step.said or step.due or ''}{when}"
