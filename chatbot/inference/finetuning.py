"""Fine-tuning an encoder, so that texts of one label come to lie together. Needs torch.

The loss is the sum of two: the supervised contrastive one (Khosla and others, 2020), by which
the texts of a label are to be nearer than all others in the batch, and the cross-entropy of a
text's cosines to one vector a label, which begins as the mean of the label's texts. The first
needs many labels, the second many texts, and neither has to be told which it is. Word vectors
stay as they are: a few hundred texts are no reason to move words that are in none of them.
"""

from __future__ import annotations

import contextlib
import copy
import math
import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

from chatbot.errors import OperationError
from chatbot.inference.backends.pytorch import of_layers, pooled
from chatbot.inference.batching import batches
from chatbot.inference.head import unit
from chatbot.inference.models import described, find

if TYPE_CHECKING:
    from chatbot.inference.encoder import Vectors

MAX_TOKENS = 96
POOLING = "1_Pooling/config.json"
_BATCH_TOKENS = 512
_SEED = 0

Progress = Callable[[float], None]
"""Told the share of the work that is done, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train: each text `epochs` times, but no more than `most` in all, `size` a step.

    A step has fewer texts, if these are over `tokens` long in all. `rate` is the learning rate,
    which rises for a tenth of the steps and then falls to nothing; `temperature` divides cosines.
    `seconds` of processor time end it sooner: then it has cooled down as if that had been planned.
    They are for all trainings that a choice takes, two of them at a time, and for encoding what
    they are measured by.

    The rate is twice the highest of those that Devlin and others, "BERT" (2019), give for models
    of ten times the size: with it half as many texts do as much. The temperature is that of
    sentence-transformers (its scale of 20), the smoothing that of Szegedy and others (2016). Rate
    and length were found by cross-validation on the training rows of banking77, the size on its
    dev rows, whose figures are therefore not untouched.
    """

    epochs: float = 9.0
    most: int = 7_000
    size: int = 128
    tokens: int = 2048
    rate: float = 1e-4
    temperature: float = 0.05
    smoothing: float = 0.1
    decay: float = 0.01
    seconds: float = 220.0

    def texts(self, count: int) -> int:
        """Return how many texts are trained on in all, of `count` different ones."""
        return round(min(self.epochs * count, self.most))


