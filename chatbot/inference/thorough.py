"""Thorough training: minutes, in which the encoder learns, too.

The rule that it guards: whether the encoder is better for it, by how much to trust what it
learned, and every threshold are found on examples that it was not trained on; only then is it
trained on all. What is not clearly better there is not taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any

from chatbot.errors import OperationError
from chatbot.inference.backends import AUTO, TORCH
from chatbot.inference.calibration import evened
from chatbot.inference.encoder import Encoder
from chatbot.inference.features import Likeness, last
from chatbot.inference.finetuning import Recipe, means
from chatbot.inference.head import Head, Settings, closeness, familiar
from chatbot.inference.models import described
from chatbot.inference.training import (
    Examples,
    Letters,
    Table,
    calibrated,
    chosen,
    drawn,
    found,
    machine,
    own_losses,
    revision,
    shifted,
    tabled,
)
from chatbot.inference.trainings import Job, Trainings, trainings

_BLENDS = (0.75, 1.0)
"""How far the encoder goes. Each means encoding the examples anew, which takes long by PyTorch."""
_KERNELS = {False: (0.5, 1.0, 2.0), True: (1.0, 2.0, 4.0)}
"""How narrow the kernels are: of the sentences' vectors, and of all of the features, by which texts
are more alike."""

_PENALTIES = (0.1, 0.3, 1.0)
_EVENED = (0.0, 0.5, 1.0)
_PARTS = 5
"""Of which one is held back at a time; as many times as there is time for."""

_FEWEST = 5
"""Held-back examples of which something can be found."""

_SURE = 1.0
"""Standard errors of the difference by which the tuned encoder has to be better: the rule of one
standard error (Breiman and others, 1984)."""

_SPEAKING = 10
"""Examples that the gain has to rest on, at least: of fewer, its standard error says nothing."""

_KNOWN, _HELD = 1000, 600
"""Examples that a choice is made with: those it learns from, and those it is judged by."""

_SLOWER = 1.4
"""How many times as long PyTorch takes for a text as ONNX Runtime does, about."""

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
    encoder went (0: it is as it was); `seconds` are how many it took. `share` is how many of
    the steps that were planned there was time for, in the training that had the least.
    `exporting` is how many seconds the export for ONNX Runtime took, which lies beside the
    encoder; `unexported` says why there is none, "" if there is.
    """

    encoder: Encoder
    head: Head
    held: int
    right: int
    before: int
    blend: float
    seconds: float
    share: float = 1.0
    exporting: float = 0.0
    unexported: str = ""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """How far the encoder goes, and the settings of the head on it.

    Without settings they are those that the examples ask for which are not held back.
    """

    blend: float
    settings: Settings | None


_PLAIN = _Candidate(0.0, None)


