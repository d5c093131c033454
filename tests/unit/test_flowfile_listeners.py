"""Listeners: when one is on, what the environment fills in, what is wrong with a section."""

from __future__ import annotations

from pathlib import Path

import pytest

from chatbot.flowfile.flow import ListenerSection
from chatbot.flowfile.load import load
from tests.unit.flowfiles import installed, problems_of, write

__all__ = ["installed"]


def flow_with(folder: Path, listeners: str) -> Path:
    operations = "operations: {a: {run: sample_plain, inputs: {text: message.text}}}\n"
    return write(folder, flow=f"version: 1\n{operations}listeners:\n{listeners}")


def section(folder: Path, listeners: str, **environment: str) -> ListenerSection:
    flow = load(flow_with(folder, listeners), environment=environment.get)
    return next(iter(flow.listeners.values()))


def test_a_listener_without_its_required_settings_is_off(tmp_path: Path) -> None:
    found = section(tmp_path, "  sample_chat: {server: , port: 6667, nick: }")
    assert (found.on, found.missing) == (False, ("server",))
    assert found.settings == {"port": 6667}


@pytest.mark.parametrize("text", ["  sample_pipe:", "  sample_pipe: {}", "  sample_pipe: {x: 1}"])
def test_a_listener_without_declared_settings_is_on(tmp_path: Path, text: str) -> None:
    assert section(tmp_path, text).on


def test_the_kind_is_the_name_unless_it_is_said(tmp_path: Path) -> None:
    found = section(tmp_path, "  libera: {kind: sample_chat, server: irc.libera.chat}")
    assert (found.name, found.kind, found.on) == ("libera", "sample_chat", True)


def test_settings_get_the_types_that_the_listener_declares(tmp_path: Path) -> None:
    text = "  sample_chat: {server: x, channels: ['#a'], ca_file: ca.pem}"
    found = section(tmp_path, text).settings
    assert found == {"server": "x", "channels": ("#a",), "ca_file": tmp_path / "ca.pem"}


def test_a_listener_says_whether_what_it_hears_can_wait(tmp_path: Path) -> None:
    assert section(tmp_path, "  sample_pipe: {priority: bulk}").priority == "bulk"
    assert section(tmp_path, "  sample_pipe: {}").priority == "interactive"


def test_a_priority_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    (problem,) = problems_of(flow_with(tmp_path, "  sample_pipe: {priority: bulky}"))
    assert "`priority` must be interactive or bulk" in str(problem)


def test_the_environment_fills_in_and_is_typed(tmp_path: Path) -> None:
    text = """\
  sample_chat:
    server: ${HOST}
    port: ${PORT:-6697}
    tls: ${TLS:-true}
    nick: ${NICK:-bot}-${SUFFIX:-x}
    password: ${PASSWORD:-}
    channels: ["#${ROOM}"]
"""
    given = {"HOST": "127.0.0.1", "PORT": "7000", "TLS": "", "PASSWORD": "12", "ROOM": "a"}
    assert section(tmp_path, text, **given).settings == {
        "server": "127.0.0.1",
        "port": 7000,
        "tls": True,
        "nick": "bot-x",
        "password": "12",
        "channels": ("#a",),
    }


def test_a_variable_that_is_not_set_is_a_problem(tmp_path: Path) -> None:
    path = flow_with(tmp_path, "  sample_chat: {server: x, password: '${SECRET}'}\n")
    [problem] = problems_of(path)
    assert problem.message == "the environment variable SECRET is not set"
    assert (problem.line, problem.column) == (4, 38)


def test_a_required_setting_from_a_variable_that_is_not_set_is_a_problem(tmp_path: Path) -> None:
    path = flow_with(tmp_path, "  sample_chat: {server: '${HOST}'}\n")
    assert [p.message for p in problems_of(path)] == ["the environment variable HOST is not set"]


def test_a_variable_of_a_listener_that_is_off_may_be_unset(tmp_path: Path) -> None:
    found = section(tmp_path, "  sample_chat: {server: , password: '${SECRET}'}\n")
    assert not found.on
    assert not section(tmp_path, "  sample_chat: {server: '${HOST:-}'}\n").on


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("  sample_cat:", 3, "there is no listener of the kind `sample_cat`"),
        ("  x: {kind: sample_cat}", 13, "there is no listener of the kind `sample_cat`"),
        ("  x: {kind: 5}", 13, "there is no listener of the kind `5`"),
        ("  sample_gone:", 3, "`sample_gone` cannot be loaded"),
        ("  sample_chat: {server: x, prot: 1}", 28, "`sample_chat` has no setting `prot`"),
        ("  sample_chat: {server: x, port: high}", 34, "`port` must be a whole number"),
        ("  sample_chat: {server: x, port: 0}", 34, "0 must be a port"),
        ("  sample_chat: {server: 5}", 25, "`server` must be a text, not a whole number"),
        ("  sample_chat: {server: x, channels: '#a'}", 38, "`channels` must be a list"),
        ("  sample_chat: [x]", 16, "`sample_chat` must be a map, not a list"),
        ("  Sample: {kind: sample_chat}", 3, "`Sample` cannot name a network"),
    ],
)
def test_what_is_wrong_with_a_section_is_told(
    tmp_path: Path, text: str, column: int, message: str
) -> None:
    [problem] = problems_of(flow_with(tmp_path, text))
    assert message in problem.message
    assert (problem.line, problem.column) == (4, column)


@pytest.mark.parametrize(
    "text", ["password: '${S}'", "port: '${S}'", "tls: '${S}'", "ca_file: ['${S}']"]
)
def test_no_problem_shows_what_the_environment_gave(tmp_path: Path, text: str) -> None:
    path = flow_with(tmp_path, f"  sample_chat: {{server: x, {text}}}\n")
    found = problems_of(path, environment={"S": "hunter two"})
    assert len(found) == 1
    assert "hunter" not in str(found[0])


def test_a_flow_does_not_print_its_settings(tmp_path: Path) -> None:
    path = flow_with(tmp_path, "  sample_chat: {server: x, password: '${S}'}\n")
    assert "hunter2" not in repr(load(path, environment={"S": "hunter2"}.get))
