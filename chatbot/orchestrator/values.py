"""A value in a context: DFFML's `Input`, without what is only rarely asked of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from dffml.df.types import Definition, Input, PrimitiveDoesNotMatchValue

Origin = str | tuple[str, str]
"""Where a value came from: `seed` (or a caller's word), or (operation instance, output)."""


class Value(Input):
    """An `Input` that is cheap to make, and whose ancestors are found in linear time.

    Reads like DFFML's everywhere; `uid` is made when it is first read. `value` is taken as it
    is: what a definition's `spec` or `validate` does to it has been done (see `convert`).
    """

    def __init__(
        self,
        value: Any,
        definition: Definition,
        parents: Sequence[Input] = (),
        origin: Origin = "seed",
        validated: bool = True,
    ) -> None:
        self.value = value
        self.definition = definition
        self.parents = parents
        self.origin = origin
        self.validated = validated

    @property
    def uid(self) -> str:
        own = self.__dict__.get("_uid")
        if own is None:
            own = self.__dict__["_uid"] = str(uuid.uuid4())
        return str(own)

    def get_parents(self) -> list[Input]:
        """Return all ancestors, each once. DFFML's own is exponential on diamonds."""
        return ancestors(self.parents)


def ancestors(items: Iterable[Input]) -> list[Input]:
    """Return `items` and all their ancestors, each once, nearest first."""
    found: dict[int, Input] = {}
    waiting = list(items)
    for item in waiting:
        if id(item) not in found:
            found[id(item)] = item
            waiting.extend(item.parents)
    return list(found.values())


def convert(value: Any, definition: Definition) -> Any:
    """Return `value` as the definition's `spec` and `validate` would have it."""
    if definition.spec is None and definition.validate is None:
        return value
    if definition.subspec:
        value = _of_specs(value, definition)
        definition = definition._replace(spec=None, subspec=False)
    return Input(value=value, definition=definition).value


def _of_specs(value: Any, definition: Definition) -> Any:
    """Return a list or map with each item as the `spec` has it, in a new container.

    DFFML's own changes the caller's, and fails on what is of the `spec` already.
    """
    spec: Any = definition.spec
    if definition.primitive == "array" and isinstance(value, list):
        return [item if isinstance(item, spec) else spec(**item) for item in value]
    if definition.primitive == "map" and isinstance(value, dict):
        return {
            key: item if isinstance(item, spec) else spec(**item) for key, item in value.items()
        }
    raise PrimitiveDoesNotMatchValue(f"{type(value)} is no {definition.primitive}")
