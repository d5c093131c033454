"""What there is to know of an installed operation, for people and for programs."""

from __future__ import annotations

import inspect
import re
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatbot.authoring.local import load_file, operation_in, parted
from chatbot.flowfile import fields
from chatbot.flowfile.agreement import words_of
from chatbot.flowfile.catalog import OPERATIONS, Catalog, NotLoadedError
from chatbot.flowfile.wiring import DECISIONS, has_default

_SECTION = re.compile(r"^\w+\n-{3,}", re.MULTILINE)
"""Where parameters, results and examples begin, in DFFML's documentation."""

_WORDS = {str: "text", bool: "true or false", int: "whole number", float: "number", Path: "file"}


@dataclass(frozen=True, slots=True)
class Value:
    """An input, an output or a setting; `default` is as JSON knows it, where there is one."""

    name: str
    type: str
    doc: str = ""
    required: bool = False
    default: Any = None


@dataclass(frozen=True, slots=True)
class Description:
    """An operation: what it does, takes, gives, and which package it came with.

    `broken` says why it cannot be loaded; then there is nothing more to say. `stage` is DFFML's.
    `says` are those outputs that are to be said or done. `batches`: it takes many calls at once.
    """

    name: str
    package: str
    version: str = ""
    doc: str = ""
    details: str = ""
    stage: str = ""
    inputs: tuple[Value, ...] = ()
    outputs: tuple[Value, ...] = ()
    config: tuple[Value, ...] = ()
    config_doc: str = ""
    says: tuple[str, ...] = ()
    batches: bool = False
    broken: str = ""
    operation: Any = None
    implementation: Any = None


def described(catalog: Catalog, name: str) -> Description:
    """Return what there is to know of the operation `name`, one of the names of `catalog`."""
    distribution = catalog.point(name).dist
    package = distribution.metadata["Name"] if distribution is not None else ""
    version = distribution.version if distribution is not None else ""
    try:
        operation, implementation = catalog.operation(name)
    except NotLoadedError as error:
        return Description(name, package, version, broken=str(error))
    return _described(name, package, version, catalog.load(name), operation, implementation)


def described_in_file(run: str) -> Description:
    """Return what there is to know of an operation in a Python file, such as `shout.py:shout`.

    Raises `LocalError`.
    """
    name, wanted = parted(run)
    file = load_file(Path(name))
    implementation = operation_in(file, wanted)
    operation = implementation.op
    return _described(run, str(file.path), "", implementation, operation, implementation)


def _described(
    name: str, package: str, version: str, found: Any, operation: Any, implementation: Any
) -> Description:
    doc, details = _docs(found, operation)
    record = getattr(implementation, "CONFIG", None)
    settings = fields.fields(record)
    return Description(
        name=name,
        package=package,
        version=version,
        doc=doc,
        details=details,
        stage=operation.stage.value,
        inputs=tuple(_input(key, each) for key, each in operation.inputs.items()),
        outputs=tuple(Value(k, words_of(d.primitive)) for k, d in operation.outputs.items()),
        config=tuple(_setting(each) for each in settings),
        config_doc=_own_doc(record) if settings else "",
        says=tuple(key for key, each in operation.outputs.items() if each.name in DECISIONS),
        batches=_batches(implementation),
        operation=operation,
        implementation=implementation,
    )


def all_described() -> list[Description]:
    """Return what there is to know of all installed operations, in the order of their names."""
    catalog = Catalog(OPERATIONS)
    return [described(catalog, name) for name in catalog.names()]


def _docs(found: Any, operation: Any) -> tuple[str, str]:
    """Return the first sentence or so of an operation's documentation, and the rest."""
    func = getattr(found, "__wrapped__", found)
    text = inspect.cleandoc(func.__doc__ or getattr(operation, "__doc__", "") or "")
    if text.startswith("Operation("):  # what a named tuple says of itself
        text = ""
    text = _SECTION.split(text, maxsplit=1)[0].strip()
    first, _, rest = text.partition("\n\n")
    return " ".join(first.split()), rest.strip()


def _own_doc(record: Any) -> str:
    text = inspect.cleandoc(record.__doc__ or "")
    return "" if text.startswith(f"{record.__name__}(") else text


def _input(name: str, definition: Any) -> Value:
    given = has_default(definition)
    default = definition.default if given else None
    return Value(name, words_of(definition.primitive), required=not given, default=default)


def _setting(field: fields.Field) -> Value:
    default = None if field.required else field.default
    return Value(field.name, type_words(field.annotation), field.doc, field.required, default)


def _batches(implementation: Any) -> bool:
    context = getattr(implementation, "CONTEXT", None)
    return hasattr(context, "run_batch")


def type_words(annotation: Any) -> str:
    """Return a Python type in the words of a flow file."""
    origin, arguments = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
    if annotation in _WORDS:
        return _WORDS[annotation]
    if origin in (typing.Union, types.UnionType):
        return " or ".join(type_words(each) for each in arguments if each is not type(None))
    if origin is typing.Literal:
        return " or ".join(str(each) for each in arguments)
    if isinstance(origin, type) and issubclass(origin, dict):
        return f"map of {type_words(arguments[1])}" if arguments else "map"
    if isinstance(origin, type) and issubclass(origin, list | tuple | set | frozenset):
        return f"list of {type_words(arguments[0])}" if arguments else "list"
    if fields.fields(origin):
        return "map with " + ", ".join(each.name for each in fields.fields(origin))
    return "anything"
