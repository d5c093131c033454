"""Where in its file a function, one of its parameters or its return hint stands."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a Python file; lines and columns count from 1."""

    file: str
    line: int = 1
    column: int = 1


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing that is wrong with an operation; `hint` says how to mend it."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.file}:{self.line}:{self.column}: {self.message}{hint}"


@dataclass(frozen=True, slots=True)
class Places:
    """The places of one function: of itself, its parameters (`return` is what it returns)."""

    function: Place
    parameters: dict[str, Place] = field(default_factory=dict)

    def of(self, parameter: str = "") -> Place:
        """Return the parameter's place; the function's, where that is not known."""
        return self.parameters.get(parameter, self.function)


def places_of(function: Callable[..., Any]) -> Places:
    """Return where `function` stands; as much as its source says."""
    code = function.__code__
    start = Place(code.co_filename, code.co_firstlineno)
    found = _definition(code.co_filename, code.co_firstlineno, function.__name__)
    if found is None:
        return Places(start)
    a = found.args
    named = [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, (a.vararg, a.kwarg))]
    parameters = {each.arg: _place(start.file, each) for each in named}
    if found.returns is not None:
        parameters["return"] = _place(start.file, found.returns)
    return Places(_place(start.file, found), parameters)


def _definition(file: str, line: int, name: str) -> Function | None:
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:
        return None
    for node in ast.walk(tree):
        if isinstance(node, Function) and node.name == name:
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            if first == line:
                return node
    return None


def _place(file: str, node: Any) -> Place:
    return Place(file, node.lineno, node.col_offset + 1)
