"""What somebody who has read nothing but the README runs into on the first evening."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chatbot.flowfile.naming import in_terms_of_the_file, is_ours, told
from tests.unit.test_cli import run

DIGEST = """\
version: 1
listeners: {irc: {server: "", channels: ["#dev"]}}
schedules: {digest: {every: day at 18:00, in: ["irc/#dev"]}}
operations:
  say: {reply: "{{ schedule.digest.date }}"}
  echo: {reply: "{{ message.text }}"}
"""


def test_a_flow_with_a_schedule_is_tested_with_what_people_say(tmp_path: Path) -> None:
    (tmp_path / "digest.yaml").write_text(DIGEST)
    (tmp_path / "digest.test.yaml").write_text("tests:\n  - {said: hi, reply: hi}\n")
    done = run(tmp_path, "flow", "test")
    assert done.returncode == 0, done.stdout


BY_ROOM = """\
version: 1
listeners:
  irc:
    server: ""
    channels: ["#a", "#b"]
    rooms: {"#b": {operations: {part: {operations: {say: {config: {text: "{{ value }}?"}}}}}}}
operations:
  part: {flow: part.yaml, inputs: {text: message.text}}
  answer: {when: "{{ part.text != 'hush' }}", reply: "{{ part.text }}"}
"""
PART = """\
version: 1
inputs: {text: string}
operations:
  say: {run: expression, inputs: {value: text}, config: {text: "{{ value }}!"}}
