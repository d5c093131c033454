"""What a function's signature says of the operation that it is; or all that is wrong with it."""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chatbot.authoring.hints import (
    KNOWN,
    Convert,
    Kind,
    UnknownHintError,
    batched,
    fields_of,
    kind_of,
    shown,
    without_none,
)
from chatbot.authoring.place import Fault, Places, places_of
from chatbot.messages import Action, Reply

CONFIG = "config"
RESULT = "result"
DECISIONS: dict[Any, str] = {Reply: "reply", Action: "action"}
"""What is said or done; the outputs that have this are called so."""

_YIELDS = (
    collections.abc.Iterator,
    collections.abc.Iterable,
    collections.abc.Generator,
    collections.abc.AsyncIterator,
    collections.abc.AsyncIterable,
    collections.abc.AsyncGenerator,
)
_BATCHES = "write Batch[str] for each input, and -> Batch[…]"


@dataclass(frozen=True, slots=True)
class InputHint:
    """One input: what it is called by DFFML, how its value is made, what it is by default."""

    primitive: str
    read: Convert | None = None
    default: Any = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Signature:
    """A function as an operation.

    `outputs` map names to DFFML's words for them. `record` is the class whose fields they are;
    without one, the value that is returned is the only output. `plain`: nothing in it needs to be
    converted. `config` is the class of the configuration, `batch` whether the function takes many
    calls in one go, `yields` whether each value it yields is a set of outputs.
    """

    inputs: dict[str, InputHint]
    outputs: dict[str, str]
    record: Any = None
    plain: bool = True
    config: Any = None
    batch: bool = False
    yields: bool = False
    reads: dict[str, Convert] = field(default_factory=dict)


def signature_of(
    function: Callable[..., Any], *, batch: bool = False, output: str = ""
) -> tuple[Signature, list[Fault]]:
    """Return what the signature says, and what is wrong with it, in the order of the file.

    `batch`: each list in it has one value a call. `output` names the output of a single value.
    """
    return _Reader(function, batch, output).read()


