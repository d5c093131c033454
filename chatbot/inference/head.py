"""What was learned from labelled examples, for one encoder: a record, its bytes, its file.

The rule that it guards: a head comes whole and fitting or not at all, and nothing in its bytes
is ever run.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatbot.errors import OperationError, OutdatedError
from chatbot.inference.calibration import sigmoid, softmax
from chatbot.inference.features import PARTS, cosines, mixed
from chatbot.inference.lexicon import Lexicon
from chatbot.inference.ridge import gaussian_of

if TYPE_CHECKING:
    from chatbot.inference.encoder import Vectors

_NAME = "chatbot head"

FORMAT = f"{_NAME} 6"
"""Changes with what the numbers mean, too: older heads are learned again."""

_ARRAYS = ("examples", "targets", "alphas", "bias", "floors")
_NUMBERS = ("temperature", "accepted", "shift")
_NEAREST = 3
_COVERED = 0.4
"""What a text's best score counts beside the two cosines."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a head finds of texts, a row each: `probabilities` and `similarities` to its examples
    (cosines), and `familiarity`, which is higher the more a text is like what it learned from.
    """

    probabilities: Any
    similarities: Any
    familiarity: Any


@dataclass(frozen=True, slots=True)
class Settings:
    """What training chooses: the Gaussian's `gamma`, the ridge's `penalty`, the weight of the
    letters, whether labels' names are examples, and whether all of the features count or the
    sentence's vector alone.
    """

    gamma: float = 0.5
    penalty: float = 0.1
    letters: float = 0.0
    names: bool = False
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What was learned from examples; made for one encoder.

    It is a kernel machine: a text's score for a label is the sum of `alphas` (examples x labels),
    each weighted by how near its example is, plus `bias` (labels), plus what the `lexicon`'s
    features weigh in `lexical` (features x labels) where there is one. `examples` (examples x
    dim) are what an `Encoder` has as features, `targets` (examples x labels) are 1 where an
    example has a label. `shift` is what the last label's scores are raised by, `temperature`
    makes scores probabilities. A text is in scope from the familiarity `accepted` on. With
    `several`, each label is a question of its own and given from its probability in `floors` on.
    `revision` changes with the examples, the encoder and the settings of the training.
    """

    labels: tuple[str, ...]
    examples: Any
    targets: Any
    alphas: Any
    bias: Any
    floors: Any
    settings: Settings
    shift: float = 0.0
    temperature: float = 1.0
    accepted: float = 0.0
    several: bool = False
    lexicon: Lexicon | None = None
    lexical: Any = None
    revision: str = ""

    @property
    def dim(self) -> int:
        """The length of the features that it takes."""
        return int(self.examples.shape[1])

    def judge(self, vectors: Vectors, texts: Sequence[str], centroids: Any = None) -> Judgement:
        """Judge texts by their features (texts x dim) and their letters.

        Who judges more than once hands `centroids` in, which take as long as some texts.
        """
        centroids = self.centroids() if centroids is None else centroids
        similarities = cosines(vectors, self.examples)
        alike = mixed(similarities, vectors, self.examples)
        scores = self.scores_of(alike if self.settings.whole else similarities, texts)
        likelihood = sigmoid if self.several else softmax
        familiar = familiarity(alike, vectors @ centroids.T, scores)
        return Judgement(likelihood(scores, self.temperature), similarities, familiar)

    def scores(self, vectors: Vectors, texts: Sequence[str]) -> Any:
        """Return how well each label fits each text (texts x labels), about -1 to 1."""
        similarities = cosines(vectors, self.examples)
        if self.settings.whole:
            similarities = mixed(similarities, vectors, self.examples)
        return self.scores_of(similarities, texts)

    def scores_of(self, similarities: Any, texts: Sequence[str]) -> Any:
        """Return the same by the texts' similarities to its examples, as `settings` ask for."""
        scores = gaussian_of(similarities, self.settings.gamma) @ self.alphas + self.bias
        if self.lexicon is not None:
            scores += self.lexicon.weigh(texts, self.lexical)
        scores[:, -1] += self.shift
        return scores

    def centroids(self) -> Any:
        """Return the mean of each label's examples (labels x dim), of unit length."""
        return unit(self.targets.T.astype(self.examples.dtype) @ self.examples)

    def dumps(self) -> bytes:
        """Return the head as bytes that `loads` takes, on any machine."""
        import numpy as np
        from safetensors.numpy import save

        arrays = {name: getattr(self, name) for name in _ARRAYS}
        if self.lexicon is not None:
            names = np.frombuffer(self.lexicon.dumps(), dtype=np.uint8)
            arrays |= {"names": names, "rarity": self.lexicon.rarity, "lexical": self.lexical}
        about = {name: getattr(self, name) for name in ("labels", "several", "revision", *_NUMBERS)}
        about["settings"] = asdict(self.settings)
        arrays = {name: np.ascontiguousarray(each) for name, each in arrays.items()}
        data: bytes = save(arrays, metadata={"format": FORMAT, "about": json.dumps(about)})
        return data

    @classmethod
    def loads(cls, data: bytes) -> Head:
        """Return the head that `dumps` made bytes of.

        Raises `OperationError` for others: `OutdatedError` for those of an older program.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            metadata = _metadata(data)
            if metadata.get("format") != FORMAT:
                _refuse(metadata.get("format", ""))
            return _checked(_assembled(load(data), json.loads(metadata["about"])))
        except (SafetensorError, ValueError, KeyError, TypeError, IndexError) as error:
            raise OperationError(f"the head cannot be read: {error}") from error


def familiarity(similarities: Any, centrality: Any, scores: Any) -> Any:
    """Return how much each text (a row) is like what was learned.

    `similarities` are cosines to the examples, `centrality` to the labels' centroids, by all of
    the features. The three together tell sentences outside of banking77 better than each alone,
    and so they do those of its own labels where some are left out.
    """
    return familiar(closeness(similarities, centrality), scores)


def closeness(similarities: Any, centrality: Any) -> Any:
    """Return the part of the familiarity that the vectors alone make."""
    import numpy as np

    nearest = min(_NEAREST, similarities.shape[1] - 1)
    top = np.partition(similarities, -nearest, axis=1)[:, -nearest:].mean(axis=1)
    return centrality.max(axis=1) + top


def familiar(close: Any, scores: Any) -> Any:
    """Return the familiarity of texts by their closeness and their scores."""
    return close + _COVERED * scores.max(axis=1)


def unit(vectors: Any) -> Any:
    """Return rows at unit length; one of zeros stays so."""
    import numpy as np

    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def load_head(path: Path) -> Head | None:
    """Return the head in the file, `None` if there is none or it cannot be used."""
    try:
        return Head.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, OperationError) as error:
        log.warning("ignore the head in %s: %s", path, error)
        return None


def save_head(head: Head, path: Path) -> None:
    """Write the head so that a reader sees all of it or nothing; warn where that fails."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            temporary = Path(file.name)
            file.write(head.dumps())
        os.replace(temporary, path)
    except OSError as error:
        log.warning("keep no head in %s: %s", path.parent, error)
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _metadata(data: bytes) -> dict[str, str]:
    """Return what `save` was given as metadata: its reader of bytes leaves it out."""
    size = int.from_bytes(data[:8], "little")
    if not 0 < size <= len(data) - 8:
        raise ValueError("it has no header")
    metadata: dict[str, str] = json.loads(data[8 : 8 + size])["__metadata__"]
    return metadata


