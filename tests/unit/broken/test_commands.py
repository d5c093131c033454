"""Every command that takes a flow refuses a broken one as `flow check` does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from chatbot.cli import main
from tests.unit.broken import BOT, written

COMMANDS = [
    "flow check FLOW",
    "run FLOW",
    "run --jsonl FLOW",
    "flow show FLOW",
    "flow test FLOW",
    "flow export FLOW --dffml",
    "flow apply FLOW",
    "eval FLOW --folds 2",
    "train FLOW",
    "bench model FLOW",
    "doctor FLOW",
    "replay FLOW log.txt",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_broken_flow_is_refused_alike_by_every_command(
    tmp_path: Path,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, line, column = written(tmp_path, BOT.replace("when:", "‸wen:"))
    (tmp_path / "log.txt").write_text("[12:00] <anna> hi\n")
    (tmp_path / "flow.test.yaml").write_text("tests: [{said: hi, silence: true}]\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHATBOT_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(sys, "argv", ["chatbot", *command.replace("FLOW", path.name).split()])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert told.startswith(
        f"flow.yaml:{line}:{column}: `answer` has no key `wen` (did you mean when?)"
    )
    assert "1 problem in the flow" in told
