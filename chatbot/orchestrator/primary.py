"""A primary: one flow, over one connection, for as long as it is open."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from chatbot.broker import Broker, streams
from chatbot.broker.corrections import Corrections
from chatbot.broker.subjects import Lane
from chatbot.flowfile.flow import Flow
from chatbot.learning import About, Learning
from chatbot.messages import OperationRecord
from chatbot.nodes.roster import Roster
from chatbot.orchestrator.context import Context
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
    contexts: type[Context] = Context,
) -> AsyncIterator[Intake]:
    """Run `flow` for every message that is published to its IN, for the block's duration.

    With `ready` it takes messages only when that has returned; it is told what nodes are to run.
    `contexts` are of another class where they are watched.
    """
    shared = streams.account_streams(flow.name, flow.storage)
    await streams.ensure(broker, shared + streams.flow_streams(flow.name, flow.storage))
    async with (
        orchestrator(broker, flow, Lane.PEOPLE, roster, contexts) as running,
        running(flow.dataflow) as octx,
    ):
        if flow.rules.learning is not None:
            await _introduce(broker, flow.name, flow.rules.learning)
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


async def _introduce(broker: Broker, flow: str, learning: Learning) -> None:
    """Say which operation learns, for `chatbot labels`."""
    corrections = await Corrections.open(broker, flow, learning.operation)
    await corrections.introduce(About(flow, learning.operation, learning.labels, learning.several))


def orchestrator(
    broker: Broker, flow: Flow, lane: Lane, roster: Roster, contexts: type[Context] = Context
) -> NatsOrchestrator:
    """Return the orchestrator that runs `flow` as its file says."""
    made = NatsOrchestrator.over(
        broker,
        flow.name,
        revision=flow.revision,
        instances=flow.instances,
        lane=lane,
        roster=roster,
    )
    made.contexts = contexts
    return made
