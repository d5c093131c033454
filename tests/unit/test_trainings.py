"""Several trainings of a tiny encoder: side by side they make what they make one by one."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import threadpoolctl  # type: ignore[import-untyped]

from chatbot.errors import OperationError
from chatbot.inference import threads, trainings
from chatbot.inference.finetuning import Recipe, Tunable
from chatbot.inference.trainings import Job
from tests.servers.processes import until
from tests.unit.test_classifier import EXAMPLES, tiny

__all__ = ["tiny"]

TEXTS = [text for texts in EXAMPLES.values() for text in texts]
OWNERS = [number for number, texts in enumerate(EXAMPLES.values()) for _ in texts]
JOBS = (Job(TEXTS, OWNERS), Job(TEXTS[::-1], OWNERS[::-1]))
RECIPE = Recipe(epochs=20, size=8, rate=1e-3)

several = pytest.mark.skipif(threads.cores() < 2, reason="needs two cores")


@pytest.fixture
def worth(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have short trainings run in processes, too."""
    monkeypatch.setattr(trainings, "_WORTH", 0)
    yield
    assert not multiprocessing.active_children()


def _seen(tunable: Tunable) -> object:
    tunable.blend(1.0)
    return tunable.features(TEXTS)


@several
@pytest.mark.crash
def test_side_by_side_they_make_the_same(
    tiny: Path, worth: None, caplog: pytest.LogCaptureFixture
) -> None:
    here = Tunable(str(tiny))
    shares: list[float] = []
    with trainings.trainings(str(tiny), JOBS, RECIPE) as made:
        there = made.tunable
        for number, job in enumerate(JOBS):
            made.take(number, shares.append)
            here.tune(job.texts, job.owners, RECIPE)
            assert np.allclose(_seen(there), _seen(here), atol=1e-4)
    assert not caplog.records, "no process ended before its time"
    assert shares[-1] == 1.0
    assert there.share == here.share == 1.0


@several
@pytest.mark.crash
def test_what_nobody_takes_is_stopped(tiny: Path, worth: None) -> None:
    long = replace(RECIPE, epochs=1e6, most=10_000_000, seconds=600.0)
    short = Job(TEXTS[:2], OWNERS[:2])
    with trainings.trainings(str(tiny), (short, *JOBS), long):
        assert len(multiprocessing.active_children()) == min(3, threads.cores())


@several
@pytest.mark.crash
async def test_where_the_processes_are_killed_it_trains_by_itself(tiny: Path, worth: None) -> None:
    here = Tunable(str(tiny))
    with trainings.trainings(str(tiny), JOBS, RECIPE) as made:
        there = made.tunable
        for each in multiprocessing.active_children():
            each.kill()
        await until(lambda: not multiprocessing.active_children())
        made.take(0, lambda _: None)
    here.tune(TEXTS, OWNERS, RECIPE)
    assert np.allclose(_seen(there), _seen(here), atol=1e-4)


@several
@pytest.mark.crash
def test_what_is_no_model_leaves_no_process(
    tmp_path: Path, worth: None, capfd: pytest.CaptureFixture[str]
) -> None:
    with (
        pytest.raises(OperationError, match="cannot be trained"),
        trainings.trainings(str(tmp_path), JOBS, RECIPE),
    ):
        pass
    assert not multiprocessing.active_children()
    assert capfd.readouterr().err == "", "who has started them says why"


@several
@pytest.mark.crash
def test_cores_that_no_training_is_on_are_used(tiny: Path, worth: None) -> None:
    def blas() -> set[int]:
        told = threadpoolctl.threadpool_info()
        return {each["num_threads"] for each in told if each["user_api"] == "blas"}

    before = blas()
    with trainings.trainings(str(tiny), JOBS[:2], RECIPE) as made:
        assert blas() == {1}
        made.take(0, lambda _: None)
        made.take(1, lambda _: None)
        made.spread()
        assert blas() == {threads.cores()}
    assert blas() == before


def test_what_is_short_starts_no_process(tiny: Path) -> None:
    with trainings.trainings(str(tiny), JOBS, RECIPE) as made:
        assert not multiprocessing.active_children()
        made.take(1, lambda _: None)
