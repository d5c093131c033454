"""The index of questions over NATS: one for all nodes, and nothing left of what was erased."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from transformers import BertModel

from chatbot.broker import Broker, EmbeddedServer, connect, questions, streams
from chatbot.broker.current import borrowed, lent
from chatbot.broker.forgetting import Said, forget
from chatbot.broker.questions import Question, Questions
from operations.question_index import QuestionIndex
from operations.similar import SimilarConfig, SimilarQuestions
from tests.models import WORDS, save
from tests.servers.processes import Program

NOW = datetime.now(UTC)
SECRET = "how do i install this with a password nobody guesses"


def question(text: str, sender: str = "anna", index: str = "faq") -> Question:
    return Question(index, text, "irc", "#r", sender, text, NOW)


def answered(asked: Question, by: str = "otto") -> Question:
    return msgspec.structs.replace(asked, answer="like this", by=by, answer_id="a", answered=NOW)


@asynccontextmanager
async def node(url: str, encoder: str, name: str = "faq") -> AsyncIterator[QuestionIndex]:
    async with connect(url, name="test-node") as broker:
        with lent(broker):
            async with QuestionIndex.open(name, encoder) as index:
                yield index


async def found(index: QuestionIndex, text: str) -> Question | None:
    [vector] = await index.encode([text])
    near = await index.near(vector, 0.99, lambda _: True)
    return near[0] if near else None


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(10.0):
        while not await condition():
            await asyncio.sleep(0.02)


async def test_a_connection_is_lent_for_a_block_only(broker: Broker) -> None:
    with lent(broker):
        assert await asyncio.create_task(own()) is broker
    assert borrowed() is None


async def own() -> Broker | None:
    return borrowed()


async def test_what_one_node_notes_the_others_know(
    nats_server: EmbeddedServer, tiny_encoder: str
) -> None:
    asked = question("how do i install this")
    async with (
        node(nats_server.url, tiny_encoder) as one,
        node(nats_server.url, tiny_encoder) as two,
    ):
        await one.put(asked)
        assert await two.get("irc", asked.id), "also before it has been told"
        await until(lambda: found(two, asked.text))
        await two.put(answered(asked))
        await until(lambda: _answer(one, asked.text))
        async with node(nats_server.url, tiny_encoder) as late:
            assert (await found(late, asked.text)).answer == "like this"  # type: ignore[union-attr]
        async with node(nats_server.url, tiny_encoder, "another") as other:
            assert len(other) == 0
        await two.remove(asked)
        await until(lambda: _gone(one, asked.text))


async def test_nodes_take_turns_in_one_conversation(
    nats_server: EmbeddedServer, tiny_encoder: str
) -> None:
    """Nobody waits between the messages: what one node has noted the other has to know at once."""
    config = SimilarConfig(index="faq", encoder=tiny_encoder, likeness=0.99)
    async with (
        node(nats_server.url, tiny_encoder) as one,
        node(nats_server.url, tiny_encoder) as two,
    ):
        nodes = [
            SimilarQuestions(type("P", (), {"config": config, "index": each})(), None, None)
            for each in (one, two)
        ]
        for number in range(10):
            asker, other = f"anna{number}", nodes[number % 2 - 1]
            about = f"how do i install {WORDS[-1 - number]} {WORDS[-2 - number]} with a password"
            asked = await nodes[number % 2].run(said(f"q{number}", asker, about))
            told = f"{asker}: like this {number}"
            noted = await other.run(said(f"a{number}", "otto", told, roles=["moderator"]))
            again = await nodes[number % 2].run(said(f"e{number}", "eve", about))
            assert (asked["noted"], noted["noted"]) == ("question", "answer")
            assert again["answer"] == f"like this {number}"


def said(key: str, sender: str, text: str, **more: object) -> dict[str, object]:
    own = {"id": key, "network": "irc", "room": "#r", "sender": sender, "text": text, "time": NOW}
    rest = {"nick": "bot", "name": sender, "reply_to": "", "roles": [], "private": False}
    return {**own, **rest, "kind": "message", **more}


async def _answer(index: QuestionIndex, text: str) -> str:
    near = await found(index, text)
    return near.answer if near else ""


async def _gone(index: QuestionIndex, text: str) -> bool:
    return await found(index, text) is None


async def test_vectors_of_another_encoder_are_made_anew(
    nats_server: EmbeddedServer, tiny_encoder: str, tmp_path: Path
) -> None:
    another = save(BertModel, tmp_path / "another", WORDS[::-1])
    asked = question("how install this")
    async with node(nats_server.url, tiny_encoder) as one:
        await one.put(asked)
    async with node(nats_server.url, str(another)) as two:
        assert await found(two, asked.text)


async def test_what_a_stranger_put_there_is_left_alone(
    broker: Broker, nats_server: EmbeddedServer, tiny_encoder: str
) -> None:
    await Questions.open(broker, "faq")
    await broker.publish("chatbot.questions.faq.x", b"no question")
    broken = msgspec.structs.replace(question("how"), encoder="x", vector=b"\xff\xff")
    await broker.publish(f"chatbot.questions.faq.{broken.key}", broken.encode())
    async with node(nats_server.url, tiny_encoder) as index:
        assert len(index) == 1
        assert await found(index, "how")


async def test_a_person_is_forgotten_who_asked_or_answered(
    broker: Broker, nats_server: EmbeddedServer, tiny_encoder: str, tmp_path: Path
) -> None:
    def anna(network: str, sender: str) -> bool:
        return (network, sender) == ("irc", "anna")

    theirs, others = question(SECRET), question("where is the book", sender="eve")
    async with node(nats_server.url, tiny_encoder) as index:
        await index.put(answered(theirs))
        await index.put(msgspec.structs.replace(answered(others, by="anna"), answer=SECRET))
        of_people = await questions.of_people(broker, anna)
        assert {each.id for each in of_people} == {SECRET, "where is the book"}
        await questions.forget(broker, anna, of_people)
        await until(lambda: _gone(index, SECRET))
        await until(lambda: _unanswered(index, others.text))
    assert await questions.of_people(broker, anna) == []
    [left] = await questions.every(broker)
    assert (left.sender, left.answer, left.by) == ("eve", "", "")
    kept = b"".join(p.read_bytes() for p in (tmp_path / "data").rglob("*.blk"))
    assert kept
    assert SECRET.encode() not in kept, "it is overwritten"


async def _unanswered(index: QuestionIndex, text: str) -> bool:
    near = await found(index, text)
    return near is not None and not near.answer


async def test_a_message_that_is_taken_back_is_no_question_or_answer_any_more(
    broker: Broker, nats_server: EmbeddedServer, tiny_encoder: str
) -> None:
    asked, other = question("how do i install this"), question("where is the book")
    await streams.ensure(broker, streams.account_streams() + streams.flow_streams("f"))
    async with node(nats_server.url, tiny_encoder) as index:
        await index.put(asked)
        await index.put(answered(other))
        await forget(broker, [Said("f", "irc", asked.id), Said("f", "irc", "a")])
        await until(lambda: _gone(index, asked.text))
        await until(lambda: _unanswered(index, other.text))


async def test_questions_are_listed_and_removed(
    broker: Broker, nats_server: EmbeddedServer, program: Program
) -> None:
    url = {"CHATBOT_NATS_URL": nats_server.url}
    assert (await program.run("questions", "list", **url))[1] == "There are no questions.\n"
    shared = await Questions.open(broker, "faq")
    first, second = question("how do i install this"), answered(question("where is the book"))
    for each in (first, second):
        await shared.put(each)
    code, out, err = await program.run("questions", "list", **url)
    assert (code, err) == (0, "")
    assert "where is the book" in out
    assert "like this" in out
    code, out, err = await program.run("questions", "remove", first.key[:10], "nothing", **url)
    assert (code, out) == (2, "")
    assert "no question has an id that begins with 'nothing'" in err
    code, out, err = await program.run("questions", "remove", first.key[:10], **url)
    assert (code, out) == (0, "removed 1 question\n"), err
    code, out, _ = await program.run("questions", "list", "--json", **url)
    assert [each["question"] for each in json.loads(out)] == ["where is the book"]
    code, out, _ = await program.run("forget", "anna", "--yes", **url)
    assert (code, out) == (0, "erased 1 message\n")
    assert await questions.every(broker) == []
