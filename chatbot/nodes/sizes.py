"""How much work a node holds of an operation, and runs in one go: sized in time, not in count.

The rule that it guards: people's work waits for the end of a short batch at most.
"""

from __future__ import annotations

import time

from chatbot.broker.subjects import Lane
from chatbot.messages import OperationRecord

AHEAD = 0.05
"""Seconds of work that a worker holds beyond what runs: a fast node takes more."""

BATCHES_AHEAD = 2.0
"""The same for an operation that runs many calls in one go, whose next batch should be full."""

MERGED = 256
"""Calls at most that are handed at once to an operation that merges them by itself."""

MERGED_SECONDS = 1.0
"""The longest that one such batch of bulk work is to take: it keeps nobody waiting."""

MERGED_AT_ONCE = 2
"""Such batches of a lane at once: one is prepared while the other runs."""

MERGED_AHEAD = 1024
"""Messages of a lane that are held for such an operation at most."""

MOST_AHEAD = 64

AT_ONCE = 0.01
"""Seconds of calls that one of several takes in one go, where an operation runs several at once."""

BULK_SECONDS = 0.2
"""The longest that one batch of bulk work is to take: people's work waits for its end."""

SMOOTHING = 0.2


class Sizes:
    """The sizes of one operation's batches, from how long its calls take.

    `together`: it runs many calls in one go; `merges`: and several such batches overlap, which
    it merges by itself. `seconds` is how long one call took, on the average; 0 while unknown.
    """

    def __init__(self, record: OperationRecord, together: bool, merges: bool) -> None:
        self._record = record
        self._together = together
        self.merges = merges
        self.seconds = 0.0
        self._calls_a_message = 1.0
        self._ended = 0.0

    @property
    def held(self) -> int:
        """How many messages of a lane to hold: what runs, and a little ahead in time."""
        if self.merges and self.seconds:
            ahead = int(BATCHES_AHEAD / (self.seconds * self._calls_a_message))
            return min(max(2, ahead), MERGED_AHEAD)
        batch = max(1, round(self._record.batch / self._calls_a_message))
        running = (batch if self._together else 1) * self._record.concurrency
        if not self.seconds:
            return 2 * running  # the duration is unknown: a batch, or one and the next
        seconds = self.seconds * self._calls_a_message / self._record.concurrency
        ahead = int((BATCHES_AHEAD if self._together else AHEAD) / max(seconds, 1e-6))
        return running + max(1, min(ahead, running if self._together else MOST_AHEAD))

    def most(self, lane: Lane) -> int:
        """Return how many calls may be in a batch: where they do not run together, or in bulk,
        only as many as are quick, as a batch that has begun is not handed back."""
        if self.merges:
            return self._most_merged(lane)
        if self._together and lane is Lane.PEOPLE:
            return self._within_limit(self._record.batch)
        if not self.seconds:
            return 1  # nobody knows yet how long it takes
        several = AT_ONCE if self._record.concurrency > 1 else AHEAD
        seconds = BULK_SECONDS if self._together else several
        return max(1, min(self._record.batch, int(seconds / self.seconds)))

    def measure(self, started: float, calls: int, messages: int) -> None:
        """Learn from a batch that began then, by the monotonic clock, and ends now.

        Of batches that overlap, what counts is what each took more.
        """
        now = time.monotonic()
        if self.merges:
            started, self._ended = max(started, self._ended), now
        each = (now - started) / calls
        self.seconds += (each - self.seconds) * (SMOOTHING if self.seconds else 1.0)
        self._calls_a_message += (calls / messages - self._calls_a_message) * SMOOTHING

    def _most_merged(self, lane: Lane) -> int:
        """Return how many calls may be handed over at once to an operation that merges them."""
        most = max(self._record.batch, MERGED)
        if lane is Lane.BULK:
            most = min(most, int(MERGED_SECONDS / self.seconds)) if self.seconds else 1
        return max(1, self._within_limit(MERGED_AT_ONCE * most) // MERGED_AT_ONCE)

    def _within_limit(self, most: int) -> int:
        """Return how many calls fit into the time limit of a batch, with room; at most `most`."""
        timeout = self._record.timeout
        if not timeout or self.seconds * most * 2 <= timeout:
            return most
        return max(1, int(timeout / self.seconds / 2))
