"""Reports that are like one another, and the entries that were opened for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chatbot.broker import Broker, questions
from chatbot.broker.current import lent
from operations.duplicates import DuplicatesConfig, FindDuplicates, check_config
from operations.question_index import QuestionIndex

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
CRASH = "it crashes when I open the export dialog"


class Finder:
    """The operation, with an index that lives as long as the test."""

    def __init__(self, index: QuestionIndex, **config: Any) -> None:
        parent = type("Parent", (), {"config": DuplicatesConfig(**config), "index": index})()
        self._operation = FindDuplicates(parent, None, None)
        self._said = 0

    async def find(self, text: Any, **more: Any) -> dict[str, Any]:
        self._said += 1
        own = {"id": str(self._said), "network": "irc", "room": "#r", "sender": "anna", "time": NOW}
        return await self._operation.run({**own, "text": text, **more})


async def test_a_report_is_found_by_the_next_that_is_like_it() -> None:
    async with QuestionIndex.open("reports", "all-MiniLM-L6-v2") as index:
        finder = Finder(index)
        first = await finder.find(CRASH)
        assert first == {
            "found": False,
            "score": 0.0,
            "report": "",
            "when": "",
            "by": "",
            "link": "",
        }
        again = await finder.find(CRASH + "s", time=NOW + timedelta(days=1), sender="otto")
        assert again["score"] > 0.9
        assert {**again, "score": 1} == {
            "found": True,
            "score": 1,
            "report": CRASH,
            "when": "yesterday",
            "by": "anna",
            "link": "",
        }
        assert not (await finder.find("the dates are off by one day"))["found"]
        assert not (await finder.find(CRASH, room="#other"))["found"], "rooms are their own"
        assert (await Finder(index, across_rooms=True).find(CRASH, id="x", room="#new"))["found"]
        late = NOW + timedelta(days=100)
        assert not (await finder.find(CRASH, time=late))["found"], "kept for 90 days"


async def test_a_link_that_was_just_noted_is_there(broker: Broker) -> None:
    link = "https://tracker.example.org/1"
    with lent(broker):
        async with QuestionIndex.open("reports", "all-MiniLM-L6-v2") as index:
            finder = Finder(index)
            for number in range(10):
                room = f"#r{number}"
                await finder.find(CRASH, id=f"a{number}", room=room)
                await questions.answer(broker, "reports", "irc", f"a{number}", link, NOW)
                assert (await finder.find(CRASH, room=room))["link"] == link


async def test_what_is_run_again_is_not_its_own_duplicate_and_private_is_not_noted() -> None:
    async with QuestionIndex.open("reports", "all-MiniLM-L6-v2") as index:
        finder = Finder(index)
        await finder.find(CRASH, id="1")
        assert not (await finder.find(CRASH, id="1~retry-1"))["found"]
        assert len(index) == 1
        await finder.find("it would be nice to have a dark mode", private=True)
        await finder.find("please add webhooks", network="replay")
        assert len(index) == 1
        with pytest.raises(TypeError, match="text must be a string, not int"):
            await finder.find(7)


def test_what_is_wrong_with_its_configuration_is_told() -> None:
    wrong = DuplicatesConfig(index=" ", likeness=2.0, keep="2 years")
    assert [path for path, *_ in check_config(wrong)] == [("likeness",), ("keep",), ("index",)]
    assert [path for path, *_ in check_config(DuplicatesConfig(keep="400d"))] == [("keep",)]
    assert list(check_config(DuplicatesConfig())) == []
