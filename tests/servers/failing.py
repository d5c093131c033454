"""The program with a failpoint: at its point it kills or stops itself, once.

    python -m tests.servers.failing POINT HOW ARGUMENTS...    (such as: "sent OUT" kill run FLOW)

POINT is `-` for none. The program's own code knows nothing of failpoints, so that they cost it
nothing and nobody can arm one in production: here the methods at which processes meet the wire
are wrapped before the program starts. Where one of them is renamed, this fails at once; where
one is not passed through any more, the test that waits for the death of the process fails.

| point | reached when |
|---|---|
| `before QUEUE` | a message is about to be published |
| `sent QUEUE` | the server has it; we have not seen its acknowledgement |
| `stored QUEUE` | its acknowledgement has come, and nothing was made of it |
| `taken QUEUE` | a message was delivered to us, and we have not looked at it |
| `acked QUEUE` | the server has our acknowledgement |
| `running` | a node's operation is about to run |
| `kept` | a change of what a flow keeps is stored |
| `said` | a line or part is with the network, and we have not noted that |
| `confirmed` | the IRC server has confirmed what was said, and we have not noted that |

HOW is `kill` (SIGKILL) or `stop` (SIGSTOP: the test kills it, or lets it go on, later). It
happens at the second passage, so that something is before and behind it; at the first one where
what is said is confirmed, as that is for all that was said in a while.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

from chatbot import cli
from chatbot.broker import buckets, lease, pull, streams, subjects
from chatbot.broker.memory import Memory
from chatbot.broker.publisher import Publisher
from chatbot.broker.pull import Pull, Taken
from chatbot.listeners.irc.session import Session
from chatbot.nodes.networks import NatsNodeOperationImplementationNetworkContext

PASSAGE = 2
SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
ACK_WAIT = 1.0
"""Seconds until what a dead process held is another's, instead of 2.5 to 10."""


class Failpoint:
    """Sends this process its signal at the second passage through `point`."""

    def __init__(self, point: str, how: str) -> None:
        self.point = point
        self._signal = SIGNALS[how]
        self._left = 1 if point == "confirmed" else PASSAGE

    def reach(self, point: str) -> None:
        if point == self.point:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), self._signal)

    def arm(self) -> None:
        """Wrap what the points are at."""
        self._arm_publishing()
        self._arm_taking()
        self._arm_running()
        self._arm_keeping()
        self._arm_saying()

    def _arm_publishing(self) -> None:
        publish, publish_once = Publisher.publish, Publisher._publish_once

        async def failing(publisher: Publisher, subject: str, data: bytes) -> None:
            queue = subject.split(".")[1].upper()
            self.reach(f"before {queue}")
            await publish(publisher, subject, data)
            self.reach(f"stored {queue}")

        async def failing_once(publisher: Publisher, subject: str, data: bytes) -> None:
            if self.point == (point := f"sent {subject.split('.')[1].upper()}"):
                await publisher._client.publish(subject, data)
                await self._flush(publisher._client)
                self.reach(point)
            await publish_once(publisher, subject, data)

        Publisher.publish = failing  # type: ignore[method-assign]
        Publisher._publish_once = failing_once  # type: ignore[method-assign]

    def _arm_taking(self) -> None:
        receive, settle = Pull._receive, Pull._settle

        async def failing(taking: Pull, msg: Any) -> None:
            if not (msg.headers and "Status" in msg.headers):
                self.reach(f"taken {taking._stream.split('_')[1]}")
            await receive(taking, msg)

        async def failing_settle(taking: Pull, taken: Taken, verdict: bytes) -> None:
            await settle(taking, taken, verdict)
            point = f"acked {taking._stream.split('_')[1]}"
            if self.point == point and verdict == pull._ACK:
                await self._flush(taking._broker.nc)
                self.reach(point)

        Pull._receive = failing  # type: ignore[method-assign]
        Pull._settle = failing_settle  # type: ignore[method-assign]

    def _arm_running(self) -> None:
        kind = NatsNodeOperationImplementationNetworkContext
        run = kind.outputs_of_batch

        async def failing(network: Any, *arguments: Any) -> Any:
            self.reach("running")
            return await run(network, *arguments)

        kind.outputs_of_batch = failing

    def _arm_keeping(self) -> None:
        store = Memory._store

        async def failing(memory: Memory, *arguments: Any) -> bool:
            stored = await store(memory, *arguments)
            self.reach("kept")
            return stored

        Memory._store = failing  # type: ignore[method-assign]

    def _arm_saying(self) -> None:
        from chatbot_test_platform import PlatformListener

        say, turn, receipt, part = (
            Session.say,
            Session.turn,
            Session.receipt,
            PlatformListener.say_part,
        )
        said = 0

        def failing_say(session: Session, *arguments: Any) -> None:
            nonlocal said
            say(session, *arguments)
            said += 1

        async def failing_turn(session: Session) -> bool:
            nonlocal said
            if said:
                await asyncio.sleep(0.0)  # what was said leaves at the end of the loop's turn
                await asyncio.sleep(0.0)
                said -= 1
                self.reach("said")
            return await turn(session)

        async def failing_receipt(session: Session) -> bool:
            given = await receipt(session)
            self.reach("confirmed")
            return given

        def failing_part(listener: PlatformListener, *arguments: Any) -> None:
            part(listener, *arguments)
            self.reach("said")

        Session.say = failing_say  # type: ignore[method-assign]
        Session.turn = failing_turn  # type: ignore[method-assign]
        Session.receipt = failing_receipt  # type: ignore[method-assign]
        PlatformListener.say_part = failing_part

    @staticmethod
    async def _flush(client: Any) -> None:
        """Wait until the server has what was sent."""
        await asyncio.sleep(0.0)  # what begins eagerly has a task from here on
        await client.flush()


def be_quick() -> None:
    """Shorten what tests would wait for: by when a dead process's messages and leases are free."""
    streams.IN_ACK_WAIT = streams.WORK_ACK_WAIT = ACK_WAIT
    streams.OUT_ACK_WAIT = streams.DONE_ACK_WAIT = ACK_WAIT
    pull.EXPIRES = ACK_WAIT  # until then, what a stopped process has asked for goes to it
    buckets._TTL[subjects.LEASES] = kept = 1.5
    lease._RENEW = kept / 5
    lease._SAFE = kept - lease._RENEW


def main() -> None:
    be_quick()
    _, point, how, *arguments = sys.argv
    if point != "-":
        Failpoint(point, how).arm()
    sys.argv = ["chatbot", *arguments]
    cli.main()


if __name__ == "__main__":
    main()
