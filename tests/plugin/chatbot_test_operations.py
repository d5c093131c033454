"""Operations that tests install beside the project's own; nodes in other processes find them."""

import chatbot  # isort: skip  # noqa: F401 - repairs DFFML, before it is imported

import asyncio
import contextlib
import os
import re
import signal
import threading
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from dffml.df.base import OperationImplementationContext, op
from dffml.df.types import Definition

from chatbot.progress import tell
from chatbot.urgency import is_bulk

REPLY = Definition(name="reply", primitive="map")


@dataclass
class GateConfig:
    """`folder`: where `started-<pid>` is made, and `open` is waited for."""

    folder: str
    limit: int = 1000


@op(
    name="test_gate",
    config_cls=GateConfig,
    inputs={"text": Definition(name="gate.text", primitive="string")},
    outputs={"text": Definition(name="gate.passed", primitive="string")},
)
class Gate(OperationImplementationContext):
    """Say that it was started, wait until it may go on, pass the text through."""

    async def run(self, inputs):
        folder = Path(self.parent.config.folder)
        with (folder / f"started-{os.getpid()}").open("a") as file:
            file.write(inputs["text"] + "\n")
        while not (folder / "open").exists():
            await asyncio.sleep(0.01)
        return {"text": inputs["text"]}


@dataclass
class ExclusiveConfig:
    """`folder`: where `used` is written; `seconds`: how long it is used each time."""

    folder: str
    seconds: float = 0.02


@op(
    name="test_exclusive",
    config_cls=ExclusiveConfig,
    inputs={
        "text": Definition(name="exclusive.text", primitive="string"),
        "thing": Definition(name="exclusive.thing", primitive="string", lock=True),
    },
    outputs={"text": Definition(name="exclusive.passed", primitive="string")},
)
class Exclusive(OperationImplementationContext):
    """Use the thing, which only one call may use at a time, and write down when."""

    async def run(self, inputs):
        path = Path(self.parent.config.folder) / "used"
        write_line(path, f"begin {os.getpid()} {inputs['text']}")
        await asyncio.sleep(self.parent.config.seconds)
        write_line(path, f"end {os.getpid()} {inputs['text']}")
        return {"text": inputs["text"]}


def write_line(path, line):
    """Append a line at once, whatever other processes append."""
    with path.open("ab", buffering=0) as file:
        file.write(f"{line}\n".encode())


@dataclass
class WaitConfig:
    seconds: float = 0.02


@op(
    name="test_wait",
    config_cls=WaitConfig,
    inputs={"text": Definition(name="wait.text", primitive="string")},
    outputs={"text": Definition(name="wait.passed", primitive="string")},
)
class Wait(OperationImplementationContext):
    """Take a while, as a model does."""

    async def run(self, inputs):
        await asyncio.sleep(self.parent.config.seconds)
        return {"text": inputs["text"]}


@op(
    name="test_wait_together",
    config_cls=WaitConfig,
    inputs={"text": Definition(name="wait.text", primitive="string")},
    outputs={"text": Definition(name="wait.passed", primitive="string")},
)
class WaitTogether(OperationImplementationContext):
    """The same for a batch, in one go."""

    async def run(self, inputs):
        return (await self.run_batch([inputs]))[0]

    async def run_batch(self, batch):
        await asyncio.sleep(self.parent.config.seconds * len(batch))
        return [{"text": inputs["text"]} for inputs in batch]


class Merging:
    """What `test_merge` was given so far, and whether it may go on with bulk work."""

    def __init__(self):
        self.batches = []
        self.running = 0
        self.most = 0
        self.go = asyncio.Event()


@op(
    name="test_merge",
    inputs={"text": Definition(name="merge.text", primitive="string")},
    outputs={"text": Definition(name="merge.passed", primitive="string")},
)
class Merge(OperationImplementationContext):
    """Pass texts on, batches side by side; those of bulk work when `merging` lets them."""

    merges = True
    merging = Merging()

    async def run(self, inputs):
        return (await self.run_batch([inputs]))[0]

    async def run_batch(self, batch):
        merging = Merge.merging
        merging.batches.append((len(batch), is_bulk()))
        if is_bulk():
            merging.running += 1
            merging.most = max(merging.most, merging.running)
            await merging.go.wait()
            merging.running -= 1
        return [{"text": inputs["text"]} for inputs in batch]


@contextlib.asynccontextmanager
async def warmed(self):
    await asyncio.to_thread(tell, "warming up")
    while not Path(self.config.file).exists():
        await asyncio.sleep(0.01)
    yield


@dataclass
class WarmConfig:
    file: str


