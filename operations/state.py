"""Changes of what is kept from message to message: what stands behind `set`."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from dffml import Definition, OperationImplementationContext, op

from chatbot.flowfile.template import Expression
from operations.placement import cheap


@dataclass(frozen=True)
class SetConfig:
    """How each state changes, by its name: see `set` in a flow file."""

    changes: dict[str, dict[str, Any]] = field(default_factory=dict)


@cheap
@op(
    name="set_state",
    config_cls=SetConfig,
    inputs={},
    outputs={"change": Definition(name="state.change", primitive="array")},
)
class SetState(OperationImplementationContext):
    """Decide how states change. They do when the message's outcome is stored, and once."""

    async def run(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the changes, as an outcome has them."""
        config: SetConfig = self.config
        return {"change": [_change(name, how, inputs) for name, how in config.changes.items()]}


def templates(config: SetConfig) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the templates of a configuration, each with its path."""
    for name, how in config.changes.items():
        for way in ("to", "add", "append", "remove"):
            if isinstance(text := how.get(way), str):
                yield ("changes", name, way), text


SetState.imp.templates = staticmethod(templates)


def _change(name: str, how: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    if how.get("forget"):
        return {"name": name, "how": "forget"}
    if "append" in how:
        value = _value(how["append"], inputs)
        return {"name": name, "how": "append", "value": value, "most": how.get("most", 100)}
    if "remove" in how:
        return {"name": name, "how": "remove", "value": _value(how["remove"], inputs)}
    if "add" in how:
        value = _value(how["add"], inputs)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"`{name}`: only a number can be added")
        return {"name": name, "how": "add", "value": value}
    value = how["value"] if "value" in how else _value(how["to"], inputs)
    return {"name": name, "how": "set", "value": value}


def _value(given: Any, inputs: dict[str, Any]) -> Any:
    return _expression(given).value(inputs) if isinstance(given, str) else given


@lru_cache(maxsize=4096)
def _expression(text: str) -> Expression:
    return Expression(text)
