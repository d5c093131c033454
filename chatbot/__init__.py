"""A chat bot built on distributed dataflows.

Importing the package installs a lazy hook that repairs DFFML when it is first imported;
neither DFFML nor torch is imported before something needs it. `operation` and what goes with it
(see `chatbot.authoring`) are imported when they are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatbot import dffml_compat

if TYPE_CHECKING:
    from chatbot.authoring import Batch, operation
    from chatbot.messages import Action, Reply

__all__ = ["Action", "Batch", "Reply", "operation"]
__version__ = "0.1.0"

_WHERE = {
    "Action": "chatbot.messages",
    "Batch": "chatbot.authoring",
    "Reply": "chatbot.messages",
    "operation": "chatbot.authoring",
}

dffml_compat.install()


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)
