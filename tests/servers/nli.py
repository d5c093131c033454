"""A tiny model for natural language inference with weights set by hand: nothing is learnt.

A hypothesis follows from a text where both have words of one kind: in the first layer a word
looks for its like, in the second the first token asks the words of the hypothesis whether they
found theirs in the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.models import save

KINDS = 4
_OTHER, _PLACE, _FOUND = KINDS, KINDS + 1, KINDS + 2
"""Pairs of dimensions, (x, -x): of no kind; in the text, or not; found in the text."""


def nli_model(folder: Path, kinds: Sequence[str]) -> Path:
    """Write a model to `folder` that knows the words of each of the `kinds`."""
    from transformers import AutoTokenizer, BertForSequenceClassification

    labels = {0: "entailment", 1: "not_entailment"}
    ids = {label: number for number, label in labels.items()}
    words = [word for kind in kinds for word in kind.split()]
    shape = {"hidden_size": 2 * (_FOUND + 1), "num_attention_heads": 1}
    save(BertForSequenceClassification, folder, words, id2label=labels, label2id=ids, **shape)
    model = BertForSequenceClassification.from_pretrained(folder)
    _set(model, [number for number, kind in enumerate(kinds) for _ in kind.split()])
    model.save_pretrained(folder)
    takes = ["input_ids", "token_type_ids", "attention_mask"]  # which text a word is in, too
    AutoTokenizer.from_pretrained(folder, model_input_names=takes).save_pretrained(folder)
    return folder


def _set(model: Any, kinds: Sequence[int]) -> None:
    """Set the weights; `kinds` are those of the words."""
    import torch

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1.0 if name.endswith("LayerNorm.weight") else 0.0)
        found = model.bert.embeddings
        for number, kind in enumerate([*[_OTHER] * 4, *kinds]):  # four are no words
            _pair(found.word_embeddings.weight[number], kind, 1.0)
        for number, sign in enumerate((1.0, -1.0)):
            _pair(found.token_type_embeddings.weight[number], _PLACE, sign)
        likes, asks = (layer.attention for layer in model.bert.encoder.layer)
        for kind in range(KINDS):
            likes.self.query.weight[kind, 2 * kind] = 10.0
            likes.self.key.weight[kind, 2 * kind] = 1.0
        likes.self.value.weight[0, 2 * _PLACE] = 1.0
        asks.self.query.bias[0] = 10.0
        asks.self.key.weight[0, 2 * _PLACE] = asks.self.key.weight[0, 2 * _OTHER] = -1.0
        asks.self.value.weight[0, 2 * _FOUND] = 1.0
        for each in (likes, asks):
            _pair(each.output.dense.weight[:, 0], _FOUND, 1.0)
        model.bert.pooler.dense.weight[0, 2 * _FOUND] = 0.5
        model.classifier.weight[0, 0] = 10.0


def _pair(row: Any, number: int, value: float) -> None:
    row[2 * number], row[2 * number + 1] = value, -value
