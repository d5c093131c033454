"""Operations that tests install beside the project's own; nodes in other processes find them."""

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
