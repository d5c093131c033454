"""`chatbot dead`: what failed is read, tried again and dropped."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete

from chatbot.broker import Broker, EmbeddedServer, letters, subjects
from chatbot.cli import cli
from chatbot.commands import dead
from chatbot.messages import DeadLetter, Reply
from chatbot.orchestrator.intake import Intake
from chatbot.settings import NATS_URL
from tests.acceptance.test_poison import harmful
from tests.integration.test_intake import (
    NETWORK,
    dead_letters,
    hear,
    message,
    outcomes,
    settled,
    taking,
)
from tests.servers.processes import Program

SECRETS = ("raise my secret", "raise another secret")


@asynccontextmanager
async def failed(broker: Broker, folder: Path, *texts: str) -> AsyncIterator[Intake]:
    """Run a flow for which these messages have failed."""
    async with taking(broker, harmful(folder, on="primary")) as intake:
        await hear(broker, *(message(text, f"{place}") for place, text in enumerate(texts)))
        await outcomes(broker, len(texts))
        await settled(broker)
        yield intake


async def listed(url: str) -> list[dict[str, Any]]:
    return [dead.summary(each) for each in await dead.every(url, None)]


async def run(program: Program, url: str, *arguments: str) -> tuple[int, str, str]:
    return await program.run("dead", *arguments, **{NATS_URL: url})


async def test_dead_letters_are_listed_and_shown(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path
) -> None:
    url = nats_server.url
    assert await run(program, url, "list") == (0, "There are no dead letters.\n", "")
    async with failed(broker, tmp_path, *SECRETS):
        pass
    code, out, err = await run(program, url, "list", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert "secret" not in out
    for each in found:
        assert (each["flow"], each["network"], each["room"]) == ("test", NETWORK, "#room")
        assert (each["operation"], each["kind"], each["attempts"]) == ("harm", "ValueError", 1)
        assert [name.rpartition(":")[2] for name in each["nodes"]] == [str(os.getpid())]
    _, out, _ = await run(program, url, "list")
    assert all(each["id"] in out for each in found)
    assert "secret" not in out
    assert json.loads((await run(program, url, "list", "--flow", "other", "--json"))[1]) == []

    _, out, _ = await run(program, url, "show", found[0]["id"], "--json")
    whole = json.loads(out)
    assert whole["message"]["text"] in SECRETS
    assert "cannot take" in whole["reason"]
    assert "in run" in whole["trace"]
    _, out, _ = await run(program, url, "show", found[1]["id"])
    assert "secret" in out
    assert "Traceback" in out

    _, out, _ = await program.run("status", **{NATS_URL: url})
    assert "2 dead letters: see them with `chatbot dead list`" in out
    _, out, _ = await program.run("status", "--json", **{NATS_URL: url})
    assert json.loads(out)["dead"] == 2


@pytest.mark.parametrize("command", ["show", "retry", "drop"])
async def test_an_unknown_letter_is_refused_with_a_near_one(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path, command: str
) -> None:
    async with failed(broker, tmp_path, "raise it"):
        pass
    (known,) = await listed(nats_server.url)
    typo = known["id"][:-1] + ("1" if known["id"][-1] == "0" else "0")
    code, out, err = await run(program, nats_server.url, command, typo)
    assert (code, out) == (2, "")
    assert f"there is no dead letter {typo}" in err
    assert f"did you mean {known['id']}?" in err
    assert len(await dead_letters(broker)) == 1, "nothing was done"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("retry",), "say --all"),
        (("drop", "--all", "0123456789"), "name none"),
        (("retry", "0123456789", "--flow", "x"), "--flow goes with --all"),
        (("show",), "ID"),
    ],
)
async def test_a_wrong_command_line_is_refused(
    program: Program, given: tuple[str, ...], told: str
) -> None:
    code, _, err = await program.run("dead", *given)
    assert code == 2
    assert told in err


async def test_letters_are_dropped_and_the_others_stay(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path
) -> None:
    async with failed(broker, tmp_path, "raise 1", "raise 2", "raise 3"):
        pass
    first, *rest = [each["id"] for each in await listed(nats_server.url)]
    code, out, _ = await run(program, nats_server.url, "drop", first, "--json")
    assert (code, json.loads(out)) == (0, {"dropped": [first]})
    assert [each["id"] for each in await listed(nats_server.url)] == rest
    code, out, _ = await run(program, nats_server.url, "drop", "--all")
    assert (code, out) == (0, "dropped 2 dead letters\n")
    assert await listed(nats_server.url) == []


async def test_a_message_that_is_tried_again_is_answered_once(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path
) -> None:
    async with failed(broker, tmp_path, "raise it", "raise that"):
        (tmp_path / "mended").touch()
        code, out, err = await run(program, nats_server.url, "retry", "--all", "--flow", "test")
        assert (code, out, err) == (0, "retried 2 dead letters\n", "")
        found = await outcomes(broker, 4)
        await settled(broker)
    assert [found[f"id of {each}"].replies for each in (0, 1)] == [(), ()], "as it was told before"
    assert found["id of 0~retry-1"].replies == (Reply("raise it"),)
    assert found["id of 1~retry-1"].replies == (Reply("raise that"),)
    assert await listed(nats_server.url) == []


@pytest.mark.parametrize("point", ["before IN", "sent IN", "stored IN"])
async def test_a_retry_that_was_killed_is_finished_by_the_next(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path, point: str
) -> None:
    texts = ("raise one", "raise two", "raise three")
    async with failed(broker, tmp_path, *texts):
        (tmp_path / "mended").touch()
        program.entry = ["tests.servers.failing", point, "kill"]  # at the second letter
        code, _, _ = await run(program, nats_server.url, "retry", "--all")
        assert code == -signal.SIGKILL
        assert len(await listed(nats_server.url)) == 2
        await dead.retry(nats_server.url, None, dead.Chosen(all=True))
        told = await outcomes(broker, 6)
        await settled(broker)
        await outcomes(broker, 6)
    again = [told[f"id of {place}~retry-1"].replies for place in range(3)]
    assert again == [(Reply(text),) for text in texts]
    assert await listed(nats_server.url) == []


async def test_what_fails_again_is_a_letter_again_and_can_be_tried_once_more(
    broker: Broker, nats_server: EmbeddedServer, tmp_path: Path
) -> None:
    url = nats_server.url
    async with failed(broker, tmp_path, "raise it"):
        (first,) = await listed(url)
        await dead.retry(url, None, dead.Chosen([first["id"]]))
        await outcomes(broker, 2)
        await settled(broker)
        (second,) = await listed(url)
        assert second["id"] != first["id"]
        (tmp_path / "mended").touch()
        await dead.retry(url, None, dead.Chosen(all=True))
        assert (await outcomes(broker, 3))["id of 0~retry-2"].replies == (Reply("raise it"),)
        await settled(broker)
    assert await listed(url) == []


async def test_a_letter_that_was_written_twice_is_one(
    broker: Broker, nats_server: EmbeddedServer, tmp_path: Path
) -> None:
    async with failed(broker, tmp_path, "raise it"):
        (letter,) = await dead_letters(broker)
        await broker.publish(subjects.dead_subject("test"), letter.encode())
        (found,) = await dead.every(nats_server.url, None)
        assert len(found.sequences) == 2
        await dead.drop(nats_server.url, None, dead.Chosen([found.id]))
    assert await letters.count(broker) == 0


async def test_a_flow_that_never_ran_here_is_told_and_nothing_is_lost(
    broker: Broker, nats_server: EmbeddedServer, program: Program, tmp_path: Path
) -> None:
    async with failed(broker, tmp_path, "raise it"):
        pass
    foreign = DeadLetter("unheard", message("x"), "reason")
    await broker.publish(subjects.dead_subject("unheard"), foreign.encode())
    code, _, err = await run(program, nats_server.url, "retry", "--all")
    assert code == 2
    assert "the flow unheard has never run" in err
    assert await letters.count(broker) == 2


async def test_the_shell_completes_ids(
    broker: Broker, nats_server: EmbeddedServer, tmp_path: Path
) -> None:
    async with failed(broker, tmp_path, "raise it", "raise that"):
        pass
    one, other = (each["id"] for each in await listed(nats_server.url))

    async def completed(*words: str, nats: str = nats_server.url) -> set[str]:
        shell = ShellComplete(cli, {}, "chatbot", "_CHATBOT_COMPLETE")
        *before, begun = words
        given = ["dead", *before[:1], "--nats", nats, *before[1:]]
        found = await asyncio.to_thread(shell.get_completions, given, begun)
        return {each.value for each in found}

    assert await completed("show", "") == {one, other}
    assert await completed("show", one[:9]) == {one}
    assert await completed("retry", one, "") == {other}
    assert await completed("drop", "", nats="nats://127.0.0.1:1") == set(), "and no traceback"
