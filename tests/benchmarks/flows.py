"""The flow that is measured, and what it is given: three trivial operations, 80 characters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from chatbot_test_benchmarks import ANSWER, TEXT, bench_classify, bench_format, bench_respond
from dffml import DataFlow, GetSingle, Input

from chatbot import service, settings
from chatbot.nodes.roster import Roster
from tests.servers.processes import environment

CHAT = """\
version: 1
name: chat
operations:
  format: {run: bench_format, inputs: {text: message.text}}
  classify: {run: bench_classify, inputs: {clean: format.clean}}
  respond: {run: bench_reply, inputs: {label: classify.label}}
"""
"""The same as a bot's flow (W4)."""

EXPECTED = {ANSWER.name: "that is a question"}


def dataflow(classify: Any = bench_classify) -> DataFlow:
    """Return format → `classify` → respond."""
    made = DataFlow.auto(bench_format, classify, bench_respond, GetSingle)
    made.seed.append(Input(value=[ANSWER.name], definition=GetSingle.op.inputs["spec"]))
    return made


def text(number: int) -> str:
    """Return the message with this number: 80 characters, and none like another."""
    return f"{number:08} How do I do this? {'x' * 80}"[:80]


def message(number: int) -> list[Input]:
    return [Input(value=text(number), definition=TEXT)]


@asynccontextmanager
async def nodes(folder: Path, url: str, *operations: str, count: int = 1) -> AsyncIterator[None]:
    """Run `count` node processes for the block's duration."""
    told = environment(folder, **{settings.NATS_URL: url})
    async with AsyncExitStack() as stack:
        for _ in range(count):
            await stack.enter_async_context(
                service.child(["node", "run", "--quiet", *operations], told)
            )
        yield


async def offered(roster: Roster, operation: str, flow: str, count: int = 1) -> None:
    """Wait until `count` nodes offer `operation` to `flow`."""
    while offering(roster, operation, flow) < count:
        roster.changed.clear()
        await roster.changed.wait()


def offering(roster: Roster, operation: str, flow: str) -> int:
    """Return how many nodes offer `operation` to `flow`."""
    return sum(
        any(each.name == operation and each.flow == flow for each in node.operations.values())
        for node in roster.nodes
    )
