"""How long and on how many servers a flow's streams keep what they are given. Pure.

The rule that it guards: outcomes are kept for longer than what was heard. While a message can
still come again, its outcome must be there to refuse a second one.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from chatbot.errors import UsageError
from chatbot.units import DAY, MINUTE, shown_duration

KEEP = 7 * DAY
DEAD = 30 * DAY
LEAST = 10 * MINUTE
MOST_REPLICAS = 5


@dataclass(frozen=True, slots=True)
class Storage:
    """The `storage` section of a flow file; durations in seconds.

    `keep`: what was heard. `outcomes`: what was decided; 0 is twice `keep`. `dead`: what
    failed, for all flows of an account the longest that one of them wants. `size`: the most
    bytes of what was heard, and of what was decided; 0 is as much as the server has. `replicas`:
    the servers that have a copy; 0 is three on a cluster that has them, else one.

    Raises `UsageError` where outcomes would be forgotten before what they are the outcomes of.
    """

    keep: float = KEEP
    outcomes: float = 0.0
    dead: float = DEAD
    size: int = 0
    replicas: int = 0

    def __post_init__(self) -> None:
        if self.outcomes == 0:
            object.__setattr__(self, "outcomes", 2 * self.keep)
        if self.outcomes <= self.keep:
            raise UsageError(
                f"outcomes ({shown_duration(self.outcomes)}) must be kept for longer than what "
                f"was heard ({shown_duration(self.keep)}): a message whose outcome is forgotten "
                "could be answered a second time",
                hint=f"leave it out for {shown_duration(2 * self.keep)}",
            )

    def encode(self) -> str:
        """Return it as text, for what a stream says of itself."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def decode(cls, text: str) -> Storage | None:
        """Return what `encode` gave; `None` for what is none, or was made by a newer program."""
        try:
            return msgspec.json.decode(text, type=cls)
        except (msgspec.MsgspecError, UsageError):
            return None
