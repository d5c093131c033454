"""The command line by itself: nothing is started or connected to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

import chatbot
from chatbot.cli import cli
from tests.servers.processes import environment

FAST = 0.3
"""Seconds in which help must be there."""

HEAVY = {"dffml", "nats", "rich", "torch", "transformers", "sklearn", "numpy", "ruamel", "msgspec"}


def run(tmp_path: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chatbot", *arguments],
        env=environment(tmp_path / "data", **extra),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def commands(group: click.Group, *path: str) -> list[tuple[str, ...]]:
    found = []
    for name, command in group.commands.items():
        found.append((*path, name))
        if isinstance(command, click.Group):
            found += commands(command, *path, name)
    return found


def test_help_is_there_at_once(tmp_path: Path) -> None:
    seconds = []  # of processor time: others may be busy on this machine
    for _ in range(3):
        before = os.times()
        shown = run(tmp_path, "--help")
        after = os.times()
        seconds.append(sum(after[2:4]) - sum(before[2:4]))
        assert (shown.returncode, shown.stderr) == (0, "")
        assert "chatbot run support" in shown.stdout
    assert min(seconds) < FAST


def test_nothing_heavy_is_imported_for_the_command_line() -> None:
    code = f"import sys, chatbot.cli; print(*sorted({HEAVY} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == ""


def test_a_bot_that_is_on_no_network_loads_no_library_of_one() -> None:
    libraries = {"irc", "nio", "gitterpy", "aiohttp"}
    code = f"import sys, chatbot.commands.run; print(*sorted({libraries} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == ""


@pytest.mark.parametrize("path", commands(cli), ids=" ".join)
def test_every_command_says_what_it_does_with_examples(path: tuple[str, ...]) -> None:
    command: click.Command = cli
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    shown = command.get_help(click.Context(command, info_name=path[-1]))
    assert "Examples:" in shown
    assert f"chatbot {' '.join(path)}" in shown
    short = command.get_short_help_str(limit=60)
    assert not short.endswith("..."), "it fits into the list of commands"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["runn", "support"], "Did you mean 'run'?"),
        (["flow", "chek"], "'check'"),
        (["run", "support", "--no-nod"], "--no-node"),
        (["run"], "Missing argument 'FLOW...'"),
        (["replay", "support", "nosuch.txt"], "'nosuch.txt' does not exist"),
        (["replay", "support", ".", "--limit", "0"], "0"),
        (["run", "support", "--nats", "nats://a", "--listen", "::1"], "--listen"),
        (["node", "run", "clean_text", "--label", "Node"], "did you mean nodes?"),
        (["node", "run", "clean_text", "--label", "a b"], "`a b` is not a label"),
        (["node", "run", "clean_tex"], "did you mean 'clean_text'?"),
    ],
)
def test_a_wrong_command_line_is_refused(tmp_path: Path, arguments: list[str], told: str) -> None:
    shown = run(tmp_path, *arguments)
    assert (shown.returncode, shown.stdout) == (2, "")
    assert told in shown.stderr
    assert "Traceback" not in shown.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("listen", ["1:2:3:4", "host:port", "host:0", ":1"])
def test_an_address_to_listen_on_is_looked_at_first(tmp_path: Path, listen: str) -> None:
    shown = run(tmp_path, "run", "support", "--listen", listen)
    assert (shown.returncode, shown.stdout) == (2, "")
    assert "192.0.2.7:4222" in shown.stderr
    assert not (tmp_path / "data").exists()


def test_it_says_its_version(tmp_path: Path) -> None:
    assert chatbot.__version__ in run(tmp_path, "--version").stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete_it(tmp_path: Path, shell: str) -> None:
    script = Path(sys.executable).with_name("chatbot")
    shown = subprocess.run(
        [script],
        env=environment(tmp_path, _CHATBOT_COMPLETE=f"{shell}_source"),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert f"_CHATBOT_COMPLETE={shell}_complete" in shown.stdout, shown.stderr
    completed = subprocess.run(
        [script],
        env=environment(
            tmp_path,
            _CHATBOT_COMPLETE="bash_complete",
            COMP_WORDS="chatbot re",
            COMP_CWORD="1",
        ),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert completed.stdout.split() == ["plain,replay"]


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("chatbot node run cle", "clean_text"),
        ("chatbot node run clean_text classify_t", "classify_text"),
        ("chatbot node run --label gpu clea", "clean_text"),
        ("chatbot node run clean_text --la", "--label"),
    ],
)
def test_shells_complete_the_names_of_operations(
    tmp_path: Path, words: str, completed: str
) -> None:
    script = Path(sys.executable).with_name("chatbot")
    at = str(len(words.split()) - 1)
    shown = subprocess.run(
        [script],
        env=environment(
            tmp_path, _CHATBOT_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=at
        ),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert [line.removeprefix("plain,") for line in shown.stdout.split()] == completed.split()


def test_the_help_of_a_node_has_labels_and_what_is_installed(tmp_path: Path) -> None:
    shown = run(tmp_path, "node", "run", "--help").stdout
    assert "chatbot node run classify_text --label gpu --label size=large" in shown
    listed = " ".join(shown.partition("Operations installed here:")[2].split())
    assert "classify_zero_shot, clean_text" in listed
