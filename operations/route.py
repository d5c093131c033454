"""Which room a message came from: what stands behind operations that differ by room."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from dffml import Definition, OperationImplementationContext, op

from chatbot.policy import PRIVATE, nearest
from operations.placement import cheap


@dataclass(frozen=True)
class RouteConfig:
    """Networks with rooms, or patterns of these, in their order."""

    rooms: list[list[str]] = field(default_factory=list)


@cheap
@op(
    name="route",
    config_cls=RouteConfig,
    inputs={
        "value": Definition(name="route.value", primitive="generic"),
        "network": Definition(name="route.network", primitive="string"),
        "room": Definition(name="route.room", primitive="string"),
        "private": Definition(name="route.private", primitive="bool"),
    },
    outputs={"rest": Definition(name="route.rest", primitive="generic")},
)
class Route(OperationImplementationContext):
    """Give `value` to the output of its room: `room1` for the first, `rest` for none of them."""

    async def run(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the value under one name."""
        config: RouteConfig = self.config
        patterns = [room for network, room in config.rooms if network == inputs["network"]]
        found = nearest(patterns, PRIVATE if inputs["private"] else inputs["room"])
        if found is None:
            return {"rest": inputs["value"]}
        number = config.rooms.index([inputs["network"], found]) + 1
        return {f"room{number}": inputs["value"]}


def outputs(config: RouteConfig) -> Iterator[str]:
    """Yield the names of the outputs that a configuration makes."""
    yield "rest"
    for number in range(1, len(config.rooms) + 1):
        yield f"room{number}"


Route.imp.outputs_of = staticmethod(outputs)
