"""Warns of an operation that runs for nothing: nobody reads what it gives, nobody says it."""

from __future__ import annotations

from chatbot.flowfile.problems import Report
from chatbot.flowfile.sections import Source
from chatbot.flowfile.tracing import Frame


def check(frame: Frame, report: Report) -> None:
    """Warn of each instance of this file whose outputs are all left alone."""
    used = {source.origin for source in frame.file.outputs.values()}
    used |= {name.text for name in frame.file.validate.values()}
    for part in frame.parts.values():
        wires = [source for wire in part.section.inputs.values() for source in wire.sources]
        sources = [*wires, *part.section.when]
        used |= {
            s.origin for s in sources if isinstance(s, Source) and s.origin != part.section.name
        }
    if not used & frame.parts.keys() and not any(part.decisions for part in frame.parts.values()):
        return  # a sketch, in which nothing is used yet
    for name, part in frame.parts.items():
        called = {name, part.section.base}  # a room's own instance is used by its base's name
        if part.operation is None or not part.operation.outputs or called & used:
            continue
        if not part.decisions:
            outputs = ", ".join(f"{name}.{key}" for key in part.operation.outputs)
            hint = f"use it, show it under `outputs`, or leave it out: {outputs}"
            report.warn(part.section.mark, f"nothing uses what `{name}` gives", hint)
        elif frame.outer is not None:
            kinds = " and ".join(dict.fromkeys(part.decisions.values()))
            message = f"the {kinds} of `{name}` goes nowhere: it is no output of this subflow"
            key = next(iter(part.decisions))
            report.warn(part.section.mark, message, f"outputs: {{{key}: {name}.{key}}}")
