"""Labels from a model that others have trained. Importing this imports no model."""

import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dffml import Definition, OperationImplementation, OperationImplementationContext, op

from chatbot.errors import OperationError
from chatbot.inference.registry import local
from operations.model_thread import ModelThread

if TYPE_CHECKING:
    from chatbot.inference.sequences import SequenceModel

AT_ONCE = 4
"""Jobs: what they ask of the model runs in common batches, and one tokenises while another runs."""

Scores = dict[str, float]
Score = Callable[["SequenceModel", list[str]], list[Scores]]
"""Texts to what each label has of probability; blocks."""


@dataclass(frozen=True)
class PretrainedConfig:
    """Which model, and what its labels are called here.

    `model` is a folder, a name on the hub, or `nats:NAME` (see `chatbot model push`);
    `revision` pins one of the hub. `labels` renames the model's own; those that are not in it
    keep their names. A label is sure from the probability `threshold` on.
    """

    model: str
    revision: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    threshold: float = 0.5


class Pretrained:
    """A model and the threads that may use it. Made by `open`."""

    def __init__(self, model: "SequenceModel", thread: ModelThread, score: Score) -> None:
        self._model = model
        self._thread = thread
        self._score = score

    @classmethod
    @asynccontextmanager
    async def open(cls, name: str, revision: str, score: Score) -> AsyncIterator["Pretrained"]:
        """Fetch and load the model, try it, and keep it for the block's duration."""
        thread = ModelThread("pretrained", AT_ONCE)
        try:
            model = await thread.run(_loader(await local(name), revision))
            await thread.run(lambda: score(model, ["hello"]))  # the first run is slow
            yield cls(model, thread, score)
        finally:
            thread.close()

    async def scores(self, texts: list[str]) -> list[Scores]:
        """Return what each label has for each text, from one model batch."""
        return await self._thread.run(lambda: self._score(self._model, texts)) if texts else []


def _loader(name: str, revision: str) -> "Callable[[], SequenceModel]":
    def load() -> "SequenceModel":
        from chatbot.inference.sequences import SequenceModel

        return SequenceModel.load(name, revision)

    return load


def outputs_of(prefix: str) -> dict[str, Definition]:
    """Return the definitions of what such an operation gives."""
    kinds = {"label": "string", "score": "float", "sure": "bool", "scores": "map"}
    return {
        **{
            name: Definition(name=f"{prefix}.{name}", primitive=kind)
            for name, kind in kinds.items()
        },
        "labels": Definition(name=f"{prefix}.labels", primitive="array"),
    }


class Labelling(OperationImplementationContext):
    """Gives texts labels: `label` is the likeliest, `score` its probability, `sure` whether to
    act on it; `scores` has every label's, `labels` those that are sure, the likeliest first.

    An empty text has the label "", and nothing is sure.
    """

    merges = True

    async def run(self, inputs: dict[str, str]) -> dict[str, object]:
        """Label one text."""
        [outputs] = await self.run_batch([inputs])
        if isinstance(outputs, Exception):
            raise outputs
        return outputs

    async def run_batch(self, batch: list[dict[str, str]]) -> list[dict[str, object] | Exception]:
        """Label all in one model batch; one result, or what was wrong, for each input set."""
        texts = [inputs.get("text") for inputs in batch]
        filled = [text for text in texts if isinstance(text, str) and text.strip()]
        found = iter(await self.parent.model.scores(filled))
        threshold = self.parent.config.threshold
        return [_labelled(text, found, threshold) for text in texts]


def _labelled(
    text: object, found: Iterator[Scores], threshold: float
) -> dict[str, object] | Exception:
    if not isinstance(text, str):
        return TypeError(f"text must be a string, not {type(text).__name__}")
    scores = next(found) if text.strip() else {}
    ordered = sorted(scores, key=lambda label: -scores[label])
    sure = [label for label in ordered if scores[label] >= threshold]
    return {
        "label": ordered[0] if ordered else "",
        "score": scores[ordered[0]] if ordered else 0.0,
        "sure": bool(sure),
        "scores": scores,
        "labels": sure,
    }


@asynccontextmanager
async def _model(self: OperationImplementation) -> AsyncIterator[Pretrained]:
    config: PretrainedConfig = self.config

    def score(model: "SequenceModel", texts: list[str]) -> list[Scores]:
        from chatbot.inference.sequences import sigmoid, softmax

        names = _names(model, config.labels)
        logits = model.logits(texts)
        found = sigmoid(logits) if model.several else softmax(logits)
        return [rounded(dict(zip(names, row.tolist(), strict=True))) for row in found]

    async with Pretrained.open(config.model, config.revision, score) as model:
        yield model


def rounded(scores: Scores) -> Scores:
    """Return `scores` with six figures; one that is not a number counts for nothing."""
    return {
        label: round(value, 6) if math.isfinite(value) else 0.0 for label, value in scores.items()
    }


def _names(model: "SequenceModel", renamed: dict[str, str]) -> list[str]:
    unknown = sorted(set(renamed) - set(model.labels))
    if unknown:
        raise OperationError(
            f"the model {model.name} has no label {unknown[0]!r}",
            hint=f"it has: {', '.join(model.labels)}",
        )
    return [renamed.get(label, label) for label in model.labels]


@op(
    name="classify_with_model",
    config_cls=PretrainedConfig,
    imp_enter={"model": _model},
    inputs={"text": Definition(name="classify_with_model.text", primitive="string")},
    outputs=outputs_of("classify_with_model"),
)
class ClassifyWithModel(Labelling):
    """Give `text` the labels of a model that was trained for them."""


def check_source(model: str, revision: str) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield (path in the configuration, message, hint) for what is wrong with a model's name."""
    if not model.strip():
        yield ("model",), "`model` is empty", "name a folder, a model on the hub, or nats:NAME"
    elif revision and model.startswith((".", "/", "~", "nats:")):
        yield ("revision",), "only models of the hub have revisions", "leave it out"


def check_config(config: PretrainedConfig) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield (path in the configuration, message, hint) for what is wrong; loads no model."""
    yield from check_source(config.model, config.revision)
    if not 0 <= config.threshold <= 1:
        yield ("threshold",), f"`threshold` is {config.threshold}, not between 0 and 1", ""
    names = list(config.labels.values())
    for label, name in config.labels.items():
        if names.count(name) > 1:
            yield ("labels", label), f"two labels are called {name!r}", ""


ClassifyWithModel.imp.check_config = staticmethod(check_config)
ClassifyWithModel.imp.bounds = {"score": (0.0, 1.0)}
