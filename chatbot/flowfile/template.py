"""Templates and expressions: Jinja's language, less what a reply has no use for.

The rules that it guards: a template reaches nothing but the values that it is given; it ends in
`SECONDS`, has gone round `STEPS` loops and is `LONGEST` long at most, whatever is in them; and what
people wrote is text in it, never markup of the network's.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes, pass_context
from jinja2.exceptions import TemplateError as JinjaError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from chatbot.errors import OperationError
from chatbot.flowfile.pattern import resembles
from chatbot.flowfile.template_faults import FILTERS, TESTS, Fault, fault_of, faults_of

LONGEST = 16 * 1024
"""Characters that a text may have at any time."""
STEPS = 1000
SECONDS = 0.1

_ORDERED = ("lt", "lteq", "gt", "gteq")
_BUDGET = "_budget"
_RESULT = "result"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_MARKDOWN = re.compile(r"[\\`*_{}\[\]()<>#+.!|~&@-]")


class TemplateError(OperationError):
    """A template asks for too much, or for what its values do not have; none of them is named."""


@dataclass(frozen=True, slots=True)
class Used:
    """A value that a template uses: `message.name`, or `label` alone (`key` is empty then)."""

    origin: str
    key: str

    @property
    def name(self) -> str:
        return f"{self.origin}.{self.key}" if self.key else self.origin


class Raw(str):
    """A text that is said as it is: it is the flow's own, or trusted like that."""

    __slots__ = ()


def is_template(text: str) -> bool:
    """Whether a text has anything to fill in."""
    return "{{" in text or "{%" in text


def faults(text: str) -> list[Fault]:
    """Return what is wrong with a template in itself; the values that it uses are not looked at."""
    try:
        tree = _environment(_plain).parse(text)
    except TemplateSyntaxError as error:
        return [fault_of(str(error.message), error.lineno, text)]
    except RecursionError:
        return [Fault("this is nested too deep")]
    called = {id(call.node) for call in tree.find_all(nodes.Call)}  # is told of the call
    parts = (node for node in tree.find_all(nodes.Node) if id(node) not in called)
    return [fault for node in parts for fault in faults_of(node)]


def used(text: str) -> list[Used]:
    """Return the values that a template without faults uses, each once, in their order."""
    tree = _environment(_plain).parse(text)
    found: dict[Used, None] = {}
    _collect(tree, {"loop", "range"}, found)
    return list(found)


class Template:
    """A template for what is said. `values` are as `used` names them.

    With `markdown`, what is filled in is escaped for it; else control codes are taken out, which
    would colour, or break, a line.
    """

    def __init__(self, text: str, *, markdown: bool = False) -> None:
        self._environment = _environment(_markdown if markdown else _plain)
        self._render = _compiled(self._environment, self._environment.parse(text))

    def render(self, values: dict[str, Any]) -> str:
        """Return the text; raises `TemplateError`."""
        return str(_guarded(lambda budget: self._said(values, budget)))

    def _said(self, values: dict[str, Any], budget: _Budget) -> str:
        context = self._render.new_context({**nested(values), _BUDGET: budget})
        found: list[str] = []
        size = 0
        for piece in self._render.root_render_func(context):
            size += len(piece)
            if size > LONGEST:
                raise TemplateError(f"a text is longer than {LONGEST} characters")
            found.append(piece)
        return "".join(found).strip()


class Expression:
    """An expression (`{{ a.b > 2 }}`), whose value is what it is; or a text with some in it."""

    def __init__(self, text: str) -> None:
        environment = _environment(_plain)
        tree = environment.parse(text)
        only = _only_expression(tree)
        self._text = None if only is not None else Template(text)
        if only is not None:
            target = nodes.Name(_RESULT, "store", lineno=1)
            body: list[nodes.Node] = [nodes.Assign(target, only, lineno=1)]
            self._render = _compiled(environment, nodes.Template(body, lineno=1))

    def value(self, values: dict[str, Any]) -> Any:
        """Return the value; raises `TemplateError`."""
        if self._text is not None:
            return self._text.render(values)
        return _guarded(lambda budget: self._found(values, budget))

    def _found(self, values: dict[str, Any], budget: _Budget) -> Any:
        context = self._render.new_context({**nested(values), _BUDGET: budget})
        for _ in self._render.root_render_func(context):
            pass
        return _decent(context.vars[_RESULT])


