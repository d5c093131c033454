"""The wheel has all that the program needs: it runs where there is no checkout."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.servers.processes import ROOT, Process, environment


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, in a folder of its own."""
    folder = tmp_path_factory.mktemp("wheel")
    asyncio.run(_build(folder))
    [wheel] = folder.glob("chatbot-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


async def _build(folder: Path) -> None:
    isolated = importlib.util.find_spec("hatchling") is None
    options = [] if isolated else ["--no-build-isolation"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--wheel-dir", str(folder), *options, str(ROOT)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 120.0)
    assert process.returncode == 0, out.decode()


async def start(unpacked: Path, data: Path, *arguments: str) -> Process:
    """Run the unpacked program. `-S`: without what `.pth` files add, such as our checkout."""
    scripts = Path(sys.executable).parent
    path = os.pathsep.join([str(unpacked), sysconfig.get_path("purelib")])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-S", "-m", "chatbot", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(
            data, PYTHONPATH=path, PATH=f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}"
        ),
        cwd=data,
    )
    return Process(process, f"chatbot {' '.join(arguments)}")


async def test_the_shipped_flows_are_found_inside_it(unpacked: Path, tmp_path: Path) -> None:
    checking = await start(unpacked, tmp_path, "flow", "check", "support", "--json")
    assert await checking.ended() == 0, checking.err
    found = json.loads(checking.out)
    assert Path(found["path"]) == unpacked / "chatbot" / "shipped" / "flows" / "support.yaml"
    assert found["operations"]["understand/classify"] == "classify_text"


async def test_a_flow_of_ones_own_may_be_anywhere(unpacked: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "version: 1\nname: mine\noperations:\n"
        "  answer: {inputs: {label: message.text, sender: message.sender},"
        " config: {answers: {hi: 'Hello {sender}!'}}}\n"
    )
    bot = await start(unpacked, tmp_path, "run", "mine.yaml")
    assert bot.process.stdin is not None
    bot.process.stdin.write(b"hi\n")
    bot.process.stdin.close()
    assert await bot.ended() == 0, bot.err
    assert "bot: Hello" in bot.out


async def test_a_bot_runs_from_it(unpacked: Path, tmp_path: Path) -> None:
    bot = await start(unpacked, tmp_path, "run", "support", "--no-node")
    try:
        await bot.wait_for("support listens: console")
    finally:
        bot.signal(signal.SIGTERM)
    assert await bot.ended(15.0) == 0
    assert "Traceback" not in bot.err


async def test_nothing_of_the_checkout_is_missing_or_too_much(unpacked: Path) -> None:
    def modules(folder: Path) -> set[str]:
        return {
            str(path.relative_to(folder))
            for package in ("chatbot", "operations")
            for path in (folder / package).rglob("*.py")
            if shipped not in path.parents  # the flows' own, compared below
        }

    shipped = unpacked / "chatbot" / "shipped" / "flows"
    assert modules(unpacked) == modules(ROOT)
    names = {str(path.relative_to(shipped)) for path in shipped.rglob("*") if path.is_file()}
    assert names == {
        str(path.relative_to(ROOT / "flows"))
        for path in (ROOT / "flows").rglob("*")
        if path.is_file()
    }
    assert sorted(path.name.partition("-")[0] for path in unpacked.iterdir()) == [
        *("chatbot", "chatbot", "operations"),
    ]
