"""What counts of corrections: agreement, taking back, former states; pure."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot.learning import (
    MOST_VOTES,
    Example,
    Lesson,
    Vote,
    Wording,
    changes,
    corpus,
    example_key,
    folded,
    forgotten,
    identity,
    lessons,
    restored,
    rooms,
    worded,
)

NOW = datetime(2026, 1, 2, tzinfo=UTC)
LABELS = ("bug", "feature", "feature request")
GIVEN = {"bug": ["it crashes"], "feature": ["please add this", "i want this"]}


def vote(label: str, by: str = "ben", number: int = 1, cause: str = "", **more: str) -> Vote:
    return Vote(label, by, number, NOW, network="net", cause=cause, **more)


def denied(label: str, by: str = "ben", number: int = 1) -> Vote:
    return Vote(label, by, number, NOW, network="net", denied=True)


def test_who_corrects_again_has_changed_their_mind() -> None:
    first = Example("x").with_vote(vote("bug"))
    second = first.with_vote(vote("feature", number=2))
    assert (first.labels, second.labels) == (("bug",), ("feature",))
    assert second.with_vote(vote("feature", number=3)) is second, "said twice is said once"
    assert [v.until for v in second.votes] == [2, 0]


def test_who_changes_their_mind_all_day_fills_nothing() -> None:
    example = Example("x").with_vote(vote("bug", "carl"))
    for number in range(2, 2000):
        example = example.with_vote(vote(LABELS[number % 2], number=number))
    assert len(example.votes) == MOST_VOTES
    assert {(v.by, v.number) for v in example.live} == {("carl", 1), ("ben", 1999)}
    assert min(v.number for v in example.votes if v.by == "ben") > 1700, "the oldest are gone"


def test_a_command_that_is_run_again_is_heard_once() -> None:
    first = Example("x").with_vote(vote("bug", cause="one"))
    second = first.with_vote(vote("feature", number=2, cause="two"))
    assert second.with_vote(vote("bug", number=3, cause="one")) is second


def test_what_people_disagree_on_teaches_nothing() -> None:
    agreed = Example("y").with_vote(vote("bug")).with_vote(vote("bug", "carl", 2))
    contested = Example("x").with_vote(vote("bug")).with_vote(vote("feature", "carl", 2))
    assert contested.is_contested
    assert not agreed.is_contested
    assert lessons([contested, agreed]) == [Lesson("y", "bug")]


def test_the_identity_of_lessons_does_not_depend_on_their_order() -> None:
    examples = [Example(text).with_vote(vote("bug")) for text in ("b", "A", "c")]
    assert identity(lessons(examples)) == identity(lessons(reversed(examples))) != ""
    assert identity(lessons(examples[:2])) != identity(lessons(examples))
    assert identity([]) == ""


def test_case_and_spaces_make_no_other_example() -> None:
    assert example_key(" It  CRASHES ", "") == example_key("it crashes", "")
    assert example_key("it crashes", "#room") != example_key("it crashes", "")


def test_people_go_before_the_file_and_a_room_before_all() -> None:
    taught = [
        Lesson("Please add THIS", "bug"),
        Lesson("hello", "feature"),
        Lesson("hello", "bug", "#room"),
        Lesson("of a label that the file has no more", "gone"),
    ]
    assert corpus(GIVEN, taught) == {
        "bug": ["it crashes", "Please add THIS"],
        "feature": ["i want this", "hello"],
    }
    assert corpus(GIVEN, taught, "#room")["bug"] == ["it crashes", "Please add THIS", "hello"]
    assert corpus(GIVEN, taught, "#other") == corpus(GIVEN, taught)
    assert rooms(taught) == ["#room"]
    assert corpus(GIVEN, []) == GIVEN


def test_no_label_loses_its_last_example() -> None:
    taught = [Lesson("it crashes", "feature")]
    assert corpus(GIVEN, taught)["bug"] == ["it crashes"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("bug", Wording(("bug",))),
        ("Bug anna", Wording(("bug",), rest=("anna",))),
        ("bug, anna", Wording(("bug",), rest=("anna",))),
        ("feature request @anna: here", Wording(("feature request",), rest=("@anna:", "here"))),
        ("feature everywhere", Wording(("feature",), rest=("everywhere",))),
        ("featur anna", Wording(rest=("anna",), unknown="featur")),
        ("bug feature", Wording(("bug",), rest=("feature",))),
        ("-bug", Wording(unknown="-bug")),
        ("", Wording()),
    ],
)
def test_a_label_may_have_several_words(arguments: str, expected: Wording) -> None:
    assert worded(arguments, LABELS) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("bug feature request anna", Wording(("bug", "feature request"), rest=("anna",))),
        ("bug, feature", Wording(("bug", "feature"))),
        ("+bug", Wording(("bug",), whole=False)),
        ("-Bug -feature request", Wording((), ("bug", "feature request"), whole=False)),
        ("+bug -feature anna", Wording(("bug",), ("feature",), whole=False, rest=("anna",))),
        ("bug -bug", Wording((), ("bug",), whole=False)),
        ("-", Wording(unknown="-")),
        ("-bgu anna", Wording(rest=("anna",), unknown="-bgu")),
    ],
)
def test_several_labels_are_given_and_taken_away(arguments: str, expected: Wording) -> None:
    assert worded(arguments, LABELS, several=True) == expected


def test_whose_message_is_meant_stands_behind_the_labels() -> None:
    assert worded("bug @anna: here", LABELS).nick == "anna"
    assert worded("bug everywhere", LABELS).nick == ""
    assert worded("bug Here", LABELS).says("here")


def several(*votes: Vote) -> Example:
    return Example("x", several=True).with_votes(votes, whole=True)


def test_what_one_says_with_several_labels_is_the_whole_or_a_change() -> None:
    both = several(vote("bug", cause="one"), vote("feature", cause="one"))
    assert both.labels == ("bug", "feature")
    less = both.with_votes([vote("bug", number=2)], whole=True)
    assert less.labels == ("bug",)
    without = both.with_votes([denied("bug", number=2)], whole=False)
    assert without.labels == without.taught == ("feature",)
    assert [v.until for v in without.votes] == [2, 0, 0]
    more = less.with_votes([vote("feature", number=3)], whole=False)
    assert more.labels == ("bug", "feature")
    assert both.with_votes([vote("bug", number=4, cause="one")], whole=True) is both, "heard"


def test_people_disagree_on_a_label_that_one_gives_and_another_denies() -> None:
    both = several(vote("bug"), vote("feature"))
    other = both.with_votes([vote("help", "carl", 2)], whole=True)
    assert not other.is_contested
    assert other.taught == ("bug", "feature", "help")
    against = other.with_votes([denied("bug", "dora", 3)], whole=False)
    assert against.is_contested
    assert lessons([against]) == []
    agreed = against.with_votes([denied("bug", number=4)], whole=False)
    assert agreed.taught == ("feature", "help")


def test_a_text_may_have_no_label_at_all() -> None:
    none = several(denied("bug"))
    assert lessons([none]) == [Lesson("x", "")]
    assert lessons([Example("y", several=True)]) == []
    taught = [Lesson("it crashes hard", ""), Lesson("i want this", "")]
    assert corpus(GIVEN, taught) == {
        "bug": ["it crashes"],
        "feature": ["please add this"],
        "": ["it crashes hard", "i want this"],
    }


def test_a_text_with_several_labels_stands_under_each() -> None:
    taught = [Lesson("i want this", "bug"), Lesson("i want this", "feature")]
    assert corpus(GIVEN, taught) == {
        "bug": ["it crashes", "i want this"],
        "feature": ["please add this", "i want this"],
    }
    again = [*taught, Lesson("I want this", "bug", "#room")]
    assert corpus(GIVEN, again, "#room")["feature"] == ["please add this"]


def test_the_forgotten_are_in_nothing_that_is_left() -> None:
    example = Example("x").with_vote(vote("bug", "ben", sender="anna"))
    example = example.with_vote(vote("bug", "carl", 2, sender="dora"))
    left = forgotten(example, lambda v: v.sender == "anna", lambda _, who: who == "carl")
    assert [(v.sender, v.by) for v in left.votes] == [("dora", "")]
    assert forgotten(example, lambda _: False, lambda *_: False) == example


steps = st.lists(
    st.tuples(st.sampled_from(["ben", "carl", "dora"]), st.sampled_from([*LABELS, ""])),
    min_size=1,
    max_size=12,
)


@given(steps=steps, back=st.integers(0, 12))
def test_every_former_state_can_be_had_again(steps: list[tuple[str, str]], back: int) -> None:
    """A label is a vote, none takes the person's vote back."""
    example, states = Example("x"), [set[tuple[str, str]]()]
    for number, (by, label) in enumerate(steps, 1):
        if label:
            example = example.with_vote(vote(label, by, number))
        else:
            example = (
                restored(
                    tuple(v for v in example.at(number) if v.by != by), 0, "me", example, number
                )
                or example
            )
        states.append({(v.by, v.label) for v in example.votes if v.is_live})
    number = min(back, len(steps))
    now = len(steps) + 1
    again = restored(example.at(number), number, "me", example, now)
    assert again is not None
    assert {(v.by, v.label) for v in again.votes if v.is_live} == states[number]
    assert {(v.by, v.label) for v in again.at(now - 1)} == states[-1], "what was is not changed"
    assert [c[0] for c in changes([again])] == sorted(c[0] for c in changes([again]))


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert folded(folded(text)) == folded(text)
