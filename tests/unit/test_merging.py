"""Rows of many threads in common batches."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatbot.inference.merging import PATIENCE, Merging
from chatbot.inference.recent import Recent

Rows = list[list[int]]
ROWS = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=40), max_size=30)
PATIENT = 30.0


class Model:
    """Doubles each id; stands still before its first batch until it is let go."""

    def __init__(self, *, held: bool = False) -> None:
        self.batches: list[Rows] = []
        self.begun = threading.Event()
        self.go = threading.Event()
        self.running = 0
        if not held:
            self.go.set()

    def __call__(self, rows: Rows) -> Rows:
        self.running += 1
        assert self.running == 1, "two threads ran the model"
        self.batches.append(rows)
        self.begun.set()
        assert self.go.wait(PATIENT)
        self.running -= 1
        return [[2 * number for number in row] for row in rows]


def waiting(merging: Merging) -> int:
    with merging._changed:
        return len(merging._people._waiting) + len(merging._bulk._waiting)


def until(merging: Merging, count: int) -> None:
    """Wait until so many rows wait, in whatever thread they came."""
    while waiting(merging) < count:
        threading.Event().wait(0.001)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(ROWS, st.booleans()), max_size=6), st.integers(1, 60))
def test_each_thread_gets_what_belongs_to_its_rows(
    asked: list[tuple[Rows, bool]], limit: int
) -> None:
    model = Model()
    merging = Merging(model, limit)
    with ThreadPoolExecutor(6) as pool:
        found = [pool.submit(merging.run, rows, bulk=bulk) for rows, bulk in asked]
    for (rows, _), future in zip(asked, found, strict=True):
        assert future.result() == [[2 * number for number in row] for row in rows]
    assert sum(map(len, model.batches)) == sum(len(rows) for rows, _ in asked)
    for batch in model.batches:
        assert len(batch) == 1 or len(batch) * max(map(len, batch)) <= limit


def test_what_comes_while_a_batch_runs_is_in_the_next_one_together() -> None:
    model = Model(held=True)
    merging = Merging(model, 100)
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(merging.run, [[1]])
        assert model.begun.wait(PATIENT)
        others = [pool.submit(merging.run, [[number]]) for number in (2, 3, 4)]
        until(merging, 3)
        model.go.set()
        assert [each.result() for each in (first, *others)] == [[[2]], [[4]], [[6]], [[8]]]
    assert [len(batch) for batch in model.batches] == [1, 3]


def test_people_go_before_bulk_work_that_has_begun() -> None:
    model = Model(held=True)
    merging = Merging(model, 3)
    with ThreadPoolExecutor(2) as pool:
        bulk = pool.submit(merging.run, [[1, 1, 1]] * 5, bulk=True)
        assert model.begun.wait(PATIENT)
        people = pool.submit(merging.run, [[7]])
        until(merging, 1)
        model.go.set()
        bulk.result()
        people.result()
    assert model.batches.index([[7]]) == 1


def test_bulk_work_goes_on_though_people_never_stop() -> None:
    model = Model(held=True)
    merging = Merging(model, 1)
    with ThreadPoolExecutor(2) as pool:
        people = pool.submit(merging.run, [[number] for number in range(5 * PATIENCE)])
        assert model.begun.wait(PATIENT)
        bulk = pool.submit(merging.run, [[99]], bulk=True)
        until(merging, 1)
        model.go.set()
        people.result()
        bulk.result()
    assert model.batches.index([[99]]) <= PATIENCE + 1


def test_what_the_model_raises_is_for_those_who_were_in_the_batch() -> None:
    def model(rows: Rows) -> Rows:
        if [0] in rows:
            raise MemoryError("too much")
        return rows

    merging = Merging(model, 1)
    with pytest.raises(MemoryError, match="too much"):
        merging.run([[1], [0]])
    assert merging.run([[1]]) == [[1]]
    assert merging.run([]) == []


def test_what_was_found_is_known_for_a_while_and_no_longer() -> None:
    now = [0.0]
    recent: Recent[int] = Recent(entries=10, seconds=60.0, clock=lambda: now[0])
    recent.put([("hello", 1), ("bye", 2)])
    now[0] = 59.0
    recent.put([("bye", 3)])
    assert recent.get(["bye", "hello", "what"]) == [3, 1, None]
    now[0] = 61.0
    assert recent.get(["bye", "hello"]) == [3, None]
    assert len(recent) == 1


def test_no_more_is_kept_than_there_is_room_for() -> None:
    recent: Recent[int] = Recent(entries=3)
    recent.put([(str(number), number) for number in range(100)])
    assert len(recent) == 3
    assert recent.get(["96", "97", "98", "99"]) == [None, 97, 98, 99]
