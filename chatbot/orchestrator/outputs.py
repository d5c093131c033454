"""What a context gives at its end: CLEANUP, and then OUTPUT operations.

OUTPUT operations that only pick values by their definitions (DFFML's `get_single`, `get_multi`,
our `collect_outcome`) are read from the context's inputs as they lie there, without making
DFFML's objects; a test holds them to what the operations themselves give.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from dffml.df.exceptions import DefinitionNotInContext
from dffml.operation.output import GetMulti, GetSingle

from chatbot.flowfile.outcome import Collector, CollectOutcome
from chatbot.nodes.implementations import ImplementationNetworkContext
from chatbot.orchestrator.context import Context
from chatbot.orchestrator.plan import Plan, Step

log = logging.getLogger(__name__)

Reader = Callable[[Context, dict[str, Any]], dict[str, Any]]
"""(context, the parameters) → the operation's outputs."""


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
    """Return the results of a context that has not failed; what fails here is as in `failed`."""
    output: dict[str, Any] = {}
    try:
        for step, reader in steps:
            for _, given in context.parameter_sets((step,)):
                found = reader(context, given)
                if step.name in output:
                    output[step.name].update(found)
                else:
                    output[step.name] = found
    except Exception as error:  # noqa: BLE001 - raised again, or logged
        failed(context, error)
    return unwrapped(output)


async def run(
    context: Context, steps: Sequence[Step], nctx: ImplementationNetworkContext, octx: Any
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Run CLEANUP or OUTPUT operations; yield (instance, outputs)."""
    for step, inputs in context.parameter_sets(steps):
        for outputs in await nctx.outputs(context.ctx, octx, step.operation, inputs):
            yield step.name, outputs


def failed(context: Context, error: Exception) -> None:
    """Raise what an OUTPUT operation raised; where it is not strict, log it: the rest stands."""
    if context.strict:
        raise error
    log.error("an output operation failed: %s", type(error).__name__)
    log.debug("an output operation failed", exc_info=error)


def unwrapped(output: dict[str, Any]) -> Any:
    """Return the outputs by instance; those of a single instance by themselves, as DFFML does."""
    return next(iter(output.values())) if len(output) == 1 else output


def _get_multi(context: Context, given: dict[str, Any]) -> dict[str, Any]:
    names, shown = _asked(given["spec"])
    found: dict[str, list[Any]] = {}
    for name in names:
        values = [item.value for item in context.inputs if item.definition.name == name]
        if not values:
            raise _missing(context, name)
        found.setdefault(name, []).extend(values)
    return _renamed(found, shown) if shown else found


def _get_single(context: Context, given: dict[str, Any]) -> dict[str, Any]:
    names, shown = _asked(given["spec"])
    found: dict[str, Any] = {}
    for name in names:
        for item in reversed(context.inputs):
            if item.definition.name == name:
                found[name] = item.value
                break
        else:
            raise _missing(context, name)
    return _renamed(found, shown) if shown else found


def _asked(spec: Sequence[Any]) -> tuple[Sequence[str], dict[str, str]]:
    """Return the definitions that are asked for, and those that are shown by other names."""
    shown: dict[str, str] = {}
    for each in spec:
        if isinstance(each, dict):
            name, definition = next(iter(each.items()))
            shown[definition] = name
    if not shown:
        return spec, shown
    return [next(iter(e.values())) if isinstance(e, dict) else e for e in spec], shown


def _renamed(found: dict[str, Any], shown: dict[str, str]) -> dict[str, Any]:
    """Rename as DFFML does, whatever that gives where one's name is another's definition."""
    for name, value in list(found.items()):
        if shown.get(name):
            found[shown[name]] = value
            found.pop(name)
    return found


def _missing(context: Context, name: str) -> DefinitionNotInContext:
    return DefinitionNotInContext(f"{context.ctx}: {name}")


def _collecting(config: Any) -> Reader:
    collector = Collector(config)
    return lambda context, _: collector(context.inputs)


READERS: dict[type, Callable[[Any], Reader]] = {
    GetMulti: lambda _: _get_multi,
    GetSingle: lambda _: _get_single,
    CollectOutcome: _collecting,
}
"""By the operation's context: its configuration → how it is read."""
