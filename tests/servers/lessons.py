"""A bot that learns, for tests: its flow, its model, its people and its node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from chatbot.broker import Broker
from chatbot.commands.understanding import subject
from chatbot.flowfile.flow import Flow
from chatbot.flowfile.load import load
from chatbot.inference.backends.export import accompany
from chatbot.inference.encoder import Encoder
from chatbot.inference.loading import fingerprint
from chatbot.inference.models import described
from chatbot.inference.revisions import About, Kept, Revisions, key, now
from chatbot.inference.training import train as learned
from chatbot.nodes.node import Node
from chatbot.nodes.roster import Roster
from chatbot.orchestrator.intake import Intake
from chatbot.orchestrator.primary import primary
from tests.servers.rooms import Room
from tests.servers.tiny import tiny_model

WORDS = (
    *("hi", "hello", "hey", "thanks", "thank", "you", "bye", "crash", "broken", "error"),
    *("how", "do", "i", "install", "this", "it", "where", "is", "flux", "warp", "zoom"),
)
EXAMPLES = """\
greeting: [hi, hello, hey hello]
thanks: [thanks, thank you, thanks thanks]
bug: [crash, broken, crash error]
install: [how do i install this, how do i install it]
"""
FLOW = """\
version: 1
name: test
listeners: {{net: {{kind: irc}}}}
roles: {{teacher: [net/ben, net/carl]}}
learning: {{reactions: {{"?": install, "!!": bug}}{learning}}}
operations:
  classify:
    run: classify_text
    inputs: {{text: message.text{inputs}}}
    config: {{examples: labels.yaml, encoder: {encoder}, threshold: 0.2, likeness: 0.2}}
outputs: {{label: classify.label, score: classify.score, sure: classify.sure}}
"""
SAID = "flux warp flux"
TAUGHT = "install"
BEN: dict[str, Any] = {"sender": "ben", "account": "ben"}
CARL: dict[str, Any] = {"sender": "carl", "account": "carl"}
ANNA: dict[str, Any] = {"sender": "anna", "account": "anna"}


def flow_file(folder: Path, *, learning: str = "", inputs: str = "") -> Path:
    """Write the flow with what it needs; `learning` and `inputs` are more of the like."""
    encoder = folder / "tiny"
    if not encoder.exists():
        tiny_model(encoder, WORDS)
    (folder / "labels.yaml").write_text(EXAMPLES)
    path = folder / "test.yaml"
    path.write_text(FLOW.format(learning=learning, inputs=inputs, encoder=encoder))
    return path


def revision_of(path: Path) -> tuple[str, Kept]:
    """Return the key, and what might have been trained, in a folder of its own; in a moment."""
    what = subject(str(path), (), None)
    work = tiny_model(path.parent / "work", WORDS[::-1])
    accompany(described(work))
    head = replace(learned(Encoder.load(str(work)), what.examples), revision="ab" * 16)
    about = About(
        revision=head.revision,
        of=fingerprint(what.examples),
        at=now(),
        encoder=what.encoder,
        examples=what.count,
        labels=len(what.examples),
        held=1,
        estimate=1.0,
        low=0.0,
        high=1.0,
        estimate_before=0.5,
        blend=1.0,
        seconds=1.0,
    )
    place = key(what.encoder, what.examples)
    kept = Revisions(path.parent / "trained", place)
    return place, kept.keep(about, head, lambda folder: work.rename(folder) and None)


@asynccontextmanager
async def node(broker: Broker) -> AsyncIterator[Node]:
    """Run a node in this process for the block's duration."""
    made = Node(broker, ["classify_text"])
    running = asyncio.ensure_future(made.run())
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def bot(
    broker: Broker, path: Path, *, nodes: int = 1, **room: Any
) -> AsyncIterator[tuple[Room, Intake, Flow]]:
    """Run a primary, nodes and a room for the block's duration, ready to understand."""
    flow = load(path, environment=lambda _: None)
    async with Roster.follow(broker) as roster, primary(broker, flow, roster) as intake:
        async with Room.open(broker, flow.rules, **room) as heard:
            running = [node(broker) for _ in range(nodes)]
            for each in running:
                await each.__aenter__()
            try:
                await ready(intake, roster)
                yield heard, intake, flow
            finally:
                for each in running:
                    await each.__aexit__(None, None, None)


async def ready(intake: Intake, roster: Roster) -> None:
    """Wait until nodes run what the flow needs."""
    async with asyncio.timeout(60):
        while intake.missing:
            roster.changed.clear()
            await roster.changed.wait()


async def label(heard: Room, text: str, **fields: Any) -> str:
    """Return what the bot takes a text for."""
    outcome = await heard.outcome(await heard.hear(text, **fields))
    return str(outcome.understood["label"])


async def becomes(heard: Room, text: str, wanted: str, timeout: float = 5.0, **fields: Any) -> None:
    """Say a text until the bot takes it for that."""
    async with asyncio.timeout(timeout):
        while await label(heard, text, **fields) != wanted:
            await asyncio.sleep(0.02)
