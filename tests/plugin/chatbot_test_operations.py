"""Operations that tests install beside the project's own; nodes in other processes find them."""

import chatbot  # isort: skip  # noqa: F401 - repairs DFFML, before it is imported

import asyncio
import contextlib
import os
import re
import signal
import threading
from dataclasses import dataclass
from pathlib import Path

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
