"""What a settings or configuration class has: names, types, defaults and documentation."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chatbot.flowfile.values import fields_of, jsonable

MISSING: Any = dataclasses.MISSING


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a record. `default` is as JSON knows it, `MISSING` where it must be given."""

    name: str
    annotation: Any
    default: Any
    doc: str = ""

    @property
    def required(self) -> bool:
        """Whether a file must give it."""
        return self.default is MISSING


def fields(record: Any) -> list[Field]:
    """Return the fields of a dataclass, in its order; nothing of what is none."""
    if not dataclasses.is_dataclass(record) or not isinstance(record, type):
        return []
    types = fields_of(record)
    docs = dict(_docs(record))
    return [
        Field(each.name, types[each.name][0], _default(each), docs.get(each.name, ""))
        for each in dataclasses.fields(record)
        if each.init
    ]


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not MISSING:
        return jsonable(field.default)
    make: Any = field.default_factory
    return MISSING if make is MISSING else jsonable(make())


def _docs(record: type) -> Iterator[tuple[str, str]]:
    """Yield (field, documentation) for each field with a text below it in the source."""
    try:
        [tree] = ast.parse(textwrap.dedent(inspect.getsource(record))).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return  # no source, as in a frozen program
    body = getattr(tree, "body", [])
    for before, after in itertools.pairwise(body):
        if (
            isinstance(before, ast.AnnAssign)
            and isinstance(before.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
        ):
            yield before.target.id, " ".join(after.value.value.split())
