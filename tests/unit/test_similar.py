"""Similar questions: what is noted, what is found, and what is not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.asking import LONGEST, is_answer, is_question, quotable, spoken_to, when
from operations.similar import SimilarConfig, SimilarQuestions, check_config

MONDAY = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
QUESTION = "how do i install this on my old laptop?"
AGAIN = "How do I install this on my old laptop ?"
ANSWER = "take the next release, it has a driver"

Say = Callable[..., Any]


@pytest.fixture
def open_index(tiny_encoder: str) -> Callable[..., Any]:
    """Open the operation with the tiny encoder: `say(text, …)` gives what it gives."""

    @asynccontextmanager
    async def opened(**settings: Any) -> AsyncIterator[Say]:
        config = SimilarConfig(encoder=tiny_encoder, likeness=0.99, **settings)
        async with SimilarQuestions.imp(config) as imp:

            async def say(text: str, **fields: Any) -> dict[str, Any]:
                async with imp(None, None) as context:
                    given: dict[str, Any] = await context.run(message(text, **fields))
                    return given

            say.imp = imp  # type: ignore[attr-defined]
            yield say

    return opened


def message(text: str, **fields: Any) -> dict[str, Any]:
    defaults = {"network": "irc", "room": "#r", "sender": "anna", "nick": "bot", "name": ""}
    own = {"id": text, "time": MONDAY, "reply_to": "", "roles": (), "private": False}
    return {**defaults, **own, "kind": "message", "text": text, **fields}


async def answered(say: Say, **fields: Any) -> None:
    """Have anna ask and a moderator answer."""
    assert (await say(QUESTION, **fields))["noted"] == "question"
    reply = {"sender": "otto", "reply_to": QUESTION, "roles": ("moderator",), **fields}
    assert (await say(ANSWER, **reply))["noted"] == "answer"


async def test_a_question_that_was_answered_is_answered_again(open_index: Any) -> None:
    async with open_index() as say:
        await answered(say)
        found = await say(AGAIN, id="2", sender="eve", time=MONDAY + timedelta(days=3))
        assert found["found"] is True
        assert (found["answer"], found["by"], found["when"]) == (ANSWER, "otto", "on Monday")
        assert found["score"] > 0.99
        assert found["answered"] == "2026-03-02T12:00:00+00:00"
        text = f"eve: a question like this was answered on Monday: {ANSWER}"
        assert found["reply"] == {"text": text, "notice": False}


async def test_another_question_finds_nothing(open_index: Any) -> None:
    async with open_index() as say:
        await answered(say)
        found = await say("where is the book? what a great movie!", id="2")
        assert found == {"found": False, "noted": "question"}


async def test_a_question_without_an_answer_is_not_found(open_index: Any) -> None:
    async with open_index() as say:
        await say(QUESTION)
        assert (await say(AGAIN, id="2"))["found"] is False


@pytest.mark.parametrize(
    "fields",
    [
        {"roles": ()},
        {"sender": "anna"},
        {"room": "#other"},
        {"private": True},
        {"kind": "reaction"},
    ],
)
async def test_no_answer_is_learned_of(open_index: Any, fields: dict[str, Any]) -> None:
    """Nobody without the role, who asked, in another room, in private, a reaction."""
    async with open_index() as say:
        await say(QUESTION)
        reply = {"sender": "otto", "reply_to": QUESTION, "roles": ("moderator",), **fields}
        assert (await say(ANSWER, **reply))["noted"] == ""


async def test_everybody_may_be_trusted(open_index: Any) -> None:
    async with open_index(trusted=["everybody"]) as say:
        await answered(say, roles=())


async def test_who_is_named_first_is_answered(open_index: Any) -> None:
    async with open_index(trusted=["everybody"]) as say:
        await say(QUESTION)
        late = await say(f"anna: {ANSWER}", sender="otto", time=MONDAY + timedelta(hours=1))
        assert late["noted"] == ""
        assert (await say(f"Anna: {ANSWER}", sender="otto"))["noted"] == "answer"
        assert (await say(AGAIN, id="2"))["answer"] == ANSWER


async def test_a_counter_question_is_no_answer(open_index: Any) -> None:
    async with open_index(trusted=["everybody"]) as say:
        await say(QUESTION)
        assert (await say("anna: which laptop is it?", sender="otto"))["noted"] == ""


async def test_rooms_keep_what_they_know_to_themselves(open_index: Any) -> None:
    elsewhere = {"id": "2", "room": "#other"}
    async with open_index() as say:
        await answered(say)
        assert (await say(AGAIN, **elsewhere))["found"] is False
    async with open_index(across_rooms=True) as say:
        await answered(say)
        assert (await say(AGAIN, **elsewhere))["found"] is True


@pytest.mark.parametrize("fields", [{"private": True}, {"network": "replay"}])
async def test_what_is_private_or_replayed_is_not_noted(
    open_index: Any, fields: dict[str, Any]
) -> None:
    async with open_index() as say:
        assert (await say(QUESTION, **fields))["noted"] == ""


async def test_what_is_old_is_not_found(open_index: Any) -> None:
    async with open_index(keep="7d") as say:
        await answered(say)
        assert (await say(AGAIN, id="2", time=MONDAY + timedelta(days=8)))["found"] is False


@pytest.mark.parametrize(
    ("sender", "roles", "removed"),
    [("anna", (), True), ("otto", (), True), ("eve", ("moderator",), True), ("eve", (), False)],
)
async def test_who_may_take_an_answer_out(
    open_index: Any, sender: str, roles: tuple[str, ...], removed: bool
) -> None:
    async with open_index() as say:
        await answered(say)
        about = {"reply_to": ANSWER, "sender": sender, "roles": roles, "id": "3"}
        assert (await say("!wrong", **about))["noted"] == ("removed" if removed else "")
        assert (await say(AGAIN, id="2"))["found"] is not removed


async def test_a_message_that_is_handled_twice_is_noted_once(open_index: Any) -> None:
    async with open_index() as say:
        await say(QUESTION)
        assert (await say(QUESTION))["noted"] == ""
        assert (await say(QUESTION, id=f"{QUESTION}~retry-1"))["noted"] == ""
        assert len(say.imp.index) == 1


async def test_a_link_leads_to_the_answer_on_matrix(open_index: Any) -> None:
    async with open_index() as say:
        await say(QUESTION, id="$1", room="!r:example.org")
        moderator = {"sender": "otto", "roles": ("moderator",), "room": "!r:example.org"}
        await say(ANSWER, id="$2", reply_to="$1", **moderator)
        found = await say(AGAIN, id="$3", room="!r:example.org", name="Anna")
        assert found["link"] == "https://matrix.to/#/!r:example.org/$2"
        assert found["reply"]["text"].endswith(found["link"])


async def test_a_batch_is_handled_in_order_and_its_errors_are_their_own(open_index: Any) -> None:
    async with open_index(trusted=["everybody"]) as say:
        batch = [
            message(QUESTION),
            message(7),  # type: ignore[arg-type]
            message(ANSWER, sender="otto", reply_to=QUESTION),
            message(AGAIN, id="2"),
        ]
        async with say.imp(None, None) as context:
            first, wrong, answer, again = await context.run_batch(batch)
    assert (first["noted"], answer["noted"], again["found"]) == ("question", "answer", True)
    assert isinstance(wrong, TypeError)


def test_what_cannot_be_is_refused() -> None:
    config = SimilarConfig(likeness=2, keep="400d", within="soon", reply="{sendr}", index=" ")
    told = {path[0]: f"{message} {hint}" for path, message, hint in check_config(config)}
    assert set(told) == {"likeness", "keep", "within", "reply", "index"}
    assert "did you mean {sender}?" in told["reply"]
    assert list(check_config(SimilarConfig())) == []


def test_what_is_a_question() -> None:
    for text in ("how do I mount a floppy", "X hangs, why?", "anyone here with a mac laptop"):
        assert is_question(text), text
    for text in ("why?", "it works now", "thanks a lot", "how do I do that?", "can anyone help?"):
        assert not is_question(text), text
    assert is_answer("read the manual")
    assert is_answer("https://example.org")
    assert not is_answer("yes")
    assert spoken_to("anna: do that") == ("anna", "do that")
    assert spoken_to("do that: now") == ("", "do that: now")


@pytest.mark.parametrize(
    ("days", "said"),
    [
        *((0, "today"), (1, "yesterday"), (2, "on Saturday"), (-1, "today")),
        *((8, "on 22 February"), (400, "on 26 January 2025")),
    ],
)
def test_when_it_was(days: int, said: str) -> None:
    assert when(MONDAY - timedelta(days=days), MONDAY) == said


@given(st.text(max_size=900))
def test_what_is_quoted_is_one_line(text: str) -> None:
    quoted = quotable(text)
    assert len(quoted) <= LONGEST + 1
    assert quoted == " ".join(quoted.split())
    assert not any(ord(letter) < 32 or ord(letter) in (127, 0x202E) for letter in quoted)
