"""What a primary announces of itself: how much it did, and how fast."""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from datetime import UTC, datetime

import chatbot
from chatbot.messages import PrimaryRecord


class Tally:
    """Counts the messages that one primary has done."""

    def __init__(self, primary: str, flow: str) -> None:
        self._primary = primary
        self._flow = flow
        self._started = datetime.now(UTC)
        self._done = 0
        self._skipped = 0
        self._marks: deque[tuple[float, int]] = deque([(time.monotonic(), 0)], maxlen=6)

    def add(self, *, skipped: bool) -> None:
        """Count one message that is done, be it answered or not."""
        self._done += 1
        self._skipped += skipped

    def record(
        self, revision: str, *, contexts: int, dropped: int, listeners: list[str]
    ) -> PrimaryRecord:
        """Return the announcement; its rate is that since the sixth last one."""
        now = time.monotonic()
        self._marks.append((now, self._done))
        since, before = self._marks[0]
        return PrimaryRecord(
            id=self._primary,
            flow=self._flow,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=chatbot.__version__,
            started=self._started,
            contexts=contexts,
            done=self._done,
            rate=round((self._done - before) / (now - since), 1) if now > since else 0.0,
            listeners=listeners,
            dropped=dropped,
            revision=revision,
            skipped=self._skipped,
            time=datetime.now(UTC),
        )
