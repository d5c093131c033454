"""The compiled plan: each permutation exactly once, whatever the order of arrival."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chatbot.orchestrator.plan import permutations

arrivals = st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=14)


@given(arrivals, st.sets(st.integers(0, 2)))
def test_every_permutation_comes_up_exactly_once(
    events: list[tuple[int, bool]], with_default: set[int]
) -> None:
    """Items arrive in slots; after some of them the permutations are asked for."""
    slots: list[list[str]] = [[], [], []]
    defaults = [("d",) if i in with_default else () for i in range(3)]
    marks = [0, 0, 0]
    seen: list[tuple[str, ...]] = []
    for number, (slot, ask) in enumerate(events):
        slots[slot].append(f"{slot}-{number}")
        if ask:
            before = set(seen)
            new = list(permutations(slots, marks, defaults, not seen))
            everything = itertools.product(*(s or d for s, d in zip(slots, defaults, strict=True)))
            assert set(new) == set(everything) - before
            seen += new
    assert len(seen) == len(set(seen))


def test_defaults_alone_come_up_once() -> None:
    marks = [0]
    assert list(permutations([[]], marks, [("d",)], True)) == [("d",)]
    assert list(permutations([[]], marks, [("d",)], False)) == []


def test_a_step_without_parameters_comes_up_once() -> None:
    assert list(permutations([], [], [], True)) == [()]
    assert list(permutations([], [], [], False)) == []


class Long(list[int]):
    """A slot's items; says how many of them were copied."""

    copied = 0

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        if isinstance(place, slice):
            self.copied += len(found)
        return found


def test_one_more_item_does_not_cost_those_before_it() -> None:
    held = Long(range(10_000))
    marks = [10_000, 1]
    held.append(7)
    assert list(permutations([held, ["seed"]], marks, [(), ()], False)) == [(7, "seed")]
    assert held.copied == 1