class Tunable:
    """A model of `transformers` that can be trained, from the folder or name of an encoder.

    `share` is how many of the steps that were planned it had time for; the least of its trainings.
    """

    def __init__(self, name_or_path: str) -> None:
        transformers = _transformers()
        folder = find(name_or_path)
        source = str(folder)
        try:
            self._tokenizer = transformers.AutoTokenizer.from_pretrained(
                source, trust_remote_code=False
            )
            self._model = transformers.AutoModel.from_pretrained(
                source, trust_remote_code=False, dtype="float32"
            )
        except (OSError, ValueError, KeyError) as error:
            raise OperationError(f"the model {name_or_path} cannot be trained") from error
        self._files = described(folder)
        self._start = {name: each.clone() for name, each in self._model.state_dict().items()}
        self._tuned = self._start
        self.share = 1.0

    def tune(
        self,
        texts: Sequence[str],
        owners: Sequence[int],
        recipe: Recipe,
        progress: Progress = lambda _: None,
        starts: Any = None,
    ) -> float:
        """Train on texts and their labels' numbers, from where the encoder began.

        `starts` are the labels' `means` as the encoder has them, float32 of shape (labels, dim);
        without them the texts are encoded first. Returns the seconds of processor time that it
        took.
        """
        import torch

        self._model.load_state_dict(self._start)
        rows = self._rows(texts, min(MAX_TOKENS, self._files.max_tokens))
        started = process_time()
        with _seeded(torch), _mixed(torch) as mixed:
            if starts is None:
                starts = self._means(rows, owners, mixed)
            labels = torch.nn.Parameter(torch.tensor(starts))
            self._model.train()
            groups = [*_parameters(self._model, recipe), {"params": [labels], "weight_decay": 0.0}]
            optimizer = torch.optim.AdamW(groups, lr=recipe.rate, fused=True)
            size = max(8, min(recipe.size, round(recipe.tokens * len(rows) / sum(map(len, rows)))))
            steps, done = math.ceil(recipe.texts(len(rows)) / size), 0.0
            for step, drawn in zip(range(steps), _draws(owners, size), strict=False):
                done = max((step + 1) / steps, (process_time() - started) / recipe.seconds)
                for group in optimizer.param_groups:
                    group["lr"] = recipe.rate * min(1.0, 10 * done) * max(0.0, 1.0 - done)
                optimizer.zero_grad()
                vectors, order = self._vectors([rows[each] for each in drawn], mixed)
                own = torch.tensor([owners[drawn[each]] for each in order])
                heat = recipe.temperature
                loss = contrast(vectors, own, heat)
                loss = loss + likelihood(vectors, labels, own, heat, recipe.smoothing)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
                optimizer.step()
                progress(min(1.0, done))
                if done >= 1.0:
                    self.share = min(self.share, (step + 1) / steps)
                    break
        self._model.eval()
        self._tuned = copy.deepcopy(self._model.state_dict())
        return process_time() - started

    def keep(self, path: Path) -> None:
        """Write what the last training made of the weights, for `take`."""
        from safetensors.torch import save_file

        weights = {name: each.contiguous() for name, each in self._tuned.items()}
        save_file(weights, path, metadata={"share": f"{self.share}"})

    def take(self, path: Path) -> None:
        """Have the weights that another one of the same model kept, as if it had trained here."""
        from safetensors import safe_open

        with safe_open(path, "pt") as file:
            names = file.keys()
            self._tuned = {name: file.get_tensor(name) for name in names}
            self.share = min(self.share, float(file.metadata()["share"]))
        self._model.load_state_dict(self._tuned)

    def features(self, texts: Sequence[str]) -> Vectors:
        """Return what an `Encoder` of this model gives for `texts`, up to rounding."""
        import numpy as np
        import torch

        rows = self._rows(texts, self._files.max_tokens)
        with torch.inference_mode():
            vectors, order = self._vectors(rows, contextlib.nullcontext, layers=True)
        found = np.empty((len(rows), vectors.shape[1]), dtype=np.float32)
        found[order] = vectors.numpy()
        return found

    def blend(self, share: float) -> None:
        """Go back to where it began by all but `share` of the way.

        The mean of weights before and after generalises better than either (Wortsman and
        others, "Robust fine-tuning of zero-shot models", 2022).
        """
        blended = {
            name: between(self._start[name], tuned, share) for name, tuned in self._tuned.items()
        }
        self._model.load_state_dict(blended)

    def save(self, folder: Path) -> None:
        """Write the model and its tokenizer, as `Encoder.load` takes them."""
        self._model.save_pretrained(folder)
        self._tokenizer.save_pretrained(folder)
        pooling = self._files.folder / POOLING
        if pooling.is_file():
            (folder / POOLING).parent.mkdir(exist_ok=True)
            (folder / POOLING).write_bytes(pooling.read_bytes())

    def _rows(self, texts: Sequence[str], longest: int) -> list[list[int]]:
        cut = [text[: longest * 32] for text in texts]
        rows: list[list[int]] = self._tokenizer(
            cut, truncation=True, max_length=longest, return_attention_mask=False
        )["input_ids"]
        return [row or [self._tokenizer.pad_token_id or 0] for row in rows]

    def _means(self, rows: list[list[int]], owners: Sequence[int], mixed: Any) -> Any:
        """Return the mean vector of each label's texts."""
        import torch

        with torch.no_grad():
            vectors, order = self._vectors(rows, mixed)
        return means(vectors.numpy(), [owners[each] for each in order])

    def _vectors(
        self, rows: list[list[int]], mixed: Any, *, layers: bool = False
    ) -> tuple[Any, list[int]]:
        """Return vectors of unit length, and the place in `rows` that each belongs to."""
        import torch

        pieces, order = [], []
        with mixed():  # around all: it keeps the weights in bf16 until its end
            for batch in batches([len(row) for row in rows], _BATCH_TOKENS):
                pieces.append(self._embedded([rows[each] for each in batch], layers))
                order.extend(batch)
        return torch.cat([each.float() for each in pieces]), order

    def _embedded(self, rows: list[list[int]], layers: bool) -> Any:
        import torch

        width = max(map(len, rows))
        padding = self._tokenizer.pad_token_id or 0
        ids = torch.tensor([row + [padding] * (width - len(row)) for row in rows])
        lengths = torch.tensor([len(row) for row in rows])
        mask = (torch.arange(width)[None, :] < lengths[:, None]).long()
        found = self._model(input_ids=ids, attention_mask=mask, output_hidden_states=layers)
        if layers:
            return of_layers(found, mask, self._files.pooling)
        return pooled(found.last_hidden_state, mask, self._files.pooling)


