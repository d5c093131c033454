"""DFFML's own dataflow files: what `dffml dataflow create` writes, as it is.

Such a file is a subflow whose inputs are the definitions that its operations want from outside,
and whose outputs are what it collects, or else all that its operations give. A bot that is started
with one gives it what people say, and says what comes of it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chatbot.flowfile import foreign_shape
from chatbot.flowfile.catalog import Catalog, NotLoadedError, own
from chatbot.flowfile.configuration import configure
from chatbot.flowfile.document import Node
from chatbot.flowfile.flow import Instance
from chatbot.flowfile.packages import hint_for_unknown
from chatbot.flowfile.problems import Mark, Report, suggest
from chatbot.flowfile.sections import Section

COLLECTS = ("get_single", "get_multi", "collect_outcome")
"""What may stand at a file's end; other OUTPUT operations have no names for what they give."""

_SIGNS = ("flow", "linked", "definitions", "seed", "configs", "forward")


@dataclass(frozen=True, slots=True)
class Foreign:
    """A dataflow that was in a file, with what it wants and what it gives, by name."""

    dataflow: Any
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    many: frozenset[str]
    instances: dict[str, Instance] = field(default_factory=dict)


def is_dataflow(tree: Node) -> bool:
    """Whether a tree is DFFML's own dataflow, and not a flow file."""
    entries = tree.value if isinstance(tree.value, dict) else {}
    return "operations" in entries and "version" not in entries and bool(set(_SIGNS) & set(entries))


def read_foreign(tree: Node, path: Path, catalog: Catalog, report: Report) -> Foreign | None:
    """Return the dataflow in `tree`; `None` where anything is wrong with it, which is reported."""
    if not foreign_shape.check(tree, report):
        return None
    try:
        return _Reader(path, catalog, report).read(tree)
    except Exception as error:  # noqa: BLE001 - DFFML raises anything for a file that is wrong
        message = f"DFFML cannot read this dataflow: {type(error).__name__}: {error}"
        report.add(tree.mark, message)
        return None


