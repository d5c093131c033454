"""`chatbot replay`: a log through a flow, in its order, sending nothing."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import sys
from pathlib import Path
from typing import Any

from tests.servers.processes import ROOT, Program, environment, until

EXCERPT = ROOT / "flows" / "logs" / "ubuntu-2012-02-03.txt"

FAIL = """\
version: 1
name: failing
operations:
  test_fail: {inputs: {text: message.text}}
  say: {run: test_say, inputs: {text: test_fail.text}}
"""

ECHO = """\
version: 1
name: echo
operations:
  shout: {run: test_shout, inputs: {text: message.text}}
  say: {run: test_say, inputs: {text: shout.text}}
outputs: {text: shout.text}
"""

GATE = """\
version: 1
name: gated
operations:
  test_gate: {inputs: {text: message.text}, batch: 1, config: {folder: FOLDER, limit: 1}}
"""


def echo(program: Program) -> None:
    """Write a flow that needs a node, and no model."""
    (program.data / "echo.yaml").write_text(ECHO)


def objects(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


async def test_a_log_becomes_a_table_of_labels_with_counts_and_examples(program: Program) -> None:
    log = program.data / "chat.txt"
    said = ["thanks!", "helpbot: thanks a lot!", "how do I install this?", "anna: look at that"]
    log.write_text("".join(f"[12:3{i}] <kim> {text}\n" for i, text in enumerate(said)))
    code, out, err = await program.run("replay", "support", str(log), COLUMNS="80")
    assert (code, err) == (0, "")
    assert max(len(line) for line in out.splitlines()) <= 80
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}
    assert rows["thanks"][:3] == ["2", "50.0%", "1"]
    assert "helpbot: thanks a lot!" in " ".join(rows["thanks"]), "what was answered comes first"
    assert rows["install"][:3] == ["1", "25.0%", "1"]
    assert rows["(none)"][:3] == ["1", "25.0%", "0"]
    assert "4 messages in" in out
    assert "2 answered, 2 silent, 0 failed; nothing was sent" in out


async def test_json_is_one_object_a_message_in_the_order_of_the_log(program: Program) -> None:
    echo(program)
    code, out, err = await program.run("replay", "echo.yaml", str(EXCERPT), "--json")
    assert (code, err) == (0, "")
    found = objects(out)
    lines = [line for line in EXCERPT.read_text().splitlines() if line.startswith("[")]
    assert len(found) == len(lines)
    for each, line in zip(found, lines, strict=True):
        assert each["sender"] in line
        assert line.endswith(each["text"])
    assert set(found[0]) == {
        *("id", "time", "room", "sender", "text", "addressed", "understood", "replies", "error"),
    }
    again = program.data / "again.jsonl"
    again.write_text(out)
    code, out, err = await program.run("replay", "echo.yaml", str(again), "--json", "--limit", "5")
    assert code == 0, err
    assert objects(out) == found[:5], "what it prints it can read"


async def test_a_message_that_fails_is_counted_and_the_rest_goes_on(program: Program) -> None:
    (program.data / "failing.yaml").write_text(FAIL)
    log = program.data / "chat.jsonl"
    said = ["one", "secret: fail", "three", "fail", "five"]
    log.write_text("".join(json.dumps({"sender": "a", "text": text}) + "\n" for text in said))
    code, out, err = await program.run("replay", "failing.yaml", "chat.jsonl")
    assert code == 1
    assert "3 answered, 0 silent, 2 failed" in out
    assert "failed: 2 x test_fail raised ValueError" in out
    assert "secret" not in err
    code, out, err = await program.run("replay", "failing.yaml", "chat.jsonl", "--json")
    assert code == 1
    assert [each["error"] for each in objects(out)] == [
        *("", "test_fail raised ValueError", "", "test_fail raised ValueError", ""),
    ]


COMMANDS = """\
version: 1
name: told
commands: {flow: [digest]}
operations:
  all: {when: "{{ not message.command }}", reply: "heard {{ message.text }}"}
  own: {when: "{{ message.command == 'digest' }}", reply: "of {{ message.arguments }}"}
