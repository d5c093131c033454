"""Between a listener and its bridge: what is passed on, what is dropped, and what is added."""

from __future__ import annotations

import dataclasses
import logging
from datetime import UTC, datetime, time
from typing import Any

import pytest

from chatbot.listeners.gate import Conduct, Gate
from chatbot.listeners.gate.complaints import LINES, Complaints
from chatbot.listeners.gate.gate import FORGOTTEN
from chatbot.listeners.gate.lasts import PRIVATE_KEPT, Lasts
from chatbot.listeners.gate.limits import Limits
from chatbot.listeners.gate.recent import Recent
from chatbot.messages import Action, ChatMessage, Outcome, Reply
from chatbot.policy import Policy, Quiet, Rate, Rules, Terms
from tests.servers.listening import MemoryBridge

NETWORK, ROOM = "irc", "#dev"
NIGHT = datetime(2026, 1, 1, 23, 0, tzinfo=UTC)
DAY = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
OPEN = Terms(person=None, room=None)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Network:
    """A gate with a listener's end and the program's end; time stands still unless told."""

    def __init__(
        self,
        terms: Terms = OPEN,
        rules: Rules | None = None,
        closed: bool = True,
        **policy: Any,
    ) -> None:
        self.bridge = MemoryBridge()
        self.clock = Clock()
        conduct = Conduct(Policy(terms, **policy), rules or Rules())
        self.gate = Gate(
            self.bridge,
            conduct,
            Lasts("flow", NETWORK, None, self.clock),
            name=NETWORK,
            closed=closed,
            clock=self.clock,
        )
        self._count = 0

    async def hear(self, text: str = "hello", **fields: Any) -> ChatMessage | None:
        """Return what is passed on of a message; `None` where nothing is."""
        self._count += 1
        known = {"id": f"m{self._count}", "room": ROOM, "sender": "anna", "time": DAY}
        message = ChatMessage(
            **{"network": NETWORK, "text": text, "nick": "bot", **known, **fields}
        )
        await self.gate.hear(message)
        return None if self.bridge.heard.empty() else self.bridge.heard.get_nowait()

    async def answer(
        self, message: ChatMessage, *texts: str, said: bool = True, **more: Any
    ) -> None:
        """Have the listener perform an outcome."""
        replies = tuple(Reply(text) for text in texts)
        self.bridge.decide(
            Outcome(message.id, NETWORK, message.room, message.sender, replies, **more)
        )
        delivery = await anext(self.gate.outcomes())
        assert delivery.outcome.replies == replies
        if said:
            await delivery.done()
            assert await self.bridge.next_acknowledged() == message.id

    async def asks(self, text: str, answer: str = "well", **fields: Any) -> bool:
        """Whether what somebody says is answered, after which time goes by for nobody."""
        message = await self.hear(text, **fields)
        if message is not None:
            await self.answer(message, answer)
        return message is not None


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


async def test_a_person_is_answered_so_often_and_then_again_as_time_goes_by() -> None:
    network = Network(Terms(person=Rate(3, 60.0), room=None))
    assert [await network.hear() is not None for _ in range(5)] == [True] * 3 + [False] * 2
    assert await network.hear(sender="ben") is not None
    assert await network.hear(room="#x") is not None
    network.clock.now += 20.0
    assert [await network.hear() is not None for _ in range(2)] == [True, False]
    network.clock.now += 3600.0
    assert [await network.hear() is not None for _ in range(4)] == [True] * 3 + [False]


async def test_a_room_is_answered_so_often() -> None:
    network = Network(Terms(person=Rate(100, 60.0), room=Rate(3, 60.0)))
    heard = [await network.hear(sender=f"person {n}") is not None for n in range(5)]
    assert heard == [True] * 3 + [False] * 2
    assert await network.hear(room="#x") is not None


async def test_what_the_bot_stays_silent_on_costs_nothing() -> None:
    network = Network(Terms(person=Rate(2, 60.0), room=Rate(2, 60.0)))
    for _ in range(10):
        message = await network.hear()
        assert message is not None
        await network.answer(message)
    for number in range(3):
        message = await network.hear(str(number))
        assert (message is not None) == (number < 2)
        if message is not None:
            await network.answer(message, actions=(Action("react", text="👍"),))


async def test_limits_do_not_hold_for_moderators_nor_for_what_was_said_before() -> None:
    rules = Rules((("moderator", ("irc/anna",)),))
    network = Network(Terms(person=Rate(1, 60.0), room=Rate(1, 60.0)), rules)
    for _ in range(5):
        assert await network.hear(account="anna") is not None
        assert await network.hear(old=True) is not None
    assert await network.hear() is not None
    assert await network.hear() is None