class _Reader:
    def __init__(self, path: Path, catalog: Catalog, report: Report) -> None:
        self._folder = path.parent
        self._catalog = catalog
        self._report = report

    def read(self, tree: Node) -> Foreign | None:
        before = len(self._report)
        dataflow = self._dataflow(tree)
        instances = {
            name: instance
            for name, operation in dataflow.operations.items()
            if (instance := self._instance(name, operation, dataflow, tree)) is not None
        }
        wanted, many = self._collected(dataflow, tree)
        if len(self._report) > before:
            return None
        kept = _without_collectors(dataflow)
        inputs = {name: d for name, d in _asked(kept).items() if name not in _given(kept)}
        return Foreign(kept, inputs, wanted, many, instances)

    def _dataflow(self, tree: Node) -> Any:
        from dffml import DataFlow

        plain = copy.deepcopy(tree.plain())
        made = DataFlow._fromdict(**plain)
        validators = tree.at(("operations",))
        for name, operation in made.operations.items():
            if validators.at((name, "validator")).value is True:
                made.operations[name] = operation._replace(validator=True)
        made.update()
        return made

    def _instance(self, name: str, operation: Any, dataflow: Any, tree: Node) -> Instance | None:
        """Give an operation its implementation and configuration."""
        place = tree.at(("operations", name))
        at = place.at(("name",)).mark
        if operation.name not in self._catalog:
            hint = hint_for_unknown(operation.name, self._catalog.names(), named=True)
            self._report.add(at, f"there is no operation `{operation.name}`", hint)
            return None
        try:
            implementation = self._catalog.operation(operation.name).implementation
        except NotLoadedError as error:
            self._report.add(at, str(error))
            return None
        dataflow.implementations[operation.name] = implementation
        given = tree.at(("configs", name))
        inner = given.at(("dataflow",))
        if operation.name == "dffml.dataflow.run" and isinstance(inner.value, dict):
            return self._nested(name, operation, dataflow, inner)
        if operation.name == "collect_outcome":
            return None
        config = given if name in _map(tree.at(("configs",))) else None
        section = Section(name, place.key, operation.name, at, config=config)
        found = configure(section, implementation, self._folder, self._report)
        if found.value is not None:
            dataflow.configs[name] = found.value
        return Instance(
            name, operation.name, config=found.plain, files=found.files, retry=operation.retry
        )

    def _nested(self, name: str, operation: Any, dataflow: Any, inner: Node) -> Instance | None:
        from dffml.operation.dataflow import RunDataFlowConfig

        found = _Reader(self._folder / "-", self._catalog, self._report)._whole(inner)
        dataflow.configs[name] = RunDataFlowConfig(found)
        return Instance(name, operation.name, retry=operation.retry)

    def _whole(self, tree: Node) -> Any:
        """Return a dataflow within one, which keeps its own end."""
        dataflow = self._dataflow(tree)
        for name, operation in dataflow.operations.items():
            self._instance(name, operation, dataflow, tree)
        return dataflow

    def _collected(self, dataflow: Any, tree: Node) -> tuple[dict[str, Any], frozenset[str]]:
        """Return what the dataflow gives, by name, and which of these are many."""
        from dffml import Stage

        ends = {n: o for n, o in dataflow.operations.items() if o.stage is Stage.OUTPUT}
        for name in [name for name, o in ends.items() if o.name not in COLLECTS]:
            message = f"`{ends.pop(name).name}` cannot end a dataflow here"
            at = tree.at(("operations", name)).key
            self._report.add(at, message, f"there are {', '.join(COLLECTS[:2])}")
        if not ends:
            given = [d for o in dataflow.operations.values() for d in o.outputs.values()]
            return {d.name: d for d in given}, frozenset()
        found: dict[str, Any] = {}
        many: set[str] = set()
        for name, operation in ends.items():
            for shown, wanted in self._wanted(name, operation, dataflow):
                if wanted not in dataflow.definitions:
                    hint = suggest(wanted, dataflow.definitions, what="there are")
                    message = f"`{name}` collects `{wanted}`, which nothing gives"
                    self._report.add(tree.at(("operations", name)).key, message, hint)
                    continue
                found[shown] = dataflow.definitions[wanted]
                if operation.name == "get_multi" or shown in ("reply", "action", "state.change"):
                    many.add(shown)
        return found, frozenset(many)

    def _wanted(self, name: str, operation: Any, dataflow: Any) -> Iterator[tuple[str, str]]:
        """Yield the name and the definition of all that an operation collects."""
        if operation.name == "collect_outcome":
            config = dataflow.configs.get(name) or {}
            yield from dict(config.get("outputs", {})).items()
            for kind in ("replies", "actions", "changes"):
                yield from ((str(each), str(each)) for each in config.get(kind, ()))
            return
        spec = operation.inputs["spec"].name
        for seed in dataflow.seed:
            if seed.definition.name == spec:
                for each in seed.value:
                    items = each.items() if isinstance(each, dict) else [(each, each)]
                    yield from ((str(shown), str(wanted)) for shown, wanted in items)


def _map(node: Node) -> dict[str, Node]:
    return node.value if isinstance(node.value, dict) else {}


def _without_collectors(dataflow: Any) -> Any:
    from dffml import DataFlow, Stage

    kept = {n: o for n, o in dataflow.operations.items() if o.stage is not Stage.OUTPUT}
    gone = [o for n, o in dataflow.operations.items() if n not in kept]
    specs = {d.name for o in gone for d in o.inputs.values()}
    return DataFlow(
        operations=kept,
        flow={n: f for n, f in dataflow.flow.items() if n in kept},
        seed=[s for s in dataflow.seed if s.definition.name not in specs],
        configs={n: c for n, c in dataflow.configs.items() if n in kept},
        definitions=dict(dataflow.definitions),
        implementations={n: own(i) for n, i in dataflow.implementations.items()},
        forward=dataflow.forward,
    )


