"""The calculator's operations: a sum is found in what is said, and calculated.

The rule that they guard: what strangers write is never run. Only numbers, brackets and operators
are read, as a tree; how long, how deep and how large it may get is limited.
"""

import ast
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from chatbot import operation

LONGEST = 200
"""Characters of a sum."""

MOST_BITS = 1024
"""Of a whole number: some 300 digits, as many as there are before a float's point."""

_ASKED = re.compile(r"(?:what(?:'s| is)|how much is|calculate|calc)?\s*(.*?)[\s?=!.]*", re.I)
_SUM = re.compile(r"[\d\s.()*/%+-]+")
_SIGNS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "^": "**", ",": ""})

Number = int | float

_BINARY: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_UNARY: dict[type[ast.unaryop], Callable[[Number], Number]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}


class Sum(NamedTuple):
    """A sum that somebody asks for, such as `2 + 3 * 4`."""

    expression: str


class Answer(NamedTuple):
    """What comes of a sum: a result, or what is wrong with it."""

    result: str | None
    problem: str | None


@dataclass
class Rounding:
    """What the flow may set under `config`."""

    digits: int = 10

    def __post_init__(self) -> None:
        if not 1 <= self.digits <= 15:
            raise ValueError("digits must be from 1 to 15")


@operation(cheap=True)
def find_sum(text: str, nick: str = "", addressed: bool = True) -> Sum | None:
    """Find the sum that a message asks for; nothing where it asks for none.

    The message has to be a sum and nothing else, but for the bot's name and `what is`. Among people
    (not `addressed`) it has to end in `?` or `=`, too: 24/7 and 2026-11-22 are no questions.
    """
    said = text.strip()
    if len(said) > LONGEST + 50 or not (addressed or said.endswith(("?", "="))):
        return None
    if nick and said.lower().startswith(nick.lower()):
        said = said[len(nick) :].lstrip(" :,")
    asked = _ASKED.fullmatch(said)
    found = asked[1].translate(_SIGNS).strip() if asked else ""
    is_sum = _SUM.fullmatch(found) and re.search(r"[\d)]\s*[-+*/%].*\d", found)
    return Sum(found) if is_sum else None


@operation
def calculate(expression: str, config: Rounding) -> Answer:
    """Calculate a sum of numbers, brackets and `+ - * / // % **`, on a node."""
    try:
        return Answer(_shown(_calculated(expression), config.digits), None)
    except ZeroDivisionError:
        return Answer(None, "nothing can be divided by zero")
    except OverflowError:
        return Answer(None, "that is too large for me")
    except ValueError as error:
        return Answer(None, str(error))


def _calculated(expression: str) -> Number:
    """Return the value; raises `ValueError`, `OverflowError`, `ZeroDivisionError`."""
    if len(expression) > LONGEST:
        raise ValueError("that is too long for me")
    if not _SUM.fullmatch(expression):
        raise ValueError("I know numbers, brackets and + - * / // % ** only")
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except (SyntaxError, MemoryError, RecursionError):
        raise ValueError("I cannot read that sum") from None
    return _value(tree.body)


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=int() | float() as number):
            return _bounded(number)
        case ast.UnaryOp(op=sign, operand=inner) if type(sign) in _UNARY:
            return _UNARY[type(sign)](_value(inner))
        case ast.BinOp(left=first, op=sign, right=second) if type(sign) in _BINARY:
            left, right = _value(first), _value(second)
            if isinstance(sign, ast.Pow):
                _check_power(left, right)
            return _bounded(_BINARY[type(sign)](left, right))
        case _:
            raise ValueError("I cannot read that sum")


def _check_power(base: Number, exponent: Number) -> None:
    """Raise before a power is calculated that would take long, or that is no real number."""
    whole = isinstance(base, int) and isinstance(exponent, int)
    if whole and (abs(base).bit_length() - 1) * exponent > MOST_BITS:
        raise OverflowError
    if base < 0 and not float(exponent).is_integer():
        raise ValueError("that is no real number")


def _bounded(number: Number) -> Number:
    if isinstance(number, int):
        too_large = number.bit_length() > MOST_BITS
    else:
        too_large = number != number or abs(number) == float("inf")
    if too_large:
        raise OverflowError
    return number


def _shown(number: Number, digits: int) -> str:
    """Return it as people write it: 12, not 12.0; of a long one the first digits and the power."""
    if isinstance(number, int) and abs(number) < 10**15:
        return str(number)
    return f"{number:.{digits}g}"
