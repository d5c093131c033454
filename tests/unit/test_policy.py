"""Whom a flow answers, where and when: as its file says it, and as it is applied."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path

import pytest

from chatbot.errors import UsageError
from chatbot.flowfile.flow import Flow
from chatbot.flowfile.load import load
from chatbot.messages import ChatMessage
from chatbot.policy import Policy, Quiet, Rate, Rules, Terms, matches
from tests.servers.processes import ROOT
from tests.unit.flowfiles import installed, problems_of, write

__all__ = ["installed"]

HEAD = "version: 1\noperations: {a: {run: sample_plain, inputs: {text: message.text}}}\n"


def flow(folder: Path, text: str) -> Flow:
    return load(write(folder, flow=HEAD + text), environment={}.get)


def policy(folder: Path, keys: str) -> Policy:
    text = f"listeners: {{libera: {{kind: sample_chat, server: x, {keys}}}}}\n"
    return flow(folder, text).listeners["libera"].policy


def message(**fields: object) -> ChatMessage:
    known = {"id": "1", "network": "n", "room": "#dev", "sender": "anna", "text": "hi"}
    return ChatMessage(**{**known, "time": datetime.now(UTC), **fields})  # type: ignore[arg-type]


def test_a_section_says_whom_it_answers(tmp_path: Path) -> None:
    found = policy(
        tmp_path,
        "only: addressed, quiet: '22:00-07:00 Europe/Berlin', limits: {person: 10 in 1m},"
        "allow: {rooms: ['#dev', private]}, deny: {people: ['*bot'], rooms: ['#x']}",
    )
    quiet = Quiet(time(22), time(7), "Europe/Berlin")
    assert found.terms == Terms(
        only_addressed=True, quiet=quiet, person=Rate(10, 60.0), deny=("*bot",)
    )
    assert (found.allow, found.deny) == (("#dev", "private"), ("#x",))


def test_a_room_overrides_what_its_network_says(tmp_path: Path) -> None:
    found = policy(
        tmp_path,
        "only: addressed, limits: {person: 10 in 1m}, deny: {people: [eve]}, rooms: "
        "{'#Dev': {only: everybody, limits: off}, '#d*': {listen: false}, '#q': {deny: {}}}",
    )
    assert found.terms_in("#dev") == Terms(person=None, room=None, deny=("eve",))
    assert not found.terms_in("#docs").listen
    assert found.terms_in("#q").deny == ()
    assert found.terms_in("#other") == found.terms


def test_without_a_word_everybody_is_answered(tmp_path: Path) -> None:
    found = policy(tmp_path, "port: 1")
    assert found == Policy()
    assert (found.terms.person, found.terms.room) == (None, None)


def test_a_flow_has_roles_an_order_and_commands(tmp_path: Path) -> None:
    found = flow(
        tmp_path,
        "listeners: {irc: {kind: sample_pipe}}\norder: by person\ncommands: {prefix: '~'}\n"
        "roles: {moderator: [irc/anna, 'irc/@ben:example.org']}\n",
    ).rules
    assert found == Rules((("moderator", ("irc/anna", "irc/@ben:example.org")),), True, "~")
    assert flow(tmp_path, "commands: off\n").rules.prefix == ""
    assert flow(tmp_path, "order: any\n").rules == Rules()


def test_rights_come_from_an_account_and_never_from_a_name() -> None:
    rules = Rules((("moderator", ("irc/anna",)),))
    assert rules.roles_of("irc", "anna") == ("moderator",)
    assert rules.roles_of("irc", "Anna") == ()
    assert rules.roles_of("matrix", "anna") == ()
    assert rules.roles_of("irc", "") == ()


def test_a_name_keeps_out_and_only_an_account_lets_in() -> None:
    assert not Terms(deny=("ANN?",)).admits(message())
    assert not Terms(deny=("ann",)).admits(message(sender="x", account="ann"))
    assert Terms(deny=("ann",)).admits(message())
    assert not Terms(allow=("anna",)).admits(message()), "that is only her nick"
    assert Terms(allow=("an*",)).admits(message(account="anna"))


def test_rooms_are_let_in_and_kept_out() -> None:
    found = Policy(allow=("#a*",), deny=("#ab",))
    assert [found.admits_room(room) for room in ("#a", "#AC", "#ab", "#b")] == [1, 1, 0, 0]


@pytest.mark.parametrize(
    ("hours", "inside", "outside"),
    [
        ("22:00-07:00 Europe/Berlin", ("21:00", "05:59"), ("20:59", "06:00")),
        ("09:30-10:00 UTC", ("09:30", "09:59"), ("09:29", "10:00")),
    ],
)
def test_quiet_hours_hold_by_the_clock_of_their_zone(
    hours: str, inside: tuple[str, str], outside: tuple[str, str]
) -> None:
    quiet = Quiet.parse(hours)
    for text in inside:
        assert quiet.holds(datetime.fromisoformat(f"2026-01-10T{text}:00+00:00"))
    for text in outside:
        assert not quiet.holds(datetime.fromisoformat(f"2026-01-10T{text}:00+00:00"))
    assert str(quiet) == hours
    assert not Quiet.parse("00:00-23:59 America/New_York").holds(datetime.min.replace(tzinfo=UTC))


@pytest.mark.parametrize(
    "text", ["", "22:00", "22:00-07:00", "25:00-07:00 UTC", "07:00-07:00 UTC", "1:00-2:00 ../x"]
)
def test_hours_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Quiet.parse(text)


@pytest.mark.parametrize("text", ["", "10", "0 in 1m", "10 in", "10 in 1", "x in 1m", "10 in 0s"])
def test_rates_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Rate.parse(text)


def test_patterns_know_two_signs_and_nothing_else() -> None:
    assert matches(("[bot]*",), "[BOT]x")
    assert not matches(("[bot]*",), "b")
    assert matches(("a?c",), "abc")
    assert not matches(("*",), "")


@pytest.mark.parametrize(
    ("keys", "place", "message"),
    [
        (
            "only: adressed",
            "adressed",
            "`only` must be addressed or everybody (did you mean addressed?)",
        ),
        ("onyl: addressed", "onyl:", "`libera` has no setting `onyl` (did you mean only?)"),
        ("limits: {persn: 1 in 1m}", "persn", "no key `persn` (did you mean person?)"),
        ("limits: {person: 10}", "10}", "`person` must be a text"),
        ("limits: {person: 10 per 1m}", "10 per", "does not say how many in which time"),
        ("quiet: 22-7 UTC", "22-7", "does not say from when to when"),
        ("quiet: 22:00-07:00 Europe/Berlim", "22:00", "there is no time zone 'Europe/Berlim'"),
        ("allow: {room: [a]}", "room:", "no key `room` (did you mean rooms?)"),
        ("deny: {people: eve}", "eve", "must be a list, not a text (write [a, b])"),
        ("deny: {people: [5]}", "5]", "takes texts, not a whole number"),
        ("rooms: {'#a': {limit: off}}", "limit:", "`#a` has no key `limit` (did you mean limits?)"),
        ("rooms: {'#a': {listen: 5}}", "5}", "`listen` must be true or false"),
        ("rooms: {'#a': {allow: {rooms: [b]}}}", "rooms: [b", "`allow` has no key `rooms`"),
        ("rooms: [a]", "[a]", "`rooms` must be a map"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    tmp_path: Path, keys: str, place: str, message: str
) -> None:
    line = f"  libera: {{kind: sample_chat, {keys}, server: x}}"
    [problem] = problems_of(write(tmp_path, flow=f"{HEAD}listeners:\n{line}\n"))
    assert message in str(problem)
    quoted = line[line.index(place) - 1] in "'\""
    assert (problem.line, problem.column) == (4, line.index(place) + 1 - quoted)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("order: by-person", "`order` must be by person or any (did you mean by person?)"),
        ("roles: {moderator: [irk/anna]}", "no listener `irk` (did you mean irc?)"),
        ("roles: {moderator: [anna]}", "`anna` names no account"),
        ("roles: {moderator: anna}", "`moderator` must be a list"),
        ("roles: {Moderator: [irc/anna]}", "`Moderator` cannot name a role"),
        ("commands: of", "`commands` must be off, or a map"),
        ("commands: {prefx: '!'}", "no key `prefx` (did you mean prefix?)"),
        ("commands: {prefix: 'x y'}", "`prefix` must be one to eight signs"),
        ("role: {}", "did you mean roles?"),
    ],
)
def test_what_is_wrong_for_all_networks_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, flow=f"{HEAD}listeners: {{irc: {{kind: sample_pipe}}}}\n{text}\n")
    [problem] = problems_of(path)
    assert message in str(problem)
    assert problem.line == 4


def test_what_would_mean_nothing_to_the_console_is_refused(tmp_path: Path) -> None:
    text = f"{HEAD}listeners:\n  console: {{nick: bot, limits: off}}\n"
    [problem] = problems_of(write(tmp_path, flow=text))
    assert "`limits` means nothing to `console`" in problem.message


def test_the_revision_is_the_same_whomever_it_answers(tmp_path: Path) -> None:
    plain = flow(tmp_path, "").revision
    assert flow(tmp_path, "order: by person\ncommands: off\n").revision == plain


def test_the_example_in_the_docs_is_right(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "flows.md").read_text()
    section = page[page.index("## Who is answered") :]
    example = section.split("```yaml\n")[1].split("```")[0]
    found = flow(tmp_path, example)
    assert found.rules.in_order
    policy = found.listeners["libera"].policy
    assert policy.terms_in("#DEV").quiet is None
    assert not policy.terms_in("#log").listen
    assert policy.admits_room("private")
