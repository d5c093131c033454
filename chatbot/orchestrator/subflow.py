"""A subflow: a call of DFFML's `dffml.dataflow.run` is a context of the flow that it runs.

DFFML's own operation enters an orchestrator context for each call; here one serves all calls of
a step. What it gives is the same; where inputs are forwarded to a running subflow, where the
operation has DFFML's default inputs, or is retried, DFFML's own runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dffml.df.base import StringInputSetContext
from dffml.df.types import Definition, Input
from dffml.operation.dataflow import (
    DEFAULT_INPUTS,
    InvalidCustomRunDataFlowOutputs,
    run_dataflow,
)

from chatbot.orchestrator.call import Call
from chatbot.orchestrator.context import Context
from chatbot.orchestrator.plan import Plan, Step
from chatbot.orchestrator.values import Value, convert

Start = Callable[[Any, str, list[Input], Any], Context]
"""(ctx, handle, inputs, ended): `NatsOrchestratorContext.start`."""

Running = dict[Call, Context]
"""The calls that run, each by its context."""


class SubflowContext(StringInputSetContext):
    """Named by the first input, as in DFFML; known by its `call`, since two may have one name."""

    def __init__(self, name: str, call: Call) -> None:
        super().__init__(name)
        self.call = call
        self.key = f"{call.context.number}/{call.number}"


class Subflow:
    """Runs calls of one step in `start`'s flow; `running` has those whose context has not ended.

    `forget` ends one of these that is not waited for any more.
    """

    def __init__(
        self, step: Step, start: Start, running: Running, forget: Callable[[Call], None]
    ) -> None:
        self._start = start
        self._running = running
        self._forget = forget
        self._name, first = next(iter(step.operation.inputs.items()))
        self._first: Definition = first
        self._outputs = set(step.operation.outputs)

    def __call__(self, call: Call) -> None:
        """Start the call's context; its results, or its failure, are the call's."""

        def ended(_: Context, results: Any, error: BaseException | None) -> None:
            self._running.pop(call, None)
            if error is None and set(results) != self._outputs:
                error = InvalidCustomRunDataFlowOutputs(self._first.export())
            if error is not None:
                call.context.fail(call.number, error)
            else:
                call.context.complete(call.number, (results,))

        given = call.inputs
        definitions = call.step.operation.inputs
        ctx = SubflowContext(given[self._name], call)
        try:
            inputs = [_input(value, definitions[name]) for name, value in given.items()]
        except Exception as error:  # noqa: BLE001 - a value that is refused is this call's failure
            call.context.fail(call.number, error)
            return
        started = self._start(ctx, ctx.key, inputs, ended)
        if started.ended is not None:
            self._running[call] = started
            if call.context.over:  # it ended meanwhile: others' calls run, too, where one starts
                self._forget(call)


def runs_here(step: Step, plan: Plan, implementation: Any) -> bool:
    """Whether calls of `step` are run by `Subflow`."""
    operation = step.operation
    return (
        getattr(implementation, "CONTEXT", None) is run_dataflow
        and not plan.forwards
        and not plan.locks
        and not operation.retry
        and operation.inputs != DEFAULT_INPUTS
        and bool(operation.inputs)
        and next(iter(operation.inputs.values())).primitive == "string"
        and step.names[:1] == tuple(operation.inputs)[:1]
    )


def _input(value: Any, definition: Definition) -> Input:
    if definition.spec is None and definition.validate is None:
        return Value(value, definition)
    checked = not isinstance(definition.validate, str)
    return Value(convert(value, definition), definition, validated=checked)
