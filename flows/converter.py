"""Units: `3 + 4 km in miles`. How much it is, is a sum that the flow has calculated elsewhere."""

import re
from typing import NamedTuple

from chatbot import operation

LONGEST = 300
"""Characters of a message that is looked at: patterns take long on long ones."""

_ASKED = re.compile(
    r"(?:convert\s+)?([\d\s.()*/%+-]+?)\s*([a-z]+) (?:in|to|into) ([a-z]+)[\s?.!]*", re.I
)

_UNITS = {
    "length": {
        "m": 1.0,
        "km": 1000.0,
        "cm": 0.01,
        "mile": 1609.344,
        "foot": 0.3048,
        "inch": 0.0254,
    },
    "mass": {"kg": 1.0, "g": 0.001, "pound": 0.45359237, "ounce": 0.028349523125},
    "data": {"byte": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 1024.0, "mib": 1024.0**2},
}
_CALLED = {
    "mi": "mile",
    "ft": "foot",
    "feet": "foot",
    "inches": "inch",
    "lb": "pound",
    "oz": "ounce",
}


class Conversion(NamedTuple):
    """What is asked for: how much (a sum, as text) of which unit, in which other."""

    amount: str
    unit: str
    to: str


class Quantity(NamedTuple):
    """So much of a unit."""

    amount: float
    unit: str


@operation(cheap=True)
def find_conversion(text: str) -> Conversion | None:
    """Find `3 + 4 km in miles`; nothing where the units are unknown, or do not go together."""
    found = _ASKED.fullmatch(text.strip()) if len(text) <= LONGEST else None
    if not found:
        return None
    unit, to = _unit(found[2]), _unit(found[3])
    goes = any(unit in units and to in units for units in _UNITS.values())
    return Conversion(found[1].strip(), unit, to) if goes else None


@operation(cheap=True)
def convert(amount: float, unit: str, to: str) -> Quantity:
    """Convert an amount of one unit to another; a `ValueError` where they do not go together."""
    for units in _UNITS.values():
        if unit in units and to in units:
            return Quantity(amount * units[unit] / units[to], to)
    raise ValueError(f"{unit} and {to} do not go together")


def _unit(written: str) -> str:
    name = written.lower()
    name = _CALLED.get(name, name)
    known = any(name in units for units in _UNITS.values())
    return name if known else name.removesuffix("s")