async def test_the_log_says_once_a_minute_who_is_not_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    network = Network(Terms(person=Rate(1, 60.0), room=None))
    caplog.set_level(logging.INFO)
    for _ in range(5):
        await network.hear("my secret", sender="a\nn")
    (record,) = caplog.records
    assert "'a\\nn' in '#dev' on irc: that is more than 1 in 1m" in record.getMessage()
    assert "secret" not in caplog.text
    complaints = Complaints(NETWORK, network.clock)
    for seconds in (0.0, 1.0, 60.0):
        network.clock.now += seconds
        complaints.add(ROOM, "eve", "because")
    assert "because, and 1 more before" in caplog.records[-1].getMessage()


async def test_a_flood_from_many_nicks_is_no_flood_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    network = Network(Terms(person=None, room=Rate(1, 60.0)))
    for number in range(1000):
        await network.hear(sender=f"person {number}")
    assert len(caplog.records) == 1, "the room is over the limit, not a thousand people"
    caplog.clear()
    complaints = Complaints(NETWORK, network.clock)
    for _ in range(3):
        for number in range(1000):
            complaints.add(ROOM, f"person {number}", "because")
        network.clock.now += 60.0
    assert len(caplog.records) == 3 * LINES + 2
    assert f"dropped {1000 - LINES} messages of others on irc" in caplog.text


async def test_a_script_that_asks_one_thing_after_the_other_is_answered() -> None:
    network = Network()
    for number in range(250):
        assert await network.asks(f"question {number}", f"answer {number}")
        network.clock.now += 0.1


async def test_what_is_replayed_at_a_rate_is_answered_though_the_flow_echoes_it() -> None:
    network = Network()
    for number in range(2000):
        text = f"a line that comes again {number % 50}"
        assert await network.asks(text, text)
        assert await network.asks(f"{text}, and another", text)
        assert await network.hear(f"more of it {number}")
        network.clock.now += 0.05


async def test_somebody_who_asks_five_times_in_a_minute_is_answered() -> None:
    for pause in (0.0, 1.0, 12.0):
        network = Network()
        for _ in range(5):
            assert await network.asks("how do I install this?", "see the README")
            network.clock.now += pause


async def test_somebody_who_asks_for_an_hour_is_answered() -> None:
    network = Network()
    for number in range(120):
        assert await network.asks(f"question {number}", f"answer {number}")
        network.clock.now += 30.0


@pytest.mark.parametrize(
    ("texts", "answers", "pause", "most"),
    [
        (["well {}"], "why {}", 0.5, 310),
        (["what?"], "what do you mean? {}", 0.5, 55),
        (["bot said: {} and so on"], "a text that is echoed {}", 0.5, 14),
        (["you", "me"], "{}", 5.0, 80),
        (["well {}"], "why {}", 10.0, 4000),
    ],
    ids=["at once", "the same", "an echo", "in turns, slowly", "slowly, for hours"],
)
async def test_a_bot_that_answers_us_is_soon_not_answered(
    texts: list[str], answers: str, pause: float, most: int
) -> None:
    network, count, last = Network(), 0, ""
    while await network.asks(
        texts[count % len(texts)].format(last or count), answer := answers.format(count)
    ):
        count, last = count + 1, answer
        assert count <= most
        network.clock.now += pause
    assert not await network.asks("something else")
    assert await network.asks("hello", sender="ben"), "others are answered"
    assert await network.asks("hello", room="#other")


@pytest.mark.parametrize("talks", [2, 3, 5])
async def test_a_bot_with_which_we_have_several_talks_at_once_is_soon_not_answered(
    talks: int,
) -> None:
    network = Network()
    for count in range(60 // talks):
        heard = [await network.hear("hello, you two") for _ in range(talks)]
        messages = [message for message in heard if message is not None]
        if len(messages) < talks:
            assert count > 20 // talks, "people say the same thing now and then"
            return
        for message in messages:
            await network.answer(message, "hello, you two")
    raise AssertionError("they would talk for ever")


async def test_a_bot_that_goes_on_is_not_answered_for_longer_each_time() -> None:
    network, answered, silences = Network(), 0, []
    while len(silences) < 4:
        if await network.asks("what?", "what do you mean?"):
            answered += 1
            network.clock.now += 0.5
            continue
        since = network.clock.now
        while await network.hear("what?") is None:
            network.clock.now += 1.0
        silences.append(network.clock.now - since)
    assert [round(each) for each in silences] == [30, 120, 480, 1920]
    assert answered < 160
    network.clock.now += 2 * 3600.0
    while await network.asks("what?", "what do you mean?"):
        network.clock.now += 0.5
    network.clock.now += 31.0
    assert await network.hear("what?"), "after hours it begins anew"


async def test_somebody_who_is_quick_now_and_then_is_answered() -> None:
    network = Network()
    for _ in range(4):
        for number in range(10):
            assert await network.asks(f"question {number} at {network.clock.now}", f"{number}")
            network.clock.now += 1.0
        network.clock.now += 900.0


async def test_what_people_say_while_the_bot_still_answers_is_no_loop() -> None:
    network = Network()
    first = [await network.hear(f"line {number}") for number in range(40)]
    assert all(first)
    for message in first:
        assert message is not None
        await network.answer(message, "yes", said=False)
    assert all([await network.hear(f"more {number}") for number in range(40)])


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
