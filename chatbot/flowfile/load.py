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
from chatbot.flowfile.assembly import Assembled, Assembler
from chatbot.flowfile.catalog import LISTENERS, OPERATIONS, Catalog
from chatbot.flowfile.flow import Flow, Instance, ListenerSection
from chatbot.flowfile.keeping import read_backlog, read_storage
from chatbot.flowfile.learning import read_learning, warn_of_unheard
from chatbot.flowfile.networks import Networks
from chatbot.flowfile.overrides import parse_all
from chatbot.flowfile.policies import read_rules
from chatbot.flowfile.problems import Report
from chatbot.flowfile.revision import revision
from chatbot.flowfile.sections import FlowFile
from chatbot.flowfile.shipped import find
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
        kept["backlog"] = read_backlog(assembled.file.backlog, report)
        kept["storage"] = read_storage(assembled.file.storage, report)
        rules = read_rules(assembled.file, report)
        learning = _learning(assembled, rules, report)
        kept["rules"] = dataclasses.replace(rules, learning=learning)
        kept["instances"] = _learning_instances(assembled, learning)
        listeners = _listeners(assembled.file, environment, report)
        warn_of_unheard(assembled.file.learning, learning, listeners.values(), report)
    if report or assembled is None:
        raise FlowError(report.problems())
    warnings = tuple(report.warnings())
    return dataclasses.replace(_flow(assembled, listeners), **kept, warnings=warnings)


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
