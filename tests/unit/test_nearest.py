"""Vectors in memory: what was put is found, what was removed is not."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chatbot.inference.similar import Nearest, packed, unpacked

DIM = 8


def unit(seed: int) -> Any:
    vector = np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)
    return vector / np.linalg.norm(vector)


STEPS = st.lists(st.tuples(st.booleans(), st.integers(0, 20), st.integers(0, 50)), max_size=80)


@given(STEPS, st.integers(0, 50))
def test_it_finds_what_a_plain_search_finds(steps: list[tuple[bool, int, int]], seed: int) -> None:
    nearest: Nearest[int] = Nearest(DIM)
    known: dict[int, Any] = {}
    for put, key, number in steps:
        if put:
            nearest.put(key, unit(number))
            known[key] = unit(number)
        else:
            nearest.remove(key)
            known.pop(key, None)
    assert len(nearest) == len(known)
    wanted = {key: float(vector @ unit(seed)) for key, vector in known.items() if key % 2}
    found = nearest.near(unit(seed), 0.1, lambda key: key % 2 == 1, most=3)
    scores = sorted((score for score in wanted.values() if score >= 0.1), reverse=True)[:3]
    assert np.allclose([each.score for each in found], scores, atol=1e-5)
    assert all(np.isclose(wanted[each.key], each.score, atol=1e-5) for each in found)


def test_it_grows() -> None:
    nearest: Nearest[int] = Nearest(DIM)
    for number in range(1000):
        nearest.put(number, unit(number))
    assert all(
        nearest.near(unit(number), 0.999, lambda _: True)[0].key == number
        for number in range(0, 1000, 37)
    )


def test_a_vector_keeps_its_direction_on_the_wire() -> None:
    vector = unit(1)
    assert unpacked(packed(vector), DIM) @ vector > 0.9999
    assert unpacked(b"", DIM) is None
    assert unpacked(b"\xff" * 2 * DIM, DIM) is None
    assert unpacked(b"\0" * 2 * DIM, DIM) is None