class _Reader:
    def __init__(self, function: Callable[..., Any], batch: bool, output: str) -> None:
        self._function = function
        self._source = inspect.unwrap(function)
        self._places: Places = places_of(self._source)
        self._faults: list[Fault] = []
        self._asked = batch
        self._output = output
        self._batches: set[bool] = set()
        self._config: Any = None

    def read(self) -> tuple[Signature, list[Fault]]:
        inputs = {}
        for name, parameter in inspect.signature(self._function).parameters.items():
            hint = self._hint(name, parameter)
            if hint is not None and not self._is_config(name, hint):
                inputs[name] = self._input(name, parameter, hint)
        batch = self._is_batch(inputs)
        returned = self._returned(batch)
        made = dataclasses.replace(
            returned,
            inputs=inputs,
            config=self._config,
            batch=batch,
            reads={name: each.read for name, each in inputs.items() if each.read is not None},
        )
        return made, sorted(self._faults)

    def _add(self, parameter: str, message: str, hint: str = "") -> None:
        place = self._places.of(parameter)
        self._faults.append(Fault(place.file, place.line, place.column, message, hint))

    def _hint(self, name: str, parameter: inspect.Parameter) -> Any:
        """Return the parameter's hint; `None` for what was reported."""
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
            message = f"`{stars}{name}` cannot be inputs: a flow gives each by its name"
            self._add(name, message, "name every input")
        elif parameter.kind is parameter.POSITIONAL_ONLY:
            message = f"`{name}` can only be given by its position, and a flow gives it by its name"
            self._add(name, message, "take out the `/`")
        elif name == "self" and parameter.annotation is parameter.empty:
            self._add(name, "a method cannot be an operation", "write a function outside the class")
        elif parameter.annotation is parameter.empty:
            self._add(name, f"`{name}` has no type hint", f"write {name}: str, or what it is")
        else:
            return self._evaluated(name, parameter.annotation)
        return None

    def _evaluated(self, name: str, annotation: Any) -> Any:
        try:
            return _evaluated(self._source, annotation)
        except NameError as error:
            message = f"the hint of `{name}` names `{error.name}`, which is not known here"
            hint = "import it where the function can see it, not under `if TYPE_CHECKING:`"
            self._add(name, message, hint)
        except Exception as error:  # noqa: BLE001 - a hint may be any expression
            kind = type(error).__name__
            self._add(name, f"the hint of `{name}` cannot be evaluated ({kind}: {error})")
        return None

    def _is_config(self, name: str, hint: Any) -> bool:
        if name != CONFIG:
            return False
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            self._config = hint
        else:
            message = "`config` is an operation's configuration, and must be a dataclass"
            self._add(name, message, f"it is {shown(hint)}; call it otherwise if it is an input")
        return True

    def _input(self, name: str, parameter: inspect.Parameter, hint: Any) -> InputHint:
        item = self._item(hint)
        self._batches.add(item is not None)
        kind = self._kind(name, hint if item is None else item)
        return InputHint(kind.primitive, kind.read, parameter.default)

    def _item(self, hint: Any) -> Any | None:
        """Return what a hint has for each call, where it is of a batch."""
        item = batched(hint)
        if item is None and self._asked and typing.get_origin(hint) is list:
            [item] = typing.get_args(hint)
        return item

    def _kind(self, name: str, hint: Any) -> Kind:
        try:
            return kind_of(hint)
        except UnknownHintError as error:
            what = "what it returns" if name == "return" else f"the hint of `{name}`"
            self._add(name, f"{what}: {error}", f"there are {KNOWN}")
            return Kind("generic")

    def _is_batch(self, inputs: dict[str, InputHint]) -> bool:
        if len(self._batches) > 1:
            message = "some inputs are batches, and some are not: a batch has them all many times"
            self._add("", message, _BATCHES)
        elif self._asked and self._batches != {True}:
            self._add("", "batch=True, and the inputs are no lists", _BATCHES)
        return True in self._batches or self._asked

    def _returned(self, batch: bool) -> Signature:
        """Return what the return hint says of the outputs."""
        nothing = Signature({}, {})
        annotation = inspect.signature(self._function).return_annotation
        if annotation is inspect.Signature.empty:
            message = f"`{self._function.__name__}` does not say what it returns"
            self._add("return", message, "write -> str, or what it is; -> None for nothing")
            return nothing
        hint = self._evaluated("return", annotation)
        if hint is None:
            return nothing
        yields = self._yields(hint)
        if yields:
            arguments = typing.get_args(hint)
            hint = arguments[0] if arguments else Any
        if batch:
            hint = self._of_batch(hint, yields)
        elif batched(hint) is not None:
            self._add("return", "it returns a batch, and takes none", _BATCHES)
            return nothing
        return self._outputs(hint, yields)

    def _yields(self, hint: Any) -> bool:
        is_generator = inspect.isgeneratorfunction(self._source)
        yields = is_generator or inspect.isasyncgenfunction(self._source)
        if yields and typing.get_origin(hint) not in _YIELDS:
            name = "Iterator" if is_generator else "AsyncIterator"
            self._add("return", "it yields, and its hint does not say so", f"write -> {name}[…]")
            return False
        return yields

    def _of_batch(self, hint: Any, yields: bool) -> Any:
        if yields:
            self._add("return", "what takes a batch cannot yield", "return a list")
        item = self._item(hint)
        if item is None and not yields:
            message = "what takes a batch must return one: a value for each call, in their order"
            self._add("return", message, "write -> Batch[…]")
        elif item is None:
            return hint
        members = typing.get_args(item) if typing.get_origin(item) in _UNIONS else ()
        rest = [m for m in members if not (isinstance(m, type) and issubclass(m, Exception))]
        return typing.Union[tuple(rest)] if members and rest else item  # noqa: UP007

    def _outputs(self, hint: Any, yields: bool) -> Signature:
        hint, _ = without_none(hint)
        if hint is None or hint is types.NoneType:
            return Signature({}, {}, yields=yields)
        if decided := _decisions(hint):
            return Signature({}, dict.fromkeys(decided, "map"), plain=False, yields=yields)
        try:
            fields = fields_of(hint)
        except UnknownHintError as error:
            self._add("return", str(error))
            return Signature({}, {})
        if fields is None:
            name = self._output or RESULT
            kind = self._kind("return", hint)
            return Signature({}, {name: kind.primitive}, plain=kind.plain, yields=yields)
        if self._output:
            what = f"output={self._output!r} names one value, and {shown(hint)} has names"
            self._add("return", what, "leave it out")
        kinds = {name: self._field(hint, name, each) for name, each in fields.items()}
        outputs = {name: kind.primitive for name, kind in kinds.items()}
        is_plain = all(kind.plain for kind in kinds.values())
        return Signature({}, outputs, record=hint, plain=is_plain, yields=yields)

    def _field(self, record: Any, name: str, hint: Any) -> Kind:
        if name in DECISIONS.values() and without_none(hint)[0] in (*DECISIONS, str, dict):
            return Kind("map", plain=False)
        try:
            return kind_of(hint)
        except UnknownHintError as error:
            message = f"the field `{name}` of {shown(record)}: {error}"
            self._add("return", message, f"there are {KNOWN}")
            return Kind("generic")


_UNIONS = (typing.Union, types.UnionType)


def _decisions(hint: Any) -> list[str]:
    """Return what the outputs are called of a hint that is nothing but something said or done."""
    members = typing.get_args(hint) if typing.get_origin(hint) in _UNIONS else (hint,)
    found = [DECISIONS[each] for each in members if each in (Reply, Action)]
    return found if len(found) == len(members) else []


def _evaluated(function: Callable[..., Any], annotation: Any) -> Any:
    """Return a hint with all that it has as texts evaluated, as the function's module sees it."""
    about = types.SimpleNamespace(__annotations__={"it": annotation})
    hints = typing.get_type_hints(
        about, function.__globals__, _enclosing(function), include_extras=True
    )
    return hints["it"]


def _enclosing(function: Callable[..., Any]) -> dict[str, Any]:
    """Return what a function within another sees of that one."""
    found = {}
    cells = function.__closure__ or ()
    for name, cell in zip(function.__code__.co_freevars, cells, strict=True):
        with contextlib.suppress(ValueError):  # not bound yet: the function itself
            found[name] = cell.cell_contents
    return found
