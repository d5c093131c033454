"""Which texts go through a model together. Pure: knows no model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

OVERHEAD = 64
"""What a batch costs by itself in PyTorch, in the tokens that would take as long."""


def batches(lengths: Sequence[int], limit: int, overhead: int = OVERHEAD) -> Iterator[list[int]]:
    """Yield indexes into `lengths`, each once, the longest first, in batches to run together.

    A batch is padded to its longest member: its size times that length is at most `limit`
    (in tokens), unless it is a single text. Of all ways to part the sorted texts it is the one
    with the least tokens, padding included, where each batch counts as `overhead` tokens more.
    Takes time in proportion to the number of texts times the size of a batch: 2 µs a text.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    begins = _begins([lengths[index] for index in order], limit, overhead)
    end = len(order)
    while end:
        yield order[begins[end] : end][::-1]
        end = begins[end]


def _begins(lengths: Sequence[int], limit: int, overhead: int) -> list[int]:
    """Return for each number of texts where the last batch begins if there are no more.

    `lengths` ascend. Dynamic programming: the best way to part the first `end` texts is a last
    batch and the best way to part those before it.
    """
    least, begins = [0], [0]
    for end, length in enumerate(lengths, 1):
        most = max(1, limit // max(1, length))
        begin = end - 1
        best = least[begin] + length
        tokens = length
        for other in range(end - 2, max(-1, end - most - 1), -1):
            tokens += length
            if (cost := least[other] + tokens) < best:
                best, begin = cost, other
        least.append(best + overhead)
        begins.append(begin)
    return begins
