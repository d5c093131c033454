"""Texts to labels. Importing this imports no model: that happens when it is entered."""

import asyncio
import pathlib
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from dffml import Definition, OperationImplementation, OperationImplementationContext, op

from chatbot.inference.examples import check_examples

if TYPE_CHECKING:
    from chatbot.inference.classifier import Classifier, Prediction

T = TypeVar("T")


@dataclass(frozen=True)
class ClassifyConfig:
    """The labelled examples, the model, and when a label is sure.

    `encoder` is a folder or a name on the hub. A label is sure if the text is in scope, which
    is found from held-back examples. `threshold` is the probability that it must have besides.
    `likeness` replaces what was found: the cosine that the text must have to an example of the
    label. With `several` a text may have several labels, which are given as `labels`; with
    `scores` the probability of every label is given, too.
    """

    examples: pathlib.Path
    encoder: str = "all-MiniLM-L6-v2"
    threshold: float | None = None
    likeness: float | None = None
    several: bool = False
    scores: bool = False


class ClassifierThread:
    """A classifier and the one thread that may use it, so that the event loop stays free."""

    def __init__(self, config: ClassifyConfig) -> None:
        self._config = config
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="classifier")
        self._classifier: Classifier | None = None

    async def load(self) -> None:
        """Import the model's libraries, load it, train or fetch the head. Takes seconds."""
        self._classifier = await self._run(lambda: _load(self._config))

    async def predict(self, texts: list[str]) -> "list[Prediction]":
        """Return a prediction for each text, from one model batch."""
        classifier = self._classifier
        if classifier is None:
            raise RuntimeError("the classifier was not loaded")
        return await self._run(lambda: classifier.predict(texts))

    async def _run(self, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, job)

    def close(self) -> None:
        """Drop what waits; the batch that runs ends by itself."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _load(config: ClassifyConfig) -> "Classifier":
    from chatbot import settings
    from chatbot.inference.classifier import Classifier
    from chatbot.inference.examples import read_examples
    from chatbot.inference.loading import understanding

    encoder, head = understanding(
        read_examples(pathlib.Path(config.examples), several=config.several),
        config.encoder,
        several=config.several,
        models=settings.models_path(),
        heads=settings.cache_folder() / "heads",
    )
    classifier = Classifier(encoder, head, threshold=config.threshold, likeness=config.likeness)
    classifier.predict(["hello"])  # the first run is slow
    return classifier


@asynccontextmanager
async def _classifier(self: OperationImplementation) -> AsyncIterator[ClassifierThread]:
    thread = ClassifierThread(self.config)
    try:
        await thread.load()
        yield thread
    finally:
        thread.close()


@op(
    name="classify_text",
    config_cls=ClassifyConfig,
    imp_enter={"classifier": _classifier},
    inputs={"text": Definition(name="classify_text.text", primitive="string")},
    outputs={
        "label": Definition(name="classify_text.label", primitive="string"),
        "score": Definition(name="classify_text.score", primitive="float"),
        "sure": Definition(name="classify_text.sure", primitive="bool"),
        "labels": Definition(name="classify_text.labels", primitive="array"),
        "scores": Definition(name="classify_text.scores", primitive="map"),
    },
)
class ClassifyText(OperationImplementationContext):
    """Give `text` the likeliest label of the examples.

    `score` is its probability (0 to 1), `sure` whether to act on it. An empty text has the
    label "", the score 0.0 and is not sure. With `several` in the configuration, `labels` are
    all those to act on; with `scores`, `scores` maps each label to its probability.
    """

    async def run(self, inputs: dict[str, str]) -> dict[str, object]:
        """Classify one text."""
        [outputs] = await self._classify([inputs["text"]])
        return outputs

    async def run_batch(self, batch: list[dict[str, str]]) -> list[dict[str, object] | Exception]:
        """Classify all in one model batch; one result, or what was wrong, for each input set."""
        texts = [inputs.get("text") for inputs in batch]
        answers = iter(await self._classify([text for text in texts if isinstance(text, str)]))
        return [
            next(answers)
            if isinstance(text, str)
            else TypeError(f"text must be a string, not {type(text).__name__}")
            for text in texts
        ]

    async def _classify(self, texts: list[str]) -> list[dict[str, object]]:
        predictions = await self.parent.classifier.predict(texts)
        config = self.parent.config
        return [_outputs(found, config.several, config.scores) for found in predictions]


def _outputs(found: "Prediction", several: bool, scores: bool) -> dict[str, object]:
    """Return what a flow gets; more than one label's only where it asks for it."""
    outputs: dict[str, object] = {
        "label": found.label,
        "score": found.score,
        "sure": found.sure,
    }
    if several:
        outputs["labels"] = list(found.labels)
    if scores:
        outputs["scores"] = dict(found.scores)
    return outputs


def check_config(config: ClassifyConfig) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield (path in the configuration, message, hint) for what is wrong; loads no model."""
    for name in ("threshold", "likeness"):
        value = getattr(config, name)
        if value is not None and not 0 <= value <= 1:
            yield (name,), f"`{name}` is {value}, not between 0 and 1", ""
    _, problems = check_examples(pathlib.Path(config.examples), several=config.several)
    for problem in problems:
        place = f"{problem.file}:{problem.line}:{problem.column}"
        yield ("examples",), f"{place}: {problem.message}", problem.hint


ClassifyText.imp.check_config = staticmethod(check_config)
