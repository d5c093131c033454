"""What becomes of a message that is old when its turn comes. Pure.

The rule that it guards: whatever is decided of an old message, it is decided once, and stored.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from chatbot.errors import UsageError
from chatbot.units import MINUTE, duration, shown_duration

ANSWER = "answer"
SKIP = "skip"
RECORD = "record"
POLICIES = (ANSWER, SKIP, RECORD)

OLDER = 10 * MINUTE
TOO_OLD = "too old"
"""What the outcome of such a message says."""

ONLY_RECORD = "ask nothing, only record"
"""Another way to say `record`."""

_OLDER_THAN = ("older", "than")
_FORM = "answer, skip older than 10m, or record older than 10m"


@dataclass(frozen=True, slots=True)
class Backlog:
    """The `backlog` setting of a flow: what happens to messages `older` than so many seconds.

    `answer`: what happens to any other. `skip`: the flow does not run. `record`: it runs, and
    its replies are not said.
    """

    policy: str = SKIP
    older: float = OLDER

    @classmethod
    def parse(cls, text: str) -> Backlog:
        """Read `answer`, `skip [older than DURATION]` or `record [older than DURATION]`.

        Without a duration it is `OLDER`. Raises `UsageError` for anything else.
        """
        policy, *rest = text.replace(ONLY_RECORD, RECORD, 1).split() or [""]
        if policy not in POLICIES:
            raise UsageError(f"{text!r} does not say what to do with old messages", hint=_FORM)
        if not rest:
            return cls(policy)
        if policy == ANSWER or tuple(rest[:2]) != _OLDER_THAN or len(rest) != 3:
            raise UsageError(f"{text!r} does not say which messages are old", hint=_FORM)
        return cls(policy, duration(rest[2]))

    def __str__(self) -> str:
        if self.policy == ANSWER:
            return self.policy
        return f"{self.policy} older than {shown_duration(self.older)}"

    def is_old(self, said: datetime) -> bool:
        """Whether a message that was said then is not to be answered now."""
        return self.policy != ANSWER and time.time() - said.timestamp() > self.older

    @property
    def runs(self) -> bool:
        """Whether the flow runs for old messages, too."""
        return self.policy != SKIP
