"""Texts to token ids. Threads may share a tokenizer."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any

from chatbot.errors import OperationError
from chatbot.inference.models import ModelFiles, broken

CHARACTERS = 32
"""A token has no more on the average: tokenising 64 KiB to keep 256 tokens is of no use."""


class Tokens:
    """A model's tokenizer. Made by `load`."""

    def __init__(self, tokenizer: Any, files: ModelFiles) -> None:
        self._tokenizer = tokenizer
        self._most = files.max_tokens * CHARACTERS
        self._padding = files.padding

    @classmethod
    def load(cls, files: ModelFiles) -> Tokens:
        """Load `tokenizer.json` with `tokenizers`; a model without one, with `transformers`."""
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # the model needs the cores
        path = files.folder / "tokenizer.json"
        if not path.is_file():
            return _Slow(_slow_tokenizer(files), files)
        try:
            from tokenizers import Tokenizer

            tokenizer = Tokenizer.from_file(str(path))
        except ImportError as error:
            raise OperationError(
                f"sentence models need the extra 'nlp' or 'onnx', neither is installed ({error})",
                hint="pip install 'chatbot[nlp]'",
            ) from error
        except Exception as error:  # it raises no other class
            raise broken(files.folder, error) from error
        tokenizer.no_padding()
        tokenizer.enable_truncation(files.max_tokens)
        return cls(tokenizer, files)

    def rows(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of each text, cut at the model's length; at least one for each."""
        cut = [text[: self._most] for text in texts]
        return [ids or [self._padding] for ids in self._ids(cut)]

    def _ids(self, texts: list[str]) -> list[list[int]]:
        # `fast`: without where in the text a token is, which takes a quarter of the time.
        return [each.ids for each in self._tokenizer.encode_batch_fast(texts)]


class _Slow(Tokens):
    """A tokenizer of `transformers`, which refuses to be used by two threads at once."""

    def __init__(self, tokenizer: Any, files: ModelFiles) -> None:
        super().__init__(tokenizer, files)
        self._one = threading.Lock()
        self._max_tokens = files.max_tokens

    def _ids(self, texts: list[str]) -> list[list[int]]:
        with self._one:
            found: list[list[int]] = self._tokenizer(
                texts,
                truncation=True,
                max_length=self._max_tokens,
                padding=False,
                return_attention_mask=False,
                return_token_type_ids=False,
            )["input_ids"]
        return found


def _slow_tokenizer(files: ModelFiles) -> Any:
    from chatbot.inference.backends.pytorch import import_models

    transformers = import_models()
    try:
        return transformers.AutoTokenizer.from_pretrained(
            str(files.folder), trust_remote_code=False
        )
    except (OSError, ValueError, KeyError) as error:
        raise broken(files.folder, error) from error
