"""Operation implementations: found by name, configured, kept instantiated, run.

The rule that it guards: an implementation is only ever one that is installed here, or was given
by this process. No name from the wire is imported.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from importlib.metadata import EntryPoint, distribution, entry_points
from typing import Any, cast

from dffml.base import BaseConfig
from dffml.df.base import (
    BaseDataFlowObjectContext,
    BaseOperationImplementationNetworkContext,
    OperationImplementation,
    OperationImplementationNotInstantiated,
)
from dffml.df.memory import BaseMemoryDataFlowObject, MemoryDataFlowObjectContextConfig
from dffml.df.types import Operation

from chatbot.errors import OperationError

Inputs = dict[str, Any]
Outputs = list[dict[str, Any]]
Implementation = type[OperationImplementation]
Begin = Callable[[Any, Any, Inputs], Any]
"""(ctx, octx, inputs) → what the operation gives, or a coroutine that returns it."""
Yields = AsyncIterator[Any]
Stream = Callable[[int, Yields], Awaitable[None]]

STREAMED: Outputs = []
"""What stands for the outputs of a parameter set that were streamed: this very object."""

GROUP = "dffml.operation"


def installed() -> dict[str, EntryPoint]:
    """Return the operations that are installed, by name, without importing them."""
    return {point.name: point for point in entry_points(group=GROUP)}


def shipped() -> list[str]:
    """Return the names of the operations that come with the program: no other package's."""
    return sorted(point.name for point in distribution("chatbot").entry_points.select(group=GROUP))


def find(name: str) -> Implementation:
    """Return the implementation of the installed operation `name`.

    Raises `OperationError` if there is none, or it cannot be imported.
    """
    point = installed().get(name)
    if point is None:
        raise OperationError(
            f"no operation {name!r} is installed here",
            hint="`chatbot node run --help` lists those that are",
        )
    try:
        loaded = point.load()
    except ImportError as error:
        raise OperationError(
            f"the operation {name!r} cannot be imported: {error}",
            hint="install what it needs: pip install 'chatbot[nlp]'",
        ) from error
    implementation: Implementation | None = OperationImplementation._imp(loaded)
    if implementation is None:
        raise OperationError(f"{point.value} is registered as an operation, and is none")
    return implementation


class ImplementationNetworkContext(BaseOperationImplementationNetworkContext):
    """Instantiated operations, by instance name; entered on the first use, left at the end."""

    def __init__(self, config: BaseConfig, parent: Any) -> None:
        super().__init__(config, parent)
        self.operations: dict[str, OperationImplementation] = {}
        self._plain: set[str] = set()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> ImplementationNetworkContext:
        await self._stack.__aenter__()
        return self

    async def __aexit__(self, *exc_info: Any) -> None:
        await self._stack.__aexit__(*exc_info)
        self.operations.clear()

    async def contains(self, operation: Operation) -> bool:
        return operation.instance_name in self.operations

    async def instantiable(
        self, operation: Operation, *, opimp: Implementation | None = None
    ) -> bool:
        return opimp is not None or operation.name in installed()

    async def instantiate(
        self,
        operation: Operation,
        config: BaseConfig | dict[str, Any] | None,
        *,
        opimp: Implementation | None = None,
    ) -> None:
        """Enter the operation's implementation, which may load a model; raises what it raises."""
        implementation = opimp or find(operation.name)
        # A class of its own: DFFML sets `op` on the shared one, so that the last instance wins.
        own: Any = type(implementation.__name__, (implementation,), {"op": operation})
        if config is None:
            config = BaseConfig()
        elif isinstance(config, dict) and hasattr(own, "CONFIG"):
            config = getattr(own, "configured", own.CONFIG)(**config)
        self.operations[operation.instance_name] = await self._stack.enter_async_context(
            own(config)
        )
        if _enters_nothing(own.CONTEXT):
            self._plain.add(operation.instance_name)

    async def run(self, ctx: Any, octx: Any, operation: Operation, inputs: Inputs) -> Any:
        """Run one parameter set, again on the same instance as often as `retry` allows."""
        for left in range(max(1, operation.retry) - 1, -1, -1):
            try:
                return await self._run_once(ctx, octx, operation, inputs)
            except Exception:
                if not left:
                    raise
                self.logger.warning("retry %s", operation.instance_name)
        raise AssertionError("unreachable")

    def begin(self, operation: Operation) -> Begin:
        """Return what begins a call of `operation`, once it is instantiated."""
        implementation = self._instance(operation)
        if operation.retry or operation.instance_name not in self._plain:
            return functools.partial(self._begin_at_length, operation)
        direct: Callable[[Inputs], Any] | None = getattr(implementation, "direct", None)
        if direct is not None:  # of our own decorator; it takes the inputs alone
            return lambda _ctx, _octx, inputs: direct(inputs)
        function = _function_of(implementation)
        if function is not None:
            return lambda _ctx, _octx, inputs: function(**inputs)
        return lambda ctx, octx, inputs: implementation(ctx, octx).run(inputs)

    def _begin_at_length(
        self, operation: Operation, ctx: Any, octx: Any, inputs: Inputs
    ) -> Coroutine[Any, Any, Any]:
        return self.run(ctx, octx, operation, inputs)

    async def outputs(self, ctx: Any, octx: Any, operation: Operation, inputs: Inputs) -> Outputs:
        """Run one parameter set; return its output sets, one per yield, none for `None`."""
        given = await self.run(ctx, octx, operation, inputs)
        if given is None:
            return []
        if inspect.isasyncgen(given):
            async with contextlib.aclosing(given):
                return [cast(dict[str, Any], each) async for each in given]
        return [given]

    def batches(self, operation: Operation) -> bool:
        """Whether the operation runs many parameter sets in one go."""
        return hasattr(self._instance(operation).CONTEXT, "run_batch")

    def merges(self, operation: Operation) -> bool:
        """Whether calls of its `run_batch` may overlap: it makes batches of them itself.

        It does first what is not `chatbot.urgency.bulk`.
        """
        context = self._instance(operation).CONTEXT
        return self.batches(operation) and getattr(context, "merges", False)

    async def outputs_of_batch(
        self,
        operation: Operation,
        batch: Sequence[Inputs],
        stream: Stream | None,
        limit: AbstractContextManager[None],
    ) -> list[Outputs | Exception]:
        """Run parameter sets, in one go where the operation can; what one raises is its own.

        `stream` is given the position of a parameter set in the batch, and what it yields.
        Each is run within `limit`, or all in one go are; of what yields, each step to a yield.
        """
        if len(batch) > 1 and self.batches(operation):
            with limit:
                async with self._instance(operation)(None, None) as context:
                    given = await cast(Any, context).run_batch(list(batch))
            return [_as_outputs(each) for each in given]
        return [
            await self._outputs_or_error(
                operation, inputs, stream and functools.partial(stream, i), limit
            )
            for i, inputs in enumerate(batch)
        ]

    async def _outputs_or_error(
        self,
        operation: Operation,
        inputs: Inputs,
        stream: Callable[[Yields], Awaitable[None]] | None,
        limit: AbstractContextManager[None],
    ) -> Outputs | Exception:
        try:
            with limit:
                given = await self.run(None, None, operation, inputs)
            if given is None:
                return []
            if inspect.isasyncgen(given):
                return await _outputs_of_yields(cast(Any, given), stream, limit)
            return [given]
        except Exception as error:  # noqa: BLE001 - it is the result of this parameter set
            return error

    async def _run_once(self, ctx: Any, octx: Any, operation: Operation, inputs: Inputs) -> Any:
        implementation = self._instance(operation)
        if operation.instance_name in self._plain:
            return await implementation(ctx, octx).run(inputs)
        async with implementation(ctx, octx) as context:
            return await context.run(inputs)

    def _instance(self, operation: Operation) -> OperationImplementation:
        try:
            return self.operations[operation.instance_name]
        except KeyError:
            raise OperationImplementationNotInstantiated(operation.instance_name) from None


