"""What a good engineer writes by hand to run a sentence model fast, and nothing more.

    python -m tests.benchmarks.raw_model onnx|torch MODEL_FOLDER EXPORT TEXTS

`onnx` runs the exported model in batches: 256 texts at a time are tokenised, sorted by length
and parted by padded tokens. Each batch runs on all cores, as the runtime does by itself; how many
tokens, and whether its threads may spin, is tried out at the start. Asked for `each`, it runs a
batch on each core instead. A lone text runs on one core, and nothing spins meanwhile. `torch` runs
PyTorch on one message after the other, as most programs do. Imports nothing of the project.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import uvloop
from tokenizers import Tokenizer

from tests.benchmarks.companion import serve

WINDOW = 256
LIMITS = (256, 512, 1024)
TRIAL = 128


def tokenizer(folder: Path) -> Tokenizer:
    found = Tokenizer.from_file(str(folder / "tokenizer.json"))
    found.no_padding()
    found.enable_truncation(256)
    return found


class Onnx:
    """Sorted batches in ONNX Runtime: each on all cores, or, `alone`, on one.

    Without the fusion that is slow with eight-bit weights, as the project's own sessions.
    """

    def __init__(
        self, folder: Path, export: str, limit: int, *, spinning: bool = False, alone: bool = False
    ) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if alone:
            options.intra_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "01"[spinning])
        self._session = onnxruntime.InferenceSession(
            export,
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=["SkipLayerNormFusion"],
        )
        self._tokenizer = tokenizer(folder)
        self._limit = limit
        self._map = ThreadPoolExecutor(len(os.sched_getaffinity(0))).map if alone else map

    def __call__(self, texts: Sequence[str]) -> None:
        for start in range(0, len(texts), WINDOW):
            rows = [
                each.ids
                for each in self._tokenizer.encode_batch_fast(texts[start : start + WINDOW])
            ]
            rows.sort(key=len, reverse=True)
            for _ in self._map(self._run, parted(rows, self._limit)):
                pass

    def one(self, text: str) -> None:
        """Encode a text in this thread."""
        self._run([self._tokenizer.encode(text).ids])

    def _run(self, rows: list[list[int]]) -> None:
        self._session.run(None, padded(rows))


class Torch:
    """One message after the other in PyTorch, single precision."""

    def __init__(self, folder: Path) -> None:
        import torch
        import transformers

        transformers.utils.logging.disable_progress_bar()
        self._torch = torch
        self._model = transformers.AutoModel.from_pretrained(folder, dtype="float32").eval()
        self._tokenizer = tokenizer(folder)

    def __call__(self, texts: Sequence[str]) -> None:
        for text in texts:
            self.one(text)

    def one(self, text: str) -> None:
        torch = self._torch
        ids = torch.tensor([self._tokenizer.encode(text).ids])
        with torch.inference_mode():
            hidden = self._model(input_ids=ids).last_hidden_state
            torch.nn.functional.normalize(hidden.mean(dim=1), dim=1).numpy()


def parted(rows: list[list[int]], limit: int) -> Iterator[list[list[int]]]:
    batch: list[list[int]] = []
    for row in rows:
        if batch and len(batch[0]) * (len(batch) + 1) > limit:
            yield batch
            batch = []
        batch.append(row)
    yield batch


def padded(rows: list[list[int]]) -> dict[str, Any]:
    ids = np.zeros((len(rows), len(rows[0])), dtype=np.int64)
    mask = np.zeros_like(ids)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = row
        mask[number, : len(row)] = 1
    return {"input_ids": ids, "attention_mask": mask}


def best(made: Sequence[Onnx], texts: Sequence[str]) -> Onnx:
    """Return the loop that is fastest here."""
    seconds = {each: took(each, texts[:32]) and took(each, texts[:TRIAL]) for each in made}
    return min(made, key=seconds.__getitem__)


def took(encode: Callable[..., None], given: Any) -> float:
    began = time.perf_counter()
    encode(given)
    return time.perf_counter() - began


async def main() -> None:
    kind, folder, export, given = sys.argv[1:]
    texts: list[str] = json.loads(Path(given).read_text())
    model: Onnx | Torch
    each: Onnx | Torch
    if kind == "onnx":
        both = itertools.product((False, True), LIMITS)
        made = [Onnx(Path(folder), export, limit, spinning=spin) for spin, limit in both]
        model = best(made, texts)
        each = best([Onnx(Path(folder), export, limit, alone=True) for limit in LIMITS], texts)
        del made
    else:
        model = each = Torch(Path(folder))
    model(texts[:64])

    async def answer(request: dict[str, Any]) -> dict[str, Any]:
        """Encode texts whose number is from `first` on; or each by itself, `every` seconds."""
        own = texts[request["first"] : request["first"] + request["count"]]
        if "every" not in request:
            return {"seconds": took(each if request.get("each") else model, own)}
        seconds = []
        for text in own:
            await asyncio.sleep(request["every"])
            seconds.append(took(each.one, text))
        return {"seconds": seconds}

    await serve(answer)


if __name__ == "__main__":
    uvloop.run(main())
