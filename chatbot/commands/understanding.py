"""Which operation of a flow classifies texts, and with what; shared by `eval` and `train`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chatbot.broker.current import lent
from chatbot.commands.server import connected
from chatbot.errors import UsageError
from chatbot.flowfile.load import load
from chatbot.flowfile.problems import suggest
from chatbot.inference.backends import AUTO, chosen, is_exact, missing
from chatbot.inference.encoder import DEFAULT
from chatbot.inference.examples import read_examples
from chatbot.inference.registry import NATS, local
from chatbot.inference.training import Examples

CLASSIFIES = "classify_text"


@dataclass(frozen=True, slots=True)
class Subject:
    """An operation that classifies: its path in the `flow`, its examples and its settings.

    `encoder` is what `chatbot.inference.registry.local` returned, `backend` what nodes run it with.
    """

    flow: str
    name: str
    examples: Examples
    encoder: str
    threshold: float | None
    likeness: float | None
    several: bool
    backend: str = AUTO

    @property
    def count(self) -> int:
        """How many examples it has."""
        return sum(map(len, self.examples.values()))

    @property
    def exact(self) -> bool:
        """Whether nodes run it with a back end that is exact; raises `OperationError` for none."""
        return is_exact(chosen(self.backend))

    @property
    def missing(self) -> str:
        """Why this machine cannot run it with its back end, "" if it can. May import torch."""
        return missing(chosen(self.backend))


def subject(
    flow: str, overrides: Sequence[str], operation: str | None, nats: str | None = None
) -> Subject:
    """Return what classifies in the flow; `operation` says which, where there are several.

    A model of the object store is fetched from the server `nats`. Raises `FlowError` for a wrong
    flow, `UsageError` where there is no one such operation, `OperationError` for want of a model.
    Not to be called in an event loop.
    """
    checked = load(flow, overrides=overrides)
    found = {n: each for n, each in checked.instances.items() if each.operation == CLASSIFIES}
    if not found:
        raise UsageError(f"{checked.path} has no operation that runs {CLASSIFIES}")
    if operation is None and len(found) > 1:
        names = ", ".join(sorted(found))
        what = f"{checked.path} classifies in several places: {names}"
        raise UsageError(what, hint="say which with --operation NAME")
    name = operation or next(iter(found))
    if name not in found:
        hint = suggest(name, found, what="those that classify")
        raise UsageError(f"{checked.path} has no operation {name!r} that classifies", hint=hint)
    config = found[name].config
    several = bool(config.get("several", False))
    examples = read_examples(Path(config["examples"]), several=several)
    return Subject(
        checked.name,
        name,
        examples,
        asyncio.run(fetched(config.get("encoder", DEFAULT), nats)),
        config.get("threshold"),
        config.get("likeness"),
        several,
        config.get("backend", AUTO),
    )


async def fetched(encoder: str, nats: str | None) -> str:
    """Return what `chatbot.inference.registry.local` does, with the server `nats` if need be."""
    if not encoder.startswith(NATS):
        return await local(encoder)
    async with connected(nats, None, "chatbot-model") as broker:
        with lent(broker):
            return await local(encoder)
