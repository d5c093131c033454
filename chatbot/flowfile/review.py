"""What only the whole of a flow shows, its subflows in their places: types, values, use.

Whatever is checked here is checked for each use of a subflow, and told once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from chatbot.flowfile import agreement, kinds, prospects, use
from chatbot.flowfile.problems import Report
from chatbot.flowfile.sections import FlowFile
from chatbot.flowfile.tracing import Frame
from chatbot.flowfile.wiring import Part


class Whole(Protocol):
    """A flow file with its instances, and the same of its subflows."""

    @property
    def file(self) -> FlowFile: ...
    @property
    def seeds(self) -> Mapping[str, Mapping[str, object]]: ...
    @property
    def parts(self) -> Mapping[str, Part]: ...
    @property
    def inner(self) -> Mapping[str, Whole]: ...


def review(whole: Whole, report: Report) -> None:
    """Report what does not fit together in `whole`, the flow for a bot."""
    for frame in frames(whole).frames():
        agreement.check(frame, report)
        prospects.check(frame, report, kinds.check(frame, report))
        use.check(frame, report)


def frames(whole: Whole, outer: Frame | None = None, instance: str = "") -> Frame:
    """Return `whole` as frames, each of which knows the one around it."""
    inner: dict[str, Frame] = {}
    frame = Frame(whole.file, whole.parts, whole.seeds, inner, outer, instance)
    inner.update({name: frames(each, frame, name) for name, each in whole.inner.items()})
    return frame
