"""`chatbot init` and `chatbot operations new`: what they write works, and is never lost."""

from __future__ import annotations

import fnmatch
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from chatbot.commands import init
from chatbot.commands.template import FOLDER
from chatbot.errors import UsageError
from chatbot.flowfile.load import load
from tests.servers.processes import Program

KINDS = [each.name for each in init.TEMPLATES]
PLACES = ["console", "irc.example.org:6667 #a #b", "@bot:example.org #room:example.org"]


def made(folder: Path, kind: str, listen: str = "console", only: str = "everybody") -> Path:
    answers = init.Answers(init.template_called(kind), "helper", listen, only)
    init.init(folder, answers)
    return folder / "helper.yaml"


def said_in(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = YAML(typ="safe").load(path)["tests"]
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("listen", PLACES)
def test_each_flow_that_is_written_is_right(tmp_path: Path, kind: str, listen: str) -> None:
    given = {"MATRIX_PASSWORD": "secret"}
    flow = load(made(tmp_path, kind, listen, "addressed"), environment=given.get)
    assert flow.name == "helper"
    on = [name for name, section in flow.listeners.items() if section.on]
    assert on == [{"c": "console", "i": "irc", "@": "matrix"}[listen[0]]]
    if listen != "console":
        [section] = flow.listeners.values()
        assert section.on
        assert section.policy.terms.only_addressed


@pytest.mark.parametrize("kind", KINDS)
def test_each_has_a_readme_and_tests_and_nothing_is_left_open(tmp_path: Path, kind: str) -> None:
    made(tmp_path, kind)
    assert len(said_in(tmp_path / "helper.test.yaml")) >= 4
    files = {path.name for path in tmp_path.iterdir()}
    named = set(re.findall(r"`([\w-]+\.(?:yaml|py|md))`", (tmp_path / "README.md").read_text()))
    assert named
    assert named <= files
    for path in tmp_path.iterdir():
        assert not re.search(r"<<\w|NAME\.|\.in$", path.read_text() + path.name)


def test_every_template_is_a_folder_and_the_other_way_round() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {*KINDS, "operation", "batch"}


async def passes(program: Program, flow: Path) -> None:
    """Run the tests beside a flow, as lines of JSON."""
    wanted = said_in(flow.with_suffix(".test.yaml"))
    lines = [json.dumps({"text": each["said"]}) for each in wanted]
    code, out, err = await program.run("run", str(flow), "--jsonl", stdin="\n".join(lines))
    assert code == 0, err
    for each, line in zip(wanted, out.splitlines(), strict=True):
        came = json.loads(line)
        replies = [reply["text"] for reply in came["replies"]]
        assert bool(replies) != bool(each.get("silence")), each
        assert fnmatch.fnmatch(" ".join(replies), each.get("reply", "*")), (each, replies)
        for key in {"label", "question"} & each.keys():
            assert came["understood"][key] == each[key]


async def test_the_calculator_calculates(program: Program, tmp_path: Path) -> None:
    folder = tmp_path / "calc"
    code, out, err = await program.run("init", str(folder), "--yes", "--template", "tutorial")
    assert (code, out) == (0, "")
    assert f"chatbot flow dev {folder}/calc.yaml" in err
    await passes(program, folder / "calc.yaml")
    code, out, err = await program.run("flow", "test", str(folder / "calc.yaml"))
    assert (code, "4 passed" in out + err) == (0, True)
    explained = str(folder / "calculator.py:calculate")
    code, out, err = await program.run("flow", "explain", explained)
    assert (code, "Calculate it, on a node." in out, "digits" in out) == (0, True, True), out + err
    code, _, err = await program.run("flow", "explain", explained.replace("py:calculate", "py:no"))
    assert (code, "has no operation `no`" in err) == (2, True)


def test_moderation_is_the_flow_that_ships_with_files_of_its_own(tmp_path: Path) -> None:
    yaml = YAML(typ="safe")
    shipped = (FOLDER.parent.parent / "flows" / "moderation.yaml").read_text()
    for name in ("tone", "spam"):
        shipped = shipped.replace(f"moderation-{name}-labels.yaml", f"helper-{name}.yaml")
    ours, theirs = yaml.load(made(tmp_path, "moderation")), yaml.load(shipped)
    for own in (ours, theirs):
        del own["name"], own["listeners"]
    assert ours == theirs


@pytest.mark.crash
async def test_a_digest_that_was_made_collects_and_tells(program: Program, tmp_path: Path) -> None:
    code, _, err = await program.run("init", str(tmp_path / "a"), "--yes", "--template", "digest")
    assert code == 0, err
    code, out, err = await program.run("flow", "test", str(tmp_path / "a"))
    assert (code, "4 passed" in out + err) == (0, True), out + err


@pytest.mark.crash
@pytest.mark.parametrize("kind", ["faq", "moderation"])
async def test_a_bot_that_was_made_answers_as_its_tests_say(
    program: Program, tmp_path: Path, kind: str
) -> None:
    code, _, err = await program.run("init", str(tmp_path / "a"), "--yes", "--template", kind)
    assert code == 0, err
    await passes(program, tmp_path / "a" / f"{kind}.yaml")


@pytest.mark.crash
@pytest.mark.parametrize(("kind", "count"), [("duplicates", 5), ("support", 8)])
async def test_a_bot_that_links_what_was_answered_does_as_its_tests_say(
    program: Program, tmp_path: Path, kind: str, count: int
) -> None:
    """Its tests are conversations in a room, which lines of JSON from a pipe are not."""
    folder = tmp_path / "a"
    code, _, err = await program.run("init", str(folder), "--yes", "--template", kind)
    assert code == 0, err
    code, out, err = await program.run("flow", "test", str(folder / f"{kind}.yaml"))
    assert (code, f"{count} passed" in out + err) == (0, True), out + err


async def test_questions_are_asked_and_bad_answers_explained(
    program: Program, tmp_path: Path
) -> None:
    said = "tutoral\ntutorial\nA b\nadder\nsomewhere\nirc.example.org #a\nno one\naddressed\n"
    code, _, err = await program.run("init", str(tmp_path / "a"), stdin=said)
    assert code == 0, err
    assert "there is no template `tutoral` (did you mean tutorial?)" in err
    assert "`A b` cannot name a bot (small letters" in err
    assert "`somewhere` is no place to listen (write 'irc.libera.chat #example'" in err
    assert "`no one` is nobody that a bot may answer (there are: addressed, everybody)" in err
    written = (tmp_path / "a" / "adder.yaml").read_text()
    assert 'channels: ["#a"]' in written
    assert "only: addressed" in written


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--template", "suport", "--yes"], "did you mean support?"),
        (["--name", "My Bot", "--yes"], "cannot name a bot"),
        (["--listen", "#room", "--yes"], "is no place to listen"),
        (["--listen", "irc.example.org nowhere", "--yes"], "is no place to listen"),
        (["--listen", "@bot #a:b", "--yes"], "@me:matrix.org #room:matrix.org"),
        (["--only", "me", "--yes"], "there are: addressed, everybody"),
        ([], "--yes takes what is usual"),
    ],
)
async def test_a_bad_flag_is_explained_and_nothing_is_written(
    program: Program, tmp_path: Path, arguments: list[str], told: str
) -> None:
    code, out, err = await program.run("init", str(tmp_path / "a"), *arguments)
    assert (code, out, told in err) == (2, "", True), err
    assert not (tmp_path / "a").exists()