@dataclass(frozen=True, slots=True)
class _Judged:
    """What was held back, a row each: scores, closeness to the rest, and targets."""

    head: Head
    scores: Any
    close: Any
    targets: Any

    @property
    def losses(self) -> Any:
        """Each one's loss, its scores evened so that they are likeliest: kernels are compared."""
        several = self.head.several
        if several or self.scores.shape[1] == 2:
            return own_losses(self.scores, self.targets, several=several)
        found = [
            own_losses(evened(self.scores, share), self.targets, several=False) for share in _EVENED
        ]
        return min(found, key=lambda losses: float(losses.mean()))

    def calibrated(self, head: Head, like: Any = None) -> Head:
        """Return a head of the same kind with what these scores ask for."""
        return calibrated(head, self.scores, self.targets, self._familiar, like)

    def right(self) -> int:
        """Return how many are right."""
        from chatbot.inference.calibration import sigmoid

        head = self.calibrated(self.head)
        scores = shifted(head, self.scores)
        if head.several:
            given = sigmoid(scores, head.temperature) >= head.floors
            return int((given == (self.targets > 0)).all(axis=1).sum())
        return int((scores.argmax(axis=1) == self.targets.argmax(axis=1)).sum())

    def _familiar(self, scores: Any) -> Any:
        return familiar(self.close, scores)


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
    import numpy as np

    started = monotonic()
    recipe = recipe or Recipe()
    with stage("encoding the examples"):
        encoder = Encoder.load(name)
        began = monotonic()
        table = tabled(encoder, examples, several=several)
        pace = (monotonic() - began) / len(table.texts)
    parts = _parts(table, recipe)
    rests = [table.only(np.setdiff1d(np.arange(table.count), part)) for part in parts]
    jobs = [_job(each) for each in (*rests, table)]
    with trainings(name, jobs, _each(recipe, len(jobs), _measuring(rests, pace))) as made:
        tunable = made.tunable
        with stage("learning the labels with the model as it is"):
            head, familiarities = found(table, chosen(table))
        judged = _all_judged(table, head.settings, parts, rests, made, stage)
        best = _best(judged)
        if best.blend:
            with stage("fine-tuning on all examples") as progress:
                made.take(len(parts), progress)
    tunable.blend(best.blend)
    tunable.save(folder)
    with stage("exporting the model for ONNX Runtime"):
        exporting, unexported = _exported(folder)
    with stage("learning the labels"):
        encoder = Encoder.load(str(folder), backend=TORCH if unexported else AUTO)
        if best.settings:
            tuned = replace(table, vectors=encoder.features(table.texts))
            plain, _ = machine(tuned, best.settings)
            head = judged[best].calibrated(plain, familiarities)
        head = replace(head, revision=revision(encoder, examples, several=several))
    spent = monotonic() - started, tunable.share, exporting, unexported
    if not judged:
        return Outcome(encoder, head, 0, 0, 0, 0.0, *spent)
    right, before = judged[best].right(), judged[_PLAIN].right()
    return Outcome(encoder, head, len(judged[best].scores), right, before, best.blend, *spent)


def _job(table: Table) -> Job:
    owners = table.owners.tolist()
    return Job(table.texts, owners, means(last(table.vectors), owners))


def _measuring(rests: Sequence[Table], pace: float) -> float:
    """Return about how many seconds of two cores it takes to encode what trainings are judged by.

    `pace` is how many seconds a text took.
    """
    texts = sum(min(rest.count, _KNOWN) + rest.count / (_PARTS - 1) for rest in rests)
    return texts * len(_BLENDS) * pace * _SLOWER


def _each(recipe: Recipe, count: int, measuring: float) -> Recipe:
    """Return the recipe of one of `count` trainings: its seconds are for two of them at a time.

    Those that measuring takes are not for trainings; half of them are in any case.
    """
    left = max(recipe.seconds / 2, recipe.seconds - 2 * measuring)
    return replace(recipe, seconds=left / 2 / math.ceil(count / 2))


def _exported(folder: Path) -> tuple[float, str]:
    """Make the export that travels with the encoder; return the seconds, or why there is none.

    What was learned in minutes is kept all the same.
    """
    from chatbot.inference.backends.export import accompany

    began = monotonic()
    try:
        accompany(described(folder))
    except OperationError as error:
        return 0.0, error.message
    return monotonic() - began, ""


