"""Operations that need nothing: what real ones do, in a line each."""

import asyncio
import pathlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from dffml import Definition, OperationImplementationContext, Stage, op

NUMBER = 5


class Person(NamedTuple):
    name: str
    age: int = 0


@op(
    name="sample_clean",
    outputs={
        "text": Definition(name="sample.text", primitive="string"),
        "open": Definition(name="sample.open", primitive="bool"),
    },
)
def sample_clean(text: str, nick: str = "") -> dict:
    return {"text": text.removeprefix(f"{nick}:").strip(), "open": not text.startswith("@")}


@dataclass(frozen=True)
class Look:
    size: int = 3
    colour: str = "red"


@dataclass(frozen=True)
class LabelConfig:
    words: dict[str, str]
    examples: pathlib.Path | None = None
    threshold: float = 0.5
    mode: Literal["fast", "exact"] = "fast"
    tags: list[str] = field(default_factory=list)
    look: Look = Look()

    def __post_init__(self) -> None:
        if self.threshold > 1:
            raise ValueError("`threshold` is a probability")


@op(
    name="sample_label",
    config_cls=LabelConfig,
    inputs={"text": Definition(name="sample_label.text", primitive="string")},
    outputs={
        "label": Definition(name="sample_label.label", primitive="string"),
        "score": Definition(name="sample_label.score", primitive="float"),
        "sure": Definition(name="sample_label.sure", primitive="bool"),
    },
)
class SampleLabel(OperationImplementationContext):
    async def run(self, inputs: dict) -> dict:
        label = self.config.words.get(inputs["text"], "")
        return {"label": label, "score": 1.0 if label else 0.0, "sure": bool(label)}


@dataclass(frozen=True)
class AnswerConfig:
    answers: dict[str, str] = field(default_factory=dict)
    notice: bool = False


@op(
    name="sample_answer",
    config_cls=AnswerConfig,
    outputs={"reply": Definition(name="reply", primitive="map")},
)
def sample_answer(self: OperationImplementationContext, label: str, sender: str):
    text = self.config.answers.get(label)
    return {"reply": {"text": f"{sender}: {text}", "notice": self.config.notice}} if text else None


def check_config(config: AnswerConfig) -> Iterator[tuple[tuple[str, ...], str, str]]:
    for label, text in config.answers.items():
        if "{" in text:
            yield ("answers", label), "an unknown field", "there is sender"


sample_answer.imp.check_config = staticmethod(check_config)


@op(name="sample_join", outputs={"text": Definition(name="joined", primitive="string")})
def sample_join(left: str, right: str = "?") -> dict:
    return {"text": f"{left}+{right}"}


@op(
    name="sample_tags",
    inputs={
        "text": Definition(name="tags.text", primitive="string"),
        "tags": Definition(name="tags.tags", primitive="array", default=["a", "b"]),
    },
    outputs={"text": Definition(name="tags.out", primitive="string")},
)
def sample_tags(text: str, tags: list) -> dict:
    return {"text": f"{text} {' '.join(tags)}"}


@op(
    name="sample_people",
    inputs={"text": Definition(name="people.text", primitive="string")},
    outputs={"people": Definition("people.people", "array", spec=Person, subspec=True)},
)
class SamplePeople(OperationImplementationContext):
    async def run(self, inputs: dict) -> dict | None:
        if not inputs["text"]:
            return None
        return {"people": [{"name": name} for name in inputs["text"].split()]}


@op(
    name="sample_greet",
    inputs={"person": Definition(name="greet.person", primitive="map", spec=Person)},
    outputs={"text": Definition(name="greet.text", primitive="string")},
)
def sample_greet(person: Person) -> dict:
    return {"text": f"{person.name}, {person.age}"}


def sample_plain(text: str) -> str:
    return text.upper()


@op(
    name="sample_tidy",
    inputs={"text": Definition(name="tidy.text", primitive="string")},
    outputs={},
    stage=Stage.CLEANUP,
)
def sample_tidy(text: str) -> None:
    return None


SEEN: list[str] = []


@op(name="sample_each", outputs={"text": Definition(name="each.text", primitive="string")})
def sample_each(text: str) -> dict:
    return {"text": text}


@op(name="sample_all", outputs={"seen": Definition(name="all.seen", primitive="int")})
def sample_all(text: str) -> dict:
    SEEN.append(text)
    return {"seen": 1}


@op(name="sample_words", outputs={"words": Definition(name="words.words", primitive="array")})
def sample_words(text: str) -> dict:
    return {"words": text.split()}


_using = {"now": 0, "most": 0}


@op(name="sample_use", outputs={"most": Definition(name="use.most", primitive="int")})
async def sample_use(text: str) -> dict:
    """Give how many calls of it there were at once, at most."""
    _using["now"] += 1
    _using["most"] = _using["now"]
    for _ in range(20):
        await asyncio.sleep(0)
    most = max(_using["now"], _using["most"])
    _using["now"] -= 1
    return {"most": most}


_tries: list[str] = []


@op(name="sample_flaky", outputs={"text": Definition(name="flaky.text", primitive="string")})
def sample_flaky(text: str) -> dict:
    """Fail twice, then give what it is given."""
    _tries.append(text)
    if len(_tries) % 3:
        raise ConnectionError("not now")
    return {"text": text}
