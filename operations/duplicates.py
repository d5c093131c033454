"""Duplicates: reports like this one, and the entries that were opened for them.

Importing this imports no model: that happens when it is entered.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dffml import Definition, OperationImplementationContext, op

from chatbot.broker.questions import KEPT, Question
from chatbot.errors import UsageError
from chatbot.messages import origin
from chatbot.units import duration, shown_duration
from operations.asking import quotable, when
from operations.question_index import QuestionIndex, entered

REPLAY = "replay"
"""The network of what is replayed: nothing of that is noted."""


@dataclass(frozen=True)
class DuplicatesConfig:
    """Where reports are kept, and from which cosine on two are alike (`likeness`).

    `index` is the name of the index; flows that name the same one share it. `keep` says how far it
    looks back. Only what was reported in the same room is found, unless `across_rooms` is set.
    """

    index: str = "reports"
    encoder: str = "all-MiniLM-L6-v2"
    likeness: float = 0.75
    across_rooms: bool = False
    keep: str = "90d"


def _own(name: str, primitive: str = "string", **more: Any) -> Definition:
    return Definition(name=f"find_duplicates.{name}", primitive=primitive, **more)


@op(
    name="find_duplicates",
    config_cls=DuplicatesConfig,
    imp_enter={"index": entered},
    inputs={
        **{name: _own(name) for name in ("id", "network", "room", "sender", "text")},
        "time": _own("time", "datetime"),
        "private": _own("private", "bool", default=False),
    },
    outputs={
        "found": _own("found", "bool"),
        "score": _own("score", "float"),
        **{name: _own(f"found.{name}") for name in ("report", "when", "by", "link")},
    },
)
class FindDuplicates(OperationImplementationContext):
    """Find the report that is most like this one, and note this one.

    `report` is its text, `by` who said it, `when` in words, `link` the entry that was opened for
    it, empty where there is none (yet). Where nothing is alike, `score` is 0 and these are empty.
    What is said in private, and what is replayed, is not noted.
    """

    async def run(self, inputs: dict[str, Any]) -> dict[str, object]:
        """Look up and note one report."""
        [outputs] = await self.run_batch([inputs])
        if isinstance(outputs, Exception):
            raise outputs
        return outputs

    async def run_batch(self, batch: list[dict[str, Any]]) -> list[dict[str, object] | Exception]:
        """Do it for all, in their order, with one model batch."""
        wrong = [_wrong(inputs) for inputs in batch]
        texts = [
            quotable(each["text"]) for each, bad in zip(batch, wrong, strict=True) if bad is None
        ]
        vectors = iter(await self.parent.index.encode(texts))
        return [
            bad if bad is not None else await self._handle(each, next(vectors))
            for each, bad in zip(batch, wrong, strict=True)
        ]

    async def _handle(self, inputs: dict[str, Any], vector: Any) -> dict[str, object]:
        config: DuplicatesConfig = self.parent.config
        index: QuestionIndex = self.parent.index
        own = _report(config.index, inputs)
        oldest = own.asked - timedelta(seconds=duration(config.keep))

        def wanted(known: Question) -> bool:
            here = (known.network, known.room) == (own.network, own.room)
            return known.id != own.id and known.asked >= oldest and (config.across_rooms or here)

        found = await index.near(vector, config.likeness, wanted)
        noted = inputs.get("private") or own.network == REPLAY
        if not noted and await index.get(own.network, own.id) is None:
            await index.put(own, vector)
        if found is None:
            return {"found": False, "score": 0.0, "report": "", "when": "", "by": "", "link": ""}
        known, score = found
        if not known.answer:  # the entry may have been opened just now
            known = await index.current(known)
        return {
            "found": True,
            "score": round(score, 4),
            "report": known.text,
            "when": when(known.asked, own.asked),
            "by": known.sender,
            "link": known.answer,
        }


def _wrong(inputs: dict[str, Any]) -> Exception | None:
    if not isinstance(inputs["text"], str):
        return TypeError(f"text must be a string, not {type(inputs['text']).__name__}")
    if not isinstance(inputs["time"], datetime):
        return TypeError(f"time must be a datetime, not {type(inputs['time']).__name__}")
    return None


def _report(index: str, inputs: dict[str, Any]) -> Question:
    return Question(
        index=index,
        id=origin(inputs["id"]),
        network=inputs["network"],
        room=inputs["room"],
        sender=inputs["sender"],
        text=quotable(inputs["text"]),
        asked=inputs["time"],
    )


def check_config(config: DuplicatesConfig) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield (path in the configuration, message, hint) for what is wrong; loads no model."""
    if not 0 < config.likeness <= 1:
        yield ("likeness",), f"`likeness` is {config.likeness}, not between 0 and 1", ""
    try:
        if duration(config.keep) > KEPT:
            yield ("keep",), "`keep` is longer than reports are kept", shown_duration(KEPT)
    except UsageError as error:
        yield ("keep",), f"`keep`: {error.message}", error.hint
    if not config.index.strip():
        yield ("index",), "`index` is empty", "name the index, such as reports"


FindDuplicates.imp.check_config = staticmethod(check_config)
