"""Secrets of listeners: where they come from, what is warned of, and that nothing shows them."""

from __future__ import annotations

import json
import logging
import re
import traceback
from pathlib import Path

import pytest

from chatbot.broker import EmbeddedServer, connect
from chatbot.broker.address import Address, redact
from chatbot.commands.run import RunOptions
from chatbot.errors import ConnectError, FlowError, ListenerError
from chatbot.flowfile.load import load
from chatbot.flowfile.problems import Problem, render
from chatbot.listeners.irc import IrcSettings
from chatbot.listeners.secret import LONGEST, secret_of, secret_problems
from chatbot.orchestrator.orchestrator import NatsOrchestrator
from tests.unit.flowfiles import installed, problems_of, write
from tests.unit.test_cli import run

__all__ = ["installed"]

SECRET = "hunter2-and-more"


def flow_with(folder: Path, listeners: str) -> Path:
    operations = "operations: {a: {run: sample_plain, inputs: {text: message.text}}}\n"
    return write(folder, flow=f"version: 1\n{operations}listeners:\n{listeners}\n")


def file_of(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def warnings_of(path: Path, *overrides: str, **environment: str) -> list[Problem]:
    return list(load(path, overrides=overrides, environment=environment.get).warnings)


def test_a_secret_is_the_stripped_content_of_its_file(tmp_path: Path) -> None:
    assert secret_of("", file_of(tmp_path, b"\xef\xbb\xbf  hunter2-and-more\r\n\n")) == SECRET
    assert secret_of(SECRET, None) == SECRET
    assert secret_of("", None) == ""


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b" \n", "is empty"),
        (b"hunter2\nand more", "holds more than one line"),
        (b"hunter2\x00and more", "holds more than one line, or control characters"),
        (b"hunter2 \xff", "is not UTF-8 text"),
        (b"hunter2" * LONGEST, "is too large"),
    ],
)
def test_what_is_no_secret_is_told_without_it(tmp_path: Path, content: bytes, wrong: str) -> None:
    path = file_of(tmp_path, content)
    with pytest.raises(ListenerError) as caught:
        secret_of("", path, "token")
    shown = "".join(traceback.format_exception(caught.value)) + caught.value.hint
    assert f"`token_file`: {path} {wrong}" in shown
    assert "hunter2" not in shown


def test_a_file_that_is_not_there_is_told_with_its_key(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path, Path("a\0b")):
        with pytest.raises(ListenerError, match=r"`token_file`: .* cannot be read"):
            secret_of("", path, "token")


def test_a_secret_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ListenerError) as caught:
        secret_of(SECRET, file_of(tmp_path, b"x"))
    assert caught.value.message == "`password` and `password_file` are both given"


def test_settings_tell_what_is_wrong_with_a_secret(tmp_path: Path) -> None:
    assert secret_problems("", None) == []
    assert secret_problems(SECRET, None, required=True) == []
    assert secret_problems("", file_of(tmp_path, b"x")) == []
    [(key, wrong)] = secret_problems("", None, "token", required=True)
    assert (key, "${VARIABLE}" in wrong) == ("token", True)
    [(key, wrong)] = secret_problems("", tmp_path / "none", "token", required=True)
    assert (key, "cannot be read" in wrong) == ("token_file", True)


def test_a_relative_name_is_a_credential_of_systemd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "irc").write_text("beside the program")
    assert secret_of("", Path("irc")) == "beside the program"
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert secret_of("", Path("irc")) == "beside the program"
    (credentials / "irc").write_text(SECRET)
    assert secret_of("", Path("irc")) == SECRET


def test_a_flow_names_a_credential_of_systemd_or_a_file_beside_it(tmp_path: Path) -> None:
    path = flow_with(tmp_path, "  sample_chat: {server: x, password_file: irc}")
    credentials = tmp_path / "credentials"
    credentials.mkdir()

    def file() -> Path:
        given = {"CREDENTIALS_DIRECTORY": str(credentials)}.get
        found: Path = (
            load(path, environment=given).listeners["sample_chat"].settings["password_file"]
        )
        return found

    assert file() == tmp_path / "irc"
    (credentials / "irc").write_text(SECRET)
    assert file() == credentials / "irc"


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("  sample_chat: {server: x, password: hunter2}", 38),
        ("  sample_chat: {server: x, password: '${PASSWORD:-hunter2}'}", 38),
        ("  sample_chat: {server: , password: hunter2}", 37),  # a listener that is off
    ],
)
def test_a_secret_in_clear_is_warned_of_with_its_place(
    tmp_path: Path, text: str, column: int
) -> None:
    path = flow_with(tmp_path, text)
    [warning] = warnings_of(path)
    assert (warning.file, warning.line, warning.column) == (str(path), 4, column)
    assert warning.message == "`password` is a secret, and stands here in clear"
    assert warning.hint == "write ${VARIABLE}, or name a file with `password_file`"
    assert "hunter2" not in render(warning)


