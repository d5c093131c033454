"""Answers from a FAQ: a Markdown file whose headings are questions.

Importing this imports no model: that happens when it is entered.
"""

import pathlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dffml import Definition, OperationImplementation, OperationImplementationContext, op

from chatbot.inference.registry import local
from operations.answer import fill, unknown_fields
from operations.asking import quotable
from operations.faq_file import Entry, check_faq, read_faq
from operations.model_thread import ModelThread

if TYPE_CHECKING:
    from chatbot.inference.encoder import Encoder

FIELDS = ("sender", "question", "answer", "link")
"""What the reply may name in braces."""


@dataclass(frozen=True)
class FaqConfig:
    """The file, where it can be read, and when an answer is sure.

    An entry is found whose heading, or one of the other ways to ask it, has a cosine of
    `likeness` to the text, `lead` more than any other entry has. `url` is the page's address:
    `link` is the entry's place on it. `reply` is said then; empty for nothing.
    """

    file: pathlib.Path
    url: str = ""
    encoder: str = "all-MiniLM-L6-v2"
    likeness: float = 0.55
    lead: float = 0.1
    reply: str = "{sender}: {answer} {link}"


class Faq:
    """The entries and their vectors. Blocks: used by one thread."""

    def __init__(self, entries: Sequence[Entry], encoder: "Encoder") -> None:
        from chatbot.inference.similar import Nearest

        self._entries = entries
        self._encoder = encoder
        self._nearest: Nearest[tuple[int, int]] = Nearest(encoder.dim)
        ways = [
            ((number, way), text)
            for number, entry in enumerate(entries)
            for way, text in enumerate((entry.question, *entry.also))
        ]
        vectors = encoder.encode([text for _, text in ways])
        for (key, _), vector in zip(ways, vectors, strict=True):
            self._nearest.put(key, vector)

    def find(
        self, texts: Sequence[str], likeness: float, lead: float
    ) -> list[tuple[Entry | None, float]]:
        """Return the entry for each text, and how like it is; `None` for what is not sure."""
        filled = [text if text.strip() else "" for text in texts]
        vectors = self._encoder.encode(filled)
        return [
            self._best(vector, likeness, lead) if text else (None, 0.0)
            for text, vector in zip(filled, vectors, strict=True)
        ]

    def _best(self, vector: object, likeness: float, lead: float) -> tuple[Entry | None, float]:
        near = self._nearest.near(vector, -1.0, lambda _: True, most=len(self._nearest))
        best = near[0]
        others = (each.score for each in near if each.key[0] != best.key[0])
        sure = best.score >= likeness and best.score - next(others, -1.0) >= lead
        return (self._entries[best.key[0]] if sure else None), round(best.score, 4)


class FaqThread:
    """A FAQ and the thread that may use it."""

    def __init__(self, config: FaqConfig) -> None:
        self._config = config
        self._thread = ModelThread("faq")
        self._faq: Faq

    async def load(self) -> None:
        """Read the file, load the model, encode the questions. Takes seconds."""
        encoder = await local(self._config.encoder)
        self._faq = await self._thread.run(lambda: _load(self._config, encoder))

    async def find(self, texts: list[str]) -> list[tuple[Entry | None, float]]:
        """Return what `Faq.find` does, from one model batch."""
        config = self._config
        return await self._thread.run(lambda: self._faq.find(texts, config.likeness, config.lead))

    def close(self) -> None:
        self._thread.close()


def _load(config: FaqConfig, encoder: str) -> Faq:
    from chatbot.inference.encoder import Encoder

    entries = read_faq(pathlib.Path(config.file))
    return Faq(entries, Encoder.load(encoder))


@asynccontextmanager
async def _faq(self: OperationImplementation) -> AsyncIterator[FaqThread]:
    thread = FaqThread(self.config)
    try:
        await thread.load()
        yield thread
    finally:
        thread.close()


@op(
    name="answer_from_faq",
    config_cls=FaqConfig,
    imp_enter={"faq": _faq},
    inputs={
        "text": Definition(name="answer_from_faq.text", primitive="string"),
        "sender": Definition(name="answer_from_faq.sender", primitive="string", default=""),
    },
    outputs={
        "found": Definition(name="answer_from_faq.found", primitive="bool"),
        "question": Definition(name="answer_from_faq.question", primitive="string"),
        "answer": Definition(name="answer_from_faq.answer", primitive="string"),
        "link": Definition(name="answer_from_faq.link", primitive="string"),
        "score": Definition(name="answer_from_faq.score", primitive="float"),
        "reply": Definition(name="reply", primitive="map"),
    },
)
class AnswerFromFaq(OperationImplementationContext):
    """Find the question of the FAQ that `text` asks, and give its section's first paragraph.

    Where it is not sure, `found` is false, and it says nothing.
    """

    async def run(self, inputs: dict[str, str]) -> dict[str, object]:
        """Answer one text."""
        [outputs] = await self._answer([inputs])
        return outputs

    async def run_batch(self, batch: list[dict[str, str]]) -> list[dict[str, object] | Exception]:
        """Answer all with one model batch; one result, or what was wrong, for each input set."""
        good = [inputs for inputs in batch if isinstance(inputs.get("text"), str)]
        answers = iter(await self._answer(good))
        return [
            next(answers)
            if isinstance(inputs.get("text"), str)
            else TypeError(f"text must be a string, not {type(inputs.get('text')).__name__}")
            for inputs in batch
        ]

    async def _answer(self, batch: list[dict[str, str]]) -> list[dict[str, object]]:
        found = await self.parent.faq.find([inputs["text"] for inputs in batch])
        return [
            _outputs(self.parent.config, inputs.get("sender", ""), entry, score)
            for inputs, (entry, score) in zip(batch, found, strict=True)
        ]


def _outputs(
    config: FaqConfig, sender: str, entry: Entry | None, score: float
) -> dict[str, object]:
    if entry is None:
        return {"found": False, "score": score}
    words = {
        "question": entry.question,
        "answer": quotable(entry.answer),
        "link": f"{config.url}#{entry.anchor}" if config.url else "",
    }
    outputs: dict[str, object] = {"found": True, "score": score, **words}
    if config.reply:
        text = fill(config.reply, sender=sender, **words).strip()
        outputs["reply"] = {"text": text, "notice": False}
    return outputs


def check_config(config: FaqConfig) -> Iterator[tuple[Any, ...]]:
    """Yield (path in the configuration, message, hint) for what is wrong; loads no model."""
    for name in ("likeness", "lead"):
        value = getattr(config, name)
        if not 0 <= value <= 1:
            yield (name,), f"`{name}` is {value}, not between 0 and 1", ""
    for message, hint in unknown_fields(config.reply, FIELDS, "the reply"):
        yield ("reply",), message, hint
    _, problems = check_faq(pathlib.Path(config.file))
    for problem in problems:
        place = (problem.file, problem.line, problem.column)
        yield ("file",), problem.message, problem.hint, place


AnswerFromFaq.imp.check_config = staticmethod(check_config)
