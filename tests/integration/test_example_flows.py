"""The flows that come with the program do what their comments say."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from dffml import Input, MemoryOrchestrator
from transformers import BertForSequenceClassification

from chatbot.commands.bench import bench
from chatbot.flowfile import shipped
from chatbot.flowfile.load import load
from chatbot.messages import ChatMessage
from tests.models import save
from tests.servers.processes import ROOT, Process, Program

FLOWS = ROOT / "flows"
TRUST = "operations.similar.config.trusted=[everybody]"


class Bot:
    """A flow on DFFML's own orchestrator; operations live as long as it."""

    def __init__(self, dataflow: Any, octx: Any) -> None:
        self._dataflow = dataflow
        self._octx = octx
        self._said = 0

    async def hear(self, text: str, **fields: Any) -> dict[str, Any]:
        """Return the outcome of one message."""
        self._said += 1
        own = {"id": str(self._said), "sender": "anna", "name": "anna", **fields}
        message = ChatMessage(
            network="irc", room="#r", text=text, nick="bot", time=datetime.now(UTC), **own
        )
        inputs = [
            Input(value=getattr(message, name), definition=definition)
            for name in ChatMessage.__struct_fields__
            if (definition := self._dataflow.definitions.get(f"message.{name}"))
        ]
        async for _, results in self._octx.run({message.id: inputs}):
            given: dict[str, Any] = results
        return given


@asynccontextmanager
async def running(name: str, *overrides: str) -> AsyncIterator[Bot]:
    flow = load(FLOWS / f"{name}.yaml", overrides=overrides)
    async with MemoryOrchestrator.withconfig({}) as orchestrator:
        async with orchestrator(flow.dataflow) as octx:
            yield Bot(flow.dataflow, octx)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def replies(outcome: dict[str, Any]) -> list[str]:
    return [reply["text"] for reply in outcome["replies"]]


@pytest.mark.parametrize("name", shipped.names())
def test_a_flow_that_comes_with_the_program_is_right(name: str) -> None:
    assert load(name).name == name


async def test_entities_are_told_and_a_version_is_asked_for() -> None:
    async with running("entities") as bot:
        first = await bot.hear("KeyError in /usr/bin/unity on Ubuntu 12.04, see LP-12")
        second = await bot.hear("bot: I get ENOENT", addressed=True)
    assert first["understood"] == {
        "versions": ["12.04"], "errors": ["KeyError"], "paths": ["/usr/bin/unity"], "links": [],
        "issues": ["LP-12"], "platforms": ["Ubuntu 12.04"], "packages": [],
    }  # fmt: skip
    assert (replies(first), replies(second)) == ([], ["anna: which version is that?"])


async def test_who_speaks_another_language_is_sent_where_it_is_spoken() -> None:
    async with running("language") as bot:
        german = await bot.hear("wie installiere ich das auf meinem Rechner?")
        english = await bot.hear("how do I install this on my machine?")
    assert replies(german) == ["anna: auf Deutsch hilft man in #support-de."]
    assert (replies(english), english["understood"]["language"]) == ([], "en")


ASKED = [
    ("bot: do I need a graphics card for this?", "Does it need a GPU?"),
    ("will it join my libera channel?", "How do I connect it to IRC?"),
    ("can I use several computers?", "How do I run it on several machines?"),
    ("where do I add examples for a new answer", "How do I teach it a new answer?"),
    ("who won the game yesterday?", None),
    ("how do i mount a floppy in ubuntu?", None),
]


async def test_the_faq_is_answered_from_and_nothing_else_is() -> None:
    async with running("faq", "operations.faq.config.url=https://example.org/faq") as bot:
        outcomes = [await bot.hear(text) for text, _ in ASKED]
    assert [each["understood"].get("question") for each in outcomes] == [q for _, q in ASKED]
    assert replies(outcomes[0])[0].endswith("https://example.org/faq#does-it-need-a-gpu")
    answered = [question is not None for _, question in ASKED]
    assert [bool(replies(each)) for each in outcomes] == answered


async def test_a_question_like_one_that_was_answered_is_answered() -> None:
    async with running("similar", TRUST) as bot:
        await bot.hear("how do I add a user to the sudo group?", id="q")
        learned = await bot.hear("with: adduser NAME sudo", sender="otto", reply_to="q")
        found = await bot.hear("can someone tell me how to add users to the group sudo?")
        other = await bot.hear("what is a good torrent client for ubuntu?")
    assert learned["understood"]["noted"] == "answer"
    [reply] = replies(found)
    assert reply == "anna: a question like this was answered today: with: adduser NAME sudo"
    assert replies(other) == []


async def test_reports_become_entries_and_nothing_else_does() -> None:
    async with running("triage") as bot:
        crash = await bot.hear("it crashes when I open the export dialog in 2.1")
        again = await bot.hear("it crashes when I open the export dialogs in 2.1", name="otto")
        alike = await bot.hear("it crashes when I close the export dialog")
        wish = await bot.hear("it would be nice if there was a dark mode")
        own = await bot.hear("my wifi does not work after the upgrade")
    [action] = crash["actions"]
    assert (action["kind"], action["details"]["labels"]) == ("issue", ["bug"])
    assert "* Version: 2\\.1" in action["details"]["body"]
    assert action["details"]["reply"] == "anna: noted as bug: {link}"
    [action] = again["actions"]
    assert "* Looks like: it crashes" in action["details"]["body"], "none was opened for it"
    [action] = alike["actions"]
    assert "* Looks like: it crashes" in action["details"]["body"]
    assert action["details"]["reply"].endswith("Which version is it?")
    assert wish["actions"][0]["details"]["labels"] == ["feature"]
    assert (own["actions"], replies(own)) == ([], [])


