"""The contract, over flows drawn at random: both orchestrators, and a model, agree."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from dffml import MemoryOrchestrator
from hypothesis import HealthCheck, Phase, assume, given, settings

from chatbot.broker import EmbeddedServer, connect
from chatbot.orchestrator.orchestrator import NatsOrchestrator
from tests.integration.drawn import Drawn, dataflow, drawn, expected, inputs

CALLS = 60
"""The most that a context of a drawn flow may make: beyond, it is only larger."""


async def run(orchestrator: Any, flow: Drawn) -> tuple[Counter[Any], dict[str, Any]]:
    """Return what was called in all contexts together, and each context's values."""
    calls: list[Any] = []
    async with asyncio.timeout(10), orchestrator(dataflow(flow, calls)) as octx:
        found = {str(ctx): result async for ctx, result in octx.run(inputs(flow))}
    return Counter(calls), found


def test_both_orchestrators_do_what_the_model_says(tmp_path: Path) -> None:
    async def open_all(stack: AsyncExitStack) -> tuple[Any, Any]:
        server = await stack.enter_async_context(EmbeddedServer.start(tmp_path / "data"))
        broker = await stack.enter_async_context(connect(server.url, name="test"))
        memory = await stack.enter_async_context(MemoryOrchestrator.withconfig({}))
        return broker, memory

    async def check(broker: Any, memory: Any, flow: Drawn) -> None:
        models = {name: expected(flow, name, CALLS) for name in flow.inputs}
        assume(None not in models.values())
        known = {name: model for name, model in models.items() if model is not None}
        calls = sum((model.calls for model in known.values()), Counter[Any]())
        values = {name: model.values for name, model in known.items()}
        async with NatsOrchestrator.over(broker, "drawn") as orchestrator:
            assert await run(orchestrator, flow) == (calls, values)
        if all(model.sound for model in known.values()):
            assert await run(memory, flow) == (calls, values)

    stack = AsyncExitStack()
    with asyncio.Runner() as runner:
        broker, memory = runner.run(open_all(stack))
        try:

            @settings(
                max_examples=100,
                deadline=None,
                phases=[Phase.reuse, Phase.generate],  # shrinking takes minutes
                suppress_health_check=[HealthCheck.too_slow],
            )
            @given(drawn())
            def agree(flow: Drawn) -> None:
                runner.run(check(broker, memory, flow))

            agree()
        finally:
            runner.run(stack.aclose())
