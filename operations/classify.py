"""Texts to labels. Importing this imports no model: that happens when it is entered."""

import asyncio
import contextvars
import functools
import pathlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from dffml import Definition, OperationImplementation, OperationImplementationContext, op

from chatbot.inference import backends
from chatbot.inference.examples import check_examples, read_examples
from chatbot.inference.registry import local
from chatbot.learning import Lesson
from chatbot.urgency import bulk

if TYPE_CHECKING:
    from chatbot.inference.classifier import Classifier, Prediction
    from chatbot.inference.encoder import Encoder
    from chatbot.inference.head import Head
    from chatbot.inference.learned import Classifiers, Remembering

T = TypeVar("T")


@dataclass(frozen=True)
class ClassifyConfig:
    """The labelled examples, the model, and when a label is sure.

    `encoder` is a folder, a name on the hub, or `nats:NAME` (see `chatbot model push`). A label
    is sure if the text is in scope, which is found from held-back examples. `threshold` is the
    probability that it must have besides.
    `likeness` replaces what was found: the cosine that the text must have to an example of the
    label. With `several` a text may have several labels, which are given as `labels`; with
    `scores` the probability of every label is given, too. `backend` is what the model is run
    with: `auto`, `torch`, `onnx` or `cuda`, or, faster and not as exact, `torch-bf16`, `onnx-int8`,
    `cuda-bf16` or `cuda-fp16`.
    """

    examples: pathlib.Path
    encoder: str = "all-MiniLM-L6-v2"
    threshold: float | None = None
    likeness: float | None = None
    several: bool = False
    scores: bool = False
    backend: str = backends.AUTO


class ClassifierThread:
    """A classifier and the threads that use it, so that the event loop stays free.

    Several: the encoder merges what they ask for, and one tokenises while another runs.

    It is the pupil of `operations.learning`, too: it learns in another thread, and what it runs
    with is replaced between batches. A batch that waits ends with what ran when it came.
    """

    def __init__(self, config: ClassifyConfig) -> None:
        self._config = config
        self._thread = ThreadPoolExecutor(max_workers=4, thread_name_prefix="classifier")
        self._study = ThreadPoolExecutor(max_workers=1, thread_name_prefix="learning")
        self._given: Classifiers | None = None
        self._runs: Classifiers | None = None
        self._coming: Classifiers | None = None
        self._shadow: Classifiers | None = None
        self._studying: Remembering | None = None
        self._seen = 0
        self._pairs: dict[tuple[str, str], int] = {}

    async def load(self) -> None:
        """Fetch the model, load it and its libraries, find or train the head. Takes seconds."""
        config = self._config
        self._config = replace(config, encoder=await local(config.encoder))
        self._given = self._runs = await self._run(lambda: _load(self._config))

    async def prepare(self) -> None:
        """Load what thorough training left as current, to learn on top of from now on.

        What runs goes on until the next `take`.
        """
        self._coming = await self._run(lambda: _load(self._config), self._study)
        self._studying = None

    @property
    def place(self) -> str:
        """What thorough training keeps its revisions for this under."""
        from chatbot.inference.revisions import key

        config = self._config
        return key(config.encoder, labels_of(config), several=config.several)

    @property
    def trained(self) -> str:
        """The revision of thorough training that is learned on top of, empty for none."""
        encoder = self._newest.encoder.encoder
        return encoder.folder.parent.name if _is_revision(encoder) else ""

    async def predict(self, texts: list[str], rooms: list[str] | None = None) -> "list[Prediction]":
        """Return a prediction for each text, from one model batch; `rooms`: where it was said."""
        runs, shadow = self._loaded, self._shadow
        where = rooms or [""] * len(texts)
        if shadow is None:
            return await self._run(lambda: runs.predict(texts, where))
        found, beside = await self._run(lambda: runs.beside(shadow, texts, where))
        if shadow is self._shadow:
            self._compare(found, beside)
        return found

    @property
    def revision(self) -> str:
        """The revision of what it runs with."""
        return self._loaded.revision

    async def study(self, lessons: Sequence[Lesson]) -> tuple[str, bytes]:
        """Learn these beside the examples; return the revision, and what `take` takes."""
        given = self._newest
        return await self._run(lambda: self._learned(given, lessons), self._study)

    async def take(self, head: bytes | None) -> None:
        """Run with what `study` gave, or with the examples alone, from the next batch on."""
        given = self._newest
        self._runs = await self._read(head, given) or given
        if given is self._coming:
            self._given, self._coming, self._shadow = given, None, None

    async def shadow(self, head: bytes | None) -> None:
        """Run this beside, and count where it differs, from the next batch on."""
        self._shadow = await self._read(head, self._given_ones)
        self._seen, self._pairs = 0, {}

    def compared(self) -> tuple[int, dict[tuple[str, str], int]]:
        """Return how many texts the shadow has seen, and where the two differed."""
        return self._seen, dict(self._pairs)

    def close(self) -> None:
        """Drop what waits; the batch that runs ends by itself."""
        for thread in (self._thread, self._study):
            thread.shutdown(wait=False, cancel_futures=True)

    @property
    def _loaded(self) -> "Classifiers":
        if self._runs is None:
            raise RuntimeError("the classifier was not loaded")
        return self._runs

    @property
    def _given_ones(self) -> "Classifiers":
        if self._given is None:
            raise RuntimeError("the classifier was not loaded")
        return self._given

    @property
    def _newest(self) -> "Classifiers":
        """What is learned on top of: what was given, or is to come in its place."""
        return self._coming or self._given_ones

    async def _run(self, job: Callable[[], T], thread: ThreadPoolExecutor | None = None) -> T:
        context = contextvars.copy_context()  # whether it is urgent, and who wants to be told
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(thread or self._thread, context.run, job)

    async def _read(self, head: bytes | None, given: "Classifiers") -> "Classifiers | None":
        if head is None:
            return None
        encoder = given.encoder
        return await self._run(lambda: _taken(self._config, encoder, head), self._study)

    def _learned(self, given: "Classifiers", lessons: Sequence[Lesson]) -> tuple[str, bytes]:
        from chatbot.inference.learned import Remembering, study
        from chatbot.inference.loading import limits_of

        config = self._config
        limits = limits_of(given.encoder.encoder, given.everywhere.head)
        examples, train = _examples(config), functools.partial(_trained, config, like=limits)
        if self._studying is None:
            self._studying = Remembering(given.encoder.encoder)
            self._studying.know(examples, given.everywhere.head)
        with bulk():  # what people wait for goes first
            return study(self._studying, examples, lessons, train)

    def _compare(self, found: "list[Prediction]", beside: "list[Prediction]") -> None:
        """Count what would be acted on; what is not sure is not."""
        self._seen += len(found)
        for runs, shadow in zip(found, beside, strict=True):
            pair = (", ".join(runs.labels), ", ".join(shadow.labels))
            if pair[0] != pair[1]:
                self._pairs[pair] = self._pairs.get(pair, 0) + 1


