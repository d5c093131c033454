"""What a context gives at its end: CLEANUP, and then OUTPUT operations.

OUTPUT operations that only pick values by their definitions (DFFML's `get_single`, `get_multi`,
our `collect_outcome`) are read from the context's inputs as they lie there, without making
DFFML's objects; a test holds them to what the operations themselves give.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from dffml.df.exceptions import DefinitionNotInContext
from dffml.df.types import Input
from dffml.operation.output import GetMulti, GetSingle

from chatbot.flowfile.outcome import Collector, CollectOutcome
from chatbot.nodes.implementations import ImplementationNetworkContext
from chatbot.orchestrator.context import Context
from chatbot.orchestrator.plan import Plan, Step

Reader = Callable[[Sequence[Input], dict[str, Any]], dict[str, Any]]
"""(a context's inputs, the parameters) → the operation's outputs."""


def readers(plan: Plan, nctx: ImplementationNetworkContext) -> list[tuple[Step, Reader]] | None:
    """Return how the plan's OUTPUT is read, or `None` if something has to be run."""
    found = []
    for step in plan.output:
        implementation = nctx.operations[step.name]
        reading = READERS.get(implementation.CONTEXT)
        if reading is None:
            return None
        found.append((step, reading(implementation.config)))
    return None if plan.cleanup else found


def read(context: Context, steps: Sequence[tuple[Step, Reader]]) -> Any:
    """Return the results of a context that has not failed."""
    output: dict[str, Any] = {}
    for step, reader in steps:
        for _, given in context.parameter_sets((step,)):
            found = reader(context.inputs, given)
            if step.name in output:
                output[step.name].update(found)
            else:
                output[step.name] = found
    return unwrapped(output)


async def run(
    context: Context, steps: Sequence[Step], nctx: ImplementationNetworkContext, octx: Any
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Run CLEANUP or OUTPUT operations; yield (instance, outputs)."""
    for step, inputs in context.parameter_sets(steps):
        for outputs in await nctx.outputs(context.ctx, octx, step.operation, inputs):
            yield step.name, outputs


def unwrapped(output: dict[str, Any]) -> Any:
    """Return the outputs by instance; those of a single instance by themselves, as DFFML does."""
    return next(iter(output.values())) if len(output) == 1 else output


def _get_multi(inputs: Sequence[Input], given: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    renamed: dict[str, str] = {}
    for wanted in given["spec"]:
        name = wanted
        if isinstance(wanted, dict):
            ((shown, name),) = list(wanted.items())[:1]
            renamed[name] = shown
        values = [item.value for item in inputs if item.definition.name == name]
        if not values:
            raise DefinitionNotInContext(name)
        found.setdefault(name, []).extend(values)
    for name, shown in renamed.items():
        found[shown] = found.pop(name)
    return found


def _get_single(inputs: Sequence[Input], given: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for wanted in given["spec"]:
        shown = name = wanted
        if isinstance(wanted, dict):
            ((shown, name),) = list(wanted.items())[:1]
        for item in reversed(inputs):
            if item.definition.name == name:
                found[shown] = item.value
                break
        else:
            raise DefinitionNotInContext(name)
    return found


def _collecting(config: Any) -> Reader:
    collector = Collector(config)
    return lambda inputs, _: collector(inputs)


READERS: dict[type, Callable[[Any], Reader]] = {
    GetMulti: lambda _: _get_multi,
    GetSingle: lambda _: _get_single,
    CollectOutcome: _collecting,
}
"""By the operation's context: its configuration → how it is read."""
