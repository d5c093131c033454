"""`collect_outcome`: the OUTPUT operation in which every flow for a bot ends."""

from __future__ import annotations

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
            replies = [i for d in self.config.replies for i in await _items(found, d)]
            outputs = {n: await _items(found, d) for n, d in self.config.outputs.items()}
        replies.sort(key=self._place)
        return {
            "replies": [item.value for item in replies],
            "understood": {
                name: items[-1].value
                for name, items in outputs.items()
                if items and items[-1].value is not None  # null: a subflow's that did not come
            },
        }

    def _place(self, item: Any) -> int:
        order = self.config.order
        instance = item.origin[0] if isinstance(item.origin, tuple) else item.origin
        return order.index(instance) if instance in order else len(order)


async def _items(found: Any, definition: Any) -> list[Any]:
    try:
        return [item async for item in found.inputs(definition)]
    except KeyError:  # how DFFML's memory network says that there is none
        return []
