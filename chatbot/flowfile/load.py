"""The way in: a name or a path becomes a checked flow, or all that is wrong with it.

Importing this is cheap: YAML and DFFML are imported when a flow is loaded, models never.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from chatbot import settings
from chatbot.errors import FlowError
from chatbot.flowfile.addressees import check_addressees
from chatbot.flowfile.assembly import Assembled, Assembler
from chatbot.flowfile.catalog import LISTENERS, OPERATIONS, Catalog
from chatbot.flowfile.document import read
from chatbot.flowfile.flow import Flow, Instance, ListenerSection
from chatbot.flowfile.keeping import read_backlog, read_storage
from chatbot.flowfile.learning import read_learning, warn_of_unheard
from chatbot.flowfile.networks import Networks
from chatbot.flowfile.overrides import Override, parse_all
from chatbot.flowfile.policies import read_rules
from chatbot.flowfile.problems import Problem, Report
from chatbot.flowfile.remembering import read_state
from chatbot.flowfile.review import review
from chatbot.flowfile.revision import revision
from chatbot.flowfile.sections import FlowFile
from chatbot.flowfile.shipped import find
from chatbot.flowfile.timing import read_schedules
from chatbot.learning import Learning, learner_of
from chatbot.messages import LearnerRecord
from chatbot.policy import Rules


def load(
    name_or_path: str | Path,
    *,
    overrides: Sequence[str] = (),
    environment: Callable[[str], str | None] = settings.variable,
) -> Flow:
    """Return the flow in a file, or the one of that name that comes with the program.

    Each of `overrides` is `dotted.path=value`, the value in YAML, laid over the file before it
    is checked; `operations.<subflow>.operations...` reaches into a subflow. `environment` is
    asked for each `${NAME}` in the listeners' settings.

    Raises `FlowError` with all that was found, in the file, its subflows and the overrides,
    sorted by file and line. Nothing is started.
    """
    report = Report()
    parsed = parse_all(overrides, report)
    path = find(name_or_path, report)
    assembled = None
    listeners: dict[str, ListenerSection] = {}
    if path is not None:
        assembled = Assembler(Catalog(OPERATIONS), report).flow(path, parsed)
    kept: dict[str, Any] = {}
    if assembled is not None:
        review(assembled, report)
        kept["backlog"] = read_backlog(assembled.file.backlog, report)
        kept["storage"] = read_storage(assembled.file.storage, report)
        rules = read_rules(assembled.file, report)
        learning = _learning(assembled, rules, report)
        kept["rules"] = dataclasses.replace(rules, learning=learning)
        kept["instances"] = _learning_instances(assembled, learning)
        kept["schedules"] = read_schedules(assembled.file, report)
        kept["state"] = read_state(assembled.file, report)
        listeners = _listeners(assembled.file, environment, report)
        check_addressees(assembled, listeners, report)
        warn_of_unheard(assembled.file.learning, learning, listeners.values(), report)
    if report or assembled is None:
        raise FlowError(report.problems())
    warnings = tuple(report.warnings())
    return dataclasses.replace(_flow(assembled, listeners), **kept, warnings=warnings)


def assemble(name_or_path: str | Path, *, overrides: Sequence[str] = ()) -> Assembled:
    """Return the flow or subflow in a file, without its listeners and what they need.

    Raises `FlowError` with all that is wrong with it.
    """
    if is_subflow(name_or_path):
        return check_subflow(name_or_path, overrides=overrides)[0]
    return _reviewed(name_or_path, overrides, Assembler.flow)[0]


def check_subflow(
    name_or_path: str | Path, *, overrides: Sequence[str] = ()
) -> tuple[Assembled, list[Problem]]:
    """Return the subflow in a file that declares `inputs`, seen by itself, and its warnings.

    Raises `FlowError` with all that was found.
    """
    return _reviewed(name_or_path, overrides, Assembler.alone)


def _reviewed(
    name_or_path: str | Path,
    overrides: Sequence[str],
    assembled: Callable[[Assembler, Path, list[Override]], Assembled | None],
) -> tuple[Assembled, list[Problem]]:
    report = Report()
    parsed = parse_all(overrides, report)
    path = find(name_or_path, report)
    found = assembled(Assembler(Catalog(OPERATIONS), report), path, parsed) if path else None
    if found is not None:
        review(found, report)
    if report or found is None:
        raise FlowError(report.problems())
    return found, report.warnings()


def is_subflow(name_or_path: str | Path) -> bool:
    """Whether a file declares `inputs`, and so can only be used by another; False if unreadable."""
    path = find(name_or_path, report := Report())
    tree = read(path, report) if path else None
    return tree is not None and isinstance(tree.value, dict) and "inputs" in tree.value


def _listeners(
    file: FlowFile, environment: Callable[[str], str | None], report: Report
) -> dict[str, ListenerSection]:
    networks = Networks(Catalog(LISTENERS), environment, file.path.parent, report)
    found = {name: networks.section(name, node) for name, node in file.listeners.items()}
    return {name: section for name, section in found.items() if section is not None}


def _learning(assembled: Assembled, rules: Rules, report: Report) -> Learning | None:
    file, catalog = assembled.file, Catalog(OPERATIONS)
    if file.learning is not None and not rules.prefix:
        hint = "people correct with commands: leave out `commands: off`"
        report.add(file.learning.key, "`learning` needs commands", hint)
    return read_learning(file, assembled.instances, assembled.traces, catalog, report)


def _learning_instances(assembled: Assembled, learning: Learning | None) -> dict[str, Instance]:
    """Return the instances; the one that learns knows how."""
    if learning is None or learning.operation not in assembled.instances:
        return assembled.instances
    path = learning.operation
    told = LearnerRecord(learner_of(assembled.file.name, path), learning.shadow, learning.after)
    return assembled.instances | {
        path: dataclasses.replace(assembled.instances[path], learning=told)
    }


def _flow(assembled: Assembled, listeners: dict[str, ListenerSection]) -> Flow:
    file = assembled.file
    return Flow(
        name=file.name,
        path=file.path.resolve(),
        revision=revision(assembled.content),
        listeners=listeners,
        dataflow=assembled.dataflow,
        outputs={name: f"{s.origin}.{s.key}" for name, s in file.outputs.items()},
        instances=assembled.instances,
        sources=assembled.sources,
    )
