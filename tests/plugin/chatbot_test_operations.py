"""Operations that tests install beside the project's own; nodes in other processes find them."""

import chatbot  # isort: skip  # noqa: F401 - repairs DFFML, before it is imported

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from dffml.df.base import OperationImplementationContext, op
from dffml.df.types import Definition

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
