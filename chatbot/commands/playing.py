"""Messages through a flow without a network: where replays and tests get their outcomes from.

A player is a primary of its own that has no IN and no OUT: there is no way from here to a
network. Its work goes to nodes in the bulk lane, behind that of people.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from dffml.df.base import StringInputSetContext

from chatbot import service
from chatbot.broker import connect, streams
from chatbot.broker.subjects import Lane
from chatbot.commands.nodes import (
    for_this_machine,
    local_node,
    make_ready,
    names_of,
    say_what_is_missing,
)
from chatbot.commands.screen import Screen
from chatbot.commands.server import serving
from chatbot.flowfile.flow import Flow
from chatbot.messages import ChatMessage, OperationRecord, Outcome
from chatbot.nodes.roster import Roster
from chatbot.nodes.shortage import may_run
from chatbot.nodes.watchdog import watchdog
from chatbot.orchestrator.burial import root_of
from chatbot.orchestrator.context import Context
from chatbot.orchestrator.decision import in_general_terms, outcome_of
from chatbot.orchestrator.given import Given
from chatbot.orchestrator.keeping import Imagined
from chatbot.orchestrator.primary import orchestrator
from chatbot.orchestrator.run import NatsOrchestratorContext

Failure = asyncio.Future[NoReturn]
Decided = tuple[ChatMessage, Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where messages are played: the NATS server, and whether to start a node here."""

    nats: str | None = field(default=None, repr=False)
    data: Path | None = None
    node: bool = True


class Player:
    """A flow that takes messages; `failure` ends with what keeps its node from going on."""

    def __init__(self, octx: NatsOrchestratorContext, flow: Flow, failure: Failure | None) -> None:
        self._flow = flow
        self._state = Imagined(flow.dataflow, flow.state)
        self._octx = octx
        self._given = Given(octx.config.dataflow)
        self.failure = failure

    def begin(self, handle: str, message: ChatMessage) -> tuple[Context, asyncio.Future[Decided]]:
        """Begin a context for `message`; the future gives what the flow decides, and no error.

        A flow with state must be given one message after the other.
        """
        future: asyncio.Future[Decided] = asyncio.get_running_loop().create_future()

        def ended(_: Context, results: Any, error: BaseException | None) -> None:
            if not future.done():
                outcome = outcome_or_error(message, results, error)
                self._state.keep(message, outcome)
                future.set_result((message, outcome))

        inputs = [*self._given.of(message), *self._state.recall(message)]
        return self._octx.start(StringInputSetContext(handle), handle, inputs, ended), future

    def forget(self) -> None:
        """Have the flow's state as it is at the start."""
        self._state = Imagined(self._flow.dataflow, self._flow.state)

    async def give_up(self, context: Context) -> None:
        """End a context that nobody waits for."""
        await self._octx.give_up(context)


async def player(
    flow: Flow,
    place: Place,
    screen: Screen,
    stack: AsyncExitStack,
    contexts: type[Context] = Context,
) -> Player:
    """Bring up what is needed, or use what a bot on this machine has up already.

    `contexts` are of another class where they are watched.
    """
    with screen.busy("starting"):
        serve = serving(place.nats, place.data, shared=True)
        url, _ = await stack.enter_async_context(serve)
        broker = await stack.enter_async_context(connect(url, name="chatbot-replay"))
        await streams.ensure(broker, streams.account_streams())
        roster = await stack.enter_async_context(Roster.follow(broker))
        running = await stack.enter_async_context(
            orchestrator(broker, flow, Lane.BULK, roster, contexts)
        )
        octx = await stack.enter_async_context(running(flow.dataflow))
        await stack.enter_async_context(watchdog(running.dispatcher.turn))
    failure = await _have_nodes(place, url, running.records, roster, screen, stack)
    return Player(octx, flow, failure)


async def _have_nodes(
    place: Place,
    url: str,
    records: Sequence[OperationRecord],
    roster: Roster,
    screen: Screen,
    stack: AsyncExitStack,
) -> Failure | None:
    """Wait for nodes that run the operations; start one where nobody offers to."""
    failure = None
    lacking = [r for r in records if not any(may_run(node, r) for node in roster.nodes)]
    here = for_this_machine(records) if place.node and for_this_machine(lacking) else []
    if here:
        failure = await stack.enter_async_context(local_node(url, here))
    say_what_is_missing([each for each in lacking if each not in here], roster, screen)
    with screen.busy(f"waiting for a node that runs {', '.join(names_of(records))}"):
        await service.unless(failure, make_ready(records, roster))
    return failure


def outcome_or_error(message: ChatMessage, results: Any, error: BaseException | None) -> Outcome:
    """Return what a flow decided for `message`, or the outcome that says what failed."""
    try:
        if error is not None:
            raise error
        return outcome_of(message, results)
    except Exception as failure:  # noqa: BLE001 - whatever an operation raised, or gave
        what = in_general_terms(failure, root_of(failure))
        return Outcome(message.id, message.network, message.room, message.sender, error=what)
