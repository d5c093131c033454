"""What became of tests: how an outcome differs from what was expected, and how that is told."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from chatbot.commands.coverage import Coverage
from chatbot.flowfile.pattern import fits, like
from chatbot.flowfile.problems import Mark
from chatbot.flowfile.trial import Expected, Step, Trial
from chatbot.messages import Outcome

PASSED, FAILED, XFAILED, XPASSED = "passed", "failed", "xfailed", "xpassed"
"""What becomes of a test; one that is expected to fail and does not has failed, too."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What was expected at a step and what came instead, with all that was `understood`."""

    mark: Mark
    said: str
    what: str
    expected: str
    found: str
    understood: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one test."""

    trial: Trial
    file: Path
    status: str
    seconds: float = 0.0
    differences: tuple[Difference, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether it is as expected."""
        return self.status in (PASSED, XFAILED)


@dataclass(slots=True)
class Results:
    """What became of all tests, and what of each flow they ran."""

    verdicts: list[Verdict] = field(default_factory=list)
    coverage: dict[str, Coverage] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """Return how many are not as expected."""
        return sum(not verdict.is_good for verdict in self.verdicts)


def differences_of(step: Step, outcome: Outcome) -> Iterator[Difference]:
    for what, expected, found in _compared(step.expected, outcome):
        yield Difference(step.mark, _said(step), what, expected, found, _understood(outcome))


def _said(step: Step) -> str:
    return f"schedule {step.due}" if step.due is not None else step.said


def _understood(outcome: Outcome) -> str:
    return " ".join(f"{name}={_shown(each)}" for name, each in outcome.understood.items())


def _compared(expected: Expected, outcome: Outcome) -> Iterator[tuple[str, str, str]]:
    if outcome.error and expected.error is None:
        yield "outcome", "an outcome", f"it failed: {outcome.error}"
        return
    if expected.error is not None and not like(f"*{expected.error}*", outcome.error):
        yield "error", expected.error, outcome.error or "no error"
    for name, wanted in expected.outputs.items():
        found = outcome.understood.get(name)
        if not fits(wanted, found):
            yield name, _shown(wanted), "nothing" if found is None else _shown(found)
    texts = [reply.text for reply in outcome.replies]
    if expected.replied is True and not texts:
        yield "reply", "a reply", "silence"
    if expected.replied is False and texts:
        yield "reply", "silence", "\n".join(texts)
    if expected.replies is not None and not _all_like(expected.replies, texts):
        yield "reply", "\n".join(expected.replies), "\n".join(texts) or "silence"
    if expected.actions is not None:
        yield from _actions(expected.actions, outcome)
    if expected.elsewhere is not None:
        yield from _elsewhere(expected.elsewhere, outcome)


def _all_like(patterns: Sequence[str], texts: Sequence[str]) -> bool:
    return len(patterns) == len(texts) and all(map(like, patterns, texts))


def _elsewhere(wanted: Mapping[str, str], outcome: Outcome) -> Iterator[tuple[str, str, str]]:
    found = {each.room: "\n".join(r.text for r in each.replies) for each in outcome.elsewhere}
    for room in {**wanted, **found}:
        said, pattern = found.get(room), wanted.get(room)
        if said is None or pattern is None or not like(pattern, said):
            yield f"in {room}", pattern or "silence", said or "silence"


def _actions(wanted: Sequence[dict[str, Any]], outcome: Outcome) -> Iterator[tuple[str, str, str]]:
    found = [
        {name: getattr(action, name) for name in ("kind", "to", "text", "seconds", "on", "room")}
        for action in outcome.actions
    ]
    same = len(wanted) == len(found) and all(
        all(fits(value, have[name]) for name, value in want.items())
        for want, have in zip(wanted, found, strict=True)
    )
    if not same:
        shown = [{name: value for name, value in have.items() if value} for have in found]
        yield "action", _listed(wanted), _listed(shown)


def _listed(actions: Iterable[dict[str, Any]]) -> str:
    lines = [" ".join(f"{name}={value}" for name, value in each.items()) for each in actions]
    return "\n".join(lines) or "no action"


def _shown(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def lines_of(verdict: Verdict) -> Iterator[str]:
    """Yield what people are shown of a test that is not as expected: a diff for each step."""
    mark = verdict.trial.mark
    place = f"{mark.file}:{mark.line}:{mark.column}"
    if verdict.status == XPASSED:
        yield f"{place}: {verdict.trial.name}: it passes, and was expected to fail"
        yield f"  take out `xfail: {verdict.trial.xfail}`"
        return
    yield f"{place}: {verdict.trial.name}"
    for _, group in itertools.groupby(verdict.differences, lambda each: each.mark):
        differences = list(group)
        if differences[0].mark != mark:
            yield f"  line {differences[0].mark.line}: {differences[0].said}"
        for each in differences:
            yield f"  {each.what}:"
            yield from _diff(each.expected, each.found)
        if differences[0].understood:
            yield f"  understood: {differences[0].understood}"


def _diff(expected: str, found: str) -> Iterator[str]:
    lines = difflib.ndiff(expected.splitlines(), found.splitlines())
    for line in lines:
        if line[0] != "?":
            yield f"    {line}"


def as_json(results: Results) -> dict[str, Any]:
    """Return what `--json` prints."""
    counts = {
        status: sum(verdict.status == status for verdict in results.verdicts)
        for status in (PASSED, FAILED, XFAILED, XPASSED)
    }
    return {
        **counts,
        "tests": [_plain(each) for each in results.verdicts],
        "coverage": {flow: each.plain() for flow, each in results.coverage.items()},
    }


def _plain(verdict: Verdict) -> dict[str, Any]:
    return {
        "name": verdict.trial.name,
        "file": str(verdict.file),
        "line": verdict.trial.mark.line,
        "status": verdict.status,
        "seconds": round(verdict.seconds, 4),
        "differences": [
            {
                "line": d.mark.line,
                "said": d.said,
                "what": d.what,
                "expected": d.expected,
                "found": d.found,
            }
            for d in verdict.differences
        ],
    }


def junit(results: Results) -> bytes:
    """Return the results as JUnit's XML, which continuous integration shows."""
    suites = ElementTree.Element("testsuites")
    for file in dict.fromkeys(verdict.file for verdict in results.verdicts):
        own = [verdict for verdict in results.verdicts if verdict.file == file]
        suite = ElementTree.SubElement(
            suites,
            "testsuite",
            name=str(file),
            tests=str(len(own)),
            failures=str(sum(not each.is_good for each in own)),
            skipped=str(sum(each.status == XFAILED for each in own)),
            errors="0",
            time=f"{sum(each.seconds for each in own):.3f}",
        )
        for each in own:
            _case(suite, each)
    data: bytes = ElementTree.tostring(suites, "utf-8", xml_declaration=True)
    return data


def _case(suite: ElementTree.Element, verdict: Verdict) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        name=_printable(verdict.trial.name),
        classname=verdict.file.name,
        file=str(verdict.file),
        line=str(verdict.trial.mark.line),
        time=f"{verdict.seconds:.3f}",
    )
    if verdict.status == XFAILED:
        ElementTree.SubElement(case, "skipped", message=_printable(verdict.trial.xfail or ""))
    elif not verdict.is_good:
        text = "\n".join(lines_of(verdict))
        failure = ElementTree.SubElement(case, "failure", message=_printable(text.split("\n")[0]))
        failure.text = _printable(text)


def _printable(text: str) -> str:
    """Return `text` without what XML cannot hold."""
    return "".join(c for c in text if c.isprintable() or c == "\n")
