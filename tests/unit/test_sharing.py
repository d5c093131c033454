"""What several threads want to know of a text is found out once."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from chatbot.inference.sharing import Sharing


class Model:
    """Gives a text's length, once `open` is set; `runs` are the texts of each run."""

    def __init__(self) -> None:
        self.runs: list[list[str]] = []
        self.began = threading.Semaphore(0)
        self.open = threading.Event()

    def __call__(self, texts: list[str]) -> list[int]:
        self.runs.append(texts)
        self.began.release()
        assert self.open.wait(10)
        return [len(text) for text in texts]


@pytest.fixture
def model() -> Model:
    return Model()


def test_what_was_found_is_not_made_again(model: Model) -> None:
    model.open.set()
    sharing: Sharing[int] = Sharing()
    assert sharing.find(["a", "bb", "a"], model) == {"a": 1, "bb": 2}
    assert sharing.find(["bb", "ccc"], model) == {"bb": 2, "ccc": 3}
    assert model.runs == [["a", "bb"], ["ccc"]]


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [(False, False, True), (True, True, True), (False, True, True), (True, False, False)],
)
def test_what_another_thread_makes_is_waited_for_but_not_for_bulk_work_by_people(
    model: Model, first: bool, second: bool, shared: bool
) -> None:
    sharing: Sharing[int] = Sharing()
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(sharing.find, ["a", "bb"], model, bulk=first)
        assert model.began.acquire(timeout=10)
        two = pool.submit(sharing.find, ["bb", "ccc"], model, bulk=second)
        assert model.began.acquire(timeout=10)
        assert model.runs == [["a", "bb"], ["ccc"] if shared else ["bb", "ccc"]]
        model.open.set()
        assert (one.result(10), two.result(10)) == ({"a": 1, "bb": 2}, {"bb": 2, "ccc": 3})


def test_what_fails_fails_for_its_own_thread_alone(model: Model) -> None:
    sharing: Sharing[int] = Sharing()

    def fail(texts: list[str]) -> list[int]:
        model(texts)
        raise ValueError("no")

    with ThreadPoolExecutor(2) as pool:
        one: Future[dict[str, int]] = pool.submit(sharing.find, ["a"], fail)
        assert model.began.acquire(timeout=10)
        two = pool.submit(sharing.find, ["a", "bb"], model)
        assert model.began.acquire(timeout=10)
        model.open.set()
        with pytest.raises(ValueError, match="no"):
            one.result(10)
        assert two.result(10) == {"a": 1, "bb": 2}
    assert sharing.find(["a"], model) == {"a": 1}