MODERATED = [
    ("you are such a moron, go away", "rude", "fine"),
    ("this stupid thing crashes when I start it", "fine", "fine"),
    ("CONGRATULATIONS you won a free prize, call 08000000000 now to claim", None, "spam"),
    ("how do I install the new release?", "fine", "fine"),
]


async def test_rudeness_and_spam_are_told_from_examples() -> None:
    async with bench(load(FLOWS / "moderation.yaml")) as flow:
        outcomes = [(await flow.decide(spoken(text))).understood for text, *_ in MODERATED]
    for outcome, (_, tone, spam) in zip(outcomes, MODERATED, strict=True):
        assert outcome["spam"] == spam
        assert outcome["tone"] == tone or (tone is None and not outcome["tone_sure"])


async def test_three_strikes_are_muted_and_a_moderator_forgives() -> None:
    live = ["parameters.dry_run=false"]
    async with bench(load(FLOWS / "moderation.yaml", overrides=live)) as flow:
        rude = [spoken(MODERATED[0][0] + "!" * n, str(n)) for n in range(3)]
        struck = [await flow.decide(each) for each in rude]
        asked = spoken("!forgive ben", sender="anna", roles=("moderator",))
        asked = msgspec.structs.replace(asked, command="forgive", arguments="ben")
        pardon = await flow.decide(asked)
        again = await flow.decide(spoken(MODERATED[0][0]))
    assert [[each.kind for each in outcome.actions] for outcome in struck] == [
        [],
        ["delete"],
        ["delete", "mute"],
    ]
    assert struck[2].actions[1].seconds == 1800.0
    assert all("be kind" in outcome.replies[0].text for outcome in struck)
    told = [each.text for outcome in struck for each in outcome.elsewhere[0].replies]
    assert [text.split(" ben ")[0] for text in told] == ["I warn", "I redact", "I mute"]
    assert all("«you are such a moron, go away" in text for text in told)
    changes = [each for outcome in struck for each in outcome.changes if each.name == "cases"]
    assert len(changes) == 3
    assert "moron" not in repr(changes), "no case has a word of it"
    assert [each.text for each in pardon.replies] == ["anna: ben is forgiven."]
    assert again.understood["strike"] == 1


def spoken(text: str, key: str = "1", **more: Any) -> ChatMessage:
    fields = {"sender": "ben", "nick": "modbot", "room": "#support", **more}
    return ChatMessage(id=key, network="irc", text=text, time=datetime.now(UTC), **fields)


async def test_zero_shot_labels_need_no_examples(tmp_path: Path) -> None:
    labels = {0: "entailment", 1: "not_entailment"}
    ids = {label: number for number, label in labels.items()}
    model = save(BertForSequenceClassification, tmp_path / "nli", id2label=labels, label2id=ids)
    own = [f"operations.sort.config.model={model}", 'operations.sort.config.revision=""']
    async with running("zero-shot", *own) as bot:
        outcome = await bot.hear("it does not work")
    assert set(outcome["understood"]["scores"]) == {"bug", "question", "praise", "chatter"}
    assert sum(outcome["understood"]["scores"].values()) == pytest.approx(1.0, abs=1e-4)


async def test_a_node_answers_from_the_faq(program: Program) -> None:
    lines = "".join(json.dumps({"text": text}) + "\n" for text, _ in ASKED)
    code, out, err = await program.run("run", "faq", "--jsonl", stdin=lines)
    assert code == 0, err
    answers = [json.loads(line) for line in out.splitlines()]
    assert [each["understood"].get("question") for each in answers] == [q for _, q in ASKED]


@pytest.mark.crash
async def test_a_node_that_cannot_reach_the_hub_says_what_to_do(program: Program) -> None:
    async with program.start("run", "zero-shot", "--jsonl") as bot:
        await bot.wait_for("cannot be had from the hub (HF_HUB_OFFLINE is set: unset it")


@pytest.mark.crash
async def test_a_node_remembers_what_was_answered_over_a_restart(program: Program) -> None:
    room = {"room": "#r", "private": False, "addressed": False}
    asked = {"text": "how do I add a user to the sudo group?", "id": "q", "sender": "anna"}
    answer = {"text": "with: adduser NAME sudo", "reply_to": "q", "sender": "otto"}
    again = {"text": "how can I add users to the group sudo?", "sender": "eve"}
    run = ("run", "similar", "--jsonl", "--set", TRUST)
    shared = "operations.similar.config.across_rooms=true"  # each run is a network of its own
    async with program.start(*run) as bot:
        await said(bot, {**asked, **room}, '"noted":"question"')
        await said(bot, {**answer, **room}, '"noted":"answer"')
    async with program.start(*run, "--set", shared) as bot:
        await said(bot, {**again, **room}, "a question like this was answered today")


async def said(bot: Process, line: dict[str, Any], awaited: str) -> None:
    assert bot.process.stdin is not None
    bot.process.stdin.write(json.dumps(line).encode() + b"\n")
    await bot.process.stdin.drain()
    await bot.wait_for(awaited)


async def test_support_leads_to_the_section_of_the_page_that_answers() -> None:
    page = "operations.recall.with.url=https://example.org/faq"
    async with bench(load(FLOWS / "support.yaml", overrides=[page])) as flow:
        [reply] = (await flow.decide(spoken("does it work offline?"))).replies
    assert reply.text.endswith(") https://example.org/faq#does-it-work-without-internet")
