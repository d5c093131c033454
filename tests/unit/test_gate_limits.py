"""How often the gate lets somebody be answered: limits, and what stops loops between bots."""

from __future__ import annotations

import logging

import pytest

from chatbot.listeners.gate.complaints import LINES, Complaints
from chatbot.messages import Action
from chatbot.policy import Rate, Rules, Terms
from tests.servers.gating import NETWORK, ROOM, Network


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
