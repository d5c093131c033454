"""Between a listener and its bridge: what is passed on, what is dropped, and what is added."""

from __future__ import annotations

import dataclasses
from datetime import time
from typing import Any

import pytest

from chatbot.listeners.gate import Conduct, Gate
from chatbot.listeners.gate.gate import FORGOTTEN
from chatbot.listeners.gate.lasts import PRIVATE_KEPT, Lasts
from chatbot.listeners.gate.limits import Limits
from chatbot.listeners.gate.recent import Recent
from chatbot.messages import ChatMessage
from chatbot.policy import OPERATOR, Policy, Quiet, Rate, Rules, Terms
from tests.servers.gating import DAY, NETWORK, NIGHT, OPEN, ROOM, Network


async def test_what_nobody_minds_is_passed_on_as_it_is() -> None:
    network = Network(Terms())
    message = ChatMessage("1", NETWORK, ROOM, "anna", "hello", DAY, nick="bot")
    await network.gate.hear(message)
    assert network.bridge.heard.get_nowait() is message


async def test_what_the_listener_asks_of_its_bridge_goes_through() -> None:
    network = Network()
    await network.gate.advance("here")
    assert await network.gate.position() == "here"
    await network.gate.forget("1")
    assert network.bridge.forgotten == ["1"]


@pytest.mark.parametrize(
    ("policy", "fields"),
    [
        ({"terms": Terms(only_addressed=True)}, {}),
        ({"terms": Terms(listen=False)}, {"addressed": True}),
        ({"terms": Terms(listen=False)}, {"text": "!why"}),
        ({"terms": Terms(quiet=Quiet(time(22), time(7), "UTC"))}, {"time": NIGHT}),
        ({"terms": Terms(deny=("ann?",))}, {"addressed": True}),
        ({"terms": Terms(deny=("ann?",))}, {"kind": "reaction"}),
        ({"terms": Terms(allow=("anna",))}, {}),
        ({"deny": ("#d*",)}, {"addressed": True}),
        ({"deny": ("private",)}, {"private": True, "room": "anna"}),
        ({"allow": ("#help",)}, {}),
        ({"rooms": (("#dev", Terms(only_addressed=True)),)}, {}),
        ({}, {"sender": "Bot"}),
    ],
)
async def test_what_must_not_be_answered_is_not_passed_on(
    policy: dict[str, Any], fields: dict[str, Any]
) -> None:
    assert await Network(**policy).hear(**fields) is None


@pytest.mark.parametrize(
    ("terms", "fields"),
    [
        (Terms(only_addressed=True), {"addressed": True}),
        (Terms(only_addressed=True), {"text": "!why"}),
        (Terms(only_addressed=True), {"kind": "reaction", "text": "+1"}),
        (Terms(quiet=Quiet(time(22), time(7), "UTC")), {}),
        (Terms(quiet=Quiet(time(22), time(7), "UTC")), {"time": NIGHT, "addressed": True}),
        (Terms(allow=("anna",)), {"account": "anna"}),
    ],
)
async def test_what_may_be_answered_is_passed_on(terms: Terms, fields: dict[str, Any]) -> None:
    assert await Network(terms).hear(**fields) is not None


async def test_whoever_started_the_program_is_always_answered() -> None:
    network = Network(Terms(person=Rate(1, 60.0), only_addressed=True), closed=False)
    for _ in range(50):
        assert await network.asks("the same", "the same", sender="bot")


async def test_roles_come_from_an_account_of_this_network() -> None:
    network = Network(rules=Rules((("moderator", ("irc/anna", "irc/ben")),)))
    for account, roles in (("anna", ("moderator",)), ("eve", ()), ("", ())):
        heard = await network.hear(account=account)
        assert heard is not None
        assert heard.roles == roles


@pytest.mark.parametrize(
    ("text", "fields", "command", "arguments"),
    [
        ("!why", {}, "why", ""),
        ("  !Mute  10m now ", {}, "mute", "10m now"),
        ("!why?", {}, "why", ""),
        ("bot: !why", {}, "why", ""),
        ("@Bot !why", {}, "why", ""),
        ("bot, !mute 1h", {}, "mute", "1h"),
        ("Help-Bot: !why", {"addressed": True}, "why", ""),
        ("hey !why", {}, "", ""),
        ("hey !why", {"addressed": True, "private": True}, "", ""),
        ("bots: !why", {}, "", ""),
        ("!", {}, "", ""),
        ("!!", {}, "", ""),
        ("! why", {}, "", ""),
        ("!5 is 120", {}, "", ""),
        ("!why", {"kind": "action"}, "", ""),
        ("why!", {}, "", ""),
    ],
)
async def test_a_command_is_known_by_its_prefix(
    text: str, fields: dict[str, Any], command: str, arguments: str
) -> None:
    heard = await Network().hear(text, **fields)
    assert heard is not None
    assert (heard.command, heard.arguments) == (command, arguments)


async def test_a_flow_may_have_another_prefix_or_no_commands() -> None:
    for prefix, text, command in (("~~", "~~why", "why"), ("~~", "!why", ""), ("", "!why", "")):
        heard = await Network(rules=Rules(prefix=prefix)).hear(text)
        assert heard is not None
        assert heard.command == command