def _load(config: ClassifyConfig) -> "Classifiers":
    from chatbot import settings
    from chatbot.inference import loss
    from chatbot.inference.learned import Classifiers, Remembering
    from chatbot.inference.loading import understanding

    examples = _examples(config)
    encoder, head = understanding(
        examples,
        config.encoder,
        backend=config.backend,
        several=config.several,
        models=settings.models_path(),
        heads=settings.cache_folder() / "heads",
    )
    if not backends.is_exact(encoder.backend):
        loss.check(encoder, str(encoder.folder), examples, settings.cache_folder() / "losses")
    once = Remembering(encoder)
    classifier = _made(config, once, head)
    classifier.predict(["hello"])  # the first run is slow
    return Classifiers(classifier, once, revision=head.revision)


def _taken(config: ClassifyConfig, encoder: "Remembering", data: bytes) -> "Classifiers":
    from chatbot.inference.learned import taken

    return taken(data, encoder, lambda encoder, head: _made(config, encoder, head))


def _examples(config: ClassifyConfig) -> dict[str, list[str]]:
    return read_examples(pathlib.Path(config.examples), several=config.several)


def _trained(
    config: ClassifyConfig,
    encoder: Any,
    examples: Mapping[str, Sequence[str]],
    folder: pathlib.Path,
    like: "Head | None" = None,
) -> "Head":
    from chatbot.inference.training import trained

    return trained(encoder, examples, folder, several=config.several, like=like)


def _is_revision(encoder: "Encoder") -> bool:
    """Whether thorough training left it, tuned or as it was."""
    from chatbot import settings

    return encoder.folder.is_relative_to(settings.models_path())


