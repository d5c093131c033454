"""Operations that tests try values with: what cannot cross, is large, or comes one by one."""

import chatbot  # isort: skip  # noqa: F401 - repairs DFFML, before it is imported

import asyncio
import os
import threading
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from dffml.df.base import op
from dffml.df.types import Definition


class Size(NamedTuple):
    """Part of a thing, to see that named tuples are made again."""

    wide: int
    high: Decimal


class Kind(Enum):
    NEW = "new"
    OLD = ("old", 2)


@dataclass
class Thing:
    """A record that the definitions below declare."""

    name: str
    made: datetime
    kind: Kind
    sizes: list[Size]


@op(
    name="test_echo",
    inputs={
        "value": Definition(name="echo.value", primitive="generic"),
        "thing": Definition(name="echo.thing", primitive="map", spec=Thing),
        "things": Definition(name="echo.things", primitive="array", spec=Thing, subspec=True),
    },
    outputs={
        "seen": Definition(name="echo.seen", primitive="string"),
        "value": Definition(name="echo.value_again", primitive="generic"),
        "thing": Definition(name="echo.thing_again", primitive="map", spec=Thing),
        "things": Definition(name="echo.things_again", primitive="array", spec=Thing, subspec=True),
    },
)
async def echo(value, thing, things):
    """Give back what was given, and how it looked here."""
    return {
        "seen": f"{value!r} {thing!r} {things!r}",
        "value": value,
        "thing": thing,
        "things": things,
    }


MADE = Definition(name="made", primitive="generic")


@op(
    name="test_make",
    inputs={"recipe": Definition(name="make.recipe", primitive="string")},
    outputs={"value": MADE},
)
async def make(recipe):
    """Give what cannot cross, or what is large, as `recipe` says."""
    recipes = {
        "lock": lambda: [1, {"x": threading.Lock()}],
        "text": lambda: "é" * 2_500_000,
        "bytes": lambda: b"x" * 5_000_000,
        "list": lambda: ["x" * 1000] * 5_000,
    }
    return {"value": recipes[recipe]() if recipe in recipes else recipe}


@op(
    name="test_measure",
    inputs={"value": MADE},
    outputs={"size": Definition(name="measure.size", primitive="int")},
)
async def measure(value):
    return {"size": len(value)}


@op(
    name="test_widen",
    inputs={name: Definition(name=f"widen.{name}", primitive="generic") for name in "abcdef"},
    outputs={
        name: Definition(name=f"widen.{name}_again", primitive="generic") for name in "abcdef"
    },
)
async def widen(a, b, c, d, e, f):
    return {"a": a, "b": b, "c": c, "d": d, "e": e, "f": f}


DROP = Definition(name="drip.drop", primitive="generic")


@op(
    name="test_drip",
    inputs={
        "folder": Definition(name="drip.folder", primitive="string"),
        "count": Definition(name="drip.count", primitive="int"),
        "held": Definition(name="drip.held", primitive="int"),
        "size": Definition(name="drip.size", primitive="int", default=0),
    },
    outputs={"drop": DROP},
)
async def drip(folder, count, held, size=0):
    """Yield `count` numbers (or so many bytes); after `held` of them wait for the file `open`."""
    folder = Path(folder)
    (folder / f"started-{os.getpid()}").touch()
    try:
        for number in range(count):
            if number == held:
                while not (folder / "open").exists():
                    await asyncio.sleep(0.01)
            if number == 1000:
                raise ValueError("enough")
            yield {"drop": bytes([number]) * size if size else number}
    finally:
        (folder / f"closed-{os.getpid()}").touch()
