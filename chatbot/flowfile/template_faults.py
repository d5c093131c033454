"""What is wrong with a text that is no template, in words for who wrote it. Pure.

Jinja says what it did not expect, and in which line; the rule here is to point at it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from jinja2 import nodes

from chatbot.flowfile.problems import nearest, suggest
from chatbot.messages import ChatMessage

FILTERS = (
    *("abs", "capitalize", "count", "d", "default", "first", "float", "int", "join", "last"),
    *("length", "like", "list", "lower", "max", "min", "raw", "round", "sort", "sum", "title"),
    *("trim", "truncate", "unique", "upper"),
)
TESTS = (
    *("defined", "undefined", "none", "in", "even", "odd", "number", "string", "boolean"),
    *("sequence", "mapping", "eq", "ne", "lt", "le", "gt", "ge", "true", "false", "divisibleby"),
)

_ALLOWED = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Assign),
    *(nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.CondExpr),
    *(nodes.Filter, nodes.Test, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not),
    *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos),
    *(nodes.Concat, nodes.List, nodes.Tuple, nodes.Dict, nodes.Pair, nodes.Keyword, nodes.Call),
)

_MEANT = {
    "=": "two values are compared with ==",
    "&": "write `and`",
    "!": "write `not`, or != between two values",
    "?": "write `A if CONDITION else B`",
    "$": "a value is named without $",
    "`": "a text stands in straight quotes",
    **dict.fromkeys("“”‘’", "a text stands in straight quotes"),
}
_CHARACTER = re.compile(r"unexpected char '(.)' at (\d+)")
_TOKEN = re.compile(r"expected token '(.+)', got '(.+)'")
_CLOSING = re.compile(r"unexpected '(.)'")
_BLOCK = re.compile(r"innermost block that needs to be closed is '(\w+)'")
_UNKNOWN = re.compile(r"Encountered unknown tag '(\w+)'")
_LOOKED_FOR = re.compile(r"looking for the following tags: ([^.]*)")
_ELSE_IF = re.compile(r"{%-?\s*else\s+if\b")
_MISSING = re.compile(r"unexpected '(end of print statement|end of statement block)'")
_BRACKET = re.compile(r"unexpected '.', expected '([\])}])'")
_SINGLE = re.compile(r"(?<![=!<>])=(?!=)")


_LIKE = {
    "startswith": "write `| like('…*')`",
    "endswith": "write `| like('*…')`",
    **dict.fromkeys(("match", "search", "find", "regex", "contains"), "write `| like('*…*')`"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a template; where in it: `fragment`, or a line from 1."""

    message: str
    hint: str = ""
    line: int = 1
    fragment: str = ""


def fault_of(problem: str, line: int, text: str) -> Fault:
    """Return what Jinja's `problem` in that `line` of `text` says."""
    for look in _LOOKS:
        found = look(problem, line, text)
        if found is not None:
            return found
    return Fault(f"this is no template: {problem}", line=line)


def faults_of(node: nodes.Node) -> Iterator[Fault]:
    """Yield what a part of a template is, and may not be."""
    line = node.lineno or 1
    if not isinstance(node, _ALLOWED):
        what = type(node).__name__.lower()
        hint = "there are if, for, set and {{ … }}"
        yield Fault(f"`{what}` is not for templates here", hint, line)
    elif isinstance(node, nodes.Filter) and node.name not in FILTERS:
        hint = _LIKE.get(node.name) or _near(node.name, FILTERS)
        yield Fault(f"there is no filter `{node.name}`", hint, line, node.name)
    elif isinstance(node, nodes.Filter) and node.name == "like" and len(node.args) != 1:
        yield Fault("`like` needs a text", "write `| like('…*')`", line, node.name)
    elif isinstance(node, nodes.Test) and node.name not in TESTS:
        hint = _LIKE.get(node.name) or _near(node.name, TESTS)
        yield Fault(f"there is no test `{node.name}`", hint, line, node.name)
    elif isinstance(node, nodes.For) and node.recursive:
        yield Fault("`recursive` is not for templates here", "", line)
    elif isinstance(node, nodes.Call) and not _is_range(node):
        yield _of_call(node, line)
    elif isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
        yield Fault(f"`{node.attr}` cannot be had", "", line, node.attr)
    elif isinstance(node, nodes.Getattr) and (field := _message_field(node.node)):
        yield Fault(f"`message.{field}` has no `{node.attr}`", _meant(node.attr), line, node.attr)


def _of_call(node: nodes.Call, line: int) -> Fault:
    name, fragment = "", ""
    if isinstance(node.node, nodes.Getattr):
        name, fragment = node.node.attr, f".{node.node.attr}"
    elif isinstance(node.node, nodes.Name):
        name = fragment = node.node.name
    hint = f"write `| {name}`" if name in FILTERS else _LIKE.get(name, "use a filter")
    return Fault("nothing but range(…) can be called in a template", hint, line, fragment)


