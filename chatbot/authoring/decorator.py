"""`@operation`: a function becomes an operation, and stays a function."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import re
import typing
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any, TypeVar, overload

import msgspec

from chatbot.authoring.hints import made, plain, values_of
from chatbot.authoring.place import Fault, places_of
from chatbot.authoring.signature import DECISIONS, InputHint, Signature, signature_of
from chatbot.errors import SignatureError
from chatbot.messages import ACTIONS, Action

F = TypeVar("F", bound=Callable[..., Any])

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_DECISIONS = frozenset(DECISIONS.values())
_END = object()

faults: ContextVar[list[Fault] | None] = ContextVar("faults", default=None)
"""Where what is wrong with signatures is collected; with none, it is raised."""


@overload
def operation(function: F, /) -> F: ...
@overload
def operation(
    *,
    name: str = "",
    output: str = "",
    batch: bool = False,
    thread: bool = False,
    cheap: bool = False,
) -> Callable[[F], F]: ...


def operation(
    function: F | None = None,
    /,
    *,
    name: str = "",
    output: str = "",
    batch: bool = False,
    thread: bool = False,
    cheap: bool = False,
) -> F | Callable[[F], F]:
    """Make a function with type hints an operation; what is returned is the function itself.

    Its parameters are the inputs, and those with a default may be left out. What it returns is
    the output: of a dataclass, a NamedTuple or a TypedDict each field, else one that is called
    `result`, or `output`. `None` gives nothing. A parameter `config`, of a dataclass, is the
    configuration. The function may be async, and a generator: then each yield is a set of outputs.

    Where inputs and what is returned are `Batch[…]` (or `batch=True`, and lists), the function
    is given many calls in one go, and returns a value for each, or the exception that it is.

    `thread` runs it in a thread, so that it may take long (a function that is not async blocks
    all else meanwhile); it must then stand being called in several at once. `cheap` says that it
    takes microseconds: it runs in the bot's own process. `name` is the function's.

    Raises `SignatureError` with all that is wrong with the signature.
    """
    decorate = functools.partial(
        _decorated, name=name, output=output, batch=batch, thread=thread, cheap=cheap
    )
    return decorate if function is None else decorate(function)


@contextlib.contextmanager
def collected() -> Iterator[list[Fault]]:
    """Collect what is wrong with signatures, of all functions that are decorated meanwhile."""
    found: list[Fault] = []
    token = faults.set(found)
    try:
        yield found
    finally:
        faults.reset(token)


def _decorated(function: F, *, name: str, output: str, thread: bool, cheap: bool, batch: bool) -> F:
    if not inspect.isfunction(function):
        kind = "class" if inspect.isclass(function) else type(function).__name__
        raise TypeError(f"@operation stands above a function, not a {kind}")
    name = name or function.__name__
    signature, wrong = signature_of(function, batch=batch, output=output)
    wrong = [*_unfit(function, name, output, signature, thread, cheap), *wrong]
    if wrong:
        collecting = faults.get()
        if collecting is None:
            raise SignatureError(name, wrong)
        collecting += wrong
        return function
    own: Any = function
    own.op, own.imp = _operation(function, name, signature, thread=thread, cheap=cheap)
    own.signature = signature
    own.ENTRY_POINT_NAME = ["operation"]  # as DFFML's `@op` does
    return function


def _unfit(
    function: Any, name: str, output: str, signature: Signature, thread: bool, cheap: bool
) -> Iterator[Fault]:
    place = places_of(inspect.unwrap(function)).of()
    where = place.file, place.line, place.column
    if not _NAME.fullmatch(name):
        yield Fault(*where, f"`{name}` cannot name an operation", "give it one: name=…")
    if output and not output.isidentifier():
        yield Fault(*where, f"`{output}` cannot name an output", "letters, digits and _")
    waits = inspect.iscoroutinefunction, inspect.isasyncgenfunction
    if thread and any(is_such(inspect.unwrap(function)) for is_such in waits):
        yield Fault(*where, "an async function runs in no thread", "leave out thread=True")
    if cheap and (thread or signature.batch):
        other = "thread=True" if thread else "a batch"
        hint = "leave out cheap=True, so that it runs on nodes"
        yield Fault(*where, f"cheap=True does not go with {other}", hint)


def _operation(
    function: Callable[..., Any], name: str, signature: Signature, *, thread: bool, cheap: bool
) -> tuple[Any, Any]:
    """Return DFFML's operation and the class that implements it."""
    from dffml import Operation, OperationImplementation, OperationImplementationContext

    class Context(OperationImplementationContext):  # type: ignore[misc]
        """One call, or many in one go."""

        async def run(self, inputs: dict[str, Any]) -> Any:
            return await self.parent.caller.run(inputs)

    class Together(Context):
        async def run_batch(self, batch: Sequence[dict[str, Any]]) -> list[Any]:
            found: list[Any] = await self.parent.caller.run_batch(batch)
            return found

    class Implementation(OperationImplementation):  # type: ignore[misc]
        op = Operation(
            name=name,
            inputs={
                key: _definition(f"{name}.inputs.{key}", each)
                for key, each in signature.inputs.items()
            },
            outputs={key: _output(name, key, kind) for key, kind in signature.outputs.items()},
            conditions=[],
        )
        CONTEXT = Together if signature.batch else Context

        def __init__(self, config: Any) -> None:
            if signature.config is not None and not isinstance(config, signature.config):
                config = self.configured(**(config if isinstance(config, dict) else {}))
            super().__init__(config)
            self.caller = _Caller(function, name, signature, config, thread)
            self.direct = self.caller.direct if self.caller.is_direct else None

        async def __aexit__(self, *exc_info: Any) -> None:
            self.caller.close()

        @staticmethod
        def configured(**values: Any) -> Any:
            """Return the configuration made of what came over the wire."""
            return made(signature.config, values)

    if signature.config is not None:
        Implementation.CONFIG = signature.config
    Implementation.cheap = cheap
    Implementation.__doc__ = function.__doc__
    Implementation.__name__ = Implementation.__qualname__ = f"{function.__name__}Implementation"
    Implementation.__module__ = function.__module__
    return Implementation.op, Implementation


