"""Keys of an operation that are none, in the light of what the operation takes."""

from __future__ import annotations

import dataclasses
from typing import Any

from chatbot.flowfile import slips
from chatbot.flowfile.catalog import Loaded
from chatbot.flowfile.problems import Report
from chatbot.flowfile.sections import Section


def report(section: Section, loaded: Loaded, problems: Report) -> None:
    """Report each key that `section` has and no operation may, with where it belongs."""
    record: Any = getattr(loaded.implementation, "CONFIG", None)
    settings = dataclasses.fields(record) if dataclasses.is_dataclass(record) else ()
    for key, node in section.strays.items():
        if key in loaded.operation.inputs:
            hint = f"it is an input: inputs: {{{key}: ...}}"
        elif key in {each.name for each in settings}:
            hint = f"it is configuration: config: {{{key}: ...}}"
        elif not (hint := slips.advice(key)):
            hint = (
                "keys: run, flow, inputs, when, config, on, retry, batch, concurrency, timeout, "
                "optional"
            )
        problems.add(node.key, f"`{section.name}` has no key `{key}`", hint)
