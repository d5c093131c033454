"""N-grams that are counted without scikit-learn, beside those that it counts."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chatbot.inference.lexicon import Lexicon

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


def test_weighing_loads_no_scikit_learn() -> None:
    code = (
        "import sys, numpy as np\n"
        "from chatbot.inference.lexicon import Lexicon\n"
        "lexicon = Lexicon(('ab', ' a'), ('ab',), np.ones(3, dtype=np.float32))\n"
        "assert lexicon.weigh(['ab'], np.ones((3, 2), dtype=np.float32)).any()\n"
        "assert not {'sklearn', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
