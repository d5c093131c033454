"""Flow files to DFFML DataFlows: a file at a time, the subflows of a file before itself.

A flow for a bot ends in `collect_outcome`; a subflow in DFFML's `get_single`, and it runs as an
instance of DFFML's own `dffml.dataflow.run`. There is nothing in the DataFlow that DFFML's
memory orchestrator could not run.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from chatbot.flowfile import completeness
from chatbot.flowfile.catalog import Catalog, Loaded, NotLoadedError
from chatbot.flowfile.configuration import configure
from chatbot.flowfile.document import read
from chatbot.flowfile.flow import Instance
from chatbot.flowfile.learning import Trace, shown, traced, traces
from chatbot.flowfile.overrides import Override, apply
from chatbot.flowfile.problems import Report, suggest
from chatbot.flowfile.revision import content_of
from chatbot.flowfile.sections import INPUT, MESSAGE, FlowFile, Section, read_sections
from chatbot.flowfile.values import file_at
from chatbot.flowfile.wiring import Part, Scope, Wired, input_seeds, message_seeds, renamed

SUBFLOW = "dffml.dataflow.run"

MOST_SUBFLOWS = 256
"""A file that names another twice, which names another twice… makes no end of them."""

DEEPEST = 16


@dataclass(frozen=True, slots=True)
class Assembled:
    """A flow file that became a DataFlow; that is `None` when anything was reported.

    `inputs` and `outputs` are definitions, `decisions` those of the outputs that
    are to be said or done,
    `instances` all with the paths that they have in this file, `content` what its behaviour
    depends on, `sources` the files that it was made of.
    """

    file: FlowFile
    dataflow: Any
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    decisions: dict[str, str]
    instances: dict[str, Instance]
    content: dict[str, Any]
    sources: frozenset[Path]
    traces: dict[str, Trace] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Parts:
    parts: dict[str, Part] = field(default_factory=dict)
    inner: dict[str, Assembled] = field(default_factory=dict)


class Assembler:
    """Reads flow files and assembles them; what is wrong goes to `report`."""

    def __init__(self, catalog: Catalog, report: Report) -> None:
        self._catalog = catalog
        self._report = report
        self._subflows = 0
        self._learns = False

    def flow(self, path: Path, overrides: list[Override]) -> Assembled | None:
        """Return the flow for a bot at `path`; `None` where its file cannot be read at all."""
        file = self._file(path, overrides, subflow=False)
        if file is None:
            return None
        self._learns = file.learning is not None
        found = self._parts(file, overrides, (path.resolve(),), collected=True)
        return self._assembled(file, found, MESSAGE, message_seeds())

    def _subflow(
        self, section: Section, path: Path, overrides: list[Override], chain: tuple[Path, ...]
    ) -> Assembled | None:
        file = self._file(path, overrides, subflow=True)
        if file is None:
            return None
        self._check_distinct(file)
        found = self._parts(file, overrides, (*chain, path.resolve()), collected=False)
        return self._assembled(file, found, INPUT, input_seeds(section.name, file.inputs))

    def _file(self, path: Path, overrides: list[Override], *, subflow: bool) -> FlowFile | None:
        tree = read(path, self._report)
        if tree is None:
            return None
        if not isinstance(tree.value, dict):
            self._report.add(tree.mark, "a flow file must be a map", "begin with `version: 1`")
            return None
        tree = apply(tree, overrides, self._report)
        return read_sections(tree, path, self._report, subflow=subflow)

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
        *,
        collected: bool,
    ) -> _Parts:
        self._check_overrides(file, overrides)
        found = _Parts()
        for name, section in file.operations.items():
            if section.run:
                part = self._operation(section, file.path.parent)
                known = part.operation is not None
                found.parts[name] = renamed(part, collected=collected) if known else part
                continue
            deeper = [o.inner() for o in overrides if o.instance == name]
            inner = self._inner(section, file.path, deeper, chain)
            if inner is not None:
                found.inner[name] = inner
            found.parts[name] = _instance_of(section, inner, collected=collected)
        return found

    def _check_overrides(self, file: FlowFile, overrides: list[Override]) -> None:
        for override in overrides:
            name = override.instance
            if name and name not in file.operations:
                hint = suggest(name, file.operations, what="there are")
                self._report.add(override.node.key, f"there is no `{name}` in {file.path}", hint)
            elif name and file.operations[name].run:
                self._report.add(override.node.key, f"`{name}` is not a subflow")

    def _operation(self, section: Section, folder: Path) -> Part:
        if section.run not in self._catalog:
            hint = suggest(section.run, self._catalog.names(), what="installed")
            message = f"there is no operation `{section.run}`"
            self._report.add(section.run_mark, message, hint)
            return Part(section)
        try:
            loaded = self._catalog.operation(section.run)
        except NotLoadedError as error:
            self._report.add(section.run_mark, str(error))
            return Part(section)
        if not self._may_run(section, loaded):
            return Part(section)
        implementation = loaded.implementation
        configuration = configure(section, implementation, folder, self._report)
        return Part(section, loaded.operation, implementation, configuration)

    def _may_run(self, section: Section, loaded: Loaded) -> bool:
        from dffml import Stage

        if section.run == SUBFLOW:
            self._report.add(section.run_mark, "a subflow is written `flow: FILE`")
            return False
        if loaded.operation.stage is Stage.OUTPUT:
            message = f"`{section.run}` makes a flow's result; a flow file has `outputs` for that"
            self._report.add(section.run_mark, message)
            return False
        if loaded.operation.stage is Stage.CLEANUP and _elsewhere(section):
            message = f"`{section.run}` cleans up after a context: it runs on the primary"
            where = section.on_mark or section.mark
            self._report.add(where, message, "leave out `on`")
        return True

    def _inner(
        self, section: Section, file: Path, overrides: list[Override], chain: tuple[Path, ...]
    ) -> Assembled | None:
        if section.flow is None:
            return None  # was reported
        path = file_at(file.parent, str(section.flow.value))
        if path is None:
            self._report.add(section.flow.mark, "no file can have this name")
            return None
        if path in chain:
            names = " → ".join(p.name for p in (*chain, path))
            self._report.add(section.flow.mark, f"a subflow contains itself: {names}")
            return None
        if len(chain) > DEEPEST:
            self._report.add(section.flow.mark, f"subflows lie deeper than {DEEPEST} levels")
            return None
        if not path.is_file():
            others = [p.name for p in path.parent.glob("*.yaml") if p.name != file.name]
            hint = suggest(path.name, others, what="there are")
            self._report.add(section.flow.mark, f"there is no file {path}", hint)
            return None
        self._subflows += 1
        if self._subflows > MOST_SUBFLOWS:
            self._report.add(section.flow.mark, f"there are over {MOST_SUBFLOWS} subflows in all")
            return None
        return self._subflow(section, path, overrides, chain)

    def _assembled(
        self, file: FlowFile, found: _Parts, kind: str, seeds: dict[str, Any]
    ) -> Assembled:
        scope = Scope(kind, seeds, found.parts, self._report)
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
            dataflow=None if self._report else _ended(kind, wired, seeds, outputs),
            inputs=seeds,
            outputs=outputs,
            decisions={
                name: decided[source.origin, source.key]
                for name, source in file.outputs.items()
                if (source.origin, source.key) in decided
            },
            instances=_instances(found),
            content=content_of(followed, configurations, inner),
            sources=_sources(file, found),
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


def _ended(
    kind: str, wired: dict[str, Wired], seeds: dict[str, Any], outputs: dict[str, Any]
) -> Any:
    from chatbot.flowfile import endings

    if kind == MESSAGE:
        ending = {endings.OUTCOME: endings.outcome(wired, outputs)}
    else:
        ending = {endings.RESULTS: endings.results(outputs, seeds)}
    return endings.dataflow({**wired, **ending}, seeds)


def _elsewhere(section: Section) -> bool:
    return section.on is not None and not section.on.primary


def _instance_of(section: Section, inner: Assembled | None, *, collected: bool) -> Part:
    from dffml.df.types import GENERIC

    from chatbot.flowfile import endings

    if inner is None:
        return Part(section)
    outputs = {name: d or GENERIC for name, d in inner.outputs.items()}
    return endings.subflow(
        section, inner.dataflow, inner.inputs, outputs, inner.decisions, collected=collected
    )


def _instances(found: _Parts) -> dict[str, Instance]:
    instances = {}
    for name, part in found.parts.items():
        instances[name] = _instance(part)
        if name in found.inner:
            for path, instance in found.inner[name].instances.items():
                instances[f"{name}/{path}"] = replace(instance, name=f"{name}/{path}")
    return instances


def _sources(file: FlowFile, found: _Parts) -> frozenset[Path]:
    named = {path for part in found.parts.values() for path in part.configuration.files.values()}
    inner = (each.sources for each in found.inner.values())
    return frozenset(path.absolute() for path in {file.path, *named}).union(*inner)


def _instance(part: Part) -> Instance:
    section, configuration = part.section, part.configuration
    return Instance(
        name=section.name,
        operation=section.run or SUBFLOW,
        on=section.on,
        config=configuration.plain,
        files=configuration.files,
        retry=section.retry,
        batch=section.batch,
        concurrency=section.concurrency,
        timeout=section.timeout if section.run else 0.0,
    )
