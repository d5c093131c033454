"""Refuses what is wanted of a listener that the flow does not have, or of one that cannot do it.

An operation whose action another listener does says by `addressee(config)` which one.
"""

from __future__ import annotations

from collections.abc import Mapping

from chatbot.flowfile.document import Node
from chatbot.flowfile.flow import ListenerSection
from chatbot.flowfile.problems import Report, suggest
from chatbot.flowfile.review import Whole, frames


def check_addressees(
    whole: Whole, listeners: Mapping[str, ListenerSection], report: Report
) -> None:
    """Report each operation of the flow and its subflows whose addressee is not there."""
    known = {*listeners, *whole.file.listeners}
    for frame in frames(whole).frames():
        for part in frame.parts.values():
            addressee = getattr(part.implementation, "addressee", None)
            if addressee is None or part.configuration.value is None:
                continue
            name = addressee(part.configuration.value)
            node = part.section.config or Node(part.section.mark, None, part.section.mark)
            if name not in known:
                hint = suggest(name, sorted(known), what="listeners")
                message = f"`{part.section.name}` wants something of `{name}`, which is no listener"
                report.add(node.at(("on",)).mark, message, hint)
