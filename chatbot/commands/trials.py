"""`chatbot flow test`: the tests of flows, run in this process or through NATS."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import perf_counter

from chatbot import service
from chatbot.commands.bench import bench
from chatbot.commands.coverage import Coverage, coverage_of
from chatbot.commands.playing import Place, Player, player
from chatbot.commands.screen import Screen
from chatbot.commands.steps import START, message_of, time_of
from chatbot.commands.verdicts import (
    FAILED,
    PASSED,
    XFAILED,
    XPASSED,
    Difference,
    Results,
    Verdict,
    differences_of,
)
from chatbot.errors import FlowError, UsageError
from chatbot.flowfile.document import read
from chatbot.flowfile.flow import Flow
from chatbot.flowfile.learning import refuse_lessons
from chatbot.flowfile.load import load
from chatbot.flowfile.problems import Problem, Report
from chatbot.flowfile.shipped import find, names
from chatbot.flowfile.trial import (
    Trial,
    TrialFile,
    beside,
    flow_of,
    is_trial,
    read_trials,
)
from chatbot.messages import ChatMessage, Outcome
from chatbot.orchestrator.context import Context
from chatbot.orchestrator.journey import Journeys, Leg

Decide = Callable[[ChatMessage], Awaitable[Outcome]]

SHOWN = 10
"""Names of tests that are listed."""

_ADDRESS = re.compile(r"://|:\d+$")
_OTHER_NAMES = re.compile(r"[._-]tests?$|^tests?[._-]|[._-]specs?$")
"""How files of tests are called elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What the command line of `chatbot flow test` says. `place` is `None`: in this process."""

    paths: Sequence[str] = ()
    overrides: Sequence[str] = ()
    match: str = ""
    place: Place | None = None


def collect(options: Selection) -> list[tuple[Flow, TrialFile]]:
    """Return the flows and their tests; raises `FlowError` with all that is wrong with them.

    Raises `UsageError` where there are no tests.
    """
    found: list[tuple[Flow, TrialFile]] = []
    problems = []
    for path in _files(options.paths):
        try:
            found.append(with_its_flow(path, options.overrides))
        except FlowError as error:
            problems += error.problems
    if problems:
        raise FlowError(problems)
    chosen = [
        (flow, TrialFile(file.path, file.flow, _chosen(file.trials, options.match)))
        for flow, file in found
    ]
    if not any(file.trials for _, file in chosen):
        raise UsageError(f"no test has {options.match!r} in its name", hint=_named(found))
    return chosen


def is_flow(nats: str) -> bool:
    """Whether what follows `--nats` is a flow, or tests, and not the address of a server.

    Raises `UsageError` where it is neither.
    """
    if _ADDRESS.search(nats):
        return False
    if nats in names() or Path(nats).exists():
        return True
    raise UsageError(
        "what follows --nats is neither a server nor a flow",
        hint="write --nats nats://HOST:PORT FLOW, or FLOW --nats for a server of its own",
    )


def with_its_flow(path: Path, overrides: Sequence[str]) -> tuple[Flow, TrialFile]:
    """Return the tests of one file, and their flow; raises `FlowError` with all that is wrong."""
    try:
        flow = load(flow_of(path), overrides=overrides)
    except FlowError as error:
        raise FlowError([*error.problems, *_unreadable(path)]) from error
    file = read_trials(path, flow.outputs, [each.name for each in flow.schedules])
    said = [(step.mark, step.said) for trial in file.trials for step in trial.steps]
    refuse_lessons(said, flow.rules.learning, flow.rules.prefix)
    return flow, file


def _unreadable(path: Path) -> list[Problem]:
    """Return why a file of tests cannot be read at all."""
    report = Report()
    read(path, report)
    return report.problems()


def _named(found: Iterable[tuple[Flow, TrialFile]]) -> str:
    """Say which tests there are, or some of them."""
    names = [trial.name for _, file in found for trial in file.trials]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"there are: {'; '.join(names[:SHOWN])}{more}"


def _chosen(trials: Iterable[Trial], match: str) -> tuple[Trial, ...]:
    return tuple(trial for trial in trials if match.casefold() in trial.name.casefold())


def _files(paths: Sequence[str]) -> list[Path]:
    """Return the files of tests that `paths` stand for: those, flows, or folders."""
    found: dict[Path, None] = {}
    for name in paths or (".",):
        path = Path(name)
        if path.is_dir():
            inside = sorted(each for each in path.rglob("*.test.*") if is_trial(each))
            if not inside:
                hint = "tests of FLOW.yaml lie beside it, in FLOW.test.yaml"
                raise UsageError(f"there are no tests in {path}", hint=hint)
            found |= dict.fromkeys(inside)
        else:
            found[path if is_trial(path) and path.is_file() else _of_flow(name)] = None
    return list(found)


def _of_flow(name: str) -> Path:
    report = Report()
    flow = find(name, report)
    if flow is None:
        raise FlowError(report.problems())
    tests = beside(flow)
    if tests is None:
        what, hint = _without_tests(flow)
        raise UsageError(what, hint=hint)
    return tests


def _without_tests(flow: Path) -> tuple[str, str]:
    """Return what is wrong with a flow that has no file of tests, and what to do."""
    expected = flow.with_name(f"{flow.stem}.test.yaml")
    if _OTHER_NAMES.search(flow.stem) and not is_trial(flow):
        named = flow.with_name(f"{_OTHER_NAMES.sub('', flow.stem)}.test{flow.suffix}")
        return f"{flow} is no file of tests by its name", f"call it {named}"
    for other in sorted(flow.parent.glob(f"*{flow.stem}*")):
        if _OTHER_NAMES.search(other.stem) and _OTHER_NAMES.sub("", other.stem) == flow.stem:
            return f"{flow} has no tests", f"call {other} {expected.name}"
    return f"{flow} has no tests", f"write them in {expected}"


async def run(
    options: Selection,
    found: Sequence[tuple[Flow, TrialFile]],
    screen: Screen,
    ended: Callable[[Verdict], None],
) -> Results:
    """Run the tests one after the other; `ended` is called with each verdict."""
    results = Results()
    for flow, file in found:
        if not file.trials:
            continue
        async with AsyncExitStack() as stack:
            if options.place is None:
                with screen.busy(f"loading {flow.name}"):
                    here = await stack.enter_async_context(bench(flow))
                results.coverage[str(file.flow)] = here.coverage
                decide: Decide = here.decide
                forget = here.forget
            else:
                ran: set[str] = set()
                watching = _watching(ran)
                playing = await player(flow, options.place, screen, stack, watching)
                coverage = results.coverage[str(file.flow)] = coverage_of(flow)
                decide, forget = _through_nats(playing, ran, coverage), playing.forget
            for trial in file.trials:
                forget()  # no test finds what another left
                verdict = await _verdict(trial, file.path, flow, decide)
                results.verdicts.append(verdict)
                ended(verdict)
    return results


def _watching(ran: set[str]) -> type[Context]:
    """Return the class of contexts that add what was called to `ran`."""

    def leg(each: Leg) -> None:
        ran.add(each.path)

    return Journeys(leg=leg, untaken=lambda _: None).contexts()


def _through_nats(playing: Player, ran: set[str], coverage: Coverage) -> Decide:
    async def decide(message: ChatMessage) -> Outcome:
        ran.clear()
        _, future = playing.begin(message.id, message)

        async def decided() -> Outcome:
            return (await future)[1]

        outcome = await service.unless(playing.failure, decided())
        coverage.count(ran)
        return outcome

    return decide


async def _verdict(trial: Trial, file: Path, flow: Flow, decide: Decide) -> Verdict:
    started = perf_counter()
    differences: list[Difference] = []
    now = START - timedelta(seconds=1)
    for number, step in enumerate(trial.steps):
        now = time_of(step, now, flow)
        message = message_of(step, f"{file.name}/{trial.mark.line}/{number}", now, flow)
        outcome = await decide(message)
        differences += differences_of(step, outcome)
    status = FAILED if differences else PASSED
    if trial.xfail is not None:
        status = XFAILED if differences else XPASSED
    return Verdict(trial, file, status, perf_counter() - started, tuple(differences))
