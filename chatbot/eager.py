"""Coroutines that begin at once: one that does not wait needs no task and no turn of the loop.

What runs before it first waits has no task of its own (as `asyncio.timeout` would ask for), so
only coroutines that are known to need none are begun so. Python 3.12 has eager tasks; this is
for 3.11, too.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

R = TypeVar("R")


def begin(coroutine: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any] | None:
    """Run `coroutine` until it waits; return what is left of it, `None` if it has ended.

    Raises what it raises.
    """
    try:
        waits_for = coroutine.send(None)
    except StopIteration:
        return None
    return rest_of(coroutine, waits_for)


async def rest_of(coroutine: Coroutine[Any, Any, R], waits_for: Any) -> R:
    """Go on with a coroutine that has begun, and waits for something; return what it returns."""
    return await _go_on(coroutine, waits_for)


@types.coroutine
def _go_on(coroutine: Coroutine[Any, Any, R], waits_for: Any) -> Generator[Any, Any, R]:
    while True:
        try:
            given = yield waits_for
        except BaseException as error:  # noqa: BLE001 - it is the coroutine's, a cancellation too
            step = functools.partial(coroutine.throw, error)
        else:
            step = functools.partial(coroutine.send, given)
        try:
            waits_for = step()
        except StopIteration as stop:
            returned: R = stop.value
            return returned
