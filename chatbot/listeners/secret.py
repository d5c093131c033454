"""The secrets of listeners: from the environment or from files, and shown to nobody.

The rule that it guards: no message holds any part of a secret; what is wrong with one is told
by the key of the flow file and the file that it names. A file is what systemd
(`LoadCredential=`) and Kubernetes (a mounted secret) give.
"""

from __future__ import annotations

from pathlib import Path

from chatbot import settings
from chatbot.errors import ListenerError

LONGEST = 64 * 1024
"""Bytes of a file that are read: a secret is small, and /dev/zero has no end."""


def secret_of(value: str, file: Path | None, key: str = "password") -> str:
    """Return the secret `key`: `value`, or where `file` is given that file's stripped content.

    The file is read at each call, so one that was renewed is found at the next connection. A
    relative name is looked for among systemd's credentials first.

    Raises `ListenerError` when both are given, and when the file cannot be read, is empty, or
    holds more than one line.
    """
    if file is None:
        return value
    if value:
        raise ListenerError(f"`{key}` and `{key}_file` are both given", hint="give one of them")
    path = settings.credential(file) or file
    content, wrong = _content(path)
    if wrong:
        raise ListenerError(f"`{key}_file`: {path} {wrong}", hint=f"it must hold the {key} alone")
    return content


def secret_problems(
    value: str, file: Path | None, key: str = "password", *, required: bool = False
) -> list[tuple[str, str]]:
    """Return what is wrong with a secret, as a listener's settings tell it (`problems`)."""
    if file is None:
        missing = f"is missing: write `{key}: ${{VARIABLE}}`, or name a file with `{key}_file`"
        return [(key, missing)] if required and not value else []
    try:
        secret_of(value, file, key)
    except ListenerError as error:
        return [(f"{key}_file", error.message)]
    return []


def _content(path: Path) -> tuple[str, str]:
    """Return the secret in the file at `path`, or `""` and what is wrong with it."""
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST + 1)
    except (OSError, ValueError) as error:  # ValueError: NUL in its name
        return "", f"cannot be read: {getattr(error, 'strerror', None) or type(error).__name__}"
    if len(data) > LONGEST:
        return "", "is too large"
    try:
        content = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:  # whose message holds a part of it
        return "", "is not UTF-8 text"
    if not content:
        return "", "is empty"
    if not content.isprintable():
        return "", "holds more than one line, or control characters"
    return content, ""
