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
    """What to collect: `replies` in the `order` of these instances, `outputs` by their names."""

    replies: tuple[Any, ...] = ()
    outputs: dict[str, Any] = field(default_factory=dict)
    order: tuple[str, ...] = ()


@op(
    name="collect_outcome",
    inputs={"start": START},
    outputs={
        "replies": Definition(name="outcome.replies", primitive="array"),
        "understood": Definition(name="outcome.understood", primitive="map"),
    },
    stage=Stage.OUTPUT,
    config_cls=OutcomeConfig,
)
class CollectOutcome(OperationImplementationContext):
    """Return the replies and what was understood; of neither need there be any."""

    async def run(self, inputs: dict[str, Any]) -> dict[str, Any]:
        async with self.octx.ictx.definitions(self.ctx) as found:
            wanted = {d.name: d for d in (*self.config.replies, *self.config.outputs.values())}
            items = [item for d in wanted.values() for item in await _items(found, d)]
        return collect(self.config, items)


def collect(config: OutcomeConfig, inputs: Sequence[Any]) -> dict[str, Any]:
    """Return the replies and what was understood, of a context's `inputs` (DFFML's)."""
    names = {definition.name for definition in config.replies}
    replies, last = [], {}
    for item in inputs:
        name = item.definition.name
        if name in names:
            replies.append(item)
        last[name] = item.value
    if len(replies) > 1:
        replies.sort(key=lambda item: _place(config.order, item))
    understood = {
        name: last[definition.name]
        for name, definition in config.outputs.items()
        if last.get(definition.name) is not None  # null: a subflow's that did not come
    }
    return {"replies": [item.value for item in replies], "understood": understood}


def _place(order: Sequence[str], item: Any) -> int:
    instance = item.origin[0] if isinstance(item.origin, tuple) else item.origin
    return order.index(instance) if instance in order else len(order)


async def _items(found: Any, definition: Any) -> list[Any]:
    try:
        return [item async for item in found.inputs(definition)]
    except KeyError:  # how DFFML's memory network says that there is none
        return []
