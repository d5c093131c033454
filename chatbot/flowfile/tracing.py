"""Where a value really comes from, through subflows and out of them; pure.

The rule: what was reported already, and so is not known, is `Unknown`, and nothing is said of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from chatbot.flowfile.sections import (
    INPUT,
    MESSAGE,
    SCHEDULE,
    SEEDS,
    STATE,
    FlowFile,
    Literal,
    Source,
)
from chatbot.flowfile.wiring import Part


@dataclass(frozen=True, slots=True)
class Frame:
    """One use of a flow file: its instances, the subflows in it, and who uses it as what.

    `seeds` are the definitions of what is there without an operation, by origin: the message's
    fields or the subflow's inputs, state, schedules, seeds.
    """

    file: FlowFile
    parts: Mapping[str, Part]
    seeds: Mapping[str, Mapping[str, Any]]
    inner: Mapping[str, Frame] = field(default_factory=dict)
    outer: Frame | None = None
    instance: str = ""
    values: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """What is known of the values of instances, by output: found once, as files are read for it."""
    computed: dict[str, Collection[Any] | None] = field(default_factory=dict)
    """The values that expressions can have, where they are known: found once."""

    def frames(self) -> Iterator[Frame]:
        """Yield this and all that is in it."""
        yield self
        for frame in self.inner.values():
            yield from frame.frames()


@dataclass(frozen=True, slots=True)
class Origin:
    """An operation's output, a field of the message, or an input of a subflow."""

    frame: Frame
    source: Source
    definition: Any
    part: Part | None = None

    def __str__(self) -> str:
        if self.part is None:
            return _PLACES[self.source.origin]
        inside = f" in {self.frame.file.path.name}" if self.frame.outer is not None else ""
        return f"{self.source.origin}.{self.source.key}{inside}"


_PLACES = {
    MESSAGE: "the message",
    INPUT: "the subflow's inputs",
    STATE: "the flow's state",
    SCHEDULE: "the flow's schedules",
    SEEDS: "the file's seeds",
}
"""Where values come from without an operation."""


class Unknown:
    """What cannot be known, or was reported."""


class Nothing:
    """The null that stands for an output of a subflow where a condition kept it from coming."""


Given = Origin | Literal | Unknown | Nothing


def origins(frame: Frame, source: Source, *, through_inputs: bool = True) -> Iterator[Given]:
    """Yield all that `source`, in the file of `frame`, may come from.

    Through a subflow's inputs to what is given to them, unless told not to.
    """
    if source.origin in _PLACES:
        yield from _seed(frame, source, through_inputs)
        return
    part = frame.parts.get(source.origin)
    inner = frame.inner.get(source.origin)
    if inner is not None and source.key in inner.file.outputs:
        deeper = inner.file.outputs[source.key]
        yield from origins(inner, deeper, through_inputs=through_inputs)
        if _may_miss(inner, deeper):
            yield Nothing()
    elif part is None or part.operation is None or source.key not in part.operation.outputs:
        yield Unknown()
    else:
        yield Origin(frame, source, part.operation.outputs[source.key], part)


def _may_miss(frame: Frame, source: Source, seen: frozenset[str] = frozenset()) -> bool:
    """Whether a value of a subflow may not come, as what gives it may not run."""
    part = frame.parts.get(source.origin)
    if part is None or source.origin in seen:
        return False
    sources = (each for wire in part.section.inputs.values() for each in wire.sources)
    return bool(part.section.when) or any(
        _may_miss(frame, each, seen | {source.origin})
        for each in sources
        if isinstance(each, Source)
    )


def _seed(frame: Frame, source: Source, through_inputs: bool) -> Iterator[Given]:
    definition = frame.seeds.get(source.origin, {}).get(source.key)
    if definition is None:
        yield Unknown()
    elif source.origin == SEEDS:
        seed = frame.file.seeds[source.key]
        yield Literal(seed.value, seed.mark)
    elif source.origin != INPUT or frame.outer is None or not through_inputs:
        yield Origin(frame, source, definition)
    else:
        wire = frame.outer.parts[frame.instance].section.inputs.get(source.key)
        for each in wire.sources if wire else (Unknown(),):
            if isinstance(each, Source):
                yield from origins(frame.outer, each)
            else:
                yield each
