"""Labels without examples: a model for natural language inference says whether they fit.

A text and the hypothesis "this is about LABEL" are given to the model; what it has for
*entailment* is the label's score (Yin, Hay, Roth: Benchmarking Zero-shot Text Classification,
EMNLP 2019). Importing this imports no model.
"""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dffml import Definition, OperationImplementation, op

from operations.pretrained import (
    Labelling,
    Pretrained,
    Scores,
    check_source,
    outputs_of,
    rounded,
)

if TYPE_CHECKING:
    from chatbot.inference.sequences import SequenceModel

PLACE = "{label}"


@dataclass(frozen=True)
class ZeroShotConfig:
    """The labels, each with words that say what it is, and the model.

    `labels` maps a label to a phrase (empty: the label itself) that fits into `hypothesis`.
    `model` is a folder, a name on the hub, or `nats:NAME`; `revision` pins one of the hub.
    With `several`, a text may have more than one label, or none: each is judged by itself.
    A label is sure from the probability `threshold` on.
    """

    labels: dict[str, str]
    model: str
    revision: str = ""
    hypothesis: str = "This message is about {label}."
    several: bool = False
    threshold: float = 0.6


@asynccontextmanager
async def _model(self: OperationImplementation) -> AsyncIterator[Pretrained]:
    config: ZeroShotConfig = self.config
    names = list(config.labels)
    hypotheses = [
        config.hypothesis.replace(PLACE, phrase or label) for label, phrase in config.labels.items()
    ]

    def score(model: "SequenceModel", texts: list[str]) -> list[Scores]:
        from chatbot.inference.sequences import softmax

        yes, no = model.entailment()
        pairs = [(text, hypothesis) for text in texts for hypothesis in hypotheses]
        logits = model.logits([text for text, _ in pairs], [hypothesis for _, hypothesis in pairs])
        if config.several:
            found = softmax(logits[:, [no, yes]])[:, 1].reshape(len(texts), len(names))
        else:
            found = softmax(logits[:, yes].reshape(len(texts), len(names)))
        return [rounded(dict(zip(names, row.tolist(), strict=True))) for row in found]

    async with Pretrained.open(config.model, config.revision, score) as model:
        yield model


@op(
    name="classify_zero_shot",
    config_cls=ZeroShotConfig,
    imp_enter={"model": _model},
    inputs={"text": Definition(name="classify_zero_shot.text", primitive="string")},
    outputs=outputs_of("classify_zero_shot"),
)
class ClassifyZeroShot(Labelling):
    """Give `text` the labels that fit it, without an example of any."""


def check_config(config: ZeroShotConfig) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield (path in the configuration, message, hint) for what is wrong; loads no model."""
    yield from check_source(config.model, config.revision)
    if not 0 <= config.threshold <= 1:
        yield ("threshold",), f"`threshold` is {config.threshold}, not between 0 and 1", ""
    if len(config.labels) < (1 if config.several else 2):
        yield ("labels",), "has too few labels", "nothing can be told from one, unless `several`"
    if config.hypothesis.count(PLACE) != 1:
        others = re.findall(r"\{[^{}]*\}", config.hypothesis)
        hint = f"write {PLACE}, not {others[0]}" if others else f"such as: This is {PLACE}."
        yield ("hypothesis",), f"`hypothesis` must have {PLACE} in it, once", hint


ClassifyZeroShot.imp.check_config = staticmethod(check_config)
ClassifyZeroShot.imp.bounds = {"score": (0.0, 1.0)}