def _function_of(implementation: OperationImplementation) -> Callable[..., Any] | None:
    """Return the function that `@op` made the operation from, if calling it is all there is.

    DFFML wraps it in a method, which looks at each call whether the function wants the
    configuration or its context, or has one output that it does not name.
    """
    run: Any = implementation.CONTEXT.run
    names = run.__code__.co_freevars
    cells = dict(zip(names, (cell.cell_contents for cell in run.__closure__ or ()), strict=True))
    if set(cells) != {"func", "uses_config", "uses_self", "auto_def_outputs"}:
        return None
    if cells["uses_config"] is not None or cells["uses_self"] or cells["auto_def_outputs"]:
        return None
    return cast(Callable[..., Any], cells["func"])


def _enters_nothing(context: Any) -> bool:
    """Whether entering such a context does nothing, so that it need not be done for each call.

    DFFML's `@op` wraps every function's context in a stack (`ctx_enter`), mostly an empty one.
    """
    enter = context.__aenter__
    if enter is BaseDataFlowObjectContext.__aenter__:
        return True
    names = getattr(enter.__code__, "co_freevars", ())
    cells = dict(zip(names, enter.__closure__ or (), strict=True))
    managers = cells.get("context_managers")
    return managers is not None and not managers.cell_contents


async def _outputs_of_yields(
    given: AsyncGenerator[Any, None],
    stream: Callable[[Yields], Awaitable[None]] | None,
    limit: AbstractContextManager[None],
) -> Outputs:
    """Return what `given` yields; or `STREAMED`, when `stream` was given that."""
    async with contextlib.aclosing(given), contextlib.aclosing(_within(limit, given)) as yields:
        if stream is not None:
            await stream(yields)
            return STREAMED
        return [cast(dict[str, Any], each) async for each in yields]


async def _within(
    limit: AbstractContextManager[None], yields: AsyncGenerator[Any, None]
) -> AsyncGenerator[Any, None]:
    """Yield what `yields` does, each step to a yield within `limit`."""
    while True:
        try:
            with limit:
                each = await anext(yields)
        except StopAsyncIteration:
            return
        yield each


def _as_outputs(given: Any) -> Outputs | Exception:
    if isinstance(given, Exception):
        return given
    return [] if given is None else [given]


class ContextMaker(BaseMemoryDataFlowObject):
    """Makes DFFML context objects as the in-memory networks do."""

    def __call__(self) -> Any:
        return self.CONTEXT(MemoryDataFlowObjectContextConfig(uid=secrets.token_hex(8)), self)