def _made(config: ClassifyConfig, encoder: Any, head: "Head") -> "Classifier":
    from chatbot.inference.classifier import Classifier

    return Classifier(encoder, head, threshold=config.threshold, likeness=config.likeness)


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
    imp_enter={"pupil": _classifier},
    inputs={
        "text": Definition(name="classify_text.text", primitive="string"),
        "room": Definition(name="classify_text.room", primitive="string", default=""),
    },
    outputs={
        "label": Definition(name="classify_text.label", primitive="string"),
        "score": Definition(name="classify_text.score", primitive="float"),
        "sure": Definition(name="classify_text.sure", primitive="bool"),
        "revision": Definition(name="classify_text.revision", primitive="string"),
        "labels": Definition(name="classify_text.labels", primitive="array"),
        "scores": Definition(name="classify_text.scores", primitive="map"),
    },
)
class ClassifyText(OperationImplementationContext):
    """Give `text` the likeliest label of the examples.

    `score` is its probability (0 to 1), `sure` whether to act on it. An empty text has the
    label "", the score 0.0 and is not sure. With `several` in the configuration, `labels` are
    all those to act on; with `scores`, `scores` maps each label to its probability. `revision`
    says what it was learned from: the examples and people's corrections, of which some count
    only in one `room`.
    """

    merges = True

    async def run(self, inputs: dict[str, str]) -> dict[str, object]:
        """Classify one text."""
        [outputs] = await self._classify([inputs])
        return outputs

    async def run_batch(self, batch: list[dict[str, str]]) -> list[dict[str, object] | Exception]:
        """Classify all in one model batch; one result, or what was wrong, for each input set."""
        texts = [inputs.get("text") for inputs in batch]
        whole = [each for each, text in zip(batch, texts, strict=True) if isinstance(text, str)]
        answers = iter(await self._classify(whole))
        return [
            next(answers)
            if isinstance(text, str)
            else TypeError(f"text must be a string, not {type(text).__name__}")
            for text in texts
        ]

    async def _classify(self, batch: list[dict[str, str]]) -> list[dict[str, object]]:
        texts, rooms = ([str(each.get(key, "")) for each in batch] for key in ("text", "room"))
        predictions = await self.parent.pupil.predict(texts, rooms)
        revision, config = self.parent.pupil.revision, self.parent.config
        return [_outputs(found, revision, config) for found in predictions]


def _outputs(found: "Prediction", revision: str, config: ClassifyConfig) -> dict[str, object]:
    """Return what a flow gets; more than one label's only where it asks for it."""
    outputs: dict[str, object] = {
        "label": found.label,
        "score": found.score,
        "sure": found.sure,
        "revision": found.revision or revision,
    }
    if config.several:
        outputs["labels"] = list(found.labels)
    if config.scores:
        outputs["scores"] = dict(found.scores)
    return outputs


def check_config(config: ClassifyConfig) -> Iterator[tuple[Any, ...]]:
    """Yield (path in the configuration, message, hint) for what is wrong; loads no model."""
    for name in ("threshold", "likeness"):
        value = getattr(config, name)
        if value is not None and not 0 <= value <= 1:
            yield (name,), f"`{name}` is {value}, not between 0 and 1", ""
    for message, hint in backends.check_name(config.backend):
        yield ("backend",), message, hint
    _, problems = check_examples(pathlib.Path(config.examples), several=config.several)
    for problem in problems:
        place = (problem.file, problem.line, problem.column)
        yield ("examples",), problem.message, problem.hint, place


def labels_of(config: ClassifyConfig) -> list[str]:
    """Return the labels of the examples; loads no model."""
    return list(check_examples(pathlib.Path(config.examples), several=config.several)[0])


ClassifyText.imp.check_config = staticmethod(check_config)


def values_of(config: ClassifyConfig) -> dict[str, list[str]]:
    """Return the labels that there can be: those of the examples, and "" for an empty text."""
    examples, _ = check_examples(pathlib.Path(config.examples), several=config.several)
    return {"label": ["", *examples]} if examples else {}


ClassifyText.imp.values_of = staticmethod(values_of)
ClassifyText.imp.bounds = {"score": (0.0, 1.0)}
ClassifyText.imp.labels_of = staticmethod(labels_of)
ClassifyText.imp.gives_several = staticmethod(lambda config: config.several)
