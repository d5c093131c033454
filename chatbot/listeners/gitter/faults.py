"""What a request can come to, beside its answer.

    UnavailableError   the server did not do it, or did not say so: it may be asked again
    LimitedError       it did not do it, as we have asked too much: likewise, later
    RefusedError       it will not do it: `status` (404, 403…)
    ListenerError      it does not know the token, or its certificate cannot be verified

Their messages hold nothing of what was sent or answered.
"""

from __future__ import annotations


class UnavailableError(Exception):
    """There was no answer, or one that says that the server cannot answer now."""


class LimitedError(Exception):
    """The server has had enough of us for a while."""


class RefusedError(Exception):
    """The server says no, and would say so again."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status
