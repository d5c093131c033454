"""The JSON Schema (draft 2020-12) of flow files, with what is installed here.

Editors complete and check by it; the checker knows more (what is wired to what). The rule: what
the checker takes, the schema takes.
"""

from __future__ import annotations

import types
import typing
from pathlib import Path
from typing import Any

from chatbot.flowfile import fields, keys
from chatbot.flowfile.agreement import words_of
from chatbot.flowfile.catalog import LISTENERS, OPERATIONS, Catalog, NotLoadedError
from chatbot.flowfile.keys import SECTIONS, Key
from chatbot.flowfile.values import jsonable
from chatbot.flowfile.wiring import has_default

DRAFT = "https://json-schema.org/draft/2020-12/schema"

_REFERENCE = {"type": "string", "pattern": r"\$\{\w+(:-[^}]*)?\}"}
"""A setting may come from the environment."""

_PARAMETER = r".*\$\{\w+(:-[^}]*)?\}.*"
"""A text may have a parameter in it, and be what its pattern wants only then; and where something
else than a text is wanted, a parameter may stand for it."""

_SHORT = ("parameter", "seed", "source", "change", "include")
"""Sections instead of which a bare value may stand."""

_NAMED = ("operation", "listener", "schedule", "state")
"""Sections whose names are of the author's choice, and are names."""

_FIGURES = ("boolean", "integer", "number")
LOCAL = r"^\S.*\.py:\w+$"
"""An operation in a Python file beside the flow."""

_JSON = {str: "string", bool: "boolean", int: "integer", float: "number"}

_SAYS: list[Any] = [{"required": [key]} for key in ("run", "flow", "reply", "action", "set")]
"""What an instance may say that it does."""

Schema = dict[str, Any]


def schema() -> Schema:
    """Return the schema of a flow or a subflow; imports the operations and listeners here."""
    defs = {name: _section(name) for name in SECTIONS}
    operations = dict(_operations(Catalog(OPERATIONS)))
    defs |= {f"operation {name}": each for name, each in operations.items()}
    defs["operation"] = _any_operation(defs["operation"], list(operations))
    kinds = dict(_kinds(defs["listener"], Catalog(LISTENERS)))
    defs |= {f"listener {name}": each for name, each in kinds.items()}
    defs["listener"] = _any_listener(defs["listener"], list(kinds))
    for section in ("flow", "subflow"):
        own = defs[section]["properties"]["operations"]
        own["properties"] = {name: _called(name) for name in operations}
        own["additionalProperties"] = {"$ref": "#/$defs/operation", "anyOf": _SAYS}
        own |= {"type": "object", "minProperties": 1}
        defs[section]["required"].remove("operations")  # what it includes may have them
        defs[section]["anyOf"] = [{"required": [key]} for key in ("operations", "include")]
    networks = defs["flow"]["properties"]["listeners"]
    networks["properties"] = {name: _named_like(name) for name in Catalog(LISTENERS).names()}
    networks["additionalProperties"] = {"$ref": "#/$defs/listener", "required": ["kind"]}
    return {
        "$schema": DRAFT,
        "title": "A flow file of chatbot",
        "type": "object",
        "if": {"required": ["inputs"]},
        "then": {"$ref": "#/$defs/subflow"},
        "else": {"$ref": "#/$defs/flow"},
        "$defs": defs,
    }


def _section(name: str) -> Schema:
    described = SECTIONS[name]
    return {
        "type": ["object", "null"] if described.open else "object",
        "description": described.doc,
        "properties": {key: _key(each) for key, each in described.keys.items()},
        "required": [key for key, each in described.keys.items() if each.required],
        "additionalProperties": described.open,
    }


def _key(key: Key) -> Schema:
    found: Schema = {"description": key.doc, "type": _types(key)}
    if keys.TEXT not in key.types:
        found |= {"type": [*found["type"], "string"], "pattern": f"^(?:{_PARAMETER})$"}
    if key.default is not None:
        found["default"] = key.default
    if key.example:
        found["examples"] = [key.example]
    if key.choices and keys.TEXT in key.types:
        choices = [*key.choices, *([True, False] if keys.TRUTH in key.types else [])]
        found["anyOf"] = [{"enum": choices}, {"type": "string", "pattern": f"^(?:{_PARAMETER})$"}]
    if key.suggested:
        found["examples"] = list(key.suggested)
    if key.pattern:
        found["pattern"] = rf"^(?:{key.pattern}|{_PARAMETER})$"
    for name, bound in (("minimum", key.least), ("maximum", key.most)):
        if bound is not None:
            found[name] = bound
    return found | _inside(key)


def _types(key: Key) -> list[str]:
    several = [*key.types]
    return [*several, keys.NULL] if keys.MAP in several and keys.NULL not in several else several


def _inside(key: Key) -> Schema:
    """Return what lies in a key's map or list."""
    items: Schema = {"type": list(key.items)} if key.items else {}
    if key.choices and keys.TEXT not in key.types:
        items["enum"] = list(key.choices)
    found: Schema = {}
    if key.section:
        found = _map_of(key.section)
        return {**found, "items": _map_of(key.each)} if key.each else found
    if key.each:
        items = {"$ref": f"#/$defs/{key.each}"}
        if key.each == "seed":  # a map without a value is one
            items = {"anyOf": [{"not": {"type": "object", "required": ["value"]}}, items]}
        elif key.each in _SHORT:
            items = _map_of(key.each)
    if keys.MAP in key.types and items:
        found["additionalProperties"] = items
        if key.each in _NAMED:
            found["propertyNames"] = {"pattern": f"^(?:{keys.NAME})$"}
    if keys.LIST in key.types and key.items:
        found["items"] = {"type": list(key.items)}
    return found


