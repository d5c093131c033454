"""N-grams that are counted without scikit-learn, beside those that it counts."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot.inference import ngrams
from chatbot.inference.lexicon import Lexicon
from chatbot.inference.windows import Windows

TEXTS = [
    "How do I install this?",
    "how do i  install\tthat, then?",
    "It crashes: ERROR 0x80070005!!! :(",
    "ça marche? Straße ΣΊΣΥΦΟΣ İstanbul",
    "a b c a b c",
    "x",
]
LEXICON = Lexicon.of(TEXTS)
LEXICAL = np.random.default_rng(1).normal(size=(len(LEXICON.rarity), 3)).astype(np.float32)


@given(st.lists(st.one_of(st.text(max_size=80), st.sampled_from(TEXTS)), min_size=1, max_size=5))
def test_they_are_the_same(texts: list[str]) -> None:
    expected = LEXICON.features(texts) @ LEXICAL
    np.testing.assert_allclose(LEXICON.weigh(texts, LEXICAL), expected, atol=1e-5)
    alone = np.concatenate([LEXICON.weigh([text], LEXICAL) for text in texts])
    np.testing.assert_allclose(alone, expected, atol=1e-5)


@given(st.lists(st.text("abcdef \t\U0001f600\ud800ß", max_size=30), min_size=4, max_size=9))
def test_windows_are_the_n_grams_of_words(texts: list[str]) -> None:
    terms = sorted({term for text in texts[:3] for term in ngrams.characters(text)}) or ["ab"]
    windows = Windows.of(terms)
    assert windows is not None
    rarity = np.linspace(1, 2, len(terms), dtype=np.float32)
    places = dict(zip(terms, enumerate(rarity.tolist()), strict=True))
    for text, found in zip(texts, windows.weights(texts, rarity), strict=True):
        wanted = dict(ngrams.weights(ngrams.characters(text), places))
        assert dict(zip(*(each.tolist() for each in found), strict=True)) == pytest.approx(wanted)


def test_an_alphabet_that_is_too_large_goes_one_text_after_the_other() -> None:
    signs = "".join(map(chr, range(0x4E00, 0x4E00 + 5000)))
    assert Windows.of(tuple(signs)) is None
    lexicon = Lexicon((*signs, " a"), (), np.ones(len(signs) + 1, dtype=np.float32))
    lexical = np.ones((len(signs) + 1, 1), dtype=np.float32)
    assert lexicon.weigh(["a b"] * 5, lexical).ravel().tolist() == pytest.approx([0.5**0.5] * 5)


def test_weighing_loads_no_scikit_learn() -> None:
    code = (
        "import sys, numpy as np\n"
        "from chatbot.inference.lexicon import Lexicon\n"
        "lexicon = Lexicon(('ab', ' a'), ('ab',), np.ones(3, dtype=np.float32))\n"
        "assert lexicon.weigh(['ab'], np.ones((3, 2), dtype=np.float32)).any()\n"
        "assert not {'sklearn', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
