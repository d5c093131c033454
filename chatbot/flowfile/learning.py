"""A flow file's `learning`, checked; and how the values that it is about are had from the flow.

An operation that learns says so by `labels_of`, a function of its implementation: configuration →
the labels that it knows. It has an input `text`, an output `revision`, and perhaps an input `room`.
To correct what it made of a message one must know the text that it was given, which is what the
flow made of the message, in a subflow perhaps. So that text and the revision are made outputs of
every flow file on the way, unless they are already.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from chatbot.errors import FlowError
from chatbot.flowfile.catalog import Catalog, NotLoadedError
from chatbot.flowfile.document import Node
from chatbot.flowfile.flow import Instance, ListenerSection
from chatbot.flowfile.problems import Mark, Report, suggest
from chatbot.flowfile.sections import INPUT, FlowFile, Section, Source, keys, mapping
from chatbot.learning import LABEL, SHOWN_REVISION, SHOWN_TEXT, UNDO, Learning

TEXT, ROOM, REVISION = "text", "room", "revision"

ROLE = "teacher"
OWN, SHARED = "own", "shared"

_KEYS = ("operation", "who", "reactions", "rooms", "shadow")
_WHO = "who: a role of this flow's `roles`"


@dataclass(frozen=True, slots=True)
class Trace:
    """Where the text and the revision of an operation that learns are, seen from one flow file.

    `text` is `None` where it comes from several places, or stands in the file. `by_room` says
    that the operation is told of the room.
    """

    text: Source | None
    revision: Source
    by_room: bool


class Inner(Protocol):
    """A subflow that was assembled."""

    @property
    def traces(self) -> dict[str, Trace]: ...


class Part(Protocol):
    """An instance."""

    @property
    def section(self) -> Section: ...
    @property
    def implementation(self) -> Any: ...


def learns(implementation: Any) -> bool:
    """Whether an operation learns from corrections."""
    return hasattr(implementation, "labels_of")


def traced(
    file: FlowFile, parts: Mapping[str, Part], inner: Mapping[str, Inner]
) -> tuple[FlowFile, dict[str, Trace]]:
    """Return a subflow's file with what is wanted of it as outputs, and the traces from outside.

    They are by the path of their operation. What an outer file gives itself stays its input.
    """
    outputs = dict(file.outputs)
    found = {
        path: Trace(
            text=_shown(trace.text, f"{path}.{TEXT}", outputs),
            revision=_output(trace.revision, f"{path}.{REVISION}", outputs),
            by_room=trace.by_room,
        )
        for path, trace in traces(parts, inner).items()
    }
    return dataclasses.replace(file, outputs=outputs), found


def shown(file: FlowFile, found: Mapping[str, Trace]) -> FlowFile:
    """Return the file of a flow for a bot with what is wanted of it as outputs."""
    path = _operation(file.learning, found)
    if path not in found:
        return file
    trace = found[path]
    own = {SHOWN_REVISION: trace.revision} | ({SHOWN_TEXT: trace.text} if trace.text else {})
    return dataclasses.replace(file, outputs={**file.outputs, **own})


def traces(parts: Mapping[str, Part], inner: Mapping[str, Inner]) -> dict[str, Trace]:
    """Return the traces of all operations that learn, as seen within a file, by their paths."""
    return dict(_traces(parts, inner))


def _traces(parts: Mapping[str, Part], inner: Mapping[str, Inner]) -> Iterator[tuple[str, Trace]]:
    for name, part in parts.items():
        section = part.section
        if name in inner:
            for path, trace in inner[name].traces.items():
                text = trace.text and _from_outside(trace.text, section)
                revision = Source(name, trace.revision.key, section.mark)
                yield f"{name}/{path}", Trace(text, revision, trace.by_room)
        elif learns(part.implementation):
            revision = Source(name, REVISION, section.mark)
            yield name, Trace(_single(section, TEXT), revision, ROOM in section.inputs)


def _from_outside(text: Source, section: Section) -> Source | None:
    if text.origin == INPUT:
        return _single(section, text.key)
    return Source(section.name, text.key, section.mark)


def _single(section: Section, key: str) -> Source | None:
    wire = section.inputs.get(key)
    sources = wire.sources if wire is not None else ()
    first = sources[0] if len(sources) == 1 else None
    return first if isinstance(first, Source) else None


def _shown(source: Source | None, name: str, outputs: dict[str, Source]) -> Source | None:
    if source is None or source.origin == INPUT:
        return source
    return _output(source, name, outputs)


def _output(source: Source, name: str, outputs: dict[str, Source]) -> Source:
    """Make `source` an output, unless it is one; return it under the name that it has then.

    DFFML's `get_single` gives no value under two names.
    """
    for known, other in outputs.items():
        if (other.origin, other.key) == (source.origin, source.key):
            return Source(source.origin, known, source.mark)
    outputs[name] = source
    return Source(source.origin, name, source.mark)


def read_learning(
    file: FlowFile,
    instances: Mapping[str, Instance],
    found: Mapping[str, Trace],
    catalog: Catalog,
    report: Report,
) -> Learning | None:
    """Return what `learning` says; what is wrong is reported, and `None` where it says nothing.

    `found` are the traces of the operations that learn.
    """
    node = file.learning
    if node is None or node.value is None:
        return None
    given = keys(node, _KEYS, "`learning`", report)
    path = _path(node, given, found, instances, report)
    instance = instances.get(path)
    labels = _labels(instance, catalog) if path in found and instance is not None else ()
    if instance is not None and instance.on is not None and instance.on.primary:
        where = given.get("operation", node)
        report.add(where.mark, f"`{path}` runs on the primary, and nodes learn", "leave out `on`")
    shadow, after = _shadow(given.get("shadow"), report)
    return Learning(
        operation=path,
        role=_role(node, given.get("who"), file.roles, report),
        labels=labels,
        several=_several(instance, catalog),
        reactions=_reactions(given.get("reactions"), labels, report),
        own_rooms=_own_rooms(given.get("rooms"), path, found, report),
        by_room=path in found and found[path].by_room,
        shadow=shadow,
        after=after,
    )


def warn_of_unheard(
    node: Node | None,
    learning: Learning | None,
    networks: Iterable[ListenerSection],
    report: Report,
) -> None:
    """Warn of reactions that no listener is told to hear."""
    if node is None or learning is None or not learning.reactions:
        return
    if not any(each.settings.get("reactions") is True for each in networks):
        hint = "a Matrix listener does with `reactions: true`"
        report.warn(node.key, "`learning` has reactions, and no listener hears any", hint)


def refuse_lessons(
    said: Iterable[tuple[Mark, str]], learning: Learning | None, prefix: str
) -> None:
    """Raise `FlowError` for what a file of tests has `said` to teach: there is nobody to learn."""
    report = Report()
    taught = tuple(f"{prefix}{name}" for name in (LABEL, UNDO))
    for mark, text in said:
        word = next(iter(text.split()), "")
        if learning is not None and word in taught:
            hint = f"put the example into the file of {learning.operation}"
            report.add(mark, f"a test cannot teach: `{word}` has no effect in it", hint)
    if report:
        raise FlowError(report.problems())


def _operation(node: Node | None, found: Mapping[str, Trace]) -> str:
    entries = node.value if node is not None and isinstance(node.value, dict) else {}
    named = entries.get("operation")
    if named is not None:
        return str(named.value)
    return next(iter(found)) if len(found) == 1 else ""


def _path(
    node: Node,
    given: Mapping[str, Node],
    found: Mapping[str, Trace],
    instances: Mapping[str, Instance],
    report: Report,
) -> str:
    path = _operation(node, found)
    if path in found:
        return path
    named = given.get("operation")
    if named is None:
        hint = f"operation: {next(iter(found))}" if found else "such as classify_text"
        which = "which of them? say `operation`" if found else "no operation here learns"
        report.add(node.key, f"`learning`: {which}", hint)
    elif path in instances:
        report.add(named.mark, f"`{path}` does not learn", suggest(path, found, what="these do"))
    else:
        hint = suggest(path, found or instances, what="there are")
        report.add(named.mark, f"there is no operation `{path}`", hint)
    return path


def _labels(instance: Instance, catalog: Catalog) -> tuple[str, ...]:
    try:
        implementation = catalog.operation(instance.operation).implementation
        return tuple(implementation.labels_of(implementation.CONFIG(**instance.config)))
    except (NotLoadedError, TypeError, ValueError):
        return ()  # was reported


def _several(instance: Instance | None, catalog: Catalog) -> bool:
    """Whether a text may have several labels: the operation says so by `gives_several`."""
    if instance is None:
        return False
    try:
        implementation = catalog.operation(instance.operation).implementation
        told = getattr(implementation, "gives_several", None)
        return told is not None and bool(told(implementation.CONFIG(**instance.config)))
    except (NotLoadedError, TypeError, ValueError):
        return False  # was reported


def _role(node: Node, who: Node | None, roles: Node | None, report: Report) -> str:
    known = roles.value if roles is not None and isinstance(roles.value, dict) else {}
    role = ROLE if who is None else who.value
    if isinstance(role, str) and role in known:
        return role
    if not isinstance(role, str):
        assert who is not None
        report.add(who.mark, f"`who` must be a role, not {who.kind}", _WHO)
        return ROLE
    where = node.key if who is None else who.mark
    hint = suggest(role, known, what="roles") or f"roles: {{{role}: [network/account]}}"
    report.add(where, f"`learning`: nobody has the role `{role}`", hint)
    return role


def _reactions(
    node: Node | None, labels: tuple[str, ...], report: Report
) -> tuple[tuple[str, str], ...]:
    entries = {} if node is None else mapping(node, "`reactions`", report)
    for sign, label in entries.items():
        if not isinstance(label.value, str):
            hint = "such as ❓: question"
            report.add(label.mark, f"`{sign}` must stand for a label, not {label.kind}", hint)
        elif labels and label.value not in labels:
            hint = suggest(label.value, labels, what="labels")
            report.add(label.mark, f"there is no label `{label.value}`", hint)
    return tuple((sign, str(label.value)) for sign, label in entries.items())


def _own_rooms(node: Node | None, path: str, found: Mapping[str, Trace], report: Report) -> bool:
    if node is None or node.value is None:
        return False
    if node.value not in (OWN, SHARED):
        hint = suggest(str(node.value), (OWN, SHARED))
        report.add(node.mark, f"`rooms` must be {SHARED} or {OWN}", hint)
    elif node.value == OWN and path in found and not found[path].by_room:
        hint = "inputs: {text: ..., room: message.room}"
        report.add(node.mark, f"`{path}` is not told of the room", hint)
    return node.value == OWN


def _shadow(node: Node | None, report: Report) -> tuple[bool, int]:
    """Return whether there is a shadow, and after how many messages it takes over."""
    if node is None or isinstance(node.value, bool) or node.value is None:
        return (node is not None and node.value is True), 0
    if isinstance(node.value, int):
        return _shadow_for(node, node.value, report)
    if isinstance(node.value, dict):
        after = keys(node, ("after",), "`shadow`", report).get("after")
        if after is None:
            return True, 0
        return _shadow_for(after, after.value, report)
    report.add(node.mark, "`shadow` must be true or false", "or {after: 200}, in messages")
    return False, 0


def _shadow_for(node: Node, count: Any, report: Report) -> tuple[bool, int]:
    if isinstance(count, bool) or not isinstance(count, int) or not 0 < count <= 1_000_000:
        report.add(node.mark, "`after` must be a whole number of messages, from 1 to 1000000")
        return True, 0
    return True, count