@op(
    name="test_warm",
    config_cls=WarmConfig,
    imp_enter={"warm": warmed},
    inputs={"text": Definition(name="warm.text", primitive="string")},
    outputs={"text": Definition(name="warm.passed", primitive="string")},
)
class Warm(OperationImplementationContext):
    """Pass texts on; ready when there is such a file."""

    async def run(self, inputs):
        return {"text": inputs["text"]}


@op(
    name="test_shout",
    inputs={"text": Definition(name="shout.text", primitive="string")},
    outputs={"text": Definition(name="shout.loud", primitive="string")},
)
async def shout(text):
    return {"text": text.upper()}


@op(
    name="test_fail",
    inputs={"text": Definition(name="fail.text", primitive="string")},
    outputs={"text": Definition(name="fail.passed", primitive="string")},
)
async def fail(text):
    if "fail" in text:
        raise ValueError("as asked")
    return {"text": text}


@op(
    name="test_say",
    inputs={"text": Definition(name="say.text", primitive="string")},
    outputs={"reply": REPLY},
)
async def say(text):
    return {"reply": {"text": text, "notice": False}}


say.imp.cheap = True


@op(
    name="test_refuse",
    inputs={"text": Definition(name="refuse.text", primitive="string")},
    outputs={"text": Definition(name="refuse.passed", primitive="string")},
)
async def refuse(text):
    raise ValueError(f"cannot take {text!r}")


@op(
    name="test_odd",
    inputs={"text": Definition(name="odd.text", primitive="string")},
    outputs={"thing": Definition(name="odd.thing", primitive="map")},
)
async def odd(text):
    return {"thing": {text: object()}}


odd.imp.cheap = True


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


@dataclass
class HarmConfig:
    """`folder`: where `ran-<pid>` is written, a line for each call."""

    folder: str


@op(
    name="test_harm",
    config_cls=HarmConfig,
    inputs={"text": Definition(name="harm.text", primitive="string")},
    outputs={"text": Definition(name="harm.passed", primitive="generic")},
)
class Harm(OperationImplementationContext):
    """Do what the text says, as long as there is no file `mended`; else pass it through."""

    async def run(self, inputs):
        text, folder = inputs["text"], Path(self.parent.config.folder)
        write_line(folder / f"ran-{os.getpid()}", text)
        harm = "" if (folder / "mended").exists() else text.split()[0]
        if harm == "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        if harm == "hang":
            await asyncio.Event().wait()
        while harm == "heedless":
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        if harm == "block":
            threading.Event().wait()
        if harm == "regex":
            re.match(r"(a+)+$", "a" * 64 + "b")
        if harm == "thread":
            await asyncio.to_thread(threading.Event().wait)
        if harm == "raise":
            raise ValueError(f"cannot take {text!r}")
        if harm == "garble":
            raise ValueError("\ud800" * 2_000_000)
        if harm == "odd":
            return {"text": object()}
        return {"text": await asyncio.to_thread(str, text)}


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


TEXT = Definition(name="bench.text", primitive="string")
CLEAN = Definition(name="bench.clean", primitive="string")
LABEL = Definition(name="bench.label", primitive="string")
ANSWER = Definition(name="bench.answer", primitive="string")


@op(name="bench_format", inputs={"text": TEXT}, outputs={"clean": CLEAN})
async def bench_format(text):
    return {"clean": text.strip().lower()}


@op(name="bench_classify", inputs={"clean": CLEAN}, outputs={"label": LABEL})
async def bench_classify(clean):
    return {"label": "question" if "?" in clean else "other"}


@op(name="bench_respond", inputs={"label": LABEL}, outputs={"answer": ANSWER})
async def bench_respond(label):
    return {"answer": f"that is a {label}"}


bench_format.imp.cheap = bench_respond.imp.cheap = True


@op(name="bench_reply", inputs={"label": LABEL}, outputs={"reply": REPLY})
async def bench_reply(label):
    return {"reply": {"text": f"that is a {label}"}}


@op(name="bench_slow", inputs={"clean": CLEAN}, outputs={"label": LABEL})
async def bench_slow(clean):
    await asyncio.sleep(0.02)
    return {"label": "question" if "?" in clean else "other"}


bench_reply.imp.cheap = True


@op(
    name="test_dawdle",
    inputs={"text": Definition(name="dawdle.text", primitive="string")},
    outputs={"reply": REPLY},
)
async def dawdle(text):
    """Take as many seconds as the last word says, or until there is such a file; say the text."""
    if Path(last := text.split()[-1]).is_absolute():
        while not Path(last).exists():
            await asyncio.sleep(0.01)
    else:
        await asyncio.sleep(float(last))
    return {"reply": {"text": text, "notice": False}}


dawdle.imp.cheap = True
