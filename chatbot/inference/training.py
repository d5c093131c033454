"""Quick training: a head from examples in seconds, with the encoder as it is."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from chatbot.errors import OperationError
from chatbot.inference.head import FORMAT, Head, load_head, save_head
from chatbot.messages import digest

if TYPE_CHECKING:
    from chatbot.inference.encoder import Encoder

_REGULARISATION = 10.0

log = logging.getLogger(__name__)


def trained(encoder: Encoder, examples: Mapping[str, Sequence[str]], folder: Path) -> Head:
    """Return the head for `examples`, from `folder` if it is there, else trained and kept.

    The name of its file is its revision. Takes seconds for hundreds of examples; a file that
    cannot be read is replaced, and a folder that cannot be written to costs only the time to
    train again.
    """
    path = folder / f"{revision(encoder, examples)}.safetensors"
    with _training:  # two that start at once need it trained once
        head = load_head(path)
        if head is None:
            head = train(encoder, examples)
            save_head(head, path)
        return head


_training = threading.Lock()


def revision(encoder: Encoder, examples: Mapping[str, Sequence[str]]) -> str:
    """Return the revision that a head for `examples` has; trains nothing."""
    shape = json.dumps([[label, list(texts)] for label, texts in examples.items()])
    return digest(FORMAT, encoder.identity, shape, length=32)


def train(encoder: Encoder, examples: Mapping[str, Sequence[str]]) -> Head:
    """Fit a logistic regression on the examples' vectors: two labels or more, none empty."""
    import numpy as np

    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError as error:
        raise OperationError(
            "training a classifier needs scikit-learn, which is not installed",
            hint="pip install 'chatbot[nlp]'",
        ) from error
    labels = tuple(examples)
    vectors = encoder.encode([text for texts in examples.values() for text in texts])
    owners = np.repeat(np.arange(len(labels)), [len(texts) for texts in examples.values()])
    log.debug("train head of %d labels on %d examples", len(labels), len(owners))
    model = LogisticRegression(C=_REGULARISATION, class_weight="balanced", max_iter=1000)
    model.fit(vectors, owners)
    weights, bias = model.coef_, model.intercept_
    if len(labels) == 2:  # one row for the second label; the first one's is zero
        weights = np.concatenate([np.zeros_like(weights), weights])
        bias = np.concatenate([np.zeros_like(bias), bias])
    weights = np.ascontiguousarray(weights, dtype=np.float32)  # scikit-learn's is transposed,
    bias = np.ascontiguousarray(bias, dtype=np.float32)  # which safetensors does not notice
    owners = owners.astype(np.int64)
    return Head(labels, weights, bias, vectors, owners, revision(encoder, examples))
