"""The language of a text. Importing this imports no model: that happens when it is entered."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import regex
from dffml import Definition, OperationImplementation, OperationImplementationContext, op

from operations.model_thread import ModelThread

if TYPE_CHECKING:
    from chatbot.inference.languages import Languages

LONGEST = 2000
"""Characters that are looked at: enough for any language."""

_LETTER = regex.compile(r"\p{L}")


@dataclass(frozen=True)
class LanguageConfig:
    """Which languages are expected, and when one is sure.

    `languages` are ISO 639-1 codes (`en`, `de`); empty: all 97. Fewer are told apart better. A
    language is sure from the probability `threshold` on, in a text of `letters` or more.
    """

    languages: list[str] = field(default_factory=list)
    threshold: float = 0.7
    letters: int = 8


@asynccontextmanager
async def _languages(self: OperationImplementation) -> AsyncIterator["Languages"]:
    thread = ModelThread("language")
    try:
        yield await thread.run(lambda: _load(self.config.languages))
    finally:
        thread.close()


def _load(expected: list[str]) -> "Languages":
    from chatbot.inference.languages import Languages

    languages = Languages(expected)
    languages.of("hello")
    return languages


@op(
    name="detect_language",
    config_cls=LanguageConfig,
    imp_enter={"languages": _languages},
    inputs={"text": Definition(name="detect_language.text", primitive="string")},
    outputs={
        "language": Definition(name="detect_language.language", primitive="string"),
        "score": Definition(name="detect_language.score", primitive="float"),
        "sure": Definition(name="detect_language.sure", primitive="bool"),
    },
)
class DetectLanguage(OperationImplementationContext):
    """Say which `language` (ISO 639-1) `text` is in; a text without letters is in none, "".

    `score` is its probability (0 to 1), `sure` whether to act on it.
    """

    async def run(self, inputs: dict[str, str]) -> dict[str, object]:
        """Look at one text: some 30 microseconds."""
        text = inputs["text"]
        if not isinstance(text, str):
            raise TypeError(f"text must be a string, not {type(text).__name__}")
        config: LanguageConfig = self.parent.config
        seen = text[:LONGEST]
        letters = len(_LETTER.findall(seen))
        if not letters:
            return {"language": "", "score": 0.0, "sure": False}
        language, score = self.parent.languages.of(seen)
        sure = score >= config.threshold and _weight(seen, letters) >= config.letters
        return {"language": language, "score": round(score, 4), "sure": sure}


def _weight(text: str, letters: int) -> int:
    """Return how many letters of an alphabet `text` is worth; a Chinese character is three."""
    return letters + 2 * len(_IDEOGRAPH.findall(text))


_IDEOGRAPH = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]")


def check_config(config: LanguageConfig) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """Yield (path in the configuration, message, hint) for what is wrong; loads no model."""
    if not 0 <= config.threshold <= 1:
        yield ("threshold",), f"`threshold` is {config.threshold}, not between 0 and 1", ""
    if config.letters < 1:
        yield ("letters",), f"`letters` is {config.letters}, and must be 1 or more", ""
    for number, code in enumerate(config.languages):
        if not regex.fullmatch("[a-z]{2}", code):
            hint = "give its ISO 639-1 code, such as en, de or pt"
            yield ("languages", number), f"{code!r} is no language's code", hint
    if len(config.languages) == 1:
        yield ("languages",), "names one language only", "nothing can be told from one"


DetectLanguage.imp.check_config = staticmethod(check_config)
DetectLanguage.imp.bounds = {"score": (0.0, 1.0)}
