"""Operations of the benchmarks: as cheap as can be, and one that takes the time of a model."""

import chatbot  # isort: skip  # noqa: F401 - repairs DFFML, before it is imported

import asyncio

from chatbot_test_operations import REPLY
from dffml.df.base import op
from dffml.df.types import Definition

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
