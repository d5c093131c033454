"""`chatbot replay` over two flows, two revisions, or a flow and its earlier results."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.servers.processes import Program

OLD = """\
version: 1
name: small
operations:
  clean: {run: clean_text, inputs: {text: message.text}}
  answer:
    inputs: {label: clean.text, sender: message.name}
    config: {answers: {hi: "Hello {sender}!", bye: Bye}}
outputs: {label: clean.text}
"""
NEW = OLD.replace("bye: Bye", "bye: See you").replace("hi:", "hello:")
SAID = ["hi", "hello", "bye", "what <b>else</b>?", "hi"]


@pytest.fixture
def folder(program: Program) -> Path:
    (program.data / "old.yaml").write_text(OLD)
    (program.data / "new.yaml").write_text(NEW)
    lines = "".join(f"[12:3{i}:00] <kim> {text}\n" for i, text in enumerate(SAID))
    (program.data / "chat.txt").write_text(lines)
    return program.data


async def test_two_flows_over_one_log(program: Program, folder: Path) -> None:
    command = ["replay", "new.yaml", "chat.txt", "--against", "old.yaml", "--report", "r.html"]
    code, out, err = await program.run(*command)
    assert code == 0, err
    assert "4 of 5 messages are answered differently; 0 have another label" in out
    assert "3: bye\n  - Bye\n  + See you" in out
    assert "1: hi\n  - Hello kim!\n  + (silence)" in out
    page = (folder / "r.html").read_text()
    assert "<b>4 of 5 messages are answered differently</b>" in page
    assert "<td>See you</td>" in page
    assert "<b>else</b>" not in page


@pytest.mark.crash
async def test_a_flow_and_its_earlier_results(program: Program, folder: Path) -> None:
    code, before, err = await program.run("replay", "old.yaml", "chat.txt", "--json")
    assert code == 0, err
    (folder / "before.jsonl").write_text(before)
    given = ["chat.txt", "--against", "before.jsonl", "--json"]
    code, out, err = await program.run("replay", "new.yaml", *given)
    assert code == 0, err
    found = [json.loads(line) for line in out.splitlines()]
    assert [each["same"] for each in found] == [False, False, False, True, False]
    assert found[2]["other"]["replies"][0]["text"] == "Bye"


async def test_two_revisions_in_git(program: Program, folder: Path) -> None:
    def git(*arguments: str) -> None:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)

    git("init", "-q")
    git("add", "old.yaml")
    git("commit", "-q", "-m", "one")
    (folder / "old.yaml").write_text(NEW)
    given = ["replay", "old.yaml", "chat.txt", "--against-revision"]
    code, out, err = await program.run(*given, "HEAD")
    assert code == 0, err
    assert "4 of 5 messages are answered differently" in out
    code, out, err = await program.run(*given, "nowhere")
    assert code == 2, err
    assert "git says:" in err


@pytest.mark.crash
async def test_as_fast_as_it_was_said_times_sixty(program: Program, folder: Path) -> None:
    code, out, err = await program.run("replay", "old.yaml", "chat.txt", "--speed", "60")
    assert code == 0, err
    seconds = float(out.split("5 messages in ")[1].split(" s")[0])
    assert seconds > 3.9, "four minutes"
