"""Which language a text is in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot.errors import OperationError
from chatbot.inference.languages import Languages
from operations.language import DetectLanguage, LanguageConfig, check_config

LINES = {
    "en": ["how do I install this?", "the build fails with an error"],
    "de": ["wie installiere ich das?", "der Build bricht mit einem Fehler ab"],
    "fr": ["la compilation échoue avec une erreur", "où est la documentation ?"],
    "es": ["¿dónde está la documentación?", "no funciona en mi máquina"],
    "ru": ["как это установить?", "сборка падает с ошибкой"],
    "zh": ["这个怎么安装？", "在我这里不能用"],
}


async def detect(config: LanguageConfig, *texts: Any) -> list[dict[str, Any]]:
    async with DetectLanguage.imp(config) as imp, imp(None, None) as context:
        return [await context.run({"text": text}) for text in texts]


async def test_languages_are_told_apart() -> None:
    texts = [(language, text) for language, lines in LINES.items() for text in lines]
    found = await detect(LanguageConfig(list(LINES)), *(text for _, text in texts))
    told = [(each["language"], each["sure"]) for each in found]
    assert told == [(language, True) for language, _ in texts]


async def test_nothing_is_sure_of_what_is_short_or_has_no_letters() -> None:
    short, none, empty = await detect(LanguageConfig(), "ok", "123 :-) ...", "")
    assert (short["sure"], short["language"] != "") == (False, True)
    assert none == empty == {"language": "", "score": 0.0, "sure": False}


async def test_a_text_must_be_a_string() -> None:
    with pytest.raises(TypeError, match="must be a string, not int"):
        await detect(LanguageConfig(), 7)


def test_a_language_that_is_not_known_is_refused() -> None:
    with pytest.raises(OperationError, match="no language 'xx' to tell") as caught:
        Languages(["en", "xx"])
    assert "de, " in caught.value.hint


def test_a_wrong_configuration_is_refused() -> None:
    config = LanguageConfig(["english"], threshold=3, letters=0)
    told = {path for path, *_ in check_config(config)}
    assert told == {("threshold",), ("letters",), ("languages", 0), ("languages",)}


LANGUAGES = Languages()


@given(st.text(max_size=200))
def test_no_text_breaks_it(text: str) -> None:
    language, score = LANGUAGES.of(text)
    assert len(language) in (2, 3)
    assert 0 <= score <= 1
