"""`backlog` and `storage` in a flow file: what they say, and what is wrong at its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot.backlog import Backlog
from chatbot.errors import FlowError, UsageError
from chatbot.flowfile.flow import Flow
from chatbot.flowfile.load import load
from chatbot.storage import Storage
from chatbot.units import DAY, HOUR, MINUTE, duration, shown_duration, shown_size, size

FLOW = """\
version: 1
operations:
  say: {run: test_say, inputs: {text: message.text}}
"""


def read(folder: Path, text: str) -> Flow:
    path = folder / "kept.yaml"
    path.write_text(FLOW + text)
    return load(path)


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(FlowError) as error:
        read(folder, text)
    return [
        f"{each.line}:{each.column}: {each.message} ({each.hint})" for each in error.value.problems
    ]


def test_a_flow_that_says_nothing_has_the_defaults(tmp_path: Path) -> None:
    flow = read(tmp_path, "")
    assert str(flow.backlog) == "skip older than 10m"
    assert flow.storage == Storage(keep=7 * DAY, outcomes=14 * DAY, dead=30 * DAY)
    assert read(tmp_path, "backlog:\nstorage:\n").storage == flow.storage


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("answer", Backlog("answer")),
        ("skip", Backlog("skip", 10 * MINUTE)),
        ("skip older than 1.5h", Backlog("skip", 90 * MINUTE)),
        ("record older than 2d", Backlog("record", 2 * DAY)),
        ("ask nothing, only record", Backlog("record", 10 * MINUTE)),
        ("ask nothing, only record older than 1h", Backlog("record", HOUR)),
    ],
)
def test_what_becomes_of_old_messages_is_read(tmp_path: Path, text: str, means: Backlog) -> None:
    assert read(tmp_path, f"backlog: {text}\n").backlog == means
    assert Backlog.parse(str(means)) == means


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("skipp", "4:10: `backlog`: there is no `skipp` (did you mean skip?)"),
        ("[skip]", "4:10: `backlog` must be a text, not a list"),
        ("answer older than 5m", "4:10: `backlog`: 'answer older than 5m' does not say which"),
        ("skip older 5m", "4:10: `backlog`: 'skip older 5m' does not say which"),
        ("skip older than 5", "4:10: `backlog`: '5' is no duration"),
        ("skip older than 5y", "4:10: `backlog`: 5y has no unit of time"),
    ],
)
def test_what_is_wrong_with_it_is_told_at_its_place(tmp_path: Path, text: str, told: str) -> None:
    (problem,) = problems(tmp_path, f"backlog: {text}\n")
    assert problem.startswith(told)


def test_what_is_kept_is_read(tmp_path: Path) -> None:
    text = "storage: {keep: 2d, dead: 60d, size: 500MB, replicas: 3}\n"
    assert read(tmp_path, text).storage == Storage(2 * DAY, 4 * DAY, 60 * DAY, 500_000_000, 3)
    assert read(tmp_path, "storage: {replicas: auto}\n").storage == Storage()


def test_all_that_is_wrong_with_it_is_told_at_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path,
        "storage:\n  keep: 5m\n  outcomes: long\n  size: 5\n  replicas: 6\n  kep: 1d\n",
    )
    assert [each.partition(" (")[0] for each in found] == [
        "5:9: `keep` must be 10m or longer",
        "6:13: `outcomes`: 'long' is no duration",
        "7:9: `size`: '5' is no size",
        "8:13: `replicas` must be auto, or a whole number from 1 to 5",
        "9:3: `storage` has no key `kep`",
    ]


def test_outcomes_that_would_be_forgotten_first_are_refused(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "storage: {keep: 7d, outcomes: 7d}\n")
    assert "could be answered a second time (leave it out for 14d)" in problem


@given(st.integers(10, 10**6), st.integers(1, 10**9), st.integers(0, 5))
def test_what_was_asked_for_is_read_again_from_a_stream(keep: int, more: int, copies: int) -> None:
    storage = Storage(float(keep), float(keep + more), size=more, replicas=copies)
    assert Storage.decode(storage.encode()) == storage


@pytest.mark.parametrize("text", ["", "{", "[]", '{"keep": "x"}', '{"keep": 9.0, "outcomes": 1.0}'])
def test_what_is_no_storage_is_none(text: str) -> None:
    assert Storage.decode(text) is None


def test_figures_have_units() -> None:
    assert [duration(each) for each in ("90s", "10m", "1.5 h", "7d", "2w")] == [
        *(90.0, 600.0, 5400.0),
        *(7 * DAY, 14 * DAY),
    ]
    assert [size(each) for each in ("12B", "256MB", "1GiB", "1.5kb")] == [
        *(12, 256_000_000, 2**30, 1500),
    ]
    for wrong in ("", "7", "d", "-1d", "0s", "1e3s", "٣d", "1 d d", "9" * 16 + "d"):
        with pytest.raises(UsageError):
            duration(wrong)
        with pytest.raises(UsageError):
            size(wrong.replace("d", "MB").replace("s", "B"))


@given(st.integers(1, 10**7))
def test_a_duration_is_read_as_it_is_shown(seconds: int) -> None:
    assert duration(shown_duration(float(seconds))) == seconds


def test_sizes_are_shown_short() -> None:
    assert [shown_size(each) for each in (12, 1500, 512 * 10**6, 1.5 * 10**12)] == [
        *("12 B", "1.5 KB", "512 MB", "1.5 TB"),
    ]
