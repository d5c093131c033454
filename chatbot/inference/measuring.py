"""How one back end does on this machine; in a process of its own, so that its memory is its own.

    python -m chatbot.inference.measuring < request

The request and the answer are JSON: a `Request`; a `Measured`, or what makes it impossible.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from chatbot.errors import ChatbotError

if TYPE_CHECKING:
    from chatbot.inference.encoder import Encoder

SECONDS = 3.0
"""For how long rate is measured at least; latency for as long at most."""

WINDOW = 256
LONE = 40


class Request(msgspec.Struct, frozen=True):
    """What to measure: texts, each with the number of its label."""

    encoder: str
    backend: str
    texts: list[str]
    owners: list[int]


class Measured(msgspec.Struct, frozen=True):
    """What was measured.

    Texts a second in bulk; the median of seconds for a lone text; seconds to load, warmed;
    bytes of memory at the most; for each text the number of the label that a head gives it which
    has not seen it. `impossible` says why there is nothing of all that.
    """

    backend: str = ""
    rate: float = 0.0
    latency: float = 0.0
    load: float = 0.0
    memory: int = 0
    predicted: list[int] = []
    impossible: str = ""


def measure(request: Request) -> Measured:
    """Measure here and now; takes some seconds."""
    from chatbot.inference.encoder import Encoder
    from chatbot.inference.loss import held_out

    began = time.perf_counter()
    encoder = Encoder.load(request.encoder, backend=request.backend)
    encoder.encode(["hello"])
    load = time.perf_counter() - began
    rate, latency = _rate(encoder, request.texts), _latency(encoder, request.texts)
    memory = _memory()
    import numpy as np

    predicted = held_out(encoder.encode(request.texts), np.array(request.owners))
    return Measured(encoder.backend, rate, latency, load, memory, predicted.tolist())


def _rate(encoder: Encoder, texts: Sequence[str]) -> float:
    """Return texts a second. Each has a number behind it: the encoder remembers those it had."""
    done = 0
    encoder.encode([f"{text} -" for text in texts[:WINDOW]])
    began = time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        for start in range(0, len(texts), WINDOW):
            window = texts[start : start + WINDOW]
            encoder.encode([f"{text} {done + place}" for place, text in enumerate(window)])
            done += len(window)
    return done / (time.perf_counter() - began)


def _latency(encoder: Encoder, texts: Sequence[str]) -> float:
    seconds = []
    end = time.perf_counter() + SECONDS
    for number in range(LONE):
        began = time.perf_counter()
        encoder.encode([f"{texts[number * 7 % len(texts)]} {number}!"])
        seconds.append(time.perf_counter() - began)
        if time.perf_counter() > end:
            break
    return statistics.median(seconds)


def _memory() -> int:
    """Return the most memory that this process had resident, in bytes; 0 where it is not told."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def main() -> None:
    """Answer the request on standard input."""
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=Request)
    try:
        found = measure(request)
    except ChatbotError as error:
        found = Measured(request.backend, impossible=error.message)
    sys.stdout.buffer.write(msgspec.json.encode(found))


if __name__ == "__main__":
    main()
