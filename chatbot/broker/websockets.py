"""aiohttp as nats-py has it: imported when a websocket is opened, and not when nats-py is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_NAME = "aiohttp"


class Later(ModuleType):
    """Stands for a module that is imported when something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)


@contextmanager
def later() -> Iterator[None]:
    """Have what is imported in the block get a stand-in for aiohttp, where that is installed."""
    if _NAME in sys.modules or find_spec(_NAME) is None:
        yield
        return
    sys.modules[_NAME] = Later(_NAME)
    try:
        yield
    finally:
        del sys.modules[_NAME]
