"""Which texts go through a model together. Pure: knows no model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def batches(lengths: Sequence[int], limit: int) -> Iterator[list[int]]:
    """Yield indexes into `lengths`, each once, the longest first, in batches to run together.

    A batch is padded to its longest member: its size times that length is at most `limit`
    (in tokens), unless it is a single text. Sorted, so that little of it is padding.
    """
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True):
        if batch and lengths[batch[0]] * (len(batch) + 1) > limit:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
