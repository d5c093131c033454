"""The IRC listener: hears channels and private messages, and says the replies, without floods.

It owns everything that is IRC: one connection at a time to one network, the channels there,
the lines that leave under one rate limit. It knows nothing of NATS or flows; see `bridge`. What
others need of it, how nicks are written for one, loads without it: its library takes 0.2 s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chatbot.listeners.irc.listener import IrcListener
    from chatbot.listeners.irc.settings import IrcSettings, Timing

__all__ = ["IrcListener", "IrcSettings", "Timing"]

_WHERE = {"IrcListener": "listener", "IrcSettings": "settings", "Timing": "settings"}


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