@pytest.mark.parametrize(
    "text",
    [
        "  sample_chat: {server: x}",
        "  sample_chat: {server: x, password: }",
        "  sample_chat: {server: x, password: '${PASSWORD}'}",
        "  sample_chat: {server: x, password: '${PASSWORD:-}'}",
        "  sample_chat: {server: x, password: 'anna:${PASSWORD}'}",
        "  sample_chat: {server: x, password_file: secret}",
        "  sample_chat: {server: x, nick: hunter2}",
    ],
)
def test_a_secret_from_elsewhere_is_not_warned_of(tmp_path: Path, text: str) -> None:
    file_of(tmp_path, SECRET.encode(), 0o640)
    assert warnings_of(flow_with(tmp_path, text), PASSWORD=SECRET) == []


def test_a_secret_on_the_command_line_is_warned_of(tmp_path: Path) -> None:
    override = "listeners.sample_chat.password=hunter2"
    path = flow_with(tmp_path, "  sample_chat: {server: x}")
    [warning] = warnings_of(path, override)
    assert (warning.file, warning.line, warning.column) == ("--set", 1, 32)
    assert "hunter2" not in render(warning, [override])


@pytest.mark.parametrize(("mode", "warned"), [(0o600, 0), (0o640, 0), (0o644, 1), (0o602, 1)])
def test_a_file_that_everybody_can_read_is_warned_of(
    tmp_path: Path, mode: int, warned: int
) -> None:
    secret = file_of(tmp_path, SECRET.encode(), mode)
    path = flow_with(tmp_path, "  sample_chat: {server: x, password_file: secret}")
    found = warnings_of(path)
    assert len(found) == warned
    assert all((w.line, w.column) == (4, 43) and str(secret) in w.message for w in found)


@pytest.mark.parametrize(
    "text",
    [
        "  sample_chat: {password: hunter2 x, port: 0, server: x}",
        "  sample_chat: {password: hunter2, prot: 1, server: x}",
        "  sample_chat: {'password': \"hunter2\", server: x, port: no}",
        "  sample_chat: {password: [hunter2], server: x}",
        "  sample_chat:\n    server: x\n    password: hunter2 x",
        "  sample_chat:\n    server: x\n    password:\n      hunter2 x",
        "  sample_chat: {password: 'hunter2, server: x}",
        "  sample_chat: {server_password: hunter2, server: : x}",
        "  sample_chat: {password: '${NO}hunter2', server: x}",
        "  no_chat: {token: hunter2, server: x}",
    ],
)
def test_no_problem_quotes_a_line_with_a_secret(tmp_path: Path, text: str) -> None:
    found = problems_of(flow_with(tmp_path, text))
    assert found
    for problem in found:
        assert "hunter2" not in render(problem) + repr(problem) + json.dumps(problem.plain())


def test_flow_check_shows_warnings_and_takes_the_flow(tmp_path: Path) -> None:
    text = "  irc: {server: x, password: hunter2}"
    path = write(
        tmp_path,
        flow=f"version: 1\noperations: {{a: {{run: clean_text, inputs: {{text: message.text, "
        f"nick: message.nick}}}}}}\nlisteners:\n{text}\n",
    )
    shown = run(tmp_path, "flow", "check", str(path))
    assert shown.returncode == 0, shown.stderr
    told = "warning: flow.yaml:4:30: `password` is a secret, and stands here in clear"
    assert told in shown.stderr
    assert "hunter2" not in shown.stdout + shown.stderr
    listed = run(tmp_path, "flow", "check", str(path), "--json")
    [warning] = json.loads(listed.stdout)["warnings"]
    assert (warning["line"], warning["column"]) == (4, 30)
    assert "hunter2" not in listed.stdout + listed.stderr


def test_settings_and_a_loaded_flow_do_not_print_secrets(tmp_path: Path) -> None:
    assert SECRET not in repr(IrcSettings(server="x", password=SECRET))
    path = flow_with(tmp_path, f"  sample_chat: {{server: x, password: {SECRET}}}")
    assert SECRET not in repr(load(path))
    with pytest.raises(FlowError) as caught:
        load(path, overrides=["listeners.sample_chat.port=0"])
    assert SECRET not in repr(caught.value) + repr(caught.value.problems)


@pytest.mark.parametrize(
    "url",
    [
        f"nats://{SECRET}@127.0.0.1:1",
        f"nats://anna:{SECRET}@127.0.0.1:1",
        f"nats://{SECRET}@127.0.0.1:1,nats://{SECRET}@127.0.0.1:2",
        f"tls://{SECRET}@127.0.0.1:1?pin={'0' * 64}",
    ],
)
def test_an_address_is_shown_without_its_credential(url: str) -> None:
    assert SECRET not in redact(url) + repr(Address.parse(url))


async def test_no_log_and_no_error_shows_the_credential_of_a_server(
    nats_server: EmbeddedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = re.sub("//.*@", f"//{SECRET}@", nats_server.url)
    with pytest.raises(ConnectError) as caught:
        async with connect(wrong, name="test"):
            pass
    shown = "".join(traceback.format_exception(caught.value)) + caught.value.hint
    assert SECRET not in shown + caplog.text


def test_nothing_that_holds_an_address_prints_its_credential() -> None:
    url = f"nats://{SECRET}@127.0.0.1:4222"
    assert SECRET not in repr(RunOptions(flow="x", nats=url))
    assert SECRET not in repr(NatsOrchestrator.withconfig({}).config.__class__(url=url))