def _definition(name: str, given: InputHint) -> Any:
    from dffml import Definition
    from dffml.df.types import NO_DEFAULT

    default = NO_DEFAULT if given.default is inspect.Parameter.empty else plain(given.default)
    return Definition(name=name, primitive=given.primitive, default=default)


def _output(name: str, key: str, primitive: str) -> Any:
    from dffml import Definition

    if key in _DECISIONS:
        return Definition(name=key, primitive="map")
    return Definition(name=f"{name}.outputs.{key}", primitive=primitive)


class _Caller:
    """Calls the function: inputs are made what the hints say, and outputs plain."""

    def __init__(
        self,
        function: Callable[..., Any],
        name: str,
        signature: Signature,
        config: Any,
        thread: bool,
    ) -> None:
        self._function = function
        self._name = name
        self._signature = signature
        self._given = {"config": config} if signature.config is not None else {}
        self._threads = ThreadPoolExecutor(thread_name_prefix=name) if thread else None
        self._waits = inspect.iscoroutinefunction(inspect.unwrap(function))
        several = signature.batch or signature.yields
        self.is_direct = not (several or thread or self._waits)

    def close(self) -> None:
        """Drop what waits; what runs in a thread ends by itself."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def run(self, inputs: dict[str, Any]) -> Any:
        """Return the outputs of one call, or what yields them."""
        if self._signature.batch:
            [outputs] = await self.run_batch([inputs])
            if isinstance(outputs, Exception):
                raise outputs
            return outputs
        given = await self._call(self._read(inputs))
        return self._each(given) if self._signature.yields else self._outputs(given)

    def direct(self, inputs: dict[str, Any]) -> dict[str, Any] | None:
        """Return the outputs of one call at once, where nothing needs to wait."""
        return self._outputs(self._function(**self._read(inputs), **self._given))

    async def run_batch(self, batch: Sequence[dict[str, Any]]) -> list[Any]:
        """Return the outputs of each call, or the exception that it ended with."""
        read = [self._read_or_error(inputs) for inputs in batch]
        calls = [each for each in read if isinstance(each, dict)]
        columns = {name: [each[name] for each in calls] for name in self._signature.inputs}
        given = list(await self._call(columns)) if calls else []
        if len(given) != len(calls):
            count = f"{len(given)} values for {len(calls)} calls"
            raise ValueError(f"{self._name} returned {count}: there must be one for each")
        results = iter(given)
        return [self._result(next(results)) if isinstance(e, dict) else e for e in read]

    async def _call(self, inputs: dict[str, Any]) -> Any:
        call = functools.partial(self._function, **inputs, **self._given)
        if self._threads is not None and not self._signature.yields:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        return await call() if self._waits else call()

    async def _each(self, given: Any) -> AsyncIterator[Any]:
        if inspect.isasyncgen(given):
            async with contextlib.aclosing(given):
                async for each in given:
                    yield self._outputs(each)
            return
        loop = asyncio.get_running_loop()
        with contextlib.closing(given):
            while True:
                if self._threads is None:
                    each = next(given, _END)
                else:
                    each = await loop.run_in_executor(self._threads, next, given, _END)
                if each is _END:
                    return
                yield self._outputs(each)

    def _read(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the inputs as the hints say; those without a value have their default."""
        reads = self._signature.reads
        found = {}
        for name, hint in self._signature.inputs.items():
            if name not in inputs and hint.default is not inspect.Parameter.empty:
                found[name] = hint.default
                continue
            value = inputs[name]
            found[name] = self._converted(name, value) if name in reads else value
        return found

    def _converted(self, name: str, value: Any) -> Any:
        try:
            return self._signature.reads[name](value)
        except (TypeError, ValueError, AttributeError) as error:
            kind = type(value).__name__
            raise TypeError(f"{self._name} cannot take this {kind} as `{name}`: {error}") from error

    def _read_or_error(self, inputs: dict[str, Any]) -> dict[str, Any] | Exception:
        try:
            return self._read(inputs)
        except (TypeError, KeyError) as error:
            return error

    def _result(self, given: Any) -> Any:
        if isinstance(given, Exception):
            return given
        try:
            return self._outputs(given)
        except TypeError as error:
            return error

    def _outputs(self, given: Any) -> dict[str, Any] | None:
        """Return what one call gave, by the outputs' names; `None` for nothing."""
        if given is None:
            return None
        signature = self._signature
        if signature.record is not None:
            values = self._fields(given)
        elif type(given) in DECISIONS:
            values = {DECISIONS[type(given)]: given}
        else:
            values = dict.fromkeys(signature.outputs, given)
        if not signature.plain:
            values = {key: _plain(value) for key, value in values.items()}
        for name in _DECISIONS & values.keys():
            if isinstance(values[name], str):
                values[name] = {"text": values[name]}
        return {key: each for key, each in values.items() if each is not None}

    def _fields(self, given: Any) -> dict[str, Any]:
        kind = self._signature.record
        if isinstance(given, dict if typing.is_typeddict(kind) else kind):
            return values_of(given)
        raise TypeError(f"{self._name} returned a {type(given).__name__}, not a {kind.__name__}")


def _plain(value: Any) -> Any:
    if isinstance(value, Action) and value.kind not in ACTIONS:
        raise TypeError(f"there is no action `{value.kind}`: there are {', '.join(ACTIONS)}")
    if type(value) in DECISIONS:
        return msgspec.to_builtins(value)  # without what is as usual
    return plain(value)
