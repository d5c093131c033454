"""`chatbot flow check`: all that is wrong with a flow file, before it runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from chatbot.commands import companions
from chatbot.commands.screen import Screen
from chatbot.errors import FlowError
from chatbot.flowfile.flow import Flow
from chatbot.flowfile.load import check_subflow, is_subflow, load
from chatbot.flowfile.problems import Problem, render, seen_from_here


def check(
    names: Sequence[str], overrides: Sequence[str], screen: Screen
) -> list[dict[str, object]]:
    """Return what `--json` prints of each flow and subflow of these if all are right.

    Raises `FlowError` with all problems of all of them.
    """
    found: list[dict[str, object]] = []
    problems: dict[Problem, None] = {}
    for name in names:
        try:
            found.append(_checked(name, overrides, screen))
        except FlowError as error:
            problems |= dict.fromkeys(error.problems)
    if problems:
        raise FlowError(list(problems))
    return found


def _checked(name: str, overrides: Sequence[str], screen: Screen) -> dict[str, object]:
    if (found := companions.checked(Path(name), overrides)) is not None:
        screen.say(f"{seen_from_here(name)}: right ({found})")
        return {"name": Path(name).name, "path": str(Path(name).resolve()), "problems": []}
    if is_subflow(name):
        return _subflow(name, overrides, screen)
    return as_json(_flow(name, overrides, screen))


def _subflow(name: str, overrides: Sequence[str], screen: Screen) -> dict[str, object]:
    assembled, warnings = check_subflow(name, overrides=overrides)
    file = assembled.file
    for warning in warnings:
        screen.say(f"warning: {render(warning, overrides)}")
    count = _count(assembled.instances)
    screen.say(f"{seen_from_here(file.path)}: right (a subflow; {count})")
    return {
        "name": file.name,
        "path": str(file.path.resolve()),
        "problems": [],
        "warnings": [each.plain() for each in warnings],
        "operations": {key: each.operation for key, each in assembled.instances.items()},
        "inputs": file.inputs,
        "outputs": {key: f"{each.origin}.{each.key}" for key, each in file.outputs.items()},
    }


def _flow(name: str, overrides: Sequence[str], screen: Screen) -> Flow:
    flow = load(name, overrides=overrides)
    warn(flow, overrides, screen)
    on = [section.name for section in flow.listeners.values() if section.on]
    screen.say(
        f"{seen_from_here(flow.path)}: right ({_count(flow.instances)}, "
        f"listens: {', '.join(on) or '-'}, revision {flow.revision[:12]})"
    )
    return flow


def _count(instances: Iterable[str]) -> str:
    """Count the operations that stand in the files, not those that the program makes of them."""
    count = sum("~" not in name for name in instances)
    return "1 operation" if count == 1 else f"{count} operations"


def warn(flow: Flow, overrides: Sequence[str], screen: Screen) -> None:
    """Say what had better be otherwise in the flow, each with its place."""
    for warning in flow.warnings:
        screen.say(f"warning: {render(warning, overrides)}")


def as_json(flow: Flow) -> dict[str, object]:
    """Return what `--json` prints of a flow that is right."""
    return {
        "name": flow.name,
        "path": str(flow.path),
        "revision": flow.revision,
        "problems": [],
        "warnings": [each.plain() for each in flow.warnings],
        "operations": {name: each.operation for name, each in flow.instances.items()},
        "listeners": {
            name: {"kind": section.kind, "on": section.on, "missing": list(section.missing)}
            for name, section in flow.listeners.items()
        },
        "outputs": flow.outputs,
    }
