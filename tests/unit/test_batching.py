"""Texts parted into batches."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from chatbot.inference.batching import batches


@given(st.lists(st.integers(1, 300), max_size=80), st.integers(1, 2000))
def test_batches_hold_every_text_once_within_the_limit(lengths: list[int], limit: int) -> None:
    found = list(batches(lengths, limit))
    assert sorted(index for batch in found for index in batch) == list(range(len(lengths)))
    for batch in found:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= limit


def test_texts_of_one_length_share_a_batch() -> None:
    assert [len(batch) for batch in batches([3, 90, 3, 90, 3], 180)] == [2, 3]


@given(st.lists(st.integers(1, 20), max_size=7), st.integers(1, 60), st.integers(0, 30))
def test_no_other_way_to_part_sorted_texts_costs_less(
    lengths: list[int], limit: int, overhead: int
) -> None:
    def cost(parts: list[list[int]]) -> int:
        return sum(overhead + len(part) * max(part) for part in parts)

    def ways(left: list[int]) -> Iterator[list[list[int]]]:
        if not left:
            yield []
        for end in range(1, len(left) + 1):
            if end == 1 or end * max(left[:end]) <= limit:
                yield from ([left[:end], *rest] for rest in ways(left[end:]))

    found = [[lengths[index] for index in batch] for batch in batches(lengths, limit, overhead)]
    assert cost(found) == min(map(cost, ways(sorted(lengths))))
