"""Tiny transformers, made on the spot: nothing is downloaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")

_TEXT = (
    "how do i install this on my old laptop the sound does not work where is wifi driver what "
    "a an and bad good movie great awful book release next when comes out thanks hello ? . , !"
)
WORDS = _TEXT.split()


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of an encoder of two layers that knows some forty words."""
    from transformers import BertModel

    folder = tmp_path_factory.mktemp("models") / "encoder"
    save(BertModel, folder)
    return str(folder)


def save(model: Any, folder: Path, words: Sequence[str] = WORDS, **settings: Any) -> Path:
    """Save a BERT of the class `model`, with weights drawn from a fixed seed, to `folder`."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, PreTrainedTokenizerFast

    torch.manual_seed(0)
    vocabulary = {w: n for n, w in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    usual: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = BertConfig(
        vocab_size=len(vocabulary),
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.5,
        **{**usual, **settings},
    )
    model(config).eval().save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]",
    ).save_pretrained(folder)  # fmt: skip
    return folder
