"""What is said and done in another room than the message came from: once, whoever dies."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from chatbot.broker import Broker, streams, subjects
from chatbot.errors import FlowError
from chatbot.flowfile.load import load
from chatbot.listeners.bridge import NatsBridge
from chatbot.messages import Action, Elsewhere, Outcome, Reply
from chatbot.orchestrator.decision import outcome_of, silenced
from chatbot.orchestrator.outbox import Outbox
from tests.integration.test_bridge import FLOW, NETWORK, decide, ids, performed, said, take
from tests.integration.test_intake import hear, message, outcomes, taking
from tests.servers.rooms import Room

TOLD = Outcome(
    "1",
    NETWORK,
    "#room",
    "ben",
    (Reply("be kind"),),
    elsewhere=(
        Elsewhere("#mods", (Reply("warned ben"),)),
        Elsewhere("#other", (), (Action("unmute", to="ben"),)),
    ),
)


@pytest.fixture
async def flow(broker: Broker) -> None:
    await streams.ensure(broker, streams.flow_streams(FLOW))


async def test_each_room_gets_its_part_and_the_whole_is_done_when_all_are(
    broker: Broker, flow: None
) -> None:
    async with NatsBridge.open(broker, FLOW, NETWORK) as bridge:
        await decide(broker, TOLD)
        parts = await take(bridge, 3)
        assert [each.outcome.room for each in parts] == ["#room", "#mods", "#other"]
        assert len(ids(parts)) == 3
        assert parts[1].outcome.replies == (Reply("warned ben"),)
        assert parts[2].outcome.actions == (Action("unmute", to="ben"),)
        for each in parts:
            await each.done()
        await performed(broker)


async def test_what_was_performed_in_one_room_is_not_performed_again(
    broker: Broker, flow: None
) -> None:
    async with NatsBridge.open(broker, FLOW, NETWORK) as bridge:
        await decide(broker, TOLD)
        parts = await take(bridge, 3)
        await parts[0].done()
        await parts[2].done()
    async with NatsBridge.open(broker, FLOW, NETWORK) as bridge:
        [left] = await take(bridge, 1, timeout=15.0)
        assert left.outcome.room == "#mods"
        assert left.outcome.id == parts[1].outcome.id
        await left.done()
        await performed(broker)


async def test_parts_are_marked_and_begun_apart(broker: Broker, flow: None) -> None:
    async with NatsBridge.open(broker, FLOW, NETWORK) as bridge:
        await decide(broker, TOLD)
        here, there, _ = await take(bridge, 3)
        assert [await here.begin(), await there.begin(), await there.begin()] == [True, True, False]
        assert await here.mark("sent.0") is None
        assert await there.mark("sent.0") is None
        assert await there.mark("sent.0") is not None


def test_decisions_for_other_rooms_are_kept_apart() -> None:
    asked = said("1")
    outcome = outcome_of(
        asked,
        {
            "replies": [{"text": "a"}, {"text": "b", "room": "#mods"}, {"text": "c", "room": ""}],
            "actions": [{"kind": "mute"}, {"kind": "unmute", "to": "ben", "room": "#mods"}],
        },
    )
    assert [each.text for each in outcome.replies] == ["a", "c"]
    assert outcome.actions == (Action("mute"),)
    there = Elsewhere("#mods", (Reply("b"),), (Action("unmute", to="ben"),))
    assert outcome.elsewhere == (there,)
    assert silenced(outcome, "muted").elsewhere == ()


def test_what_another_listener_does_is_handed_over_and_told_in_the_room_that_is_named() -> None:
    wanted = {"kind": "issue", "on": "github", "text": "it crashes", "room": "#mods"}
    outcome = outcome_of(said("1"), {"actions": [wanted]})
    assert outcome.elsewhere == ()
    assert outcome.actions == (Action("issue", text="it crashes", on="github", room="#mods"),)


@pytest.mark.parametrize("more", [{}, {"room": "#mods"}])
def test_what_is_done_in_a_room_is_not_done_by_another_listener(more: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="`ban` is done where the message came from"):
        outcome_of(said("1"), {"actions": [{"kind": "ban", "on": "matrix", **more}]})


def test_a_decision_for_the_room_itself_is_no_other() -> None:
    outcome = outcome_of(said("1"), {"replies": [{"text": "a", "room": "#room"}]})
    assert (outcome.replies, outcome.elsewhere) == ((Reply("a"),), ())


TELL = """\
version: 1
name: test
commands: {flow: [appeal]}
operations:
  here: {reply: "{{ message.text }}"}
  there: {reply: {room: "#mods", text: "{{ message.name }} in {{ message.room }}"}}
  nowhere: {reply: {room: "{{ '' if message.text else 'x' }}", text: secret}}
"""


async def test_a_reply_with_a_room_is_said_there_and_with_an_empty_one_nowhere(
    broker: Broker, tmp_path: Path
) -> None:
    (tmp_path / "test.yaml").write_text(TELL)
    async with taking(broker, tmp_path / "test.yaml"):
        await hear(broker, message("hello"))
        [outcome] = (await outcomes(broker, 1)).values()
    assert [each.text for each in outcome.replies] == ["hello"]
    [told] = outcome.elsewhere
    assert told.room == "#mods"
    assert "secret" not in repr(outcome)


OWN = """\
version: 1
name: test
commands: {flow: [appeal]}
state: {count: {per: conversation, start: 0}}
operations:
  counted: {set: {count: {add: 1}}}
  say: {reply: "{{ message.command }} {{ message.arguments }} after {{ state.count }}"}
"""


async def test_a_command_of_the_flows_own_is_for_the_flow_wherever_it_is_said(
    broker: Broker, tmp_path: Path
) -> None:
    (tmp_path / "test.yaml").write_text(OWN)
    rules = load(tmp_path / "test.yaml").rules
    assert rules.own == ("appeal",)
    async with taking(broker, tmp_path / "test.yaml"), Room.open(broker, rules) as room:
        await room.hear("hello")
        assert await room.ask("!appeal I was joking") == "appeal I was joking after 1"
        private = {"private": True, "addressed": True, "room": "anna"}
        assert await room.ask("!appeal please", **private) == "appeal please after 0"
        assert await room.ask("bot: !appeal") == "appeal  after 2"
        assert "there is no !apeal: did you mean !appeal?" in await room.ask("!apeal", **private)
        assert ", !appeal; more of one" in await room.ask("!help")


@pytest.mark.parametrize(
    ("given", "wrong"),
    [("[Appeal]", "`Appeal` cannot name a command"), ("appeal", "must be a list")],
)
def test_what_cannot_name_a_command_is_refused(tmp_path: Path, given: str, wrong: str) -> None:
    (tmp_path / "test.yaml").write_text(OWN.replace("[appeal]", given))
    with pytest.raises(FlowError) as caught:
        load(tmp_path / "test.yaml")
    assert wrong in caught.value.problems[0].message


async def test_what_another_listener_does_is_no_reason_to_say_it_elsewhere_twice(
    broker: Broker, flow: None
) -> None:
    both = msgspec.structs.replace(TOLD, actions=(Action("post", on="hook"),))
    await Outbox(broker, FLOW).hand_over(said("1"), both)
    stored = await broker.js.get_last_msg(
        subjects.out_stream(FLOW), subjects.out_subject(FLOW, "hook", "1")
    )
    part = Outcome.decode(stored.data or b"")
    assert (part.actions, part.elsewhere) == (both.actions, ())
