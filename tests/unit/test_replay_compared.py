"""What a replay compares, at which pace it plays, and the page that it writes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import click
import pytest
from msgspec import structs

from chatbot.cli.replay import _factor
from chatbot.commands import comparison
from chatbot.commands.comparison import KEPT, Comparison
from chatbot.commands.replay import _Pace
from chatbot.commands.report import ROWS, Story, html_of, write_report
from chatbot.commands.tally import Tally
from chatbot.errors import UsageError
from chatbot.messages import Action, ChatMessage, Elsewhere, Outcome, Reply

EVIL = "<script>alert('1')</script> & \"x\" \x1b[31m"


def message(number: int, text: str = "hello") -> ChatMessage:
    time = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=7 * number)
    return ChatMessage(str(number), "replay", "#r", "anna", text, time)


def outcome(number: int, *replies: str, label: str = "", score: float = 0.5) -> Outcome:
    texts = tuple(Reply(text) for text in replies)
    understood = {"label": label, "score": score}
    return Outcome(str(number), "replay", "#r", "anna", texts, understood)


def test_what_is_answered_differently_is_counted_and_kept() -> None:
    found = Comparison()
    found.add(message(0), outcome(0, "a"), outcome(0, "a"))
    found.add(message(1), outcome(1, "a"), outcome(1))
    found.add(message(2), outcome(2, "a", label="x"), outcome(2, "a", label="y"))
    acted = Outcome("3", "replay", "#r", "anna", actions=(Action("kick", "otto"),))
    found.add(message(3), acted, outcome(3))
    found.add(message(4), outcome(4), None)
    found.add(message(5), outcome(5), outcome(9))
    told = (Elsewhere("#mods", (Reply("spam"),), (Action("unmute", "ben"),)),)
    found.add(message(6), outcome(6), structs.replace(outcome(6), elsewhere=told))
    found.add(message(7), structs.replace(outcome(7), skipped="a command"), outcome(7, "a"))
    assert str(found) == "4 of 8 messages are answered differently"
    assert (found.understood, found.missing) == (2, 2)
    assert [(d.number, d.before, d.now) for d in found.differences] == [
        (2, "(silence)", "a"),
        (4, "(silence)", "kick otto"),
        (7, "in #mods: spam / unmute ben", "(silence)"),
        (8, "a", "(a command)"),
    ]


def test_of_many_differences_a_part_is_kept_and_all_are_counted() -> None:
    found = Comparison()
    for number in range(KEPT + 5):
        found.add(message(number), outcome(number, "a"), outcome(number))
    assert (found.different, len(found.differences)) == (KEPT + 5, KEPT)


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def page(tally: Tally, story: Story, compared: Comparison | None) -> Page:
    found = Page()
    found.feed(html_of(EVIL, tally, story, compared))
    return found


def test_the_report_escapes_what_people_wrote_and_loads_nothing() -> None:
    tally, story, compared = Tally(), Story(), Comparison()
    for number in range(3):
        said, made = message(number, EVIL), outcome(number, EVIL, label=EVIL, score=number / 2)
        tally.add(said, made)
        story.add(said, made)
        compared.add(said, made, outcome(number))
    failed = Outcome("9", "replay", "#r", "anna", error=EVIL)
    tally.add(message(9), failed)
    found = page(tally, story, compared)
    assert "script" not in found.tags
    assert "alert('1')" in found.text
    assert "\x1b" not in found.text
    assert not {name for name, _ in found.attributes} & {"src", "href", "onclick", "onload"}
    assert "3 of 3 messages are answered differently" in found.text
    assert found.tags.count("svg") == 3, "over time, by score, and the bar of the one label"


def test_the_plot_over_time_has_all_messages_and_few_columns() -> None:
    tally, story = Tally(), Story()
    for number in range(1000):
        story.add(message(number), outcome(number, "a"))
    html = html_of("x", tally, story, None)
    plot = html.split("Over time")[1].split("</svg>")[0]
    counts = [int(each) for each in re.findall(r"<title>([\d,]+)</title>", plot.replace(",", ""))]
    assert len(counts) <= 120
    assert sum(counts) == 2 * 1000, "light ones for all, dark ones for those that were answered"
    assert len(story.replies) == ROWS


def test_a_report_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        write_report(
            tmp_path / "no" / "r.html", title="", tally=Tally(), story=Story(), comparison=None
        )


def test_the_pace_is_that_of_the_log_or_faster() -> None:
    assert _Pace(0.0).left(message(5).time) == 0.0
    pace = _Pace(60.0)
    assert pace.left(message(0).time) <= 0.0
    assert 6.5 < pace.left(message(1).time) <= 7.0


@pytest.mark.parametrize(
    ("given", "factor"), [("max", 0), ("recorded", 1), ("10", 10), ("2.5x", 2.5)]
)
def test_a_speed(given: str, factor: float) -> None:
    assert _factor(given) == factor


@pytest.mark.parametrize("given", ["fast", "0", "-1", "nan", "inf"])
def test_what_is_no_speed_is_refused(given: str) -> None:
    with pytest.raises(click.UsageError):
        _factor(given)


async def test_results_of_an_earlier_replay_are_read_and_others_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "before.jsonl"
    path.write_text('{"id": "1", "replies": [{"text": "a"}], "understood": {"label": "x"}}\nno\n')
    found = comparison.recorded(path)
    _, first = await anext(found)
    assert (first.id, first.replies[0].text, first.understood) == ("1", "a", {"label": "x"})
    with pytest.raises(UsageError, match=r"before\.jsonl:2"):
        await anext(found)


def test_what_it_is_compared_with_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        with comparison.other("support", str(tmp_path / "no.jsonl"), None):
            pass
    with pytest.raises(UsageError, match="is no revision"):
        with comparison.other("support", None, "--output=x"):
            pass