def _map_of(section: str) -> Schema:
    """Return the schema of a section, instead of which something that is no map may stand."""
    return {"anyOf": [{"not": {"type": "object"}}, {"$ref": f"#/$defs/{section}"}]}


def _any_operation(own: Schema, names: list[str]) -> Schema:
    run = own["properties"]["run"]
    run["anyOf"] = [{"enum": names}, {"pattern": LOCAL}]
    per_operation = [
        {
            "if": {"properties": {"run": {"const": name}}, "required": ["run"]},
            "then": {"$ref": f"#/$defs/operation {name}"},
        }
        for name in names
    ]
    return {**own, "allOf": per_operation}


def _called(name: str) -> Schema:
    """Return the schema of an instance that has an operation's name: by default, it runs that."""
    return {
        "allOf": [
            {"$ref": "#/$defs/operation"},
            {"if": {"not": {"anyOf": _SAYS}}, "then": {"$ref": f"#/$defs/operation {name}"}},
        ]
    }


def _named_like(kind: str) -> Schema:
    """Return the schema of a listener that has the name of a kind: by default, it is of that."""
    return {
        "allOf": [
            {"$ref": "#/$defs/listener"},
            {"if": {"not": {"required": ["kind"]}}, "then": {"$ref": f"#/$defs/listener {kind}"}},
        ]
    }


def _operations(catalog: Catalog) -> typing.Iterator[tuple[str, Schema]]:
    from dffml import Stage

    for name in catalog.names():
        try:
            operation, implementation = catalog.operation(name)
        except NotLoadedError:
            continue
        if operation.stage is not Stage.OUTPUT and name != "dffml.dataflow.run":
            yield name, _operation(operation, implementation)


def _operation(operation: Any, implementation: Any) -> Schema:
    needed = [key for key, each in operation.inputs.items() if not has_default(each)]
    record = fields.fields(getattr(implementation, "CONFIG", None))
    inputs = {
        "type": ["object", "null"],
        "properties": {key: _input(each) for key, each in operation.inputs.items()},
        "required": needed,
        "additionalProperties": _input(None) if hasattr(implementation, "templates") else False,
    }
    config = _record(record) | {"type": ["object", "null"]}
    required = [*(["inputs"] if needed else []), *(["config"] if config["required"] else [])]
    documented: Schema = {"properties": {"inputs": inputs, "config": config}, "required": required}
    return documented


def _input(definition: Any) -> Schema:
    text, given = {"type": "string", "minLength": 1}, {"$ref": "#/$defs/source"}
    several = {"type": "array", "minItems": 1, "items": {"anyOf": [text, given]}}
    wants = f"Wants {words_of(definition.primitive) if definition else 'anything'}."
    return {"description": wants, "anyOf": [text, several, given]}


def _any_listener(own: Schema, kinds: list[str]) -> Schema:
    own["properties"]["kind"] |= {"enum": kinds}
    per_kind = [
        {
            "if": {"properties": {"kind": {"const": name}}, "required": ["kind"]},
            "then": {"$ref": f"#/$defs/listener {name}"},
        }
        for name in kinds
    ]
    return {**own, "allOf": per_kind}


def _kinds(own: Schema, catalog: Catalog) -> typing.Iterator[tuple[str, Schema]]:
    for name in catalog.names():
        try:
            settings = getattr(catalog.load(name), "settings_type", None)
        except NotLoadedError:
            settings = None
        given: Schema = {each.name: _setting(each) for each in fields.fields(settings)}
        shared: Schema = {key: True for key in own["properties"] if key not in given}
        if "rooms" in given:
            given["rooms"] = True  # a list is the listener's own, a map the policy's
        closed: Schema = {"additionalProperties": False} if settings is not None else {}
        yield name, {"properties": {**given, **shared}, **closed}


def _setting(field: fields.Field) -> Schema:
    value = _type(field.annotation)
    found: Schema = {"anyOf": [value, _REFERENCE, {"type": "null"}]}
    return _documented(found, field)


def _record(record: list[fields.Field]) -> Schema:
    return {
        "type": "object",
        "properties": {each.name: _documented(_value(each), each) for each in record},
        "required": [each.name for each in record if each.required],
        "additionalProperties": False,
    }


def _value(field: fields.Field) -> Schema:
    """Return the schema of a field's value; a figure may be a parameter's, or the environment's."""
    found = _type(field.annotation)
    several = found.get("anyOf", [found])
    if any(each.get("type") in _FIGURES for each in several):
        return {"anyOf": [*several, _REFERENCE]}
    return found


def _documented(found: Schema, field: fields.Field) -> Schema:
    if field.doc:
        found["description"] = field.doc
    if not field.required:
        found["default"] = field.default
    return found


def _type(annotation: Any) -> Schema:
    """Return the schema of what a Python type takes from a file."""
    origin, arguments = typing.get_origin(annotation) or annotation, typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_type(each) for each in arguments]}
    if annotation is type(None):
        return {"type": "null"}
    if origin is typing.Literal:
        return {"enum": [jsonable(each) for each in arguments]}
    if annotation in _JSON or annotation is Path:
        return {"type": _JSON.get(annotation, "string")}
    if not isinstance(origin, type):
        return {}
    if fields.fields(origin):
        return _record(fields.fields(origin))
    if issubclass(origin, dict):
        return {"type": "object", "additionalProperties": _type(arguments[1]) if arguments else {}}
    if issubclass(origin, list | tuple | set | frozenset):
        return {"type": "array", "items": _type(arguments[0]) if arguments else {}}
    return {}
