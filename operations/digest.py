"""What is worth telling of a room's talk later, and the summary of it.

The rule that it guards: of what people wrote only what the summary needs is noted: a question, a
link, a message with a label whose texts are wanted. Whose it is stands with it, so that it can be
forgotten.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from dffml import Definition, OperationImplementationContext, op

from operations.placement import cheap

LONGEST = 200
"""Characters of a text, or of a link, that are noted."""

LINKS = 5
"""Links of one message that are noted."""

_ASKS = re.compile(
    r"(?:how|what|why|where|when|who|which|whose|is|are|does|do|did|can|could|would|should|has|have"
    r"|any(?:one|body)|some(?:one|body))\b",
    re.IGNORECASE,
)
_TO = re.compile(r"@?([^\s:,@]{1,64})\s?[:,](?=\s|$)|@([^\s:,@]{1,64})")


@dataclass(frozen=True)
class NoteConfig:
    """What is noted: questions and links, and which labels; with `quote`, what has these, too."""

    questions: bool = True
    links: bool = True
    labels: list[str] = field(default_factory=list)
    quote: bool = False


@cheap
@op(
    name="note",
    config_cls=NoteConfig,
    inputs={
        "id": Definition(name="note.id", primitive="string"),
        "text": Definition(name="note.text", primitive="string"),
        "sender": Definition(name="note.sender", primitive="string"),
        "account": Definition(name="note.account", primitive="string"),
        "name": Definition(name="note.name", primitive="string"),
        "reply_to": Definition(name="note.reply_to", primitive="string"),
        "links": Definition(name="note.links", primitive="array"),
        "label": Definition(name="note.label", primitive="string"),
        "notes": Definition(name="note.notes", primitive="array"),
    },
    outputs={"note": Definition(name="note.note", primitive="map")},
)
class Note(OperationImplementationContext):
    """Note what a summary needs of a message, and which of the questions so far it answers.

    Gives nothing where there is nothing worth it. `notes` are those so far, to which the flow
    appends each. A question is answered by who replies to it, or addresses who asked it.
    """

    async def run(self, inputs: dict[str, Any]) -> dict[str, Any] | None:
        """Return the note."""
        config: NoteConfig = self.config
        text, person = inputs["text"], inputs["account"] or inputs["sender"]
        label = inputs["label"] if inputs["label"] in config.labels else ""
        asks = config.questions and is_question(text)
        found = {
            "question": asks,
            "text": text[:LONGEST] if asks or (label and config.quote) else "",
            "label": label,
            "links": [each[:LONGEST] for each in inputs["links"][:LINKS]] if config.links else [],
            "answers": answered(inputs["notes"], text, inputs["reply_to"], person),
        }
        kept = {key: value for key, value in found.items() if value}
        if not kept:
            return None
        whose = {"id": inputs["id"], "person": person, "name": inputs["name"]}
        return {"note": {**whose, **kept}}


@dataclass(frozen=True)
class SummariseConfig:
    """How many questions, links and texts of a label a summary has at most; the last ones."""

    most: int = 5


@cheap
@op(
    name="summarise",
    config_cls=SummariseConfig,
    inputs={"notes": Definition(name="summarise.notes", primitive="array")},
    outputs={"summary": Definition(name="summarise.summary", primitive="map")},
)
class Summarise(OperationImplementationContext):
    """Make a summary of notes: a map with the keys below.

    `asked` and `unanswered` are how many questions there were and stand open, `questions` the
    open ones (`name`, `text`), `links` those that were shared (`link`, `name`, `times`), `labels`
    how often there was which, with what was said (`label`, `times`, `texts`), `ids` the notes'.
    """

    async def run(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the summary."""
        most = self.config.most
        notes = [each for each in inputs["notes"] or () if isinstance(each, dict)]
        asked = [each for each in notes if each.get("question")]
        known = {answer for each in notes for answer in each.get("answers", ())}
        left = [each for each in asked if each.get("id") not in known]
        summary = {
            "asked": len(asked),
            "unanswered": len(left),
            "questions": [{"name": each["name"], "text": each["text"]} for each in left[-most:]],
            "links": _links(notes, most),
            "labels": _labels(notes, most),
            "ids": [each.get("id") for each in notes],
        }
        return {"summary": summary}


def is_question(text: str) -> bool:
    """Whether a text asks something, by its mark or its first word; at least three words do."""
    words = text.split()
    if len(words) < 3 or _TO.match(text):  # to somebody: who is there, and answers or does not
        return False
    return "? " in f"{text} " or (_ASKS.match(text) is not None and text[-1:] not in ".!")


def answered(notes: Any, text: str, reply_to: str, person: str) -> list[str]:
    """Return the ids of the questions of others in `notes` that a message answers."""
    found = _TO.match(text)
    name = (found[1] or found[2] or "").casefold() if found else ""
    return [
        each["id"]
        for each in notes or ()
        if isinstance(each, dict) and each.get("question") and each.get("person") != person
        if (reply_to and each.get("id") == reply_to)
        or (name and str(each.get("name")).removeprefix("@").casefold() == name)
    ]


def _links(notes: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """Return the links that were shared, those of most messages first."""
    first: dict[str, str] = {}
    times: Counter[str] = Counter()
    for each in notes:
        for link in dict.fromkeys(each.get("links", ())):
            first.setdefault(link, each["name"])
            times[link] += 1
    return [
        {"link": link, "name": first[link], "times": count}
        for link, count in times.most_common(most)
    ]


def _labels(notes: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """Return the labels, the most frequent first, with the last texts of each."""
    times = Counter(each["label"] for each in notes if each.get("label"))
    return [
        {"label": label, "times": count, "texts": _texts(notes, label)[-most:]}
        for label, count in times.most_common()
    ]


def _texts(notes: list[dict[str, Any]], label: str) -> list[dict[str, Any]]:
    own = [each for each in notes if each.get("label") == label and each.get("text")]
    return [{"name": each["name"], "text": each["text"]} for each in own]