def _asked(dataflow: Any) -> dict[str, Any]:
    """Return the definitions of which a seed may come, by name."""
    found: dict[str, Any] = {}
    for name, flow in dataflow.flow.items():
        operation = dataflow.operations[name]
        for key, sources in flow.inputs.items():
            for source in sources:
                _add(source, operation.inputs[key], dataflow, found)
        for number, source in enumerate(flow.conditions):
            if number < len(operation.conditions):
                _add(source, operation.conditions[number], dataflow, found)
    return found


def _add(source: Any, definition: Any, dataflow: Any, found: dict[str, Any]) -> None:
    source = source[0] if isinstance(source, list) and source else source
    if source == "seed":
        found[definition.name] = definition
    elif isinstance(source, dict) and isinstance(source.get("seed"), list | tuple):
        for name in source["seed"]:
            if name in dataflow.definitions:
                found[name] = dataflow.definitions[name]


def _given(dataflow: Any) -> set[str]:
    """Return the names of what need not come: it is in the file, or has a default."""
    from dffml.df.types import NO_DEFAULT

    defaults = {
        name
        for name, definition in dataflow.definitions.items()
        if not isinstance(definition.default, type(NO_DEFAULT))
    }
    return {seed.definition.name for seed in dataflow.seed} | defaults


def wrapped(path: Path, found: Foreign, report: Report) -> Node | None:
    """Return a flow for a bot around a dataflow: what is said goes in, what comes is said.

    `None` where it wants what no message has, which is reported.
    """
    from chatbot.messages import ChatMessage

    start = Mark(str(path))
    fields = ChatMessage.__struct_fields__
    inputs = {}
    texts = [n for n, d in found.inputs.items() if d.primitive in ("str", "string")]
    for name in found.inputs:
        word = name.removeprefix("message.")
        if word in fields:
            inputs[name] = f"message.{word}"
        elif texts == [name]:
            inputs[name] = "message.text"
        else:
            hint = f"make a flow file with `flow: {path.name}` that gives it as an input"
            report.add(start, f"this dataflow wants `{name}`, which no message has", hint)
            return None
    decides = {"reply", "action", "state.change"} & set(found.outputs)
    shown = [name for name in found.outputs if name not in decides]
    operations: dict[str, Any] = {"dataflow": {"flow": str(path.resolve()), "inputs": inputs}}
    if not decides and shown:
        operations["say"] = _saying(shown)
    outputs = {_identifier(name): f"dataflow.{name}" for name in shown}
    content = {"version": 1, "name": _name(path), "operations": operations, "outputs": outputs}
    return _noded(content, start)


def _saying(shown: list[str]) -> dict[str, Any]:
    """Return a reply that says all values that came, with their names if there are several."""
    names = {f"v{number}": name for number, name in enumerate(shown)}
    lines = (
        f"{{% if {key} is not none %}}{'' if len(shown) == 1 else name + ': '}{{{{ {key} }}}}"
        f"{{% endif %}}\n"
        for key, name in names.items()
    )
    inputs = {key: f"dataflow.{name}" for key, name in names.items()}
    return {"reply": "".join(lines), "inputs": inputs}


def _identifier(name: str) -> str:
    word = "".join(c if c.isalnum() else "_" for c in name)
    return word if word.isidentifier() else f"_{word}"


def _name(path: Path) -> str:
    word = "".join(c if c.isascii() and c.isalnum() else "-" for c in path.stem.lower())
    return word.strip("-") or "dataflow"


def _noded(value: Any, mark: Mark) -> Node:
    if isinstance(value, dict):
        return Node(mark, {key: _noded(each, mark) for key, each in value.items()}, mark)
    return Node(mark, value, mark)