def _refuse(format: str) -> None:
    """Raise what is to be raised for a format that is not ours."""
    name, _, version = format.rpartition(" ")
    if name == _NAME and version.isdecimal() and int(version) < int(FORMAT.rpartition(" ")[2]):
        raise OutdatedError("the head is one of an older version of the program")
    raise ValueError(f"its format is not {FORMAT!r}")


def _assembled(arrays: dict[str, Any], about: dict[str, Any]) -> Head:
    if "names" in arrays:
        names = arrays.pop("names").tobytes()
        arrays["lexicon"] = Lexicon.named(names, arrays.pop("rarity"))
    about |= {"labels": tuple(about["labels"]), "settings": Settings(**about["settings"])}
    return Head(**arrays, **about)


def _checked(head: Head) -> Head:
    """Return the head; raises `ValueError` if its parts do not fit each other."""
    count, labels = head.alphas.shape
    fits = (
        len(head.labels) == labels >= 2
        and head.dim % PARTS == 0
        and head.bias.shape == head.floors.shape == (labels,)
        and head.targets.shape == (count, labels)
        and head.examples.shape == (count, head.dim)
        and count >= 2
        and all(isinstance(getattr(head, name), float) for name in _NUMBERS)
        and (head.lexicon is None or head.lexical.shape == (len(head.lexicon.rarity), labels))
    )
    if not fits:
        raise ValueError("its parts do not fit each other")
    return head
