"""What a back end that is not exact costs in accuracy, measured on the labelled examples.

The rule that it guards: nobody is served by a back end that loses more than `MOST`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatbot.errors import OperationError
from chatbot.messages import digest
from chatbot.progress import tell

if TYPE_CHECKING:
    from chatbot.inference.encoder import Encoder, Vectors

MOST = 0.02
"""Of the accuracy. On a few hundred examples, what is below is chance."""

FOLDS = 5

log = logging.getLogger(__name__)

Examples = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Loss:
    """Two back ends on the same examples: accuracies (0 to 1) by cross-validation.

    `agreement` is the share of examples with the same label from both, `cosine` the mean of
    their vectors'.
    """

    exact: float
    fast: float
    agreement: float
    cosine: float

    @property
    def points(self) -> float:
        """What is lost of the accuracy; below 0 where something is won."""
        return self.exact - self.fast


def compare(fast: Encoder, exact: Encoder, examples: Examples) -> Loss:
    """Measure on the examples, each of which is judged by a head that has not seen it."""
    import numpy as np

    texts, owners = flat(examples)
    one, other = exact.encode(texts), fast.encode(texts)
    by_exact, by_fast = held_out(one, owners), held_out(other, owners)
    return Loss(
        exact=float((by_exact == owners).mean()),
        fast=float((by_fast == owners).mean()),
        agreement=float((by_exact == by_fast).mean()),
        cosine=float(np.einsum("ij,ij->i", one, other).mean()),
    )


def check(fast: Encoder, name: str, examples: Examples, folder: Path, most: float = MOST) -> None:
    """Raise `OperationError` if the encoder loses too much; what was found is kept in `folder`.

    `name` is the model, to load it with an exact back end.
    """
    shape = json.dumps([[label, list(texts)] for label, texts in examples.items()])
    path = folder / f"{digest('loss 1', fast.identity, shape)}.json"
    loss = _kept(path)
    if loss is None:
        tell(f"measuring what {fast.backend} loses on the examples")
        from chatbot.inference.encoder import Encoder

        loss = compare(fast, Encoder.load(name, shared=False), examples)
        _keep(path, loss)
    log.info("lose %.1f points of accuracy with %s", loss.points * 100, fast.backend)
    if loss.points > most:
        raise OperationError(
            f"the back end {fast.backend} loses {loss.points * 100:.1f} points of accuracy on the "
            f"flow's examples ({loss.exact * 100:.1f} to {loss.fast * 100:.1f} %), "
            f"more than {most * 100:g}",
            hint="choose an exact one; `chatbot bench model` shows what each gives here",
        )


def flat(examples: Examples) -> tuple[list[str], Any]:
    """Return all texts, and an array with the number of each one's label."""
    import numpy as np

    texts = [text for each in examples.values() for text in each]
    return texts, np.repeat(np.arange(len(examples)), [len(each) for each in examples.values()])


def held_out(vectors: Vectors, owners: Any) -> Any:
    """Return a label's number for each vector, from regressions that were not shown it."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import KFold

    found = np.full_like(owners, -1)
    folds = KFold(min(FOLDS, len(owners)), shuffle=True, random_state=0)
    for known, unknown in folds.split(vectors):
        if len(set(owners[known])) > 1:
            model = LogisticRegression(C=10.0, class_weight="balanced", max_iter=1000)
            found[unknown] = model.fit(vectors[known], owners[known]).predict(vectors[unknown])
    return found


def _kept(path: Path) -> Loss | None:
    try:
        return Loss(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        log.debug("ignore %s: %r", path, error)
        return None


def _keep(path: Path, loss: Loss) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = path.with_suffix(".part")
        temporary.write_text(json.dumps(asdict(loss)))
        temporary.replace(path)
    except OSError as error:
        log.debug("cannot keep %s: %r", path, error)
