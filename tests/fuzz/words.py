"""Small texts from people and from other processes: addresses, labels, who holds a lease."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from chatbot.broker.address import Address, redact
from chatbot.broker.lease import holder
from chatbot.broker.server import Listen
from chatbot.errors import ConnectError, UsageError
from chatbot.labels import checked, fits, placement, together
from operations.answer import AnswerConfig, check_config, fill
from operations.asking import LONGEST, is_answer, is_question, quotable, spoken_to
from operations.entities import MOST, entities
from operations.text import clean


def address(data: bytes) -> None:
    """Read the address of a server; what is shown of it holds no credential."""
    text = data.decode(errors="replace")
    shown = redact(text)
    try:
        found = Address.parse(text)
    except ConnectError:
        return
    assert found.servers
    for secret in (found.token, found.password):
        told = secret is not None and len(set(secret)) > 4 and secret in shown
        assert not told or str(secret) in str(found.servers)


def listen(data: bytes) -> None:
    """Read an address to listen on."""
    with contextlib.suppress(UsageError):
        found = Listen.parse(data.decode(errors="replace"))
        assert 0 < found.port < 65536
        assert set(found.host) <= set(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:_-%"
        )


def labels(data: bytes) -> None:
    """Read labels, as a node is given them and as a flow asks for them."""
    words = data.decode(errors="replace").split("\n")
    with contextlib.suppress(UsageError):
        placement(words)
    with contextlib.suppress(UsageError):
        has = together([checked(word) for word in words])
        assert fits(has, has)


def lease(data: bytes) -> None:
    """Say who holds a lease, whatever stands there."""
    said = holder(data)
    assert said
    assert said.isprintable()
    assert len(said) < 300


def chat_text(data: bytes) -> None:
    """Clean a text that a person typed, and put it into an answer."""
    text = data.decode("utf-8", "replace")
    cleaned = clean(text, "bot")
    assert "\n" not in cleaned.text
    clean("hello", text)
    fill(text, sender=text, label="{sender}")
    list(check_config(AnswerConfig({text: text}, addressed_only=[text[:5]])))


def entities_of(data: bytes) -> None:
    """Find what a text names: short strings, each once."""
    found = entities(data.decode("utf-8", "replace"))
    assert all(len(values) == len(set(values)) <= MOST for values in found.values())
    assert all(0 < len(value) <= 4096 for values in found.values() for value in values)


def quoted(data: bytes) -> None:
    """Make a line of what is quoted, and say whether it asks or answers something."""
    text = data.decode("utf-8", "replace")
    line = quotable(text)
    assert len(line) <= LONGEST + 1
    assert "\n" not in line
    is_question(text)
    is_answer(spoken_to(text)[1])


TARGETS: dict[str, Callable[[bytes], None]] = {
    "nats_address": address,
    "listen_address": listen,
    "labels": labels,
    "lease": lease,
    "chat_text": chat_text,
    "entities": entities_of,
    "quoted": quoted,
}
