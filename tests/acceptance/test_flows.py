"""Flow files as people use them: several at once, exported, migrated."""

from __future__ import annotations

import json

from tests.servers.processes import Program, until

DESK = """\
version: 1
name: desk
operations:
  shout: {run: test_shout, inputs: {text: message.text}}
  say: {reply: "{{ shout.text }} at the desk"}
"""
AWAY = """\
version: 1
name: away
listeners: {{platform: {{kind: test_platform, folder: {folder}}}}}
operations:
  shout: {{run: test_shout, inputs: {{text: message.text}}}}
  say: {{reply: "{{{{ shout.text }}}} far away"}}
"""


async def test_two_flows_run_in_one_process_with_one_node(program: Program) -> None:
    (program.data / "desk.yaml").write_text(DESK)
    (program.data / "away.yaml").write_text(AWAY.format(folder=program.data))
    (program.data / "posted").write_text("hello\n")
    said = program.data / "said"
    async with program.start("run", "desk.yaml", "away.yaml") as bot:
        await bot.wait_for("desk listens")
        await bot.wait_for("away listens")
        assert bot.process.stdin is not None
        bot.process.stdin.write(b"hi\n")
        await bot.wait_for("HI at the desk")
        await until(lambda: said.exists() and "HELLO far away" in said.read_text())
        status = await program.status()
        assert sorted(each["flow"] for each in status["primaries"]) == ["away", "desk"]
        assert len({each["pid"] for each in status["primaries"]}) == 1
        assert len(status["nodes"]) == 1
        bot.process.stdin.close()
        assert await bot.ended(20.0) == 0


async def test_a_second_flow_without_a_network_is_told_of(program: Program) -> None:
    (program.data / "desk.yaml").write_text(DESK)
    (program.data / "other.yaml").write_text(DESK.replace("name: desk", "name: other"))
    async with program.start("run", "desk.yaml", "other.yaml") as bot:
        await bot.wait_for("desk listens")
        await bot.wait_for("warning: other hears nothing: the terminal is for desk")
        await bot.wait_for("chatbot run other.yaml")
        assert bot.process.stdin is not None
        bot.process.stdin.close()
        assert await bot.ended(20.0) == 0


async def test_two_flows_of_one_name_are_refused(program: Program) -> None:
    (program.data / "desk.yaml").write_text(DESK)
    (program.data / "other.yaml").write_text(DESK)
    code, _, err = await program.run("run", "desk.yaml", "other.yaml")
    assert code == 2
    assert "two flows are called desk" in err
    code, _, err = await program.run("run", "desk.yaml", "other.yaml", "--set", "name=x")
    assert code == 2
    assert "--set is for one flow" in err


REAL = """\
version: 1
operations:
  clean: {run: clean_text, inputs: {text: message.text, nick: message.nick}}
  say: {reply: "{{ message.name }}: {{ clean.text }}", when: "{{ clean.open }}"}
outputs: {text: clean.text}
"""


async def test_dffmls_own_command_runs_what_was_exported(program: Program) -> None:
    (program.data / "real.yaml").write_text(REAL)
    code, out, err = await program.run("flow", "export", "real.yaml", "--dffml")
    assert code == 0, err
    (program.data / "real.json").write_text(out)
    code, out, err = await program.run(
        *("dffml", "dataflow", "run", "single", "-dataflow", "real.json"),
        *("-inputs", "bot: hi=message.text", "anna=message.name", "bot=message.nick"),
    )
    assert code == 0, err
    [found] = json.loads(out)
    assert [reply["text"] for reply in found["replies"]] == ["anna: hi"]
    code, out, err = await program.run("run", "real.json", stdin="hi\n")
    assert (code, out.endswith(": hi\n")) == (0, True), err


async def test_an_old_file_is_migrated_in_place(program: Program) -> None:
    old = "# mine\n" + REAL.removeprefix("version: 1\n")
    (program.data / "old.yaml").write_text(old)
    code, out, _ = await program.run("flow", "migrate", "old.yaml")
    assert code == 1
    assert "+version: 1" in out
    assert (program.data / "old.yaml").read_text() == old
    code, _, err = await program.run("flow", "migrate", "old.yaml", "--write")
    assert code == 0, err
    assert sorted((program.data / "old.yaml").read_text().splitlines()) == sorted(
        ["version: 1", *old.splitlines()]
    )
    assert (await program.run("flow", "check", "old.yaml"))[0] == 0


COUNTING = """\
version: 1
state: {said: {per: person, start: 0}}
operations:
  count: {set: {said: {add: 1}}}
  say: {reply: "number {{ state.said + 1 }} of {{ message.name }}"}
"""
LOG = "[12:00] <anna> one\n[12:01] <otto> one\n[12:02] <anna> two\n"


async def test_a_replay_has_a_state_of_its_own(program: Program) -> None:
    (program.data / "counting.yaml").write_text(COUNTING)
    (program.data / "2016-11-20.log").write_text(LOG)
    code, out, err = await program.run("replay", "counting.yaml", "2016-11-20.log", "--json")
    assert code == 0, err
    said = [json.loads(line)["replies"][0]["text"] for line in out.splitlines()]
    assert said == ["number 1 of anna", "number 1 of otto", "number 2 of anna"]