def _parts(table: Table, recipe: Recipe) -> list[Any]:
    """Return the rows that are held back, one part after the other, each in any order.

    Every label keeps one example at least, of few examples all are held back once, and all
    trainings together are not much longer than two of the longest.
    """
    import numpy as np

    owners = table.owners[: table.count]
    chance = np.random.default_rng(0)
    shuffled = chance.permutation(table.count)
    ordered = shuffled[np.argsort(owners[shuffled], kind="stable")]
    first = np.unique(owners[ordered], return_index=True)[1]
    spare = np.delete(ordered, first)
    if len(spare) < _FEWEST:
        return []
    count = min(_PARTS, max(1, 2 * recipe.most // recipe.texts(len(table.texts)) - 1))
    return [chance.permutation(part) for each in range(count) if len(part := spare[each::_PARTS])]


def _all_judged(
    table: Table,
    settings: Settings,
    parts: Sequence[Any],
    rests: Sequence[Table],
    made: Trainings,
    stage: Stage,
) -> dict[_Candidate, _Judged]:
    """Return what each candidate makes of what is held back; of all parts together."""
    import numpy as np

    pieces: dict[_Candidate, list[_Judged]] = {}
    for number, (part, kept) in enumerate(zip(parts, rests, strict=True)):
        which = f" ({number + 1} of {len(parts)})" if len(parts) > 1 else ""
        with stage(f"fine-tuning without what is held back{which}") as progress:
            made.take(number, progress)
        with stage(f"measuring on what was held back{which}"):
            held = table.only(np.sort(part[:_HELD])).without_names()
            for candidate, one in _judged(made, kept, held, settings):
                pieces.setdefault(candidate, []).append(one)
    return {candidate: _joined(each) for candidate, each in pieces.items()}


def _judged(
    made: Trainings, kept: Table, held: Table, settings: Settings
) -> Iterator[tuple[_Candidate, _Judged]]:
    known = kept.only(drawn(kept.owners[: kept.count], _KNOWN))
    letters = Letters(known)
    yield _PLAIN, _Trial(known, held, letters).judged(chosen(known))
    for blend in _BLENDS:
        made.spread()
        made.tunable.blend(blend)
        tuned, rest = (
            replace(each, vectors=made.tunable.features(each.texts)) for each in (known, held)
        )
        trial = _Trial(tuned, rest, letters)
        for near in _near(settings):
            yield _Candidate(blend, near), trial.judged(near)


def _near(settings: Settings) -> list[Settings]:
    """Return the settings to try with another encoder than the one that they were found with."""
    letters = sorted({settings.letters, settings.letters / 2, 0.0})
    own = settings.penalty
    penalties = [own, *(each for each in _PENALTIES if not 0.8 < each / own < 1.25)]
    return [
        replace(settings, whole=whole, gamma=gamma, letters=each, penalty=penalty)
        for whole in sorted({settings.whole, True})
        for gamma in _KERNELS[whole]
        for each in letters
        for penalty in penalties
    ]


class _Trial:
    """What is known and what is held back, with the features of one encoder."""

    def __init__(self, known: Table, held: Table, letters: Letters) -> None:
        self._known, self._held, self._letters = known, held, letters
        self._within = Likeness(known.vectors, known.vectors)
        self._across = Likeness(held.vectors, known.vectors)

    def judged(self, settings: Settings) -> _Judged:
        """Return what a head with these settings, learned from what is known, makes of the rest."""
        head, _ = machine(self._known, settings, self._letters, self._within)
        held, count = self._held, len(head.examples)
        scores = head.scores_of(self._across.by(whole=settings.whole)[:, :count], held.texts)
        near = self._across.by(whole=True)[:, :count]
        close = closeness(near, held.vectors @ head.centroids().T)
        return _Judged(head, scores, close, held.targets)


def _joined(pieces: Sequence[_Judged]) -> _Judged:
    import numpy as np

    scores, close, targets = (
        np.concatenate([getattr(each, name) for each in pieces])
        for name in ("scores", "close", "targets")
    )
    return _Judged(pieces[0].head, scores, close, targets)


def _best(judged: Mapping[_Candidate, _Judged]) -> _Candidate:
    """Return the candidate with the least loss, unless that is no clear gain."""
    if not judged:
        return _PLAIN
    losses = {candidate: each.losses for candidate, each in judged.items()}
    best = min(losses, key=lambda each: float(losses[each].mean()))
    return best if _is_clear(losses[_PLAIN] - losses[best]) else _PLAIN


def _is_clear(gains: Any) -> bool:
    """Say whether examples that gain so much each do so by more than chance.

    Where nearly all are right either way, two that are surer now make a gain of more than one
    standard error; on how many it rests is Kish's effective sample size (1965).
    """
    resting = abs(gains).sum() ** 2 / max((gains**2).sum(), 1e-12)
    clear = gains.mean() > _SURE * gains.std() / len(gains) ** 0.5
    return bool(clear and resting >= _SPEAKING)
