"""What is noted of a talk, which questions count as answered, and what a summary says."""

from __future__ import annotations

from typing import Any

import pytest

from operations.digest import Note, NoteConfig, Summarise, SummariseConfig, answered, is_question
from tests.unit.test_moderate import run

NOTHING: dict[str, Any] = {"account": "", "reply_to": "", "links": [], "label": "", "notes": []}


async def note(text: str, config: NoteConfig | None = None, **more: Any) -> dict[str, Any] | None:
    given = {"id": "1", "sender": "anna", "name": "Anna", **NOTHING, "text": text, **more}
    found: Any = await run(Note, config or NoteConfig(), **given)
    return found["note"] if found else None


async def summary(*notes: Any, most: int = 5) -> dict[str, Any]:
    found: dict[str, Any] = (await run(Summarise, SummariseConfig(most), notes=[*notes]))["summary"]
    return found


@pytest.mark.parametrize(
    "text",
    [
        "how do I install this?",
        "it hangs at the start, is that known? thanks",
        "does anybody know a good mirror",
    ],
)
def test_who_asks_is_understood(text: str) -> None:
    assert is_question(text)


@pytest.mark.parametrize(
    "text",
    ["really?", "what?", "otto: did you try it?", "@otto is it out yet?", "how nice it is here!",
     "see example.org/?q=a for the list", ""],
)  # fmt: skip
def test_who_says_something_or_asks_somebody_does_not_ask_the_room(text: str) -> None:
    assert not is_question(text)


async def test_only_what_a_summary_needs_is_noted() -> None:
    assert await note("good morning everybody") is None
    assert await note("it is broken", label="bug") is None
    config = NoteConfig(labels=["bug"])
    assert await note("it is broken", config, label="bug") == {
        "id": "1",
        "person": "anna",
        "name": "Anna",
        "label": "bug",
    }
    quoting = NoteConfig(labels=["bug"], quote=True)
    noted = await note("x" * 300, quoting, label="bug", account="anna-account")
    assert noted is not None
    assert (noted["person"], len(noted["text"])) == ("anna-account", 200)
    assert await note("how do I build it?", NoteConfig(questions=False)) is None
    assert await note("here", NoteConfig(links=False), links=["http://a"]) is None


async def test_a_question_is_answered_by_who_replies_or_speaks_to_who_asked() -> None:
    asked = await note("how do I build it?")
    notes = [asked, None, "odd", {"question": True}]
    assert answered(notes, "Anna: with make", "", "otto") == ["1"]
    assert answered(notes, "@anna with make", "", "otto") == ["1"]
    assert answered(notes, "with make", "1", "otto") == ["1"]
    assert answered(notes, "anna: never mind", "", "anna") == [], "she asked herself"
    assert answered(notes, "with make", "", "otto") == []
    assert answered(None, "anna: hi", "", "otto") == []


async def test_a_summary_has_what_is_open_and_shared_and_what_it_was_about() -> None:
    given = [
        {"id": "1", "name": "anna", "question": True, "text": "how do I do it?", "label": "docs"},
        {"id": "2", "name": "otto", "answers": ["1"], "links": ["http://a", "http://a"]},
        {"id": "3", "name": "eva", "question": True, "text": "is it out?", "links": ["http://b"]},
        {"id": "4", "name": "ben", "links": ["http://b"], "label": "bug", "text": "it crashes"},
        "odd",
    ]  # fmt: skip
    assert await summary(*given) == {
        "asked": 2,
        "unanswered": 1,
        "questions": [{"name": "eva", "text": "is it out?"}],
        "links": [
            {"link": "http://b", "name": "eva", "times": 2},
            {"link": "http://a", "name": "otto", "times": 1},
        ],
        "labels": [
            {"label": "docs", "times": 1, "texts": [{"name": "anna", "text": "how do I do it?"}]},
            {"label": "bug", "times": 1, "texts": [{"name": "ben", "text": "it crashes"}]},
        ],
        "ids": ["1", "2", "3", "4"],
    }  # fmt: skip


async def test_a_summary_has_the_last_ones_where_there_are_many() -> None:
    many = [
        {"id": str(n), "name": "a", "question": True, "text": str(n), "links": [f"http://{n}"]}
        for n in range(9)
    ]
    found = await summary(*many, most=2)
    assert [each["text"] for each in found["questions"]] == ["7", "8"]
    assert (found["unanswered"], len(found["links"]), len(found["ids"])) == (9, 2, 9)