async def test_a_bad_flag_is_refused_before_anything_is_asked(
    program: Program, tmp_path: Path
) -> None:
    code, _, err = await program.run("init", str(tmp_path / "a"), "--listen", "#room")
    assert code == 2
    assert "`#room` is no place to listen" in err
    assert "What is it to do?" not in err


async def test_lines_are_broken_at_words_and_a_name_may_be_begun(
    program: Program, tmp_path: Path
) -> None:
    code, _, err = await program.run("init", str(tmp_path / "a"), stdin="mod\n\n\n\n", COLUMNS="40")
    assert code == 0, err
    assert (tmp_path / "a" / "moderation.yaml").exists()
    listed = err.partition("[support]")[0].splitlines()
    assert max(map(len, listed)) <= 40
    assert "  moderation  warns of rudeness and" in listed


def test_nothing_is_written_over_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "helper.test.yaml").symlink_to("nowhere")
    answers = init.Answers(init.template_called("support"), "helper")
    with pytest.raises(UsageError, match=r"helper.test.yaml, README.md are there already"):
        init.init(tmp_path, answers)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "helper.test.yaml"]
    assert (tmp_path / "README.md").read_text() == "mine"
    (tmp_path / "helper.test.yaml").unlink()
    init.init(tmp_path, answers, force=True)
    assert "# helper" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize("batch", [[], ["--batch"]])
async def test_a_new_operation_is_right_and_passes_its_test(
    program: Program, tmp_path: Path, batch: list[str]
) -> None:
    folder = tmp_path / "bots"
    code, out, err = await program.run("operations", "new", "mood", "--folder", str(folder), *batch)
    assert (code, out) == (0, "")
    assert f"python -m pytest {folder}/test_mood.py" in err
    given = err[err.index("  operations:") :]
    flow = "version: 1\n" + "\n".join(line[2:] for line in given.splitlines())
    (folder / "flow.yaml").write_text(flow)
    assert [each.operation for each in load(folder / "flow.yaml").instances.values()] == [
        "mood.py:mood"
    ]
    await passes_pytest(folder)
    code, out, err = await program.run("operations", "check", str(folder / "mood.py"))
    assert (code, out.startswith("mood.py:mood  text: string")) == (0, True), out + err
    code, _, err = await program.run("operations", "new", "mood", "--folder", str(folder))
    assert (code, "mood.py, test_mood.py are there already" in err) == (2, True)


async def passes_pytest(folder: Path) -> None:
    import asyncio

    from tests.servers.processes import environment

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)),
        cwd=folder,
        env=environment(folder),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()


async def test_what_is_wrong_with_operations_is_told_with_the_line(
    program: Program, tmp_path: Path
) -> None:
    bad, empty = tmp_path / "bad.py", tmp_path / "empty.py"
    bad.write_text("from chatbot import operation\n@operation\ndef f(a) -> str: return a\n")
    empty.write_text("x = 1\n")
    code, out, err = await program.run("operations", "check", str(bad), str(empty))
    assert (code, out) == (2, "")
    assert f"{bad}:3:7: `a` has no type hint" in err
    assert "  3 | def f(a) -> str: return a\n    |       ^" in err
    assert f"{empty}:1:1: has no operations (put `@operation` above a function)" in err
    code, out, _ = await program.run("operations", "check", str(bad), "--json")
    assert (code, json.loads(out)["problems"][0]["line"]) == (2, 3)


@pytest.mark.parametrize("name", ["class", "asyncio", "a-b", "Words", "1a"])
async def test_a_name_that_no_function_can_have_is_refused(
    program: Program, tmp_path: Path, name: str
) -> None:
    code, _, err = await program.run("operations", "new", name, "--folder", str(tmp_path / "a"))
    assert code == 2
    assert f"`{name}`" in err
    assert not (tmp_path / "a").exists()


async def test_the_tutorials_own_tests_pass(tmp_path: Path) -> None:
    made(tmp_path, "tutorial")
    await passes_pytest(tmp_path)
