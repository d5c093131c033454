"""`chatbot bench model`, and a node that runs a model: what it says, how soon it is ready."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from tests.servers.processes import Program
from tests.unit.test_classifier import EXAMPLES, tiny

__all__ = ["tiny"]

FLOW = """\
version: 1
name: understand
operations:
  classify:
    run: classify_text
    inputs: {{text: message.text}}
    config: {{examples: labels.yaml, encoder: {encoder}, backend: {backend}}}
"""
SILENT = """\
version: 1
name: silent
operations:
  clean: {run: clean_text, inputs: {text: message.text}}
"""


@pytest.fixture
def flow(program: Program, tiny: Path) -> Path:
    lines = [f"{label}: {texts!r}\n" for label, texts in EXAMPLES.items()]
    (program.data / "labels.yaml").write_text("".join(lines))
    path = program.data / "understand.yaml"
    path.write_text(FLOW.format(encoder=tiny, backend="onnx-int8"))
    return path


async def test_a_back_end_that_is_not_there_is_refused(program: Program, flow: Path) -> None:
    code, out, err = await program.run("bench", "model", str(flow), "--backend", "onxx")
    assert (code, out) == (2, "")
    assert "no back end 'onxx' (did you mean 'onnx'?)" in err


async def test_a_flow_without_a_model_is_refused(program: Program) -> None:
    path = program.data / "silent.yaml"
    path.write_text(SILENT)
    code, out, err = await program.run("bench", "model", str(path))
    assert (code, out) == (2, "")
    assert "silent has no classifier" in err


async def test_a_wrong_back_end_in_a_flow_is_found_by_the_check(
    program: Program, flow: Path
) -> None:
    flow.write_text(flow.read_text().replace("onnx-int8", "torch-int8"))
    code, _, err = await program.run("flow", "check", str(flow))
    assert code == 2
    assert "understand.yaml:7:" in err
    assert "there is no back end 'torch-int8'" in err


@pytest.mark.crash
async def test_each_back_end_is_measured_and_what_there_is_not_is_said(
    program: Program, flow: Path, tmp_path: Path
) -> None:
    told = ("--backend", "onnx", "--backend", "onnx-int8", "--backend", "cuda", "--json")
    here = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "CUDA_VISIBLE_DEVICES": ""}
    code, out, err = await program.run("bench", "model", str(flow), *told, **here)
    assert code == 0, err
    [found] = json.loads(out)
    assert (found["operation"], found["backend"]) == ("classify", "onnx-int8")
    assert found["examples"] == sum(map(len, EXAMPLES.values()))
    assert list(found["impossible"]) == ["cuda"]
    assert re.search("finds no GPU|built without CUDA", found["impossible"]["cuda"])
    exact, fast = found["backends"]
    assert (exact["backend"], exact["exact"], exact["default"]) == ("onnx", True, True)
    assert (fast["backend"], fast["exact"], fast["default"]) == ("onnx-int8", False, False)
    assert exact["agreement"] == 1
    for each in (exact, fast):
        assert each["texts_per_second"] > 0
        assert each["latency_seconds"] > 0
        assert 0 < each["load_seconds"] < 60
        assert each["memory_bytes"] > 20e6
        assert 0 <= each["accuracy"] <= 1


@pytest.mark.crash
async def test_a_node_is_ready_soon_imports_no_pytorch_and_says_what_it_does(
    program: Program, tmp_path: Path
) -> None:
    here = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    async with program.start("run", "support", "--no-node", "--no-listeners", **here):
        for warm in (False, True):
            async with program.start("node", "run", "classify_text", **here) as node:
                await node.wait_for("classify_text: loading the model all-MiniLM-L6-v2 (onnx)")
                await node.wait_for("running classify_text")
                mapped = Path(f"/proc/{node.pid}/maps").read_text()
                fields = Path(f"/proc/{node.pid}/stat").read_text().rpartition(") ")[2].split()
                seconds = sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
            assert ("exporting the model" in node.err) != warm
            if warm:
                assert "onnxruntime" in mapped
                assert "libtorch" not in mapped
                assert seconds < 5, "processor time, which other programs do not change"
