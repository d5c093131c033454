"""Models of `transformers` that classify a text, or a pair of texts.

The rule that it guards: code that comes with a model is never run, and a model without a head
for classification is refused, not given one drawn at random. Everything here blocks.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatbot.errors import OperationError
from chatbot.inference import threads
from chatbot.inference.backends.pytorch import import_models, use_threads
from chatbot.inference.merging import Merging
from chatbot.progress import tell
from chatbot.urgency import is_bulk

MAX_TOKENS = 256
BATCH_TOKENS = 1024
CHARACTERS = 32
"""A token has no more on the average: tokenising 64 KiB to keep 256 tokens is of no use."""

ENTAILS, CONTRADICTS = "entail", "contradict"
"""How the labels of a model for natural language inference begin, in any case."""


class SequenceModel:
    """A classifier of `transformers`. Made by `load`.

    Threads may share one: what they ask for at the same time runs in common batches, what is not
    `chatbot.urgency.bulk` first, on as many cores as `threads` gives this process.
    `labels` are the model's own; `several` says that a text may have more than one of them.
    """

    def __init__(self, model: Any, tokenizer: Any, name: str) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._one = threading.Lock()  # a tokenizer refuses to be used by two threads at once
        config = model.config
        positions = getattr(config, "max_position_embeddings", None) or MAX_TOKENS
        told = getattr(tokenizer, "model_max_length", MAX_TOKENS)
        # RoBERTa's kin count positions from the padding's number on.
        self._max_tokens = min(MAX_TOKENS, told, max(8, positions - 2))
        self._merging = Merging(self._run, BATCH_TOKENS)
        self.name = name
        self.labels = tuple(str(config.id2label[number]) for number in sorted(config.id2label))
        told = getattr(config, "problem_type", None)
        self.several = told == "multi_label_classification" or len(self.labels) == 1

    @classmethod
    def load(cls, name_or_path: str, revision: str = "") -> SequenceModel:
        """Load a model from a folder or, by name, from the hub or its cache.

        `revision` pins a model of the hub to a commit, tag or branch. Takes seconds, but who
        asks again for one of the last two gets the same object. Raises `OperationError`.
        """
        folder = Path(name_or_path).expanduser()
        if folder.is_dir():
            return _load(str(folder), "", _changed(folder))
        if name_or_path.startswith((".", "/", "~")) or name_or_path.count("/") > 1:
            raise OperationError(
                f"there is no model folder {name_or_path}",
                hint="give a folder with config.json, or a name on the hub such as OWNER/MODEL",
            )
        return _load(name_or_path, revision, "")

    def logits(self, texts: Sequence[str], second: Sequence[str] | None = None) -> Any:
        """Return an array of shape (len(texts), labels), float32; of pairs where there are two.

        The first text of a pair is cut where both have more than 256 tokens.
        """
        import numpy as np

        if not texts:
            return np.zeros((0, len(self.labels)), dtype=np.float32)
        return np.stack(self._merging.run(self._rows(texts, second), bulk=is_bulk()))

    def entailment(self) -> tuple[int, int]:
        """Return the numbers of the labels that say yes and no to a hypothesis.

        Raises `OperationError` where this is no model for natural language inference.
        """
        names = [label.lower() for label in self.labels]
        yes = [number for number, name in enumerate(names) if name.startswith(ENTAILS)]
        no = [
            number
            for number, name in enumerate(names)
            if name.startswith((CONTRADICTS, "not_entail", "not entail"))
        ]
        if len(yes) != 1 or len(no) != 1:
            raise OperationError(
                f"{self.name} is no model for natural language inference: its labels are "
                f"{', '.join(self.labels)}",
                hint="zero-shot classification wants one with the labels entailment and "
                "contradiction (or not_entailment)",
            )
        return yes[0], no[0]

    def _rows(self, texts: Sequence[str], second: Sequence[str] | None) -> list[Tokenised]:
        cut = [text[: self._max_tokens * CHARACTERS] for text in texts]
        with self._one:
            columns = self._tokenizer(
                cut,
                list(second) if second is not None else None,
                truncation="only_first" if second is not None else True,
                max_length=self._max_tokens,
                padding=False,
            )
        rows = zip(*columns.values(), strict=True)
        return [Tokenised(dict(zip(columns, row, strict=True))) for row in rows]

    def _run(self, rows: Sequence[Tokenised]) -> Any:
        """Return the logits of a batch (texts, labels)."""
        import torch

        use_threads(threads.own.threads)
        with self._one:
            padded = self._tokenizer.pad([row.columns for row in rows], return_tensors="pt")
        with torch.inference_mode():
            return self._model(**padded).logits.float().numpy()


@dataclass(frozen=True, slots=True)
class Tokenised:
    """A text, or a pair, as the model takes it: `input_ids` and what else, by name."""

    columns: dict[str, list[int]]

    def __len__(self) -> int:
        return len(self.columns["input_ids"])


def softmax(logits: Any) -> Any:
    """Return the probabilities of alternatives: each row adds up to 1."""
    import numpy as np

    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def sigmoid(logits: Any) -> Any:
    """Return the probability of each, by itself."""
    import numpy as np

    return 1.0 / (1.0 + np.exp(-np.clip(logits, -60.0, 60.0)))


_loading = threading.Lock()


def _load(source: str, revision: str, changed: str) -> SequenceModel:
    with _loading:
        return _loaded(source, revision, changed)


@functools.lru_cache(maxsize=2)
def _loaded(source: str, revision: str, _changed: str) -> SequenceModel:
    tell(f"loading the model {Path(source).name if Path(source).is_dir() else source}")
    threads.own.join()
    transformers = import_models()
    from safetensors import SafetensorError

    where = {"trust_remote_code": False, **({"revision": revision} if revision else {})}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(source, **where)
        model, seen = transformers.AutoModelForSequenceClassification.from_pretrained(
            source, dtype="float32", output_loading_info=True, **where
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise _not_loaded(source, revision, error) from error
    if lacking := sorted(seen["missing_keys"]):
        raise OperationError(
            f"the model {source} has no head for classification ({lacking[0]} is not in it)",
            hint="take one that was trained for it: text-classification or zero-shot on the hub",
        )
    return SequenceModel(model.eval(), tokenizer, source)


def _not_loaded(source: str, revision: str, error: Exception) -> OperationError:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if Path(source).is_dir():
        return OperationError(
            f"the model in {source} cannot be loaded: {first}",
            hint="the folder needs config.json, the tokenizer's files and model.safetensors",
        )
    from huggingface_hub.constants import HF_HUB_OFFLINE

    at = f" at revision {revision}" if revision else ""
    if "trust_remote_code" in str(error):
        hint = "it needs code that comes with it, which is never run: take another model"
    elif HF_HUB_OFFLINE:
        hint = "HF_HUB_OFFLINE is set: unset it to download the model once, or give a folder"
    else:
        hint = "check the name and revision on huggingface.co and the connection, or give a folder"
    return OperationError(f"the model {source!r}{at} cannot be had from the hub", hint=hint)


def _changed(folder: Path) -> str:
    """Return what changes with the files of a folder."""
    found = [(path.name, path.stat()) for path in sorted(folder.iterdir()) if path.is_file()]
    return "\n".join(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in found)
