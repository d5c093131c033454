"""How often somebody may be answered: token buckets, of which there are so many at the most.

What the bot stays silent on costs nothing in the end: who chats with others in a room where the
bot listens is not kept from asking it something.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from chatbot.listeners.gate.recent import Recent
from chatbot.policy import Rate

MOST = 8192
"""Buckets. Of more, those used least lately are forgotten: they are full again."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Limits:
    """The buckets of one network, by whatever they are for."""

    def __init__(self, most: int = MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._buckets: Recent[Hashable, _Bucket] = Recent(most)
        self._clock = clock

    def take(self, wanted: Sequence[tuple[Hashable, Rate]]) -> Hashable | None:
        """Take a token from each bucket, or from none: the key of the first that is empty."""
        now = self._clock()
        buckets = [self._filled(key, rate, now) for key, rate in wanted]
        for (key, _), bucket in zip(wanted, buckets, strict=True):
            if bucket.tokens < 1.0:
                return key
        for bucket in buckets:
            bucket.tokens -= 1.0
        return None

    def give_back(self, keys: Sequence[Hashable]) -> None:
        """Put a token back into each: what it was taken for was not answered."""
        for key in keys:
            bucket = self._buckets.get(key)
            if bucket is not None:
                bucket.tokens += 1.0

    def _filled(self, key: Hashable, rate: Rate, now: float) -> _Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = _Bucket(rate.count, now)
            self._buckets.set(key, bucket)
        grown = bucket.tokens + (now - bucket.at) * rate.count / rate.seconds
        bucket.tokens, bucket.at = min(float(rate.count), grown), now
        return bucket
