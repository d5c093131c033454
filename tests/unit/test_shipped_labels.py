"""What the flow that ships understands, with the model that it names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chatbot.inference.classifier import Classifier
from chatbot.inference.encoder import Encoder
from chatbot.inference.examples import read_examples
from chatbot.inference.training import trained

os.environ.setdefault("HF_HUB_OFFLINE", "1")

FLOWS = Path(__file__).parents[2] / "flows"


@pytest.fixture(scope="session")
def support(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """What the shipped flow understands with the shipped model."""
    encoder = Encoder.load()
    examples = read_examples(FLOWS / "support-labels.yaml")
    head = trained(encoder, examples, tmp_path_factory.mktemp("heads"))
    return Classifier(encoder, head, threshold=0.5, likeness=0.65)  # as in understand.yaml


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("how do I install this?", "install"),
        ("How do I install this project on my Mac?", "install"),
        ("thanks!", "thanks"),
        ("thank you", "thanks"),
        ("hello", "greeting"),
        ("Good morning all", "greeting"),
        ("where can I find the documentation for this project?", "docs"),
        ("how can I report an issue", "bug"),
        ("what's the newest release?", "release"),
        ("what's the process for contributing to this project?", "contribute"),
        ("Can anyone help me out?", "help"),
        ("is this thing a bot?", "about"),
        ("goodbye everyone", "bye"),
    ],
)
def test_the_shipped_labels_understand_what_is_asked_often(
    support: Classifier, text: str, label: str
) -> None:
    [found] = support.predict([text])
    assert (found.label, found.sure) == (label, True)


@pytest.mark.parametrize(
    "text",
    [
        "asdf qwer zxcv",
        "colorless green ideas sleep furiously",
        "i want to transfer money to my savings account",
        "what is the weather like in paris",
        "you do not need to install that, it comes with most distributions",
        "how do i install the wireless driver for my laptop",
        "no problem",
        "you should report that as a bug",
        "i read the docs already and they did not help",
        "my printer stopped after the last release",
        "12345",
        "привет",
    ],
)
def test_the_shipped_labels_leave_alone_what_is_not_for_them(
    support: Classifier, text: str
) -> None:
    [found] = support.predict([text])
    assert found.label == "chatter" or not found.sure
