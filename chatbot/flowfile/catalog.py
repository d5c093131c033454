"""What is installed: operations and listeners, found through their entry points.

Listing imports nothing; only what a flow names is loaded.
"""

from __future__ import annotations

import inspect
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple

from chatbot.errors import SignatureError

OPERATIONS = "dffml.operation"
LISTENERS = "chatbot.listener"


class NotLoadedError(Exception):
    """What an entry point names cannot be had; the message says why."""


class Loaded(NamedTuple):
    """An operation and the class that implements it, a subclass of what is installed."""

    operation: Any
    implementation: Any


class Catalog:
    """The entry points of one group; the first of a name counts."""

    def __init__(self, group: str) -> None:
        self._points: dict[str, EntryPoint] = {}
        for point in entry_points(group=group):
            self._points.setdefault(point.name, point)

    def __contains__(self, name: object) -> bool:
        return name in self._points

    def names(self) -> list[str]:
        """Return all names, without importing anything."""
        return sorted(self._points)

    def point(self, name: str) -> EntryPoint:
        """Return the entry point called `name`, which must be one of `names`."""
        return self._points[name]

    def load(self, name: str) -> Any:
        """Return what `name` stands for; raises `NotLoadedError`."""
        try:
            return self._points[name].load()
        except (ImportError, AttributeError, SignatureError) as error:
            raise NotLoadedError(f"`{name}` cannot be loaded: {error}") from error

    def operation(self, name: str) -> Loaded:
        """Return the operation called `name`; raises `NotLoadedError`."""
        found = self.load(name)
        if inspect.isfunction(found) and not hasattr(found, "op"):
            from dffml import op

            found = op(found)
        operation = getattr(found, "op", None)
        implementation = getattr(found, "imp", None) or found
        if operation is None or not inspect.isclass(implementation):
            raise NotLoadedError(f"`{name}` is installed, but is no operation")
        # By this name it is found again, here and by DFFML: a plain function's own is a path.
        return Loaded(operation._replace(name=name), own(implementation))


def own(implementation: Any) -> Any:
    """Return a subclass whose instances keep the operation that they were made for.

    DFFML's memory orchestrator writes the operation of each instance to the class, so that the
    last one stood for all: two subflows in a flow gave each other's outputs.
    """

    class Own(implementation):  # type: ignore[misc]
        op: Any

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.op = type(self).op

    Own.__name__ = Own.__qualname__ = implementation.__name__
    Own.__module__ = implementation.__module__
    return Own
