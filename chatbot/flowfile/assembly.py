"""Flow files to DFFML DataFlows: a file at a time, the subflows of a file before itself.

A flow for a bot ends in `collect_outcome`; a subflow in DFFML's `get_single`, and it runs as an
instance of DFFML's own `dffml.dataflow.run`. There is nothing in the DataFlow that DFFML's
memory orchestrator could not run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from chatbot.flowfile import completeness, contexts, forwarding, inventory, occasions, validation
from chatbot.flowfile.byroom import Varied, varied
from chatbot.flowfile.catalog import Catalog
from chatbot.flowfile.document import Node, read
from chatbot.flowfile.flow import Instance
from chatbot.flowfile.foreign import Foreign, is_dataflow, read_foreign, wrapped
from chatbot.flowfile.including import found_beside, read_whole
from chatbot.flowfile.installed import Installed
from chatbot.flowfile.learning import Trace, shown, traced, traces
from chatbot.flowfile.overrides import Override
from chatbot.flowfile.problems import Mark, Report, suggest
from chatbot.flowfile.reader import read_sections
from chatbot.flowfile.remembering import read_types
from chatbot.flowfile.revision import content_of
from chatbot.flowfile.sections import (
    INPUT,
    MESSAGE,
    SCHEDULE,
    SEEDS,
    STATE,
    FlowFile,
    Section,
)
from chatbot.flowfile.timing import names_of
from chatbot.flowfile.wiring import (
    DECISIONS,
    Part,
    Scope,
    Wired,
    declared_seeds,
    input_seeds,
    message_seeds,
    named_seeds,
    renamed,
)

MOST_SUBFLOWS = 256
"""A file that names another twice, which names another twice… makes no end of them."""

DEEPEST = 16

Seeds = dict[str, dict[str, Any]]
"""Definitions of what is there without an operation, by origin and name."""


@dataclass(frozen=True, slots=True)
class Assembled:
    """A flow file that became a DataFlow; that is `None` when anything was reported.

    `inputs` and `outputs` are definitions, `decisions` those of the outputs that
    are to be said or done,
    `instances` all with the paths that they have in this file, `content` what its behaviour
    depends on, `sources` the files that it was made of, `seeds` the definitions of all that is
    there without an operation, `parts` its own instances and `inner` the subflows among them.
    """

    file: FlowFile
    dataflow: Any
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    decisions: dict[str, str]
    instances: dict[str, Instance]
    content: dict[str, Any]
    sources: frozenset[Path]
    seeds: dict[str, dict[str, Any]] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)
    inner: dict[str, Assembled] = field(default_factory=dict)
    traces: dict[str, Trace] = field(default_factory=dict)
    foreign: Foreign | None = None
    """DFFML's own dataflow, where the file is one."""


@dataclass(frozen=True, slots=True)
class _Parts:
    parts: dict[str, Part] = field(default_factory=dict)
    inner: dict[str, Assembled] = field(default_factory=dict)