async def test_a_command_is_about_the_last_message_or_the_one_replied_to() -> None:
    network = Network(Terms(only_addressed=True))
    first = await network.hear("one", addressed=True)
    await network.hear("elsewhere", room="#x", addressed=True)
    await network.hear("+1", kind="reaction")
    for _ in range(2):
        asked = await network.hear("!why")
        assert first is not None
        assert asked is not None
        assert asked.about == first.id
    asked = await network.hear("!why", reply_to="that")
    assert asked is not None
    assert asked.about == "that"
    await network.hear("dropped", id="quiet one")
    asked = await network.hear("!why")
    assert asked is not None
    assert asked.about == "quiet one", "why it was not answered is asked most"
    asked = await network.hear("!why", room="#new")
    assert asked is not None
    assert asked.about == ""


async def test_who_takes_a_nick_is_told_nothing_of_what_was_said_in_private() -> None:
    network = Network()
    private = {"private": True, "addressed": True, "room": "anna"}

    async def about(**fields: Any) -> str:
        asked = await network.hear("!why", **private, **fields)
        assert asked is not None
        return asked.about

    first = await network.hear("a secret", account="anna", **private)
    assert first is not None
    assert await about(account="anna") == first.id
    assert await about(account="eve") == ""
    assert await about() == ""
    network.clock.now += PRIVATE_KEPT
    assert await about(account="anna") == ""


async def test_what_a_listener_says_that_a_message_comes_after_stands() -> None:
    network = Network(rules=Rules(in_order=True))
    await network.hear()
    heard = await network.hear(after="another")
    assert heard is not None
    assert heard.after == "another"


async def test_a_persons_message_names_the_one_before_it_in_its_room() -> None:
    network = Network(rules=Rules(in_order=True))

    async def after(**fields: Any) -> str:
        heard = await network.hear(**fields)
        assert heard is not None
        return heard.after

    assert [await after(), await after(), await after(room="#x")] == ["", "m1", ""]
    assert [await after(sender="ben"), await after(text="!why"), await after()] == ["", "", "m2"]
    network.clock.now += FORGOTTEN + 1.0
    assert await after() == "", "nobody waits for it any more"
    again = await network.hear(id="m7")
    assert again is not None
    assert again.after == "", "it is the one before"
    await network.answer(again, "done")
    assert await after() == "", "there is nothing to wait for"


async def test_a_dropped_message_is_waited_for_by_none() -> None:
    network = Network(Terms(only_addressed=True), Rules(in_order=True))
    await network.hear()
    heard = await network.hear(addressed=True)
    assert heard is not None
    assert heard.after == ""


async def test_messages_are_in_no_order_unless_the_flow_wants_it() -> None:
    network = Network()
    await network.hear()
    heard = await network.hear()
    assert heard is not None
    assert heard.after == ""


async def test_another_policy_holds_from_the_next_message_on() -> None:
    network = Network()
    assert await network.hear() is not None
    conduct = Conduct(Policy(), Rules())
    network = Network()
    network.gate = Gate(
        network.bridge, conduct, Lasts("flow", NETWORK, None), name=NETWORK, clock=network.clock
    )
    assert await network.hear() is not None
    conduct.policy = Policy(dataclasses.replace(OPEN, only_addressed=True))
    assert await network.hear() is None


def test_what_is_kept_is_bounded() -> None:
    recent: Recent[int, int] = Recent(3)
    for number in range(3):
        recent.set(number, number)
    assert recent.get(0) == 0
    recent.set(3, 3)
    assert [recent.get(number) for number in range(4)] == [0, None, 2, 3]
    limits = Limits(most=2)
    for number in range(100):
        assert limits.take([(number, Rate(1, 60.0))]) is None
    assert len(limits._buckets) == 2


ROLES = Rules(roles=(("teacher", ("irc/anna",)), ("editor", ())))


@pytest.mark.parametrize(
    ("text", "account", "own", "roles"),
    [
        ("!mute", "root", OPERATOR, ("moderator", "teacher", "editor")),
        ("bot: !mute", "root", OPERATOR, ("moderator", "teacher", "editor")),
        ("hello", "root", OPERATOR, ()),
        ("hello", "anna", OPERATOR, ("teacher",)),
        ("hello", "anna", ("editor",), ("teacher", "editor")),
        ("!mute", "root", ("editor",), ("editor",)),
        ("!mute", "root", (), ()),
    ],
)
async def test_who_operates_the_bot_has_every_role_for_commands(
    text: str, account: str, own: tuple[str, ...], roles: tuple[str, ...]
) -> None:
    terminal = Network(rules=ROLES, closed=False)
    heard = await terminal.hear(text, account=account, roles=own)
    assert heard is not None
    assert heard.roles == roles


async def test_a_network_gives_no_roles_whatever_its_listener_says() -> None:
    heard = await Network(rules=ROLES).hear("!mute", account="ben", roles=OPERATOR)
    assert heard is not None
    assert heard.roles == ()
