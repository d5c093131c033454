"""Dataflows that both orchestrators must run alike."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from dffml import DataFlow, Definition, GetMulti, GetSingle, Input, Stage, op
from dffml.df.types import InputFlow

NUMBER = Definition(name="number", primitive="int")
OTHER = Definition(name="other", primitive="int")
SUM = Definition(name="sum", primitive="int")
FLAG = Definition(name="flag", primitive="bool")
WORD = Definition(name="word", primitive="string")
HINT = Definition(name="hint", primitive="string", default="none")


@op(inputs={"a": NUMBER, "b": OTHER}, outputs={"total": SUM})
async def add(a, b):  # type: ignore[no-untyped-def]
    return {"total": a * 10 + b}


@op(inputs={"a": NUMBER}, outputs={"big": FLAG})
def is_big(a):  # type: ignore[no-untyped-def]
    return {"big": a > 5}


@op(inputs={"a": NUMBER}, outputs={"word": WORD}, conditions=[FLAG])
async def spell(a):  # type: ignore[no-untyped-def]
    return {"word": f"big {a}"}


@op(inputs={"a": NUMBER}, outputs={"word": WORD}, expand=["word"])
async def split(a):  # type: ignore[no-untyped-def]
    return {"word": list(str(a))}


@op(inputs={"a": NUMBER}, outputs={"word": WORD})
async def count(a) -> AsyncIterator[dict[str, str]]:  # type: ignore[no-untyped-def]
    for number in range(a):
        yield {"word": f"w{number}"}


@op(inputs={"a": NUMBER, "hint": HINT}, outputs={"word": WORD})
async def hinted(a, hint):  # type: ignore[no-untyped-def]
    return {"word": f"{hint}{a}"}


@op(inputs={"a": NUMBER}, outputs={"word": WORD})
async def nothing(a):  # type: ignore[no-untyped-def]
    return None


@op(inputs={}, outputs={"word": WORD})
async def start():  # type: ignore[no-untyped-def]
    return {"word": "started"}


@op(inputs={"a": NUMBER}, outputs={"word": WORD})
async def broken(a):  # type: ignore[no-untyped-def]
    raise ValueError("as asked")


CLEANED: list[Any] = []


@op(inputs={"a": NUMBER}, outputs={}, stage=Stage.CLEANUP)
async def clean(a):  # type: ignore[no-untyped-def]
    CLEANED.append(a)
    return {}


def flow(*operations: Callable[..., Any], get: list[str], single: bool = False) -> DataFlow:
    """Return a dataflow of `operations` that gives all values of the definitions `get`."""
    output = GetSingle if single else GetMulti
    made = DataFlow.auto(*operations, output)
    made.seed.append(Input(value=get, definition=output.op.inputs["spec"]))
    return made


def numbers(*values: int) -> list[Input]:
    return [Input(value=value, definition=NUMBER) for value in values]


def others(*values: int) -> list[Input]:
    return [Input(value=value, definition=OTHER) for value in values]


def alternate_flow() -> DataFlow:
    """`is_big` takes what was seeded as OTHER in place of NUMBER."""
    made = flow(is_big, get=["flag"])
    made.flow[is_big.op.name] = InputFlow(inputs={"a": [{"seed": ["other"]}]})
    made.update()
    return made


PLAIN = Definition(name="plain", primitive="string")
SPELLED = Definition(name="spelled", primitive="string")


@op(inputs={"plain": PLAIN}, outputs={"spelled": SPELLED})
async def spell_it(plain):  # type: ignore[no-untyped-def]
    return {"spelled": "-".join(plain)}


FIRST = Definition(name="first", primitive="string", lock=True)
SECOND = Definition(name="second", primitive="string", lock=True)
TOGETHER: list[int] = []
_inside = 0


async def _use(word: str) -> dict[str, str]:
    global _inside
    _inside += 1
    TOGETHER.append(_inside)
    await asyncio.sleep(0.05)  # long enough for the other to come in, if it may
    _inside -= 1
    return {"word": word}


@op(inputs={"a": FIRST, "b": SECOND}, outputs={"word": WORD})
async def left(a, b):  # type: ignore[no-untyped-def]
    return await _use("left")


@op(inputs={"b": SECOND, "a": FIRST}, outputs={"word": WORD})
async def right(b, a):  # type: ignore[no-untyped-def]
    return await _use("right")


def locked_flow() -> DataFlow:
    TOGETHER.clear()
    return flow(left, right, get=["word"])


def locked_inputs() -> list[Input]:
    return [Input(value="1", definition=FIRST), Input(value="2", definition=SECOND)]


PAIR = Definition(name="pair", primitive="string")
SEEDED = Definition(name="seeded", primitive="bool")
RUNNING: list[int] = []
_at_once = 0


@op(inputs={"x": NUMBER, "y": NUMBER}, outputs={"pair": PAIR})
async def pair(x, y):
    return {"pair": f"{x}{y}"}


@op(inputs={}, outputs={"word": WORD}, conditions=[SEEDED])
async def start_if():
    return {"word": "started"}


@op(inputs={"a": NUMBER}, outputs={"word": WORD})
async def watch(a):
    global _at_once
    _at_once += 1
    RUNNING.append(_at_once)
    await asyncio.sleep(0.01)
    _at_once -= 1
    return {"word": str(a)}


@dataclass
class AffixConfig:
    affix: str


@op(inputs={"a": NUMBER}, outputs={"word": WORD}, config_cls=AffixConfig)
async def affix(self, a):
    return {"word": f"{self.parent.config.affix}{a}"}


def affix_twice() -> DataFlow:
    """Two instances of one operation, each with its own configuration and output."""
    one, two = (Definition(name=name, primitive="string") for name in ("one", "two"))
    made = DataFlow(
        operations={
            "one": affix.op._replace(outputs={"word": one}),
            "two": affix.op._replace(outputs={"word": two}),
            "get": GetMulti.op,
        },
        implementations={affix.op.name: affix.imp},
        configs={"one": {"affix": "1-"}, "two": {"affix": "2-"}},
    )
    made.seed.append(Input(value=["one", "two"], definition=GetMulti.op.inputs["spec"]))
    return made
