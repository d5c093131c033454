"""Similar questions: what was asked before, and how it was answered.

Importing this imports no model: that happens when it is entered.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from dffml import Definition, OperationImplementationContext, op

from chatbot.broker.questions import KEPT, Question
from chatbot.errors import UsageError
from chatbot.messages import origin
from chatbot.units import duration, shown_duration
from operations.answer import fill, unknown_fields
from operations.asking import is_answer, is_question, quotable, spoken_to, when
from operations.question_index import QuestionIndex, entered
from operations.text import clean

EVERYBODY = "everybody"
REPLAY = "replay"
"""The network of what is replayed: nothing of that is noted."""

FIELDS = ("sender", "question", "answer", "when", "by", "link")
"""What the reply may name in braces."""


@dataclass(frozen=True)
class SimilarConfig:
    """Where questions are kept, which count as similar, and whose answers are learned.

    `index` is the name of the index; flows that name the same one share it. A question is similar
    from a cosine of `likeness` on. `trusted` are the roles whose answers are learned; `everybody`
    is anybody's. Only what was asked in the same room is found, unless `across_rooms` is set.
    `keep` says how far it looks back, `within` how long after a question `nick: …` answers it.
    `reply` is said where something was found; empty for nothing. A trusted person, or who asked
    or answered, takes a question out by replying with the word `remove`.
    """

    index: str = "questions"
    encoder: str = "all-MiniLM-L6-v2"
    likeness: float = 0.8
    trusted: list[str] = field(default_factory=lambda: ["moderator"])
    across_rooms: bool = False
    keep: str = "180d"
    within: str = "30m"
    reply: str = "{sender}: a question like this was answered {when}: {answer} {link}"
    remove: str = "!wrong"


@dataclass(frozen=True, slots=True)
class _Said:
    """One call: a message."""

    id: str
    network: str
    room: str
    sender: str
    text: str
    time: datetime
    nick: str
    name: str
    reply_to: str
    roles: tuple[str, ...]
    private: bool
    kind: str

    @property
    def is_talk(self) -> bool:
        return self.kind in ("message", "action")

    @property
    def may_be_noted(self) -> bool:
        return self.is_talk and not self.private and self.network != REPLAY


def _said(inputs: dict[str, Any]) -> _Said:
    if not isinstance(inputs["text"], str):
        raise TypeError(f"text must be a string, not {type(inputs['text']).__name__}")
    values = {**inputs, "id": origin(inputs["id"]), "roles": tuple(inputs["roles"])}
    return _Said(**values)


def _input(name: str, primitive: str = "string", **more: Any) -> Definition:
    return Definition(name=f"similar_questions.{name}", primitive=primitive, **more)


@op(
    name="similar_questions",
    config_cls=SimilarConfig,
    imp_enter={"index": entered},
    inputs={
        **{name: _input(name) for name in ("id", "network", "room", "sender", "text")},
        "time": _input("time", "datetime"),
        "nick": _input("nick", default=""),
        "name": _input("name", default=""),
        "reply_to": _input("reply_to", default=""),
        "roles": _input("roles", "array", default=()),
        "private": _input("private", "bool", default=False),
        "kind": _input("kind", default="message"),
    },
    outputs={
        "found": _input("found", "bool"),
        **{name: _input(f"found.{name}") for name in ("question", "answer", "when", "by", "link")},
        "answered": _input("found.answered"),
        "score": _input("score", "float"),
        "noted": _input("noted"),
        "reply": Definition(name="reply", primitive="map"),
    },
)
class SimilarQuestions(OperationImplementationContext):
    """Find the answer to a question like this message, and learn from what people answer.

    A message that asks something, of everybody or the bot, is looked up among the questions that
    were answered, and noted. One that answers a question that was noted (by replying to it, or
    by beginning with the name of who asked it last) is noted as its answer. `noted` says what
    became of it: `question`, `answer`, `removed`, or "".
    """

    async def run(self, inputs: dict[str, Any]) -> dict[str, object]:
        """Look up and note one message."""
        [outputs] = await self.run_batch([inputs])
        if isinstance(outputs, Exception):
            raise outputs
        return outputs

    async def run_batch(self, batch: list[dict[str, Any]]) -> list[dict[str, object] | Exception]:
        """Do it for all, with one model batch for the questions among them, in their order."""
        said: list[_Said | Exception] = []
        for inputs in batch:
            try:
                said.append(_said(inputs))
            except (TypeError, KeyError) as error:
                said.append(error)
        questions = {number: text for number, text in enumerate(map(_question_in, said)) if text}
        if questions or any(_is_trusted(self.parent.config, each) for each in said):
            await self.parent.index.catch_up()  # they may have been noted on other nodes
        vectors = await self.parent.index.encode(list(questions.values()))
        of = dict(zip(questions, vectors, strict=True))
        return [
            each
            if isinstance(each, Exception)
            else await self._handle(each, questions.get(number, ""), of.get(number))
            for number, each in enumerate(said)
        ]

    async def _handle(self, said: _Said, question: str, vector: Any) -> dict[str, object]:
        config: SimilarConfig = self.parent.config
        index: QuestionIndex = self.parent.index
        noted = await _note(index, config, said)
        if not question or noted:
            return {"found": False, "noted": noted}
        oldest = said.time - timedelta(seconds=duration(config.keep))

        def wanted(known: Question) -> bool:
            return (
                bool(known.answer)
                and known.asked >= oldest
                and (
                    config.across_rooms or (known.network, known.room) == (said.network, said.room)
                )
                and known.id != said.id
            )

        found = await index.near(vector, config.likeness, wanted)
        if said.may_be_noted and await index.get(said.network, said.id) is None:
            asked = _asked(config.index, said, question)
            await index.put(asked, vector)
            noted = "question"
        if found is None:
            return {"found": False, "noted": noted}
        return {**_found(config, said, *found), "noted": noted}


def _question_in(said: _Said | Exception) -> str:
    """Return the question that a message asks of everybody or the bot; "" for none."""
    if isinstance(said, Exception) or not said.is_talk or not said.text:
        return ""
    cleaned = clean(said.text, said.nick)
    return cleaned.text if cleaned.open and is_question(cleaned.text) else ""


def _asked(index: str, said: _Said, question: str) -> Question:
    return Question(
        index, said.id, said.network, said.room, said.sender, quotable(question), said.time
    )


async def _note(index: QuestionIndex, config: SimilarConfig, said: _Said) -> str:
    """Note an answer, or remove what is wrong; return which, "" for neither."""
    if not said.may_be_noted:
        return ""
    trusted = _is_trusted(config, said)
    if config.remove and said.reply_to and said.text.strip() == config.remove:
        return await _remove(index, said, trusted)
    if not trusted:
        return ""
    asked, text = await _answers(index, config, said)
    if asked is None or asked.sender == said.sender or not is_answer(text):
        return ""
    answer = msgspec.structs.replace(
        asked, answer=quotable(text), answer_id=said.id, by=said.sender, answered=said.time
    )
    await index.put(answer)
    return "answer"


def _is_trusted(config: SimilarConfig, said: _Said | Exception) -> bool:
    if isinstance(said, Exception):
        return False
    return EVERYBODY in config.trusted or not set(config.trusted).isdisjoint(said.roles)


async def _answers(
    index: QuestionIndex, config: SimilarConfig, said: _Said
) -> tuple[Question | None, str]:
    """Return the question that a message answers, and with what words."""
    nick, rest = spoken_to(said.text)
    if said.reply_to:
        asked = await index.get(said.network, said.reply_to)
        if asked is not None and asked.room == said.room:
            return asked, rest if nick.casefold() == asked.sender.casefold() else said.text
    elif nick:
        since = said.time - timedelta(seconds=duration(config.within))
        return index.last_of(said.network, said.room, nick, since), rest
    return None, said.text


async def _remove(index: QuestionIndex, said: _Said, trusted: bool) -> str:
    found = await index.get(said.network, said.reply_to)
    found = found or await index.answered_by(said.network, said.reply_to)
    if found is None or not (trusted or said.sender in (found.sender, found.by)):
        return ""
    await index.remove(found)
    return "removed"


def _found(config: SimilarConfig, said: _Said, known: Question, score: float) -> dict[str, object]:
    answered = known.answered or known.asked
    words = {
        "question": known.text,
        "answer": known.answer,
        "when": when(answered, said.time),
        "by": known.by,
        "link": _link(known),
    }
    outputs: dict[str, object] = {
        "found": True,
        "score": round(score, 4),
        "answered": answered.astimezone(UTC).isoformat(),
        **words,
    }
    if config.reply:
        text = fill(config.reply, sender=said.name or said.sender, **words).strip()
        outputs["reply"] = {"text": text, "notice": False}
    return outputs


def _link(known: Question) -> str:
    """Return the address of the answer, where the network has one (Matrix)."""
    message = known.answer_id or known.id
    if known.room.startswith("!") and message.startswith("$"):
        return f"https://matrix.to/#/{known.room}/{message}"
    return ""


def check_config(config: SimilarConfig) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """Yield (path in the configuration, message, hint) for what is wrong; loads no model."""
    if not 0 < config.likeness <= 1:
        yield ("likeness",), f"`likeness` is {config.likeness}, not between 0 and 1", ""
    for name in ("keep", "within"):
        try:
            seconds = duration(getattr(config, name))
        except UsageError as error:
            yield (name,), f"`{name}`: {error.message}", error.hint
            continue
        if seconds > KEPT:
            yield (name,), f"`{name}` is longer than questions are kept", shown_duration(KEPT)
    if not config.index.strip():
        yield ("index",), "`index` is empty", "name the index, such as questions"
    for message, hint in unknown_fields(config.reply, FIELDS, "the reply"):
        yield ("reply",), message, hint


SimilarQuestions.imp.check_config = staticmethod(check_config)
