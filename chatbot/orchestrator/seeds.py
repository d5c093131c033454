"""The names of a flow's locked seeds: the same in every primary that runs the flow.

A seed's name is made of the path of its subflow, its definition's name, its value, and its
place among equal ones. The flow's revision is no part of it: while a new one is rolled out, it
and the old one are not to use the same thing at once.
"""

from __future__ import annotations

from typing import Any

import msgspec
from dffml.df.types import DataFlow

from chatbot.messages import digest


class SeedNames:
    """`names` maps the uids of seeds to their names, over a flow and its subflows."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self._paths: dict[int, str] = {}

    def learn(self, dataflow: DataFlow, path: str) -> bool:
        """Name the locked seeds of `dataflow`, as they are now; whether it has any.

        A dataflow that is used twice in a flow has the names of its first place.
        """
        path = self._paths.setdefault(id(dataflow), path)
        locked = [seed for seed in dataflow.seed if seed.definition.lock]
        equals: dict[tuple[str, ...], int] = {}
        for place, seed in enumerate(locked):
            own = (path, seed.definition.name, _text_of(seed.value, place))
            equals[own] = equals.get(own, 0) + 1
            # Not named again: an operation may have changed the value since.
            self.names.setdefault(seed.uid, digest(*own, str(equals[own])))
        return bool(locked)


def _text_of(value: Any, place: int) -> str:
    """Return what is the same for an equal value elsewhere; its place, if it cannot cross."""
    try:
        return digest(msgspec.msgpack.encode(value, order="deterministic"))
    except (TypeError, ValueError, OverflowError):
        return f"#{place}"