def _transformers() -> Any:
    """Import what trains, quietly; threads that have nothing to do sleep, as with `Encoder`."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        import torch  # noqa: F401
        import transformers
    except ImportError as error:
        raise OperationError(
            f"training a sentence model needs the extra 'nlp', which is not installed ({error})",
            hint="pip install 'chatbot[nlp]'",
        ) from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def means(vectors: Vectors, owners: Sequence[int]) -> Vectors:
    """Return the mean vector of each label, of unit length, by the labels' numbers."""
    import numpy as np

    sums = np.zeros((max(owners) + 1, vectors.shape[1]), dtype=np.float32)
    np.add.at(sums, np.asarray(owners), vectors)
    found: Vectors = unit(sums)
    return found


def contrast(vectors: Any, owners: Any, temperature: float) -> Any:
    """Return the supervised contrastive loss of vectors of unit length; 0 without a pair."""
    import torch

    likeness = vectors @ vectors.T / temperature
    itself = torch.eye(len(vectors), dtype=torch.bool)
    likeness = likeness.masked_fill(itself, -1e4)
    same = (owners[:, None] == owners[None, :]) & ~itself
    surprise = torch.logsumexp(likeness, dim=1, keepdim=True) - likeness
    paired = same.sum(dim=1)
    each = (surprise * same).sum(dim=1) / paired.clamp(min=1)
    return each.sum() / (paired > 0).sum().clamp(min=1)


def likelihood(vectors: Any, labels: Any, owners: Any, temperature: float, smooth: float) -> Any:
    """Return the cross-entropy of the labels of vectors of unit length, by their cosines."""
    import torch

    odds = vectors @ torch.nn.functional.normalize(labels, dim=1).T / temperature
    return torch.nn.functional.cross_entropy(odds, owners, label_smoothing=smooth)


def between(before: Any, after: Any, share: float) -> Any:
    """Return `share` of the way from one tensor to another; what is not real stays as before."""
    if not before.is_floating_point():
        return after
    return before + (after - before) * share


def _draws(owners: Sequence[int], size: int) -> Iterator[list[int]]:
    """Yield rows for one step each: many labels, of each at least two texts where it has them."""
    chance = random.Random(_SEED)  # noqa: S311 - no secret
    members: dict[int, list[int]] = {}
    for row, owner in enumerate(owners):
        members.setdefault(owner, []).append(row)
    waiting: dict[int, list[int]] = {owner: [] for owner in members}
    turn: list[int] = []
    while True:
        labels: list[int] = []
        while len(labels) < min(len(members), size // 2):
            turn = turn or chance.sample(sorted(members), len(members))
            labels.append(turn.pop())
        drawn = []
        for label in labels:
            for _ in range(min(max(2, size // len(labels)), len(members[label]))):
                if not waiting[label]:
                    waiting[label] = chance.sample(members[label], len(members[label]))
                drawn.append(waiting[label].pop())
        yield drawn


def _parameters(model: Any, recipe: Recipe) -> list[dict[str, Any]]:
    """Return what is trained: all but the embeddings; biases and norms without decay."""
    trained: dict[bool, list[Any]] = {True: [], False: []}
    for name, each in model.named_parameters():
        each.requires_grad_(not name.startswith(("embeddings", "pooler")))
        if each.requires_grad:
            trained[each.ndim > 1].append(each)
    return [
        {"params": trained[True], "weight_decay": recipe.decay},
        {"params": trained[False], "weight_decay": 0.0},
    ]


@contextlib.contextmanager
def _seeded(torch: Any) -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(_SEED)
        yield


@contextlib.contextmanager
def _mixed(torch: Any) -> Iterator[Callable[[], Any]]:
    """Yield what has products computed in bf16 where the processor has it, else nothing."""
    fast = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    yield lambda: torch.autocast("cpu", torch.bfloat16, enabled=fast)