outputs: {text: say.value}
"""


def test_nothing_is_said_of_instances_that_no_file_names(tmp_path: Path) -> None:
    (tmp_path / "rooms.yaml").write_text(BY_ROOM)
    (tmp_path / "part.yaml").write_text(PART)
    done = run(tmp_path, "flow", "check", "rooms.yaml")
    assert (done.returncode, "warning" in done.stderr) == (0, False), done.stderr
    (tmp_path / "rooms.yaml").write_text(BY_ROOM.replace("message.text", "part.text"))
    done = run(tmp_path, "flow", "check", "rooms.yaml")
    assert done.returncode == 2
    assert "`part` can never start" in done.stderr
    assert "`answer" not in done.stderr, "that follows from it"
    assert "~" not in done.stderr


def test_a_subflow_that_waits_for_itself_is_told_once(tmp_path: Path) -> None:
    alike = "\n".join(line for line in BY_ROOM.splitlines() if "rooms:" not in line)
    (tmp_path / "rooms.yaml").write_text(alike.replace("message.text", "part.text"))
    (tmp_path / "part.yaml").write_text(PART)
    done = run(tmp_path, "flow", "check", "rooms.yaml")
    assert (done.returncode, "1 problem in" in done.stderr) == (2, True), done.stderr
    assert done.stderr.startswith("rooms.yaml:7:42: `part` can never start")


@pytest.mark.parametrize(
    ("made", "name"),
    [
        ("help", "help"),
        ("help~1", "help {{ … }}"),
        ("a/help~12", "a/help {{ … }}"),
        ("part~room2", "part"),
        ("part~room2/say", "part/say"),
        ("part~room2/say~1", "part/say {{ … }}"),
        ("part~room", "part"),
        ("part~sure", "part"),
    ],
)
def test_an_instance_that_was_made_is_called_as_its_author_knows_it(made: str, name: str) -> None:
    assert told(made) == name
    assert is_ours(made) == (made in ("part~room", "part~sure"))


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("help~1 failed", "help {{ … }} failed"),
        ("`part~room1` and part~room1.text", "`part` and part.text"),
        ("there is no file ~/a~1/b.yaml", "there is no file ~/a~1/b.yaml"),
        ("there is no file b~1.yaml, 1~2", "there is no file b~1.yaml, 1~2"),
    ],
)
def test_what_is_said_of_them_is_in_the_files_terms(said: str, read: str) -> None:
    assert in_terms_of_the_file(said) == read


IRC = "version: 1\nlisteners:\n  irc:\n    server: irc.example.org\n"
HELLO = "operations: {hi: {reply: hello}}\n"


def test_a_room_that_became_a_comment_is_explained(tmp_path: Path) -> None:
    rooms = "    rooms:\n      #dev:\n        only: addressed\n        operations: {hi: {}}\n"
    (tmp_path / "irc.yaml").write_text(IRC + rooms + HELLO)
    done = run(tmp_path, "flow", "check", "irc.yaml")
    assert done.returncode == 2
    assert ":7:9: `only` stands where a room's name does" in done.stderr
    assert ":8:9: `operations` stands where a room's name does" in done.stderr
    assert done.stderr.endswith("2 problems in the flow\n")


@pytest.mark.parametrize(
    ("listener", "told"),
    [
        ("    channels: [#dev, #help]\n    nick: b\n", ":5:16: is not YAML: # begins a comment"),
        ('    channels: ["#a", #help]\n    nick: b\n', ":5:22: is not YAML: # begins a comment"),
        ("    channels: [a b, c#d\n    nick: b\n", ":5:15: is not YAML: this [ is never closed"),
        (
            "    rooms:\n      #dev:\n        only: addressed\n",
            ":7:9: `only` stands where a room's name does",
        ),
    ],
)
def test_a_channel_without_quotes_is_explained(tmp_path: Path, listener: str, told: str) -> None:
    (tmp_path / "irc.yaml").write_text(IRC + listener + HELLO)
    done = run(tmp_path, "flow", "check", "irc.yaml")
    assert (done.returncode, told in done.stderr) == (2, True), done.stderr
    assert done.stderr.endswith("1 problem in the flow\n")


def test_a_subflow_that_is_used_twice_is_not_called_empty(tmp_path: Path) -> None:
    (tmp_path / "rooms.yaml").write_text(BY_ROOM)
    (tmp_path / "part.yaml").write_text(PART.replace('{{ value }}!"', '{{ "a" }}!"'))
    done = run(tmp_path, "flow", "check", "rooms.yaml")
    assert (done.returncode, "is empty" in done.stderr) == (2, False), done.stderr


def test_files_below_this_folder_are_called_as_seen_from_here(tmp_path: Path) -> None:
    (tmp_path / "rooms.yaml").write_text(BY_ROOM)
    (tmp_path / "part.yaml").write_text(PART)
    right = run(tmp_path, "flow", "check", "rooms.yaml").stderr
    assert right.startswith("rooms.yaml: right (3 operations,"), right
    (tmp_path / "part.yaml").write_text(PART.replace("say.value", "say.valeu"))
    assert run(tmp_path, "flow", "check", "rooms.yaml").stderr.startswith("part.yaml:5:")


def test_the_same_may_be_said_in_two_tests(tmp_path: Path) -> None:
    (tmp_path / "echo.yaml").write_text(
        "version: 1\noperations: {e: {reply: '{{ message.room }}'}}\n"
    )
    (tmp_path / "echo.test.yaml").write_text(
        "tests:\n  - {said: hi, room: a, reply: a}\n  - {said: hi, room: b, reply: c}\n"
    )
    done = run(tmp_path, "flow", "test")
    assert (done.returncode, "echo.test.yaml:3:5: hi (line 3)" in done.stdout) == (1, True), done


def test_what_lies_beside_a_flow_is_checked_with_it(tmp_path: Path) -> None:
    (tmp_path / "rooms.yaml").write_text(BY_ROOM)
    (tmp_path / "part.yaml").write_text(PART)
    (tmp_path / "rooms.test.yaml").write_text("tests:\n  - {said: hi, reply: hi!}\n")
    (tmp_path / "labels.yaml").write_text("yes: [sure, of course]\nno: [never]\n")
    done = run(tmp_path, "flow", "check", *sorted(each.name for each in tmp_path.iterdir()))
    assert done.returncode == 0, done.stderr
    assert "rooms.test.yaml: right (1 test)" in done.stderr
    assert "labels.yaml: right (examples of 2 labels)" in done.stderr
    (tmp_path / "rooms.test.yaml").write_text("tests:\n  - {sad: hi, reply: hi!}\n")
    (tmp_path / "labels.yaml").write_text("yes: [sure, 42]\nno: [never]\n")
    done = run(tmp_path, "flow", "check", "rooms.test.yaml", "labels.yaml", "--json")
    assert done.returncode == 2
    places = [(each["file"], each["line"]) for each in json.loads(done.stdout)["problems"]]
    assert ("labels.yaml", 1) in places
    assert ("rooms.test.yaml", 2) in places


def test_a_flow_whose_keys_are_all_wrong_is_not_taken_for_examples(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("version: 1\noperation: [clean_text]\n")
    done = run(tmp_path, "flow", "check", "wrong.yaml")
    assert "did you mean operations?" in done.stderr
