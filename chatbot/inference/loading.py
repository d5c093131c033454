"""The encoder and the head that some examples are understood with on this machine.

The rule that it guards: everything that classifies (a node, `chatbot eval`) finds the same ones.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from chatbot.inference.backends import AUTO
from chatbot.inference.head import load_head
from chatbot.inference.revisions import Kept, Revisions, is_tuned, key
from chatbot.inference.training import Examples, trained
from chatbot.messages import digest

if TYPE_CHECKING:
    from chatbot.inference.encoder import Encoder
    from chatbot.inference.head import Head

log = logging.getLogger(__name__)


def understanding(
    examples: Examples,
    encoder: str,
    *,
    several: bool,
    models: Path,
    heads: Path,
    quick: bool = False,
    backend: str = AUTO,
) -> tuple[Encoder, Head]:
    """Return the encoder and the head for `examples`.

    They are those of the revision in use below the folder `models`, where thorough training
    left one for these labels; if the examples changed since, its encoder with a head that is
    trained now. Else, and if `quick`, the encoder so named with a head that is trained now.
    The encoder runs with `backend`; heads are kept in the folder `heads`. Takes seconds; raises
    `OperationError`.
    """
    from chatbot.inference.encoder import Encoder

    kept = None if quick else kept_for(examples, encoder, several=several, models=models)
    head = load_head(kept.head) if kept is not None else None
    if kept is None or head is None:
        plain = Encoder.load(encoder, backend=backend)
        return plain, trained(plain, examples, heads, several=several)
    log.info("understand with revision %s", kept.about.revision[:12])
    tuned = Encoder.load(str(kept.encoder), backend=backend)
    if kept.about.of == fingerprint(examples):
        return tuned, head
    return tuned, trained(tuned, examples, heads, several=several, like=limits_of(tuned, head))


def limits_of(encoder: Encoder, head: Head) -> Head | None:
    """Return whose settings and limits a head for more examples has on this encoder.

    They are those of `head` where the encoder itself learned: what it has seen says nothing of
    what it has not. Else `None`: they are chosen anew, as with quick training.
    """
    return head if is_tuned(encoder.folder) else None


def kept_for(examples: Examples, encoder: str, *, several: bool, models: Path) -> Kept | None:
    """Return the revision in use for these labels and this encoder, `None` for quick training."""
    return Revisions(models, key(encoder, examples, several=several)).current()


def fingerprint(examples: Examples) -> str:
    """Return what is equal for equal examples."""
    return digest(json.dumps([[label, list(texts)] for label, texts in examples.items()]))
