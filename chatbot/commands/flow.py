"""`chatbot flow check`: all that is wrong with a flow file, before it runs."""

from __future__ import annotations

from collections.abc import Sequence

from chatbot.commands.screen import Screen
from chatbot.flowfile.flow import Flow
from chatbot.flowfile.load import load
from chatbot.flowfile.problems import render


def check(name: str, overrides: Sequence[str], screen: Screen) -> Flow:
    """Return the flow if it is right; raises `FlowError` with all its problems."""
    flow = load(name, overrides=overrides)
    warn(flow, overrides, screen)
    on = [section.name for section in flow.listeners.values() if section.on]
    screen.say(
        f"{flow.path}: right ({len(flow.instances)} operations, listens: {', '.join(on) or '-'}, "
        f"revision {flow.revision[:12]})"
    )
    return flow


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
