"""Every command in the README and the docs is run, as it stands there or against our servers."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chatbot.broker import Broker, EmbeddedServer
from chatbot.broker.corrections import Corrections
from chatbot.learning import About, Vote
from chatbot.orchestrator.orchestrator import NatsOrchestrator
from tests.acceptance import test_docs_operations
from tests.integration import contract
from tests.servers import pages
from tests.servers.irc import Ngircd, free_port
from tests.servers.matrix_people import Person
from tests.servers.processes import ROOT, Program, environment
from tests.servers.synapse import Synapse

PAGES = [page for page in pages.PAGES if page not in pages.TUTORIALS]  # these: test_tutorials.py
README = pages.blocks(ROOT / "README.md")
KEPT = {
    "chatbot questions list": "There are no questions.\n",
    "chatbot model list": "There are no models.\n",
}
IRC = (
    "chatbot run support --set listeners.irc.server=irc.libera.chat "
    "--set 'listeners.irc.channels=[\"#example\"]'"
)
MATRIX = (
    "MATRIX_PASSWORD=… chatbot run support --set listeners.matrix.user=@helpbot:matrix.org "
    "--set 'listeners.matrix.rooms=[\"#example:gitter.im\"]'"
)
PIPE = "printf 'how do I install this?\\nthanks!\\n' | make run"
JSONL = (
    """printf '{"text": "how do I install this?"}\\n{"text": "thanks!"}\\n' """
    "| chatbot run support --jsonl"
)
NODE = "chatbot node run"
LABELLED = "chatbot node run classify_text --label gpu --label size=large"
THREADS = "chatbot node run classify_text --threads 4"
LISTEN = "chatbot run support --listen 192.0.2.7"
ELSEWHERE = "chatbot run support --no-node"
WATCH = "chatbot run support --watch"
TRIAGE = "chatbot run triage"
APPLY = "chatbot flow apply support"
FORGET = "chatbot forget anna --network irc"
ONCE = [
    "chatbot eval support --folds 5",
    "chatbot train support --list",
    "chatbot flow check flows/support.yaml",
    "chatbot flow check flows/support.yaml flows/understand.yaml --json",
    "chatbot flow schema",
    "chatbot flow check flows/digest.yaml",
    "chatbot init watch --template moderation --yes",
    "chatbot init notes --template digest --yes",
    "chatbot flow show support",
    "chatbot flow show support --as mermaid",
    "chatbot flow show support --fold --as svg",
    "chatbot operations list",
    "chatbot flow explain classify_text",
    "chatbot flow export support --dffml",
    "chatbot flow migrate flows/support.yaml",
    "chatbot replay support flows/logs/ubuntu-2012-02-03.txt",
]
WITH_A_MODEL = [
    "chatbot flow dev digest",
    "chatbot flow test triage",
    "chatbot run triage",
    "chatbot replay triage flows/logs/ubuntu-2012-02-03.txt --limit 40",
    "chatbot flow test support",
    "chatbot flow test moderation",
    "chatbot flow test digest",
    "chatbot replay moderation flows/logs/ubuntu-2012-02-03.txt --limit 40",
    "chatbot replay support flows/logs/ubuntu-2012-02-03.txt --limit 40 --report report.html",
    "chatbot replay support flows/logs/ubuntu-2012-02-03.txt --limit 40 "
    "--against flows/support.yaml",
]
WHILE_IT_RUNS = ["chatbot status", "chatbot status --json"]
DEAD = "chatbot dead list"
LABELS = [
    "chatbot labels list                     # what people taught, and where they disagree",
    "chatbot labels export -o learned.yaml   # as a file of examples; --json for all that is known",
    "chatbot labels import learned.yaml",
    "chatbot labels history                  # every change, with its number",
    "chatbot labels rollback 0 --yes         # all as it was after a change; 0 is before the first",
    "chatbot labels shadow                   # how many messages differ, and in which labels",
]
DOCTOR = ["chatbot doctor", "chatbot doctor support"]
MAKE = ["make run", "make test"]
# What these do is tested in test_benchmarks.py, test_overload.py, test_bench_model.py.
OVERLOAD = [
    "make overload                           # 100,000 messages; three minutes",
    "make overload ARGS='--count 20000'",
]
BENCH = [
    "make bench                          # all of it; about ten minutes",
    "make bench ARGS='--only w1,w4'      # parts: w1 w2 w3 w4 inputs memory model others scaling",
    "make bench ARGS='--json FILE --markdown FILE'",
    "make bench ARGS='--only scaling'",
    "chatbot bench model support",
    "chatbot bench model support --backend onnx-int8",
]


def commands() -> set[str]:
    blocks = re.findall(r"```sh\n(.*?)```", "\n".join(p.read_text() for p in PAGES), re.DOTALL)
    return {line for block in blocks for line in block.splitlines() if line.strip()}


def arguments(command: str) -> list[str]:
    return shlex.split(command)[1:]


def test_the_docs_have_no_other_commands_than_those_run_here() -> None:
    started = {IRC, MATRIX, PIPE, JSONL, NODE, LABELLED, THREADS, LISTEN, ELSEWHERE, WATCH, TRIAGE}
    asked = {APPLY, FORGET, DEAD, *KEPT, *ONCE, *WITH_A_MODEL, *WHILE_IT_RUNS, *DOCTOR, *LABELS}
    assert commands() == {
        *started,
        *asked,
        *MAKE,
        *BENCH,
        *OVERLOAD,
        *test_docs_operations.COMMANDS,
    }


@pytest.mark.parametrize(
    "command", [*ONCE, *(pytest.param(each, marks=pytest.mark.crash) for each in WITH_A_MODEL)]
)
async def test_a_command_that_ends(command: str, program: Program) -> None:
    given = [str(ROOT / each) if (ROOT / each).is_file() else each for each in arguments(command)]
    code, out, err = await program.run(*given)
    assert code == 0, out + err


async def test_a_bot_on_irc_gets_another_node_and_shows_its_status(
    program: Program, ngircd: Ngircd
) -> None:
    given = arguments(IRC.replace("irc.libera.chat", "127.0.0.1"))
    here = ["--set", f"listeners.irc.port={ngircd.port}", "--set", "listeners.irc.tls=false"]
    async with program.start(*given, *here) as bot:
        await bot.wait_for("listens: 127.0.0.1")
        async with program.start(*arguments(NODE)) as node:
            await node.wait_for("running classify_text")
            for command in WHILE_IT_RUNS:
                code, out, err = await program.run(*arguments(command))
                assert code == 0, err
                assert out.count("classify_text") >= 3
            assert await program.run(*arguments(DEAD)) == (0, "There are no dead letters.\n", "")
            for command, told in KEPT.items():
                assert await program.run(*arguments(command)) == (0, told, "")
            for command in DOCTOR:
                code, out, err = await program.run(*arguments(command))
                assert code == 0, out + err
                assert "All is well" in out


async def test_a_bot_comes_into_a_matrix_room(program: Program, synapse: Synapse) -> None:
    own = synapse.user()
    async with Person(synapse, synapse.user()) as ann:
        room = await ann.create(preset="public_chat")
        told = MATRIX.replace("@helpbot:matrix.org", own.id).replace("#example:gitter.im", room)
        here = ["--set", f"listeners.matrix.homeserver={synapse.address}"]
        given = [*arguments(told)[1:], *here, "--no-node"]
        async with program.start(*given, MATRIX_PASSWORD=own.password) as bot:
            await bot.wait_for(f"listens: {own.id}")
            await ann.until_member(room, own.id)


async def test_a_node_has_labels(program: Program, nats_server: object) -> None:
    url = str(getattr(nats_server, "url", ""))
    async with program.start(*arguments(LABELLED), CHATBOT_NATS_URL=url) as node:
        await node.wait_for("ready to run classify_text (gpu, host=")


async def test_a_node_is_told_how_many_cores_to_use(program: Program, nats_server: object) -> None:
    url = str(getattr(nats_server, "url", ""))
    async with program.start(*arguments(THREADS), CHATBOT_NATS_URL=url) as node:
        await node.wait_for("ready to run classify_text")


async def test_a_bot_opens_its_server_to_other_machines(program: Program) -> None:
    given = arguments(LISTEN.replace("192.0.2.7", f"127.0.0.1:{free_port()}"))
    async with program.start(*given, "--no-node") as bot:
        await bot.wait_for("chatbot node run answer_from_faq classify_text similar_questions")


async def test_a_bot_uses_a_server_of_its_own_operator(
    program: Program, nats_server: object
) -> None:
    url = str(getattr(nats_server, "url", ""))
    async with program.start(*arguments(ELSEWHERE), CHATBOT_NATS_URL=url) as bot:
        await bot.wait_for("listens: console")


@pytest.mark.crash
async def test_the_triage_is_tried_in_the_terminal(program: Program) -> None:
    code, out, err = await program.run(*arguments(TRIAGE), stdin="thanks!\n")
    assert (code, len(out.splitlines())) == (0, 1), out + err


async def test_a_bot_that_watches_its_files_is_told_to_read_them_anew(program: Program) -> None:
    async with program.start(*arguments(WATCH), "--no-node") as bot:
        await bot.wait_for("listens: console")
        code, out, err = await program.run(*arguments(APPLY))
        assert (code, "unchanged" in out) == (0, True), out + err
        code, out, err = await program.run(*arguments(FORGET))
        assert (code, out) == (0, "erased 0 messages\n"), err


async def test_what_people_taught_is_listed_moved_and_rolled_back(
    broker: Broker, nats_server: EmbeddedServer, program: Program
) -> None:
    corrections = await Corrections.open(broker, "support", "understand/classify")
    await corrections.introduce(About("support", "understand/classify", ("help",)))
    await corrections.vote("hm?", "", Vote("help", "ben", 0, datetime.now(UTC)))
    for command in LABELS:
        given = shlex.split(command, comments=True)[1:]
        code, out, err = await program.run(*given, CHATBOT_NATS_URL=nats_server.url)
        assert code == 0, out + err
    assert (program.data / "learned.yaml").read_text() == "help:\n  - hm?\n"


async def test_make_run_answers_lines_from_a_pipe(tmp_path: Path) -> None:
    if not (ROOT / ".venv" / ".run").exists():
        assert not os.environ.get("CI"), "`make test` makes the environment of `make run`"
        pytest.skip("`make run` has not been used here")
    async with asyncio.timeout(90):
        process = await asyncio.create_subprocess_shell(
            PIPE, cwd=ROOT, env=environment(tmp_path), stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
    assert process.returncode == 0
    assert [line.split()[0] for line in out.decode().splitlines()] == ["[install", "[thanks"]


async def test_lines_of_json_from_a_script(program: Program) -> None:
    printf, run = (shlex.split(each) for each in JSONL.split("|"))
    lines = printf[1].replace("\\n", "\n")
    code, out, err = await program.run(*run[1:], stdin=lines)
    assert code == 0, err
    first, second = map(json.loads, out.splitlines())
    assert (first["line"], first["understood"]["label"]) == (1, "install")
    assert (second["line"], second["understood"]["label"]) == (2, "thanks")
    assert first["replies"][0]["text"]
    [shown] = [each for each in pages.blocks(ROOT / "docs" / "operating.md") if each.kind == "json"]
    assert list(json.loads(shown.text)) == list(first)


@pytest.mark.crash
async def test_the_readmes_transcript(program: Program) -> None:
    [shown] = [each for each in README if each.first.startswith("<alice>")]
    lines: list[dict[str, Any]] = []
    wanted: list[list[str]] = []
    for who, text in re.findall(r"^<(\w+)> (.*)$", shown.text, re.MULTILINE):
        if who == "helpbot":
            wanted[-1].append(text)
            continue
        to_it = text.startswith("helpbot:")
        lines.append({"text": text, "sender": who, "room": "#a", "addressed": to_it})
        wanted.append([])
    nick = ("--jsonl", "--set", "listeners.jsonl.nick=helpbot")
    said = "".join(json.dumps(each) + "\n" for each in lines)
    code, out, err = await program.run("run", "support", *nick, stdin=said)
    assert code == 0, err
    came = [[reply["text"] for reply in json.loads(line)["replies"]] for line in out.splitlines()]
    assert came == wanted


async def test_the_readmes_library_call_runs_a_dataflow(tmp_path: Path) -> None:
    dataflow = contract.flow(contract.add, get=["sum"])
    inputs = contract.numbers(1) + contract.others(2)
    found = [r async for _, r in NatsOrchestrator.run(dataflow, {"context": inputs})]
    assert found == [{"sum": [12]}]
