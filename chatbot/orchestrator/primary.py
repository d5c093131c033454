"""A primary: one flow, over one connection, for as long as it is open."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from chatbot.broker import Broker, streams
from chatbot.broker.subjects import Lane
from chatbot.flowfile.flow import Flow
from chatbot.messages import OperationRecord
from chatbot.nodes.roster import Roster
from chatbot.orchestrator.intake import Intake
from chatbot.orchestrator.orchestrator import NatsOrchestrator
from chatbot.orchestrator.timetable import keeping_time


@asynccontextmanager
async def primary(
    broker: Broker,
    flow: Flow,
    roster: Roster,
    *,
    ready: Callable[[Sequence[OperationRecord]], Awaitable[None]] | None = None,
    listeners: Callable[[], list[str]] = list,
) -> AsyncIterator[Intake]:
    """Run `flow` for every message that is published to its IN, for the block's duration.

    With `ready` it takes messages only when that has returned; it is told what nodes are to run.
    """
    shared = streams.account_streams(flow.name, flow.storage)
    await streams.ensure(broker, shared + streams.flow_streams(flow.name, flow.storage))
    async with (
        orchestrator(broker, flow, Lane.PEOPLE, roster) as running,
        running(flow.dataflow) as octx,
    ):
        if ready is not None:
            await ready(running.records)
        async with (
            Intake.open(
                broker,
                running,
                octx,
                roster,
                listeners=listeners,
                backlog=flow.backlog,
                rules=flow.rules,
                state=flow.state,
            ) as intake,
            keeping_time(broker, flow.name, flow.schedules),
        ):
            yield intake


def orchestrator(broker: Broker, flow: Flow, lane: Lane, roster: Roster) -> NatsOrchestrator:
    """Return the orchestrator that runs `flow` as its file says."""
    return NatsOrchestrator.over(
        broker,
        flow.name,
        revision=flow.revision,
        instances=flow.instances,
        lane=lane,
        roster=roster,
    )