"""


async def test_commands_are_no_text_for_the_flow_but_for_its_own(program: Program) -> None:
    (program.data / "told.yaml").write_text(COMMANDS)
    (program.data / "deaf.yaml").write_text(COMMANDS.replace("{flow: [digest]}", "off"))
    said = ["!mute bob", "hi", "bot: !why", "!digest today", "!seen bob", "bot: !nothing", "!mute"]
    log = program.data / "chat.txt"
    log.write_text("".join(f"[12:3{i}] <kim> {text}\n" for i, text in enumerate(said)))
    code, out, err = await program.run("replay", "told.yaml", "chat.txt", "--json")
    assert code == 0, err
    found = objects(out)
    assert [each.get("command") for each in found] == [
        *("mute", None, "why", "digest", "seen", "nothing", "mute"),
    ]
    bots = "a command to the bot"
    assert [each.get("skipped") for each in found] == [bots, None, bots, None, None, bots, bots]
    assert [[reply["text"] for reply in each["replies"]] for each in found] == [
        *([], ["heard hi"], [], ["of today"], [], [], []),
    ]
    (program.data / "before.jsonl").write_text(out)
    given = ("--against", "deaf.yaml", "--report", "report.html")
    code, out, err = await program.run("replay", "told.yaml", "chat.txt", *given)
    assert code == 0, err
    assert "2 answered, 1 silent, 0 failed; nothing was sent" in out
    assert "commands to the bot, not carried out: 2 x mute, 1 x why, 1 x nothing" in out
    assert "6 of 7 messages are answered differently" in out
    assert "  - heard !mute bob\n  + (a command to the bot)" in out
    report = (program.data / "report.html").read_text()
    assert "<p>Commands to the bot, not carried out: 2 x mute, 1 x why, 1 x nothing.</p>" in report
    assert "<td>(command digest)</td><td>kim: !digest today</td><td>of today</td>" in report
    given = ("--against", "before.jsonl")
    code, out, err = await program.run("replay", "told.yaml", "chat.txt", *given)
    assert (code, "0 of 7 messages are answered differently" in out) == (0, True), out + err


async def test_a_log_that_is_none_is_refused_and_nothing_is_started(program: Program) -> None:
    (program.data / "bad.jsonl").write_text('{"sender": "a", "text": "b"}\n{"text": "secret"}\n')
    (program.data / "empty.txt").write_text("")
    for name, told in [("bad.jsonl", "bad.jsonl:2: "), ("empty.txt", "no line"), ("none", "none")]:
        code, out, err = await program.run("replay", "support", name)
        assert (code, out) == (2, "")
        assert told in err
        assert "secret" not in err
    assert not (program.data / "nats").exists()


async def test_beside_a_bot_it_uses_the_bots_server_and_nodes(program: Program) -> None:
    echo(program)
    async with program.start("run", "echo.yaml") as bot:
        await bot.wait_for("listens: console")
        [node] = (await program.status())["nodes"]
        code, out, err = await program.run("replay", "echo.yaml", str(EXCERPT), "--json")
        assert (code, err) == (0, "")
        assert len(objects(out)) == 154
        after = await program.status()
        assert [each["id"] for each in after["nodes"]] == [node["id"]], "no node of its own"
        [primary] = after["primaries"]
        assert primary["done"] == 0, "nothing came to the bot"
        assert not [q for q in after["queues"] if q["queue"].startswith("OUT") and q["stored"]]
        assert bot.process.stdin is not None
        bot.process.stdin.write(b"thanks!\n")
        await bot.wait_for("THANKS!")


async def test_ctrl_c_shows_what_was_done_so_far(program: Program) -> None:
    (program.data / "gated.yaml").write_text(GATE.replace("FOLDER", str(program.data)))
    log = program.data / "chat.txt"
    log.write_text("".join(f"[12:30] <kim> {i}\n" for i in range(3000)))
    async with program.start("replay", "gated.yaml", "chat.txt", "--json") as replay:
        await until(lambda: list(program.data.glob("started-*")), 60.0)
        (program.data / "open").touch()
        await until(lambda: replay.out.count("\n") > 10, 60.0)
        (program.data / "open").unlink()
        replay.signal(signal.SIGINT)
        assert await replay.ended(30.0) == 130
    texts = [each["text"] for each in objects(replay.out)]
    assert texts == [str(i) for i in range(len(texts))]
    assert f"interrupted after {len(texts)} of 3000 messages" in replay.err
    assert "Traceback" not in replay.err


async def test_the_progress_bar_is_on_a_terminal_and_the_data_is_not(program: Program) -> None:
    echo(program)
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chatbot", "replay", "echo.yaml", str(EXCERPT), "--json"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=theirs,
        env=environment(program.data, TERM="xterm"),
        cwd=program.data,
    )
    os.close(theirs)
    shown = bytearray()
    asyncio.get_running_loop().add_reader(ours, lambda: shown.extend(_read(ours)))
    try:
        async with asyncio.timeout(60.0):
            out, _ = await process.communicate()
    finally:
        asyncio.get_running_loop().remove_reader(ours)
        os.close(ours)
    assert process.returncode == 0, shown
    assert len(objects(out.decode())) == 154
    assert b"replaying ubuntu" in shown
    assert b'{"id"' not in shown


async def test_whoever_reads_no_further_sees_no_traceback(program: Program, tmp_path: Path) -> None:
    echo(program)
    command = f"{sys.executable} -m chatbot replay echo.yaml {EXCERPT} --json | head -n 1"
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", command),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(program.data),
        cwd=program.data,
    )
    async with asyncio.timeout(60.0):
        out, err = await process.communicate()
    assert len(objects(out.decode())) == 1
    assert err == b""


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that the other side is closed
        return b""
