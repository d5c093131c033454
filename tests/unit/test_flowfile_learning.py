"""A flow file's `learning`: what it says, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chatbot.commands.trials import Selection, collect
from chatbot.errors import FlowError
from chatbot.flowfile.flow import Flow
from chatbot.flowfile.load import load
from chatbot.learning import SHOWN_REVISION, SHOWN_TEXT

ROOT = Path(__file__).parents[2]

FLOW = """\
version: 1
name: test
listeners: {{irc: {{}}}}
roles: {{teacher: [irc/ben], owner: [irc/anna]}}
{learning}
operations:
  understand:
    flow: inner.yaml
    inputs: {{text: message.text, room: message.room}}
outputs: {{label: understand.label}}
"""
INNER = """\
version: 1
inputs: {text: string, room: string}
operations:
  clean: {run: clean_text, inputs: {text: text}}
  classify:
    run: classify_text
    inputs: {text: TEXT, room: room}
    config: {examples: labels.yaml}
outputs: {label: classify.label}
"""
LABELS = "question: [how, why]\nbug: [crash]\n"


def flow(folder: Path, learning: str, text: str = "clean.text", outer: str = FLOW) -> Flow:
    (folder / "labels.yaml").write_text(LABELS)
    (folder / "inner.yaml").write_text(INNER.replace("TEXT", text))
    path = folder / "test.yaml"
    path.write_text(outer.format(learning=learning))
    return load(path)


def refusal(folder: Path, learning: str, outer: str = FLOW) -> str:
    with pytest.raises(FlowError) as caught:
        flow(folder, learning, outer=outer)
    return "\n".join(str(each).removeprefix(f"{folder}/") for each in caught.value.problems)


def test_a_flow_learns_where_it_says_so(tmp_path: Path) -> None:
    made = flow(tmp_path, 'learning: {who: owner, reactions: {"❓": question}, shadow: {after: 9}}')
    learning = made.rules.learning
    assert learning is not None
    assert learning.operation == "understand/classify"
    assert learning.role == "owner"
    assert learning.labels == ("question", "bug")
    assert learning.reaction("❓") == "question"
    assert learning.reaction("!") == ""
    assert learning.by_room
    assert (learning.shadow, learning.after) == (True, 9)
    told = made.instances["understand/classify"].learning
    assert told is not None
    assert (told.shadow, told.after) == (True, 9)


def test_the_text_that_the_operation_is_given_can_be_had_from_within_a_subflow(
    tmp_path: Path,
) -> None:
    made = flow(tmp_path, "learning: {}")
    shown = made.dataflow.configs["outcome"].outputs
    assert shown[SHOWN_TEXT].name == "understand.classify.text"
    assert shown[SHOWN_REVISION].name == "understand.classify.revision"
    assert made.outputs == {"label": "understand.label"}, "people see what they asked for"
    outside = flow(tmp_path, "learning: {}", text="text").dataflow.configs["outcome"].outputs
    assert outside[SHOWN_TEXT].name == "message.text", "what comes from outside is had there"


def test_reactions_that_nobody_hears_are_warned_of(tmp_path: Path) -> None:
    reactions = "learning: {reactions: {x: bug}}"
    [warning] = flow(tmp_path, reactions).warnings
    assert "`learning` has reactions, and no listener hears any" in str(warning)
    assert flow(tmp_path, "learning: {}").warnings == ()
    hears = FLOW.replace("irc: {{}}", "irc: {{}}, net: {{kind: matrix, reactions: true}}")
    assert flow(tmp_path, reactions, outer=hears).warnings == ()


def test_the_examples_in_the_docs_are_right(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "understanding.md").read_text()
    section = page.partition("## Corrections in the channel")[2].partition("\n## ")[0]
    blocks = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    assert blocks
    support = (ROOT / "flows" / "support.yaml").read_text().replace("roles: {moderator: []}\n", "")
    for name in ("support-labels.yaml", "understand.yaml", "recall.yaml", "support.md"):
        (tmp_path / name).write_text((ROOT / "flows" / name).read_text())
    for block in blocks:
        path = tmp_path / "support.yaml"
        path.write_text(f"{support}\n{block}")
        assert load(path, environment=lambda _: None).rules.learning is not None


def test_a_flow_that_does_not_learn_is_as_it_was(tmp_path: Path) -> None:
    made = flow(tmp_path, "")
    assert made.rules.learning is None
    assert set(made.dataflow.configs["outcome"].outputs) == {"label"}
    assert all(instance.learning is None for instance in made.instances.values())


@pytest.mark.parametrize(
    ("learning", "expected"),
    [
        (
            "learning: {operation: understand/clasify}",
            "test.yaml:5:23: there is no operation `understand/clasify` "
            "(did you mean understand/classify?)",
        ),
        (
            "learning: {operation: understand/clean}",
            "test.yaml:5:23: `understand/clean` does not learn (did you mean understand/classify?)",
        ),
        (
            "learning: {who: techer}",
            "test.yaml:5:17: `learning`: nobody has the role `techer` (did you mean teacher?)",
        ),
        ("learning: {who: 3}", "`who` must be a role, not a whole number (who: a role of this"),
        (
            "learning: {reactions: {x: qestion}}",
            "test.yaml:5:27: there is no label `qestion` (did you mean question?)",
        ),
        ("learning: {reactions: {x: [a]}}", "`x` must stand for a label, not a list"),
        ("learning: {reactions: [x]}", "`reactions` must be a map, not a list"),
        ("learning: {rooms: onw}", "`rooms` must be shared or own (did you mean own?)"),
        ("learning: {shadow: maybe}", "`shadow` must be true or false (or {after: 200}, in"),
        ("learning: {shadow: {after: 0}}", "`after` must be a whole number of messages, from 1"),
        ("learning: {shadow: {aftr: 1}}", "`shadow` has no key `aftr` (did you mean after?)"),
        ("learning: {reaction: {}}", "`learning` has no key `reaction` (did you mean reactions?)"),
        ("learning: yes please", "`learning` must be a map, not a text"),
        ("learning: {}\ncommands: off", "5:1: `learning` needs commands (people correct with"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, learning: str, expected: str) -> None:
    assert expected in refusal(tmp_path, learning)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    told = refusal(tmp_path, "learning: {who: x, rooms: y, shadow: 0, reactions: {a: b}}")
    assert len(told.splitlines()) == 4


def test_a_flow_without_anything_that_learns_is_refused(tmp_path: Path) -> None:
    outer = FLOW.replace("flow: inner.yaml", "run: clean_text").replace(", room: message.room", "")
    told = refusal(tmp_path, "learning: {}", outer.replace("label: understand.label", ""))
    assert "test.yaml:5:1: `learning`: no operation here learns" in told


def test_examples_of_a_room_want_the_room(tmp_path: Path) -> None:
    (tmp_path / "labels.yaml").write_text(LABELS)
    path = tmp_path / "test.yaml"
    path.write_text(
        FLOW.format(learning="learning: {rooms: own}").partition("operations:")[0]
        + "operations:\n  classify: {run: classify_text, inputs: {text: message.text}, "
        "config: {examples: labels.yaml}}\n"
    )
    with pytest.raises(FlowError, match="1 problem") as caught:
        load(path)
    assert "`classify` is not told of the room" in str(caught.value.problems[0])


def test_what_learns_runs_on_nodes(tmp_path: Path) -> None:
    (tmp_path / "labels.yaml").write_text(LABELS)
    path = tmp_path / "test.yaml"
    path.write_text(
        FLOW.format(learning="learning: {}").partition("operations:")[0]
        + "operations:\n  classify: {run: classify_text, on: primary, inputs: {text: message.text},"
        " config: {examples: labels.yaml}}\n"
    )
    with pytest.raises(FlowError) as caught:
        load(path)
    assert "`classify` runs on the primary, and nodes learn" in str(caught.value.problems[0])


def test_a_test_that_would_teach_is_refused_with_its_place(tmp_path: Path) -> None:
    flow(tmp_path, "learning: {}")
    tests = tmp_path / "test.test.yaml"
    tests.write_text("tests:\n  - {said: '!label bug', silence: true}\n")
    with pytest.raises(FlowError) as caught:
        collect(Selection(paths=(str(tests),)))
    [problem] = caught.value.problems
    assert str(problem).endswith(
        "test.test.yaml:2:5: a test cannot teach: `!label` has no effect in it "
        "(put the example into the file of understand/classify)"
    )
    flow(tmp_path, "")
    assert collect(Selection(paths=(str(tests),))), "to others it is a text like any other"