class Assembler:
    """Reads flow files and assembles them; what is wrong goes to `report`."""

    def __init__(self, catalog: Catalog, report: Report) -> None:
        self._catalog = catalog
        self._installed = Installed(catalog, report)
        self._report = report
        self._subflows = 0
        self._learns = False

    def flow(self, path: Path, overrides: list[Override]) -> Assembled | None:
        """Return the flow for a bot at `path`; `None` where its file cannot be read at all."""
        tree = read(path, self._report)
        if tree is None:
            return None
        wrapped_file = self._wrapped(tree, path)
        file = wrapped_file or self._file(tree, path, overrides, subflow=False)
        if file is None:
            return None
        self._learns = file.learning is not None
        chain = () if wrapped_file else (path.resolve(),)
        by_room = varied(file, self._report)
        file = by_room.file
        seeds = {
            MESSAGE: message_seeds(),
            STATE: named_seeds(STATE, read_types(file.state)),
            SCHEDULE: named_seeds(SCHEDULE, dict.fromkeys(names_of(file.schedules), "map")),
        }
        seeds[SEEDS] = declared_seeds(file.seeds)
        found = self._parts(file, overrides, chain, seeds, by_room)
        occasions.check(found.parts, names_of(file.schedules), self._report)
        return self._assembled(file, found, MESSAGE, seeds, by_room.variants)

    def alone(self, path: Path, overrides: list[Override]) -> Assembled | None:
        """Return the subflow at `path` by itself; `None` where its file cannot be read at all."""
        mark = Mark(str(path))
        return self._subflow(Section(path.stem.lower(), mark, "", mark), path, overrides, (), {})

    def _subflow(
        self,
        section: Section,
        path: Path,
        overrides: list[Override],
        chain: tuple[Path, ...],
        outer: Seeds,
    ) -> Assembled | None:
        tree = read(path, self._report)
        if tree is None:
            return None
        foreign = self._foreign(tree, path)
        if foreign is not None:
            return foreign
        if section.flow is not None and _is_flow(tree):
            message = f"{path.name} is a flow by itself, and no subflow"
            hint = "a subflow has `inputs` and `outputs`, and no `listeners`; or use `include`"
            self._report.add(section.flow.mark, message, hint)
            return None
        file = self._file(tree, path, overrides, section, subflow=True)
        if file is None:
            return None
        self._check_distinct(file)
        inputs = input_seeds(section.name, file.inputs)
        forwarded = forwarding.definitions(section, inputs, outer, self._report)
        seeds = {INPUT: {**inputs, **forwarded}, SEEDS: declared_seeds(file.seeds)}
        found = self._parts(file, overrides, (*chain, path.resolve()), seeds)
        assembled = self._assembled(file, found, INPUT, seeds)
        wanted = {name: d for name, d in assembled.inputs.items() if name not in forwarded}
        return replace(assembled, inputs=wanted)

    def _wrapped(self, tree: Node, path: Path) -> FlowFile | None:
        """Return a flow around DFFML's own dataflow, where the file is one."""
        foreign = self._foreign(tree, path)
        if foreign is None or foreign.foreign is None:
            return None if foreign is None else foreign.file
        around = wrapped(path, foreign.foreign, self._report)
        if around is None:
            return foreign.file
        return read_sections(around, path, self._report, subflow=False)

    def _foreign(self, tree: Node, path: Path) -> Assembled | None:
        """Return DFFML's own dataflow in a file, `None` where the file is none."""
        if not is_dataflow(tree):
            return None
        from chatbot.flowfile.endings import gathered

        found = read_foreign(tree, path, self._catalog, self._report)
        empty = FlowFile(path, tree.mark, "dataflow", {}, {}, {}, {}, files=(path,))
        if found is None:
            return Assembled(empty, None, {}, {}, {}, {}, {}, frozenset({path.absolute()}))
        files = (file for each in found.instances.values() for file in each.files.values())
        return Assembled(
            file=empty,
            dataflow=gathered(found),
            inputs=found.inputs,
            outputs=found.outputs,
            decisions={name: name for name in found.outputs if name in DECISIONS},
            instances=found.instances,
            content={"dataflow": tree.plain()},
            sources=frozenset(each.absolute() for each in (path, *files)),
            foreign=found,
        )

    def _file(
        self,
        tree: Node,
        path: Path,
        overrides: list[Override],
        user: Section | None = None,
        *,
        subflow: bool,
    ) -> FlowFile | None:
        given = user.given if user else None
        mark = user.flow.mark if user and user.flow else None
        whole = read_whole(tree, path, self._report, overrides, given, mark)
        if whole is None:
            return None
        file = read_sections(whole.tree, path, self._report, subflow=subflow)
        return replace(file, files=whole.files)

    def _check_distinct(self, file: FlowFile) -> None:
        names: dict[tuple[str, str], str] = {}
        for name, source in file.outputs.items():
            first = names.setdefault((source.origin, source.key), name)
            if first != name:
                message = f"the output `{name}` is the same as `{first}`"
                self._report.add(source.mark, message, "one is enough: use it twice outside")

    def _parts(
        self,
        file: FlowFile,
        overrides: list[Override],
        chain: tuple[Path, ...],
        seeds: Seeds,
        by_room: Varied | None = None,
    ) -> _Parts:
        collected = MESSAGE in seeds
        self._check_overrides(file, overrides)
        different = by_room.overrides if by_room else {}
        found = _Parts()
        for name, section in file.operations.items():
            if section.run:
                part = self._installed.part(section, file, subflow=not collected)
                if part.operation is not None:
                    part = renamed(part, self._report, collected=collected)
                found.parts[name] = part
                continue
            deeper = [o.inner() for o in overrides if o.instance == (section.base or name)]
            deeper += different.get(name, [])
            inner = self._inner(section, file.path, deeper, chain, seeds)
            if inner is not None:
                found.inner[name] = inner
                section = contexts.with_name(section, inner.inputs)
            found.parts[name] = self._instance_of(section, inner, collected=collected)
        return found

    def _check_overrides(self, file: FlowFile, overrides: list[Override]) -> None:
        for override in overrides:
            name = override.instance
            if name and name not in file.operations:
                hint = suggest(name, file.operations, what="there are")
                self._report.add(override.node.key, f"there is no `{name}` in {file.path}", hint)
            elif name and file.operations[name].run:
                self._report.add(override.node.key, f"`{name}` is not a subflow")

    def _inner(
        self,
        section: Section,
        file: Path,
        overrides: list[Override],
        chain: tuple[Path, ...],
        outer: Seeds,
    ) -> Assembled | None:
        if section.flow is None:
            return None  # was reported
        path = found_beside(section.flow, file, self._report)
        if path is None:
            return None
        if path in chain:
            names = " → ".join(p.name for p in (*chain, path))
            self._report.add(section.flow.mark, f"a subflow contains itself: {names}")
            return None
        if len(chain) > DEEPEST:
            self._report.add(section.flow.mark, f"subflows lie deeper than {DEEPEST} levels")
            return None
        self._subflows += 1
        if self._subflows > MOST_SUBFLOWS:
            self._report.add(section.flow.mark, f"there are over {MOST_SUBFLOWS} subflows in all")
            return None
        return self._subflow(section, path, overrides, chain, outer)

    def _instance_of(self, section: Section, inner: Assembled | None, *, collected: bool) -> Part:
        from dffml.df.types import GENERIC

        from chatbot.flowfile import endings

        if inner is None:
            return Part(section)
        outputs = {name: d or GENERIC for name, d in inner.outputs.items()}
        return endings.subflow(
            section,
            inner.dataflow,
            contexts.with_string(section, inner.inputs),
            outputs,
            inner.decisions,
            collected=collected,
            report=self._report,
            expand=[n for n in inner.decisions if inner.foreign and n in inner.foreign.many],
        )

    def _assembled(
        self,
        file: FlowFile,
        found: _Parts,
        kind: str,
        seeds: dict[str, dict[str, Any]],
        variants: Mapping[str, tuple[str, ...]] | None = None,
    ) -> Assembled:
        checked = validation.take(file, found.parts, seeds[kind], self._report)
        scope = Scope(kind, seeds, found.parts, self._report, checked, variants)
        wired = self._wired(found, scope)
        completeness.check(found.parts, self._report)
        followed, learned = self._learned(file, found, kind)
        outputs = {name: scope.definition(source) for name, source in followed.outputs.items()}
        decided = {
            (name, key): kind
            for name, part in found.parts.items()
            for key, kind in part.decisions.items()
        }
        configurations = {name: part.configuration for name, part in found.parts.items()}
        inner = {name: assembled.content for name, assembled in found.inner.items()}
        return Assembled(
            file=file,
            dataflow=None if self._report else _ended(kind, wired, seeds, outputs, file),
            inputs=seeds[kind],
            outputs=outputs,
            decisions={
                name: decided[source.origin, source.key]
                for name, source in file.outputs.items()
                if (source.origin, source.key) in decided
            },
            instances=inventory.instances(
                found.parts, {name: each.instances for name, each in found.inner.items()}
            ),
            content=content_of(followed, configurations, inner, inventory.digests(found.parts)),
            sources=inventory.files(file, found.parts).union(
                *(each.sources for each in found.inner.values())
            ),
            seeds=seeds,
            parts=found.parts,
            inner=found.inner,
            traces=learned,
        )

    def _learned(
        self, file: FlowFile, found: _Parts, kind: str
    ) -> tuple[FlowFile, dict[str, Trace]]:
        """Return the file with the outputs that corrections need, where the flow learns."""
        if not self._learns:
            return file, {}
        if kind != MESSAGE:
            return traced(file, found.parts, found.inner)
        learned = traces(found.parts, found.inner)
        return shown(file, learned), learned

    def _wired(self, found: _Parts, scope: Scope) -> dict[str, Wired]:
        wired = {}
        for name, part in found.parts.items():
            if part.operation is None:
                scope.check_sources(part.section)
            else:
                wired[name] = scope.wire(part)
        return wired


def _is_flow(tree: Node) -> bool:
    given = tree.value if isinstance(tree.value, dict) else {}
    return "listeners" in given and "inputs" not in given


def _ended(
    kind: str,
    wired: dict[str, Wired],
    seeds: dict[str, dict[str, Any]],
    outputs: dict[str, Any],
    file: FlowFile,
) -> Any:
    from chatbot.flowfile import endings

    if kind == MESSAGE:
        ending = {endings.OUTCOME: endings.outcome(wired, outputs)}
    else:
        ending = {endings.RESULTS: endings.results(outputs, seeds[kind])}
    return endings.dataflow({**wired, **ending}, seeds, file.seeds, forwarding.of_file(file, seeds))
