"""The terminal of `chatbot flow dev`: who speaks where, what is due, and what it can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from chatbot.commands.desk import ASIDES, Desk
from chatbot.flowfile.flow import Flow
from chatbot.flowfile.load import load
from chatbot.listeners.console import ConsoleSettings
from chatbot.messages import ChatMessage
from chatbot.policy import OPERATOR

FLOW = """\
version: 1
name: daily
listeners: {irc: {server: irc.example.org, channels: ["#dev"], nick: bot}}
schedules:
  morning: {every: day at 9:00, zone: Europe/Berlin, in: ["irc/#dev"]}
  week: {every: monday at 9:00, in: ["irc/#dev"]}
operations:
  daily: {reply: "{{ schedule.morning.date }}"}
  weekly: {reply: "{{ schedule.week.date }}"}
"""


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Flow:
    path = tmp_path_factory.mktemp("desk") / "daily.yaml"
    path.write_text(FLOW)
    return load(str(path))


@pytest.fixture
def desk(flow: Flow) -> Desk:
    return Desk("console-1", ConsoleSettings(nick="bot"), lambda: flow)


def said(desk: Desk, line: str) -> ChatMessage:
    message = desk.message_of(line)
    assert message is not None
    return message


def seen(message: ChatMessage, *names: str) -> tuple[Any, ...]:
    return tuple(getattr(message, name) for name in names)


def test_at_first_who_sits_there_speaks_with_the_bot_alone(desk: Desk) -> None:
    message = said(desk, "hello")
    assert seen(message, "text", "room", "private", "addressed") == ("hello", "console", True, True)
    assert message.account == message.sender
    assert message.roles == OPERATOR


def test_somebody_else_speaks_once_or_from_now_on_and_has_no_rights(desk: Desk) -> None:
    once = said(desk, "/by otto hi there")
    assert seen(once, "sender", "account", "roles", "text") == ("otto", "", (), "hi there")
    assert said(desk, "hello").sender != "otto"
    assert desk.message_of("/by otto") is None
    assert (said(desk, "hello").sender, desk.prompt()) == ("otto", "otto:")
    assert desk.message_of("/by") is None
    assert said(desk, "hello").roles == OPERATOR


@pytest.mark.parametrize(
    ("text", "addressed"), [("hi all", False), ("bot: hi", True), ("Bot, hi", True)]
)
def test_in_a_room_the_bot_is_meant_by_its_name(desk: Desk, text: str, addressed: bool) -> None:
    assert desk.message_of("/room #dev") is None
    assert desk.prompt() == "you in #dev:"
    message = said(desk, text)
    assert seen(message, "room", "private", "addressed") == ("#dev", False, addressed)
    assert desk.message_of("/room") is None
    assert said(desk, text).addressed


def test_who_and_where_go_together_and_so_does_what_people_do(desk: Desk) -> None:
    message = said(desk, "/by otto /room #dev /me waves at bot")
    assert seen(message, "sender", "room", "kind", "text") == (
        "otto",
        "#dev",
        "action",
        "waves at bot",
    )
    assert said(desk, "hello").room == "console"


def test_roles_can_be_had_whatever_is_said(desk: Desk) -> None:
    desk.message_of("/roles teacher, moderator")
    assert said(desk, "hello").roles == ("teacher", "moderator")
    assert said(desk, "/by otto hello").roles == ("teacher", "moderator")
    desk.message_of("/roles")
    assert said(desk, "hello").roles == OPERATOR


def test_a_schedule_is_due_where_one_is(desk: Desk) -> None:
    first, second = said(desk, "/due morning"), said(desk, "/room #dev /due morning")
    assert seen(first, "kind", "schedule", "room", "sender") == (
        "schedule",
        "morning",
        "console",
        "",
    )
    assert second.room == "#dev"
    assert first.id != second.id
    assert first.network == "console-1", "else nobody here is told what comes of it"
    assert first.text.endswith(("+01:00", "+02:00")), "by the schedule's clock"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("/due", "/due morning  (by itself: "),
        ("/due", " Europe/Berlin, in irc/#dev)"),
        ("/due mornin", "there is no schedule mornin: did you mean morning?"),
        ("/dew", "there is no /dew: did you mean /due?"),
        ("/quit", "there is no /quit: /help lists what there is; // says what begins with a /"),
        ("/me", "/me TEXT: do something"),
        ("/room #dev", "you, in #dev"),
        ("/roles a b", "with the bot alone, with the roles a, b"),
        *(("/help", f"/{name}") for name in ASIDES),
    ],
)
def test_what_is_said_to_the_terminal_is_answered_there(
    desk: Desk, line: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert desk.message_of(line) is None
    assert told in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "text"),
    [("//shrug", "/shrug"), ("/usr/bin/x is gone", "/usr/bin/x is gone"), ("/ hi", "/ hi")],
)
def test_what_begins_like_that_can_be_said_all_the_same(desk: Desk, line: str, text: str) -> None:
    assert said(desk, line).text == text


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("/d", ["/due"]),
        ("/r", ["/room", "/roles"]),
        ("/due ", ["morning", "week"]),
        ("/due w", ["week"]),
        ("d", []),
        ("/due week ", []),
    ],
)
def test_what_is_typed_is_completed(desk: Desk, typed: str, completed: list[str]) -> None:
    found = desk.completer().get_completions(Document(typed), CompleteEvent())
    assert [each.text for each in found] == completed


def test_a_flow_without_schedules_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "plain.yaml"
    path.write_text("version: 1\noperations: {say: {reply: hi}}\n")
    plain = load(str(path))
    desk = Desk("console-1", ConsoleSettings(), lambda: plain)
    assert desk.message_of("/due day") is None
    assert "the flow has no schedules" in capsys.readouterr().out