def _message_field(node: nodes.Expr) -> str:
    """Return the field of the message that `node` is; none of them has anything in it."""
    if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name):
        known = node.node.name == "message" and node.attr in ChatMessage.__struct_fields__
        return node.attr if known else ""
    return ""


def _meant(attribute: str) -> str:
    if attribute in ChatMessage.__struct_fields__:
        return f"did you mean message.{attribute}?"
    if attribute in FILTERS:
        return f"write `| {attribute}`"
    return _LIKE.get(attribute, f"leave out .{attribute}")


def _is_range(node: nodes.Call) -> bool:
    return isinstance(node.node, nodes.Name) and node.node.name == "range"


def _near(word: str, known: Iterable[str]) -> str:
    return suggest(word, known) or f"there are {', '.join(known)}"


def _character(problem: str, line: int, text: str) -> Fault | None:
    found = _CHARACTER.search(problem)
    if found is None:
        return None
    message = f"this is no template: `{found[1]}` means nothing in it"
    return Fault(message, _MEANT.get(found[1], ""), line, _rest(text, int(found[2])))


def _token(problem: str, line: int, text: str) -> Fault | None:
    found = _TOKEN.search(problem)
    if found is None:
        return None
    if found[2] == "end of template":
        return _unclosed(text)
    single = _SINGLE.search(text) if found[2] == "=" else None
    fragment = _rest(text, single.start()) if single else ""
    message = f"this is no template: `{found[2]}` cannot stand here"
    hint = _MEANT.get(found[2], "")
    if (elif_ := _ELSE_IF.search(text)) and found[2] == "if":
        hint, fragment = "write {% elif … %}", _rest(text, elif_.start())
    return Fault(message, hint, line, fragment)


def _missing(problem: str, line: int, text: str) -> Fault | None:  # noqa: ARG001 - as the others
    found = _MISSING.search(problem)
    if found is None:
        return None
    close = "}}" if "print" in found[1] else "%}"
    return Fault(f"this is no template: something is missing before the {close}", "", line)


def _bracket(problem: str, line: int, text: str) -> Fault | None:  # noqa: ARG001 - as the others
    found = _BRACKET.search(problem)
    if found is None:
        return None
    message = f"this is no template: a `{found[1]}` is missing"
    return Fault(message, "a bracket that is opened is closed again", line)


def _comment(problem: str, line: int, text: str) -> Fault | None:
    if "end of comment" not in problem:
        return None
    message = "this is no template: this {# is never closed"
    return Fault(message, "close it with #}", line, _rest(text, text.rfind("{#")))


def _closing(problem: str, line: int, text: str) -> Fault | None:
    found = _CLOSING.search(problem)
    if found is None:
        return None
    if found[1] == "}":
        return _unclosed(text)
    return Fault(f"this is no template: there is a `{found[1]}` too many", "", line)


def _end(problem: str, line: int, text: str) -> Fault | None:  # noqa: ARG001 - as the others
    return _unclosed(text) if "unexpected end of template" in problem else None


def _unclosed(text: str) -> Fault:
    start = text.rfind("{{")
    message = "this is no template: this {{ is never closed"
    return Fault(message, "close it with }}", text.count("\n", 0, start) + 1, _rest(text, start))


def _block(problem: str, line: int, text: str) -> Fault | None:
    block, unknown = _BLOCK.search(problem), _UNKNOWN.search(problem)
    if unknown is not None:
        looked = _LOOKED_FOR.search(problem)
        known = re.findall(r"\w+", looked[1].replace(" or ", " ")) if looked else []
        near = nearest(unknown[1], known)
        if unknown[1] == "end" and block is not None:
            near = f"end{block[1]}"
        at = re.search(r"{%-?\s*" + unknown[1], text)
        message = f"this is no template: there is no `{{% {unknown[1]} %}}`"
        hint = f"did you mean {near}?" if near else "there are if, for and set"
        return Fault(message, hint, line, _rest(text, at.start()) if at else "")
    if block is None:
        return None
    starts = [found.start() for found in re.finditer(r"{%-?\s*" + block[1] + r"\b", text)]
    start = starts[-1] if starts else 0
    message = f"this is no template: this {{% {block[1]} %}} is never closed"
    hint = f"close it with {{% end{block[1]} %}}"
    return Fault(message, hint, text.count("\n", 0, start) + 1, _rest(text, start))


def _rest(text: str, start: int) -> str:
    """Return what stands from `start` to the end of the line, by which it is found in the file."""
    return text[max(start, 0) :].partition("\n")[0].rstrip()


_LOOKS: tuple[Callable[[str, int, str], Fault | None], ...] = (
    *(_character, _token, _end, _block, _missing, _bracket, _comment, _closing),
)
