"""What a good engineer writes by hand to run a sentence model fast, and nothing more.

    python -m tests.benchmarks.raw_model onnx|torch MODEL_FOLDER EXPORT TEXTS

`onnx` runs the exported model in batches: 256 texts at a time are tokenised, sorted by length
and parted by padded tokens; how many tokens, and whether the runtime's threads may spin, is
tried out at the start. `torch` runs PyTorch on one message after the other, as most programs
do. Imports nothing of the project.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import uvloop
from tokenizers import Tokenizer

from tests.benchmarks.companion import serve

WINDOW = 256
LIMITS = (256, 512, 1024)
TRIAL = 128

Encode = Callable[[Sequence[str]], None]


def tokenizer(folder: Path) -> Tokenizer:
    found = Tokenizer.from_file(str(folder / "tokenizer.json"))
    found.no_padding()
    found.enable_truncation(256)
    return found


class Onnx:
    """Sorted batches in ONNX Runtime."""

    def __init__(self, folder: Path, export: str, *, spinning: bool, limit: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "01"[spinning])
        self._session = onnxruntime.InferenceSession(
            export, options, providers=["CPUExecutionProvider"]
        )
        self._tokenizer = tokenizer(folder)
        self._limit = limit

    def __call__(self, texts: Sequence[str]) -> None:
        for start in range(0, len(texts), WINDOW):
            rows = [
                each.ids for each in self._tokenizer.encode_batch(texts[start : start + WINDOW])
            ]
            rows.sort(key=len, reverse=True)
            for batch in parted(rows, self._limit):
                self._session.run(None, padded(batch))


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
        torch = self._torch
        for text in texts:
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


def best(folder: Path, export: str, texts: Sequence[str]) -> Encode:
    """Return the loop that is fastest here."""
    made = [
        Onnx(folder, export, spinning=spinning, limit=limit)
        for spinning in (False, True)
        for limit in LIMITS
    ]
    seconds = {each: took(each, texts[:32]) and took(each, texts[:TRIAL]) for each in made}
    return min(made, key=seconds.__getitem__)


def took(encode: Encode, texts: Sequence[str]) -> float:
    began = time.perf_counter()
    encode(texts)
    return time.perf_counter() - began


async def main() -> None:
    kind, folder, export, given = sys.argv[1:]
    texts: list[str] = json.loads(Path(given).read_text())
    model = best(Path(folder), export, texts) if kind == "onnx" else Torch(Path(folder))
    model(texts[:64])

    async def answer(request: dict[str, Any]) -> dict[str, Any]:
        """Encode texts whose number is from `first` on; or each by itself, `every` seconds."""
        own = texts[request["first"] : request["first"] + request["count"]]
        if "every" not in request:
            return {"seconds": took(model, own)}
        seconds = []
        for text in own:
            await asyncio.sleep(request["every"])
            seconds.append(took(model, [text]))
        return {"seconds": seconds}

    await serve(answer)


if __name__ == "__main__":
    uvloop.run(main())