def nested(values: dict[str, Any]) -> dict[str, Any]:
    """Return `{"a.b": 1, "c": 2}` as `{"a": {"b": 1}, "c": 2}`."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        origin, dot, key = name.partition(".")
        if dot:
            found.setdefault(_word(origin), {})[key] = value
        else:
            found[name] = value
    return found


def _word(origin: str) -> str:
    return origin.replace("-", "_")


class _Budget:
    """What one rendering may still do."""

    __slots__ = ("_ends", "_left")

    def __init__(self) -> None:
        self._left = STEPS
        self._ends = time.monotonic() + SECONDS

    def step(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise TemplateError(f"a template goes round its loops over {STEPS} times")
        if time.monotonic() > self._ends:
            raise TemplateError(f"a template takes longer than {SECONDS} s")


class _Environment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox, in which texts cannot be multiplied, and keys come before attributes."""

    intercepted_binops = frozenset({"+", "*", "%", "**"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return _short(left + right) if len(left) + len(right) <= LONGEST else _too_long()
        if not (_is_number(left) and _is_number(right)):
            raise TemplateError(f"`{operator}` is for numbers")
        return super().call_binop(context, operator, left, right)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return what a value has under a name: only maps have any, and named tuples."""
        if isinstance(obj, dict):
            return obj.get(attribute, self.undefined(obj=obj, name=attribute))
        if attribute in getattr(type(obj), "_fields", ()) or type(obj).__name__ == "LoopContext":
            return super().getattr(obj, attribute)
        return self.undefined(obj=obj, name=attribute)


def _environment(finalize: Callable[[Any], str]) -> _Environment:
    return _environments(finalize)


@functools.cache
def _environments(finalize: Callable[[Any], str]) -> _Environment:
    environment = _Environment(
        undefined=StrictUndefined, finalize=finalize, trim_blocks=True, lstrip_blocks=True
    )
    own = {"_bounded": _bounded, "_joined": _joined, "raw": Raw, "join": _join}
    own["like"] = _like
    kept = {name: environment.filters[name] for name in FILTERS if name in environment.filters}
    environment.filters = {**kept, **own}
    environment.tests = {k: environment.tests[k] for k in environment.tests if k in {*TESTS, "=="}}
    environment.globals = {"range": _range}
    return environment


def _compiled(environment: _Environment, tree: nodes.Template) -> Any:
    """Return the template whose loops count their steps, and whose texts their length."""
    for loop in tree.find_all(nodes.For):
        loop.iter = _filtered(cast(nodes.Expr, loop.iter), "_bounded")
    _replace(tree)
    return environment.from_string(tree)


def _replace(node: nodes.Node) -> None:
    """Put what is safe in the place of what is not, the innermost first."""
    for child in node.iter_child_nodes():
        _replace(child)
    for name, value in node.iter_fields():
        if isinstance(value, list):
            setattr(node, name, [_safe(each) for each in value])
        else:
            setattr(node, name, _safe(value))


def _safe(value: Any) -> Any:
    if isinstance(value, nodes.Concat):
        return _filtered(nodes.List(list(value.nodes), lineno=value.lineno), "_joined")
    if isinstance(value, nodes.Compare):
        return _unless_null(value)
    return value


def _unless_null(compare: nodes.Compare) -> nodes.Expr:
    """Have null be neither less nor more than anything: it stands for what has not come."""
    found: nodes.Expr = compare
    if any(operand.op in _ORDERED for operand in compare.ops):
        for side in (compare.expr, *(operand.expr for operand in compare.ops)):
            if not isinstance(side, nodes.Const):
                is_null = nodes.Test(side, "none", [], [], None, None, lineno=compare.lineno)
                there = nodes.Not(is_null, lineno=compare.lineno)
                found = nodes.And(there, found, lineno=compare.lineno)
    return found


def _filtered(node: nodes.Expr, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


@pass_context
def _bounded(context: Context, values: Iterable[Any]) -> Iterator[Any]:
    budget = cast(_Budget, context.resolve(_BUDGET))
    for value in values:
        budget.step()
        yield value


def _range(*given: int) -> range:
    found = range(*given)
    if len(found) > STEPS:
        raise TemplateError(f"a range has over {STEPS} numbers")
    return found


def _joined(parts: list[Any]) -> str:
    return _join(parts)


def _join(parts: Iterable[Any], between: str = "") -> str:
    found: list[str] = []
    size = 0
    for part in parts:
        found.append("" if part is None else str(part))
        size += len(found[-1]) + len(between)
        if size > LONGEST:
            _too_long()
    return between.join(found)


def _like(text: Any, pattern: str) -> bool:
    """Whether a text is like a pattern with `*`, in any case; null is like none."""
    return text is not None and resembles(str(pattern), str(text))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else _too_long()


def _too_long() -> str:
    raise TemplateError(f"a text is longer than {LONGEST} characters")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) < 1e100


def _decent(value: Any) -> Any:
    """Return a value that may leave: no name that is not there, no text that is too long."""
    if isinstance(value, StrictUndefined):
        value._fail_with_undefined_error()
    return str(value) if isinstance(value, Raw) else value


def _plain(value: Any) -> str:
    """Return a value as it is said: without control codes, on one line; nothing for null."""
    if value is None:
        return ""
    if isinstance(value, Raw):
        return str(value)
    text = str(value)
    return _CONTROL.sub(" ", text) if not text.isprintable() else text


def _markdown(value: Any) -> str:
    if isinstance(value, Raw):
        return str(value)
    return _MARKDOWN.sub(r"\\\g<0>", _plain(value))


def _guarded(render: Callable[[_Budget], Any]) -> Any:
    try:
        return render(_Budget())
    except (JinjaError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise TemplateError(f"a template fails: {type(error).__name__}") from error


def _only_expression(tree: nodes.Template) -> nodes.Expr | None:
    """Return the expression that a template is, where it is nothing else."""
    if len(tree.body) == 1 and isinstance(tree.body[0], nodes.Output):
        inner = tree.body[0].nodes
        if len(inner) == 1 and not isinstance(inner[0], nodes.TemplateData):
            return inner[0]
    return None


def _collect(node: nodes.Node, bound: set[str], found: dict[Used, None]) -> None:
    """Add to `found` what `node` uses; `bound` are the names that the template itself gives."""
    if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name):
        if node.node.name not in bound:
            found[Used(node.node.name, node.attr)] = None
        return
    if isinstance(node, nodes.Name):
        if node.ctx == "load" and node.name not in bound:
            found[Used(node.name, "")] = None
        return
    if isinstance(node, nodes.For):
        _collect(node.iter, bound, found)
        inner = bound | {n.name for n in _names(node.target)}
        for child in [*node.body, *([node.test] if node.test else [])]:
            _collect(child, inner, found)
        for child in node.else_:
            _collect(child, bound, found)
        return
    if isinstance(node, nodes.Assign):
        _collect(node.node, bound, found)
        bound.update(n.name for n in _names(node.target))
        return
    for child in node.iter_child_nodes():
        _collect(child, bound, found)


def _names(target: nodes.Node) -> list[nodes.Name]:
    return [target] if isinstance(target, nodes.Name) else list(target.find_all(nodes.Name))
