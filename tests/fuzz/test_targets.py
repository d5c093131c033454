"""Every decoder takes the findings of the past, and some seconds of new ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz.bombs import BOMBS
from tests.fuzz.cases import CORPUS, SEEDS, TOKENS, inputs
from tests.fuzz.limits import TooLargeError, TooSlowError, held
from tests.fuzz.targets import TARGETS

EXAMPLES = 60
"""Inputs for each target: some seconds in all. `make fuzz` is for more."""

FINDINGS = sorted(path for path in CORPUS.glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", FINDINGS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_finding_of_the_past_stays_mended(path: Path) -> None:
    held(TARGETS[path.parent.name], path.read_bytes())


@pytest.mark.parametrize(("name", "bomb"), [(name, each) for name in BOMBS for each in BOMBS[name]])
def test_a_bomb_does_not_go_off(name: str, bomb: str) -> None:
    held(TARGETS[name], BOMBS[name][bomb])


@pytest.mark.parametrize("name", TARGETS)
def test_a_decoder_takes_what_is_good(name: str) -> None:
    for seed in SEEDS[name]:
        held(TARGETS[name], seed)


@pytest.mark.parametrize("name", TARGETS)
def test_a_decoder_holds_against_hostile_bytes(name: str) -> None:
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs(name))
    def run(data: bytes) -> None:
        held(TARGETS[name], data)

    run()


def test_every_finding_is_of_a_target() -> None:
    assert {path.parent.name for path in FINDINGS} <= TARGETS.keys()


def test_what_is_slow_or_greedy_is_a_finding() -> None:
    with pytest.raises(TooSlowError):
        held(lambda _: count(1_000_000), b"", most=0.001)
    with pytest.raises(TooLargeError):
        held(lambda _: bytes_held(600), b"", most=60)
    with pytest.raises(MemoryError):
        held(lambda _: bytes_held(3000), b"")


def count(most: int) -> None:
    assert sum(range(most))


def bytes_held(mebibytes: int) -> None:
    assert b"\1" * (mebibytes << 20)


def test_hypothesis_finds_what_is_planted() -> None:
    @settings(max_examples=500, derandomize=True, database=None, phases=[Phase.generate])
    @given(inputs("irc_lines"))
    def run(data: bytes) -> None:
        assert not any(token in data for token in TOKENS if len(token) > 4)

    with pytest.raises(AssertionError):
        run()
