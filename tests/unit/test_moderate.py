"""What is done at which strike, and what takes it back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from operations.habits import FindHabits, HabitsConfig, is_shouted
from operations.habits import check_config as habits_problems
from operations.moderate import Forgive, Moderate, ModerateConfig, check_config, strikes

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LIVE = ModerateConfig(dry_run=False)


async def run(operation: Any, config: Any, **inputs: Any) -> dict[str, Any]:
    made = operation.__new__(operation)
    made.parent = type("Parent", (), {"config": config})()
    given: dict[str, Any] = await made.run(inputs)
    return given


class Room:
    """A channel in which somebody misbehaves, with the cases that a flow keeps of it."""

    def __init__(self, config: ModerateConfig = LIVE) -> None:
        self.config = config
        self.cases: list[Any] = []
        self.now = NOON

    async def strike(self, sender: str = "ben", account: str = "", found: str = "rude") -> Any:
        who = {"sender": sender, "account": account, "name": sender}
        given = await run(
            Moderate, self.config, found=found, cases=self.cases, room="#r", time=self.now, **who
        )
        if given:
            self.cases.append(given["case"])
        return given

    async def forgive(self, who: str) -> Any:
        given = await run(Forgive, None, who=who, by="anna", cases=self.cases, time=self.now)
        if "case" in given:
            self.cases.append(given["case"])
        return given


def kinds(given: Any) -> list[str]:
    return [action["kind"] for action in given["action"]]


async def test_nothing_found_is_no_strike() -> None:
    room = Room()
    assert await room.strike(found="") is None
    assert room.cases == []


async def test_each_strike_goes_a_step_further_and_the_last_is_repeated() -> None:
    room = Room()
    given = [await room.strike() for _ in range(4)]
    assert [each["step"] for each in given] == ["warn", "redact", "mute", "mute"]
    assert [kinds(each) for each in given] == [[], ["delete"], *[["delete", "mute"]] * 2]
    assert given[2]["action"][1]["seconds"] == 1800.0


async def test_a_dry_run_does_nothing_and_its_strikes_count_only_there() -> None:
    room = Room(ModerateConfig())
    given = [await room.strike() for _ in range(3)]
    assert [(each["step"], each["action"]) for each in given][-1] == ("mute", [])
    room.config = LIVE
    assert (await room.strike())["step"] == "warn"


async def test_strikes_are_a_persons_by_account_and_are_forgotten_in_time() -> None:
    room = Room()
    await room.strike("ben", account="benjamin")
    assert (await room.strike("ben_", account="benjamin"))["strike"] == 2
    assert (await room.strike("cleo"))["strike"] == 1
    room.now += timedelta(days=31)
    assert (await room.strike("ben", account="benjamin"))["strike"] == 1


async def test_who_is_forgiven_begins_anew_and_may_speak_again() -> None:
    room = Room()
    for _ in range(3):
        await room.strike("Ben", account="benjamin")
    given = await room.forgive(" @ben ")
    assert (given["known"], given["name"]) == (True, "Ben")
    assert given["action"] == [{"kind": "unmute", "to": "Ben", "room": "#r"}]
    assert (await room.strike("Ben", account="benjamin"))["strike"] == 1


async def test_a_mute_that_is_over_is_not_taken_back() -> None:
    room = Room()
    for _ in range(3):
        await room.strike()
    room.now += timedelta(hours=1)
    assert (await room.forgive("ben"))["action"] == []


@pytest.mark.parametrize("who", ["", "otto", "be*"])
async def test_who_has_no_strikes_is_not_known(who: str) -> None:
    room = Room()
    await room.strike()
    given = await room.forgive(who)
    assert not given["known"]
    assert "case" not in given


async def test_what_else_is_in_the_list_is_no_harm() -> None:
    assert strikes([None, 3, {}, {"person": "ben", "at": 2.0}], "ben", 1.0, dry=False) == 1


def test_a_case_has_no_word_of_what_was_written_in_its_fields() -> None:
    assert "text" not in Moderate.op.inputs


def test_what_is_wrong_with_a_configuration_is_said_with_its_place() -> None:
    wrong = ModerateConfig(steps=["warn", "shoot"], mute="long", memory="30d")
    assert [path for path, *_ in check_config(wrong)] == [("steps", 1), ("mute",)]
    assert [path for path, *_ in check_config(ModerateConfig(steps=[]))] == [("steps",)]
    assert [path for path, *_ in habits_problems(HabitsConfig(flood="many"))] == [("flood",)]


async def habits(config: HabitsConfig, *said: tuple[float, str]) -> list[str]:
    marks: list[Any] = []
    found = []
    for seconds, text in said:
        at = NOON + timedelta(seconds=seconds)
        given = await run(FindHabits, config, text=text, time=at, recent=marks)
        marks.append(given["mark"])
        found.append(given["found"])
    return found


async def test_the_same_three_times_is_a_repetition_but_not_what_is_short() -> None:
    said = [(0.0, "buy my book"), (40.0, "Buy  my book"), (80.0, "buy my book")]
    assert await habits(HabitsConfig(), *said) == ["", "", "repeat"]
    assert await habits(HabitsConfig(), *[(at, "+1") for at, _ in said]) == ["", "", ""]
    assert await habits(HabitsConfig(repeat="off"), *said) == ["", "", ""]


async def test_many_messages_at_once_are_a_flood_and_slow_ones_are_none() -> None:
    config = HabitsConfig(flood="3 in 10s")
    fast = [(float(number), f"line {number}") for number in range(4)]
    assert await habits(config, *fast) == ["", "", "flood", "flood"]
    slow = [(6.0 * number, f"line {number}") for number in range(4)]
    assert await habits(config, *slow) == ["", "", "", ""]


def test_long_texts_in_capitals_are_shouted() -> None:
    assert is_shouted("WHY DOES NOBODY ANSWER ME HERE?!")
    assert not is_shouted("NO WAY")
    assert not is_shouted("the HTTP API of AWS is DOWN AGAIN")
    assert not is_shouted("為什麼沒有人在這個頻道裡回答我的問題呢")
