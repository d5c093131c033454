"""Where an operation runs when the flow does not say: on nodes, unless it is marked cheap."""

from typing import TypeVar

T = TypeVar("T")


def cheap(func: T) -> T:
    """Mark an operation as taking microseconds: it runs on the primary, with no way there.

    Put it above `@op`. Such an operation must not block, and must import without models.
    """
    func.imp.cheap = True  # type: ignore[attr-defined]
    return func


def is_cheap(implementation: object) -> bool:
    """Whether the implementation (`….imp`) was marked with `cheap`."""
    return bool(getattr(implementation, "cheap", False))
