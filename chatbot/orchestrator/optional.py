"""Calls that a message does not depend on: it waits for them for a while, then goes on without.

The rule that it guards: what such a call costs a message is at most the seconds that the flow
allows it, and nothing at all once no node has offered the operation for as long.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from chatbot.orchestrator.call import Call

log = logging.getLogger(__name__)

LOOK = 0.2
"""Seconds between looks at whether any node offers the operation."""

Route = Callable[[Call], None]


class Optional:
    """A route for the calls of one optional step, in the place of `route`.

    `offered` says whether anybody runs the operation, `gone_on` is called when contexts went on
    without a result; what comes later is dropped. A node that is starting is waited for, too: only
    after `seconds` without any are calls passed over at once. Who is `patient` waits for as long
    as somebody offers it: bulk work is to come out the same however much of it there is.
    """

    def __init__(
        self,
        name: str,
        route: Route,
        seconds: float,
        offered: Callable[[], bool],
        gone_on: Callable[[], None],
        forget: Route,
        *,
        patient: bool = False,
    ) -> None:
        self._name = name
        self._route = route
        self._seconds = seconds
        self._offered = offered
        self._gone_on = gone_on
        self._forget = forget
        self._patient = patient
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[float, Call]] = deque()  # in the order in which they are due
        self._timer: asyncio.TimerHandle | None = None
        self._looked = 0.0
        self._lacking = 0.0
        self._told = False

    def __call__(self, call: Call) -> None:
        """Have the call run, and its context wait for it for a while."""
        now = self._loop.time()
        if now >= self._looked + LOOK:
            self._look(now)
        if self._lacking and now > self._lacking + self._seconds:
            self._pass_over()
            self._loop.call_soon(self._end, [call])
            return
        self._drop_done()
        self._waiting.append((now + self._seconds, call))
        if self._timer is None:
            self._timer = self._loop.call_at(now + self._seconds, self._expire)
        self._route(call)

    def _look(self, now: float) -> None:
        self._looked = now
        if not self._offered():
            self._lacking = self._lacking or now
            return
        if self._told:
            log.info("a node runs %s again", self._name)
        self._lacking, self._told = 0.0, False

    def _pass_over(self) -> None:
        if not self._told:
            self._told = True
            log.warning("no node runs %s: messages go on without it", self._name)

    def _expire(self) -> None:
        """End the calls that are due; look again when the next one is."""
        self._timer = None
        now, late = self._loop.time(), []
        if self._patient and self._offered():
            self._drop_done()
            if self._waiting:
                self._timer = self._loop.call_at(now + self._seconds, self._expire)
            return
        while self._waiting and (_is_done(self._waiting[0][1]) or self._waiting[0][0] <= now):
            call = self._waiting.popleft()[1]
            if not _is_done(call):
                late.append(call)
        if self._waiting:
            self._timer = self._loop.call_at(self._waiting[0][0], self._expire)
        if late:
            log.warning("%d messages go on without %s, which is late", len(late), self._name)
            self._end(late)

    def _end(self, calls: list[Call]) -> None:
        for call in calls:
            if not _is_done(call):
                self._forget(call)
                call.context.go_on_without(call.number)
        self._gone_on()

    def _drop_done(self) -> None:
        """Hold no context that has ended, as long as none before it is late."""
        while self._waiting and _is_done(self._waiting[0][1]):
            self._waiting.popleft()


def _is_done(call: Call) -> bool:
    return call.context.over or call.number not in call.context.calls
