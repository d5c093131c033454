"""`collect_outcome`: the OUTPUT operation in which every flow for a bot ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dffml import Definition, Stage, op
from dffml.df.base import OperationImplementationContext

START = Definition(name="outcome.start", primitive="bool")


@dataclass(frozen=True)
class OutcomeConfig:
    """What to collect: decisions in the `order` of these instances, `outputs` by their names."""

    replies: tuple[Any, ...] = ()
    outputs: dict[str, Any] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    actions: tuple[Any, ...] = ()
    changes: tuple[Any, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Return it as DFFML's files have it: definitions by their names."""
        return {
            "replies": [each.name for each in self.replies],
            "outputs": {name: each.name for name, each in self.outputs.items()},
            "order": list(self.order),
            "actions": [each.name for each in self.actions],
            "changes": [each.name for each in self.changes],
        }

    @classmethod
    def _fromdict(cls, **plain: Any) -> OutcomeConfig:
        """Return the configuration in a file of DFFML's, which calls this."""
        names = {key: tuple(plain.get(key, ())) for key in ("replies", "actions", "changes")}
        return cls(outputs=plain.get("outputs", {}), order=tuple(plain.get("order", ())), **names)

    def resolved(self, definitions: dict[str, Any]) -> OutcomeConfig:
        """Return it with definitions where a file had names."""
        if not any(isinstance(each, str) for each in (*self.replies, *self.outputs.values())):
            return self
        return OutcomeConfig(
            replies=tuple(definitions[name] for name in self.replies),
            outputs={shown: definitions[name] for shown, name in self.outputs.items()},
            order=self.order,
            actions=tuple(definitions[name] for name in self.actions),
            changes=tuple(definitions[name] for name in self.changes),
        )


@op(
    name="collect_outcome",
    inputs={"start": START},
    outputs={
        "replies": Definition(name="outcome.replies", primitive="array"),
        "understood": Definition(name="outcome.understood", primitive="map"),
        "actions": Definition(name="outcome.actions", primitive="array"),
        "changes": Definition(name="outcome.changes", primitive="array"),
    },
    stage=Stage.OUTPUT,
    config_cls=OutcomeConfig,
)
class CollectOutcome(OperationImplementationContext):
    """Return the replies, the actions and what was understood; there need be none of them."""

    async def run(self, inputs: dict[str, Any]) -> dict[str, Any]:
        config = self.config.resolved(self.octx.config.dataflow.definitions)
        async with self.octx.ictx.definitions(self.ctx) as found:
            given = (
                *(*config.replies, *config.actions, *config.changes),
                *config.outputs.values(),
            )
            wanted = {definition.name: definition for definition in given}
            items = [item for d in wanted.values() for item in await _items(found, d)]
        return Collector(config)(items)


@dataclass(frozen=True)
class GatherConfig:
    """What to gather: definitions by name, and of which of them all values are wanted."""

    outputs: dict[str, Any] = field(default_factory=dict)
    many: frozenset[str] = frozenset()


@op(
    name="gather_outputs",
    inputs={"start": START},
    outputs={"outputs": Definition(name="gathered.outputs", primitive="map")},
    stage=Stage.OUTPUT,
    config_cls=GatherConfig,
)
class Gather(OperationImplementationContext):
    """Return the last value of each output, or all; null, or none, where nothing came."""

    async def run(self, inputs: dict[str, Any]) -> dict[str, Any]:
        config = self.config
        async with self.octx.ictx.definitions(self.ctx) as found:
            values = {
                name: [item.value for item in await _items(found, definition)]
                for name, definition in config.outputs.items()
            }
        return {
            name: given if name in config.many else given[-1] if given else None
            for name, given in values.items()
        }


class Collector:
    """Collects, from a context's inputs (DFFML's), what was decided and what was understood."""

    def __init__(self, config: OutcomeConfig) -> None:
        self._order = config.order
        self._replies = frozenset(definition.name for definition in config.replies)
        self._actions = frozenset(definition.name for definition in config.actions)
        self._shown = {name: definition.name for name, definition in config.outputs.items()}
        self._changes = frozenset(definition.name for definition in config.changes)
        self._wanted = self._replies.union(self._actions, self._changes, self._shown.values())

    def __call__(self, inputs: Sequence[Any]) -> dict[str, Any]:
        """Return what `collect_outcome` does."""
        wanted, last = self._wanted, {}
        replies: list[Any] = []
        actions: list[Any] = []
        for item in inputs:
            name = item.definition.name
            if name in wanted:
                last[name] = item.value
                if item.value is None:  # of an operation that the message went on without
                    continue
                if name in self._replies:
                    replies.append(item)
                elif name in self._actions:
                    actions.append(item)
        for decided in (replies, actions):
            if len(decided) > 1:
                decided.sort(key=self._place)
        understood = {
            shown: last[name]
            for shown, name in self._shown.items()
            if last.get(name) is not None  # null: a subflow's that did not come
        }
        outcome: dict[str, Any] = {
            "replies": [item.value for item in replies],
            "understood": understood,
            "actions": [item.value for item in actions],
        }
        if self._changes:
            outcome["changes"] = self._changed(inputs)
        return outcome

    def _changed(self, inputs: Sequence[Any]) -> list[Any]:
        items = [item for item in inputs if item.definition.name in self._changes]
        return [change for item in sorted(items, key=self._place) for change in item.value]

    def _place(self, item: Any) -> int:
        order = self._order
        instance = item.origin[0] if isinstance(item.origin, tuple) else item.origin
        return order.index(instance) if instance in order else len(order)


async def _items(found: Any, definition: Any) -> list[Any]:
    try:
        return [item async for item in found.inputs(definition)]
    except KeyError:  # how DFFML's memory network says that there is none
        return []
