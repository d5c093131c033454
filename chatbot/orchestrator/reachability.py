"""What of a dataflow can never start, for its log.

A warning and no more: the caller may supply any input, also under the origin of an operation
that does not run. What a caller cannot be expected to supply is an operation's output.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from dffml.df.types import Stage

from chatbot.flowfile.reachability import Need, Stuck, never_starting
from chatbot.orchestrator.plan import Plan, Source, Step

log = logging.getLogger(__name__)


def warn(plan: Plan) -> None:
    """Log each operation of `plan` that can never start, with the input that never comes."""
    for stuck in stuck_in(plan):
        log.warning("%s, unless the caller gives it; check the dataflow's flow", stuck)


def stuck_in(plan: Plan) -> list[Stuck]:
    """Return the operations that nothing starts, in the order of the dataflow."""
    giving = {step.name for step in plan.steps if step.operation.stage is Stage.PROCESSING}
    validators = {step.index for step in plan.validators.values()}
    needs = {step.name: list(_needs(step, giving)) for step in plan.steps}
    for step in plan.steps:
        if step.index in validators:  # started by the values themselves
            needs[step.name] = []
    return never_starting(needs)


def _needs(step: Step, giving: set[str]) -> Iterator[Need]:
    if step.operation.inputs and not step.parameters and not step.conditions:
        yield Need("the flow names none of its inputs; what it needs")
    for parameter in step.parameters:
        what = f"its input `{parameter.name}`"
        yield _need(what, parameter.sources, giving, met=bool(parameter.default))
    # The first condition is enough where it holds; where it never comes, it blocks the others.
    for condition in step.conditions[:1]:
        for source in condition:
            yield _need("its condition", [source], giving, met=False)


def _need(what: str, sources: Sequence[Source], giving: set[str], *, met: bool) -> Need:
    named = tuple(source.origin[0] for source in sources if isinstance(source.origin, tuple))
    known = tuple(name for name in named if name in giving)
    if sources and not known and len(named) == len(sources) and not met:
        what = f"{what}, from {' and '.join(f'`{name}`' for name in dict.fromkeys(named))},"
    return Need(what, known, met or len(named) < len(sources))
