"""Commands as an operator meets them: what is refused, and DFFML's own."""

from __future__ import annotations

import json
import signal
from time import monotonic

import pytest

from chatbot.broker import EmbeddedServer
from chatbot.broker.connection import PATIENCE
from tests.servers.processes import Program

WRONG = """\
version: 1
name: wrong
listeners:
  irc: {server: irc.example.org, chanels: ["#a"]}
operations:
  test_shoot: {inputs: {text: message.text}}
  test_say: {inputs: {text: test_shout.text}}
outptus: {}
"""


LABELLED = """\
version: 1
name: labelled
operations:
  shout: {run: test_shout, on: [gpu, size=large], inputs: {text: message.text}}
  say: {run: test_say, inputs: {text: shout.text}}
"""


async def test_the_bots_own_node_has_the_labels_that_it_is_given(program: Program) -> None:
    (program.data / "labelled.yaml").write_text(LABELLED)
    labels = ("--label", "gpu", "--label", "size=large")
    code, out, err = await program.run("run", "labelled.yaml", *labels, stdin="hi\n")
    assert (code, out) == (0, "bot: HI\n"), err
    for wrong, told in [(("--label", "a b"), "is not a label"), ((*labels, "--no-node"), "--no-")]:
        code, _, err = await program.run("run", "labelled.yaml", *wrong)
        assert code == 2
        assert told in err


async def test_all_that_is_wrong_with_a_flow_is_told_and_run_refuses_it_alike(
    program: Program,
) -> None:
    (program.data / "wrong.yaml").write_text(WRONG)
    code, out, err = await program.run("flow", "check", "wrong.yaml")
    assert (code, out) == (2, "")
    for problem in (
        "wrong.yaml:4:34: ",
        "wrong.yaml:6:3: ",
        "wrong.yaml:7:",
        "wrong.yaml:8:1: ",
        "did you mean test_shout?",
        "did you mean channels?",
        "did you mean outputs?",
        "4 problems in the flow",
    ):
        assert problem in err, err
    address = "nats://127.0.0.1:1"  # nobody is there: it must not come to that
    for arguments in (
        ["run", "wrong.yaml"],
        ["run", "wrong.yaml", "--nats", address],
        ["replay", "wrong.yaml", "wrong.yaml"],
    ):
        started = monotonic()
        assert await program.run(*arguments) == (2, "", err)
        assert monotonic() - started < PATIENCE
    assert [each.name for each in program.data.iterdir()] == ["wrong.yaml"]


async def test_what_is_wrong_can_be_had_as_json(program: Program) -> None:
    (program.data / "wrong.yaml").write_text(WRONG)
    code, out, err = await program.run("flow", "check", "wrong.yaml", "--json")
    assert (code, err) == (2, "")
    problems = json.loads(out)["problems"]
    assert [each["line"] for each in problems] == [4, 6, 7, 8]
    assert all(set(each) == {"file", "line", "column", "message", "hint"} for each in problems)


async def test_a_flow_that_is_right_is_summed_up(program: Program) -> None:
    code, out, err = await program.run("flow", "check", "support")
    assert (code, out) == (0, "")
    assert "right" in err
    code, out, err = await program.run("flow", "check", "support", "--json", COLUMNS="20")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["name"] == "support"
    assert found["problems"] == []
    assert found["operations"]["understand/classify"] == "classify_text"


async def test_a_wrong_token_is_refused_and_not_shown(
    program: Program, nats_server: EmbeddedServer
) -> None:
    _, _, place = nats_server.url.rpartition("@")
    wrong = f"nats://w40ng-t0ken@{place}"
    for arguments in (
        ["status"],
        ["run", "support"],
        ["node", "run", "classify_text"],
        ["dffml", "service", "node", "run", "classify_text"],
    ):
        code, out, err = await program.run(*arguments, CHATBOT_NATS_URL=wrong)
        assert (code, out) == (2, "")
        assert "refuses our credentials" in err
        assert "w40ng" not in err
        assert "Traceback" not in err


async def test_nobody_there_is_told_without_the_token(program: Program) -> None:
    code, out, err = await program.run("run", "support", "--nats", "nats://s3cret@127.0.0.1:1")
    assert (code, out) == (2, "")
    assert "no NATS server answers at" in err
    assert "s3cret" not in err


@pytest.mark.parametrize("command", [["node", "run"], ["dffml", "service", "node", "run"]])
async def test_an_operation_that_is_not_installed_is_refused(
    program: Program, command: list[str]
) -> None:
    code, out, err = await program.run(*command, "clasify_text")
    assert (code, out) == (2, "")
    assert "no operation 'clasify_text' is installed here" in err
    assert "did you mean 'classify_text'?" in err
    assert "Traceback" not in err


async def test_dffmls_own_command_passes_through(program: Program) -> None:
    code, out, err = await program.run("dffml", "version", "-no-error")
    assert code == 0, err
    assert out.startswith("dffml 0.4.0")
    code, out, err = await program.run("dffml", "nosuch")
    assert (code, out) == (2, "")
    assert "usage: chatbot dffml" in err
    code, out, err = await program.run("dffml", "--help")
    assert code == 0
    assert "chatbot dffml service node run classify_text" in out
    assert "positional arguments" in out


async def test_a_dataflow_of_dffmls_runs_on_its_orchestrator_and_on_ours(program: Program) -> None:
    code, flow, err = await program.run(
        *("dffml", "dataflow", "create", "multiply", "get_single", "-inputs"),
        *("6=multiplicand_def", "7=multiplier_def", '["product"]=get_single_spec'),
    )
    assert code == 0, err
    (program.data / "flow.json").write_text(flow)
    for orchestrator in ("memory", "nats"):
        code, out, err = await program.run(
            *("dffml", "dataflow", "run", "single", "-dataflow", "flow.json"),
            *("-orchestrator", orchestrator),
        )
        assert code == 0, err
        assert json.loads(out) == [{"product": 42}]


async def test_a_node_by_dffmls_command_does_the_work_and_drains(program: Program) -> None:
    async with program.start("run", "support", "--no-node") as bot:
        await bot.wait_for("listens: console")
        async with program.start("dffml", "service", "node", "run", "classify_text") as node:
            await node.wait_for("running classify_text")
            assert bot.process.stdin is not None
            bot.process.stdin.write(b"thanks!\n")
            await bot.wait_for("welcome")
            node.signal(signal.SIGTERM)
            assert await node.ended(15.0) == 0
            assert "Traceback" not in node.err
        assert (await program.status())["nodes"] == []
