"""Between a chat network and the streams; knows nothing of any one network.

The rule that it guards: what was heard is in IN before `hear` returns, and an outcome is
acknowledged only when the listener says that it has performed it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from chatbot.messages import ChatMessage, Outcome


@dataclass(frozen=True, slots=True)
class Delivery:
    """An outcome to perform. Call `done` when it has been: it does not come again after that.

    `attempt` is 1 at the first delivery and may be larger without the outcome having been
    performed (it may have waited in a process that died).
    """

    outcome: Outcome
    attempt: int
    done: Callable[[], Awaitable[None]]


class Bridge(Protocol):
    """What a listener has to do with the rest of the program."""

    async def hear(self, message: ChatMessage) -> None:
        """Publish `message` to IN; return once it is stored. The same id twice is stored once.

        While the server is away it waits and tries again, so a listener that awaits it feels
        the back-pressure; it raises only when it is cancelled.
        """

    def outcomes(self) -> AsyncIterator[Delivery]:
        """Yield what the flow decided for messages of this network, in no certain order."""


class Listener(Protocol):
    """A connection to one chat network. Plug-in group: `chatbot.listener`.

    The class is called with the network's name and its section of the flow file (checked
    against the class's `settings_type`, a dataclass whose fields are the keys).
    """

    network: str

    async def run(self, bridge: Bridge) -> None:
        """Hear and speak until cancelled. Reconnect for ever with jittered back-off.

        Returns when there is nothing more to hear and everything was answered (a pipe that
        ended); raises `ListenerError` when the network refuses the bot for good. When it is
        cancelled it leaves politely and quickly.
        """
