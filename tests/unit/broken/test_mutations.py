"""However a flow file is maimed, it is taken or refused with places that exist; never a crash."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.broken import BOT, problems_of, written

WHOLE = (
    BOT.replace("when: classify.sure", "when: \"{{ classify.label == 'bug' and classify.sure }}\"")
    + "listeners:\n  irc: {server: irc.example.org, channels: ['#a'], limits: {person: 10 in 1m}}\n"
    "roles: {moderator: [irc/anna]}\nstate: {n: {type: integer, start: 0, per: room}}\n"
    "outputs: {label: classify.label, n: state.n}\n"
)
LINES = WHOLE.splitlines(keepends=True)
SIGNS = string.printable + "“é\u2028\x00\ud7ff"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@given(st.data())
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_maimed_flow_never_crashes_the_checker(folder: Path, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(("cut", "put", "swap", "word", "lines")).map(_change(data)))
    path, *_ = written(folder, f"‸{text}")
    for problem in problems_of(path):
        assert problem.message
        lines = Path(problem.file).read_text(errors="replace").split("\n")
        assert 1 <= problem.line <= len(lines) + 1
        assert problem.column >= 1


def _change(data: st.DataObject):  # type: ignore[no-untyped-def]
    def changed(kind: str) -> str:
        start = data.draw(st.integers(0, len(WHOLE)))
        end = data.draw(st.integers(start, min(start + 30, len(WHOLE))))
        if kind == "cut":
            return WHOLE[:start] + WHOLE[end:]
        if kind == "put":
            return WHOLE[:start] + data.draw(st.text(SIGNS, max_size=4)) + WHOLE[start:]
        if kind == "word":
            other = data.draw(st.sampled_from(WHOLE.split()))
            return WHOLE[:start] + other + WHOLE[end:]
        lines = list(LINES)
        if kind == "swap":
            a, b = (data.draw(st.integers(0, len(lines) - 1)) for _ in range(2))
            lines[a], lines[b] = lines[b], lines[a]
        else:
            del lines[data.draw(st.integers(0, len(lines) - 1))]
        return "".join(lines)

    return changed
