"""Thorough training: minutes, in which the encoder learns, too.

The rule that it guards: whether the encoder is better for it, by how much to trust what it
learned, and every threshold are found on examples that it was not trained on; only then is it
trained on all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

from chatbot.inference.calibration import losses, sigmoid, softmax, temperature_of
from chatbot.inference.encoder import Encoder
from chatbot.inference.finetuning import Recipe, Tunable
from chatbot.inference.head import Head, Settings, familiarity
from chatbot.inference.training import (
    Examples,
    Table,
    calibrated,
    calibrated_like,
    chosen,
    machine,
    revision,
    tabled,
)

if TYPE_CHECKING:
    pass

HELD_BACK = 0.2
_BLENDS = (0.5, 0.75, 1.0)
_FEWEST = 5
"""Held-back examples of which something can be found."""

_FEW = 50

Stage = Callable[[str], AbstractContextManager[Callable[[float], None]]]
"""Told what begins; yields what to tell the share that is done."""


@contextmanager
def silent(_: str) -> Iterator[Callable[[float], None]]:
    """Show nothing."""
    yield lambda _: None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What thorough training made, and how many of `held` examples held back were `right`.

    `before` is how many quick training gets right of the same ones; `blend` how far the
    encoder went (0: it is as it was); `seconds` are of processor time.
    """

    encoder: Encoder
    head: Head
    held: int
    right: int
    before: int
    blend: float
    seconds: float


@dataclass(frozen=True, slots=True)
class _Found:
    """Settings with their scores of the held-back examples, at the best temperature."""

    blend: float
    settings: Settings
    losses: Any
    right: int
    head: Head
    """Calibrated on what was held back."""


def thorough(
    name: str,
    examples: Examples,
    folder: Path,
    stage: Stage,
    *,
    several: bool = False,
    recipe: Recipe | None = None,
) -> Outcome:
    """Fine-tune the encoder so named and learn a head; writes the encoder to `folder`.

    Blocks for minutes; at most about three on two cores.
    """
    started = process_time()
    recipe = recipe or Recipe()
    tunable = Tunable(name)
    with stage("encoding the examples"):
        table = tabled(Encoder.load(name), examples, several=several)
        kept, held = _split(table)
        settings = chosen(kept)
    before = _tried(kept, held, 0.0, settings)
    with stage("fine-tuning on four fifths of the examples") as progress:
        tunable.tune(kept.texts, kept.owners.tolist(), recipe, progress)
    with stage("measuring on the last fifth"):
        best = _best(before, tunable, kept, held)
    if best.blend:
        with stage("fine-tuning on all examples") as progress:
            tunable.tune(table.texts, table.owners.tolist(), recipe, progress)
    with stage("learning the labels"):
        tunable.blend(best.blend)
        tunable.save(folder)
        encoder = Encoder.load(str(folder))
        final = replace(table, vectors=encoder.encode(table.texts)) if best.blend else table
        head = calibrated_like(machine(final, best.settings)[0], best.head)
        head = replace(head, revision=revision(encoder, examples, several=several))
    seconds = process_time() - started
    return Outcome(encoder, head, held.count, best.right, before.right, best.blend, seconds)


def _best(before: _Found, tunable: Tunable, kept: Table, held: Table) -> _Found:
    """Return the blend and settings with the least loss on what was held back.

    The encoder stays as it is unless another is better; by the standard error of the difference
    where little was held back.
    """
    found = before
    for blend in _BLENDS:
        tunable.blend(blend)
        with tempfile.TemporaryDirectory(prefix="chatbot-training-") as folder:
            tunable.save(Path(folder))
            encoder = Encoder.load(folder)
            tuned = replace(kept, vectors=encoder.encode(kept.texts))
            rest = replace(held, vectors=encoder.encode(held.texts))
        for settings in _near(before.settings):
            tried = _tried(tuned, rest, blend, settings)
            if tried.losses.mean() < found.losses.mean():
                found = tried
    gain = before.losses - found.losses
    needed = gain.std() / len(gain) ** 0.5 if len(gain) < _FEW else 0.0
    return found if gain.mean() > needed else before


def _near(settings: Settings) -> list[Settings]:
    letters = sorted({settings.letters, settings.letters / 2})
    return [
        replace(settings, gamma=gamma, letters=weight) for gamma in (0.5, 1.0) for weight in letters
    ]


def _tried(kept: Table, held: Table, blend: float, settings: Settings) -> _Found:
    head, _ = machine(kept, settings)
    vectors, texts = held.vectors[: held.count], held.texts[: held.count]
    targets = held.targets[: held.count]
    scores = head.scores(vectors, texts)

    def familiar(scores: Any) -> Any:
        return familiarity(vectors @ head.examples.T, vectors @ head.centroids().T, scores)

    head = calibrated(head, scores, targets, familiar)
    scores[:, -1] += head.shift
    owners = targets.argmax(axis=1)
    if head.several:
        import numpy as np

        own = sigmoid(scores * targets, head.temperature)
        right = ((sigmoid(scores, head.temperature) >= head.floors) == (targets > 0)).all(axis=1)
        return _Found(
            blend, settings, -np.log(np.maximum(own, 1e-9)).mean(axis=1), int(right.sum()), head
        )
    loss = losses(softmax(scores, temperature_of(scores, owners)), owners)
    right = scores.argmax(axis=1) == owners
    return _Found(blend, settings, loss, int(right.sum()), head)


def _split(table: Table) -> tuple[Table, Table]:
    """Return four fifths of the examples and one; every label keeps one at least, and the names.

    Of few examples, half are held back.
    """
    import numpy as np

    owners = table.owners[: table.count]
    shuffled = np.random.default_rng(0).permutation(table.count)
    ordered = shuffled[np.argsort(owners[shuffled], kind="stable")]
    every = max(2, min(round(1 / HELD_BACK), table.count // _FEWEST))
    held, seen = [], set()
    for place, row in enumerate(ordered):
        if owners[row] in seen and place % every == every - 1:
            held.append(row)
        seen.add(owners[row])
    kept = np.setdiff1d(np.arange(table.count), held)
    return table.only(kept), table.only(np.sort(np.array(held, dtype=int)))
