"""What counts of corrections: agreement, taking back, former states; pure."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot.learning import (
    Example,
    Lesson,
    Vote,
    changes,
    corpus,
    example_key,
    folded,
    forgotten,
    identity,
    lessons,
    nick_in,
    restored,
    rooms,
    split,
)

NOW = datetime(2026, 1, 2, tzinfo=UTC)
LABELS = ("bug", "feature", "feature request")
GIVEN = {"bug": ["it crashes"], "feature": ["please add this", "i want this"]}


def vote(label: str, by: str = "ben", number: int = 1, cause: str = "", **more: str) -> Vote:
    return Vote(label, by, number, NOW, network="net", cause=cause, **more)


def test_who_corrects_again_has_changed_their_mind() -> None:
    first = Example("x").with_vote(vote("bug"))
    second = first.with_vote(vote("feature", number=2))
    assert (first.labels, second.labels) == (("bug",), ("feature",))
    assert second.with_vote(vote("feature", number=3)) is second, "said twice is said once"
    assert [v.until for v in second.votes] == [2, 0]


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
    ("arguments", "expected", "nick"),
    [
        ("bug", ("bug", []), ""),
        ("Bug anna", ("bug", ["anna"]), "anna"),
        ("feature request @anna: here", ("feature request", ["@anna:", "here"]), "anna"),
        ("feature everywhere", ("feature", ["everywhere"]), ""),
        ("featur anna", ("featur", ["anna"]), "anna"),
        ("", ("", []), ""),
    ],
)
def test_a_label_may_have_several_words(
    arguments: str, expected: tuple[str, list[str]], nick: str
) -> None:
    found = split(arguments, LABELS)
    assert found == expected
    assert nick_in(found[1]) == nick


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
