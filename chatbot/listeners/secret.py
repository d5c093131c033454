"""Secrets of listeners: from the environment through the flow file, or from a file."""

from __future__ import annotations

from pathlib import Path

from chatbot.errors import ListenerError


def secret_of(value: str, file: Path | None) -> str:
    """Return `value`, or where it is empty the content of `file` without blanks around it.

    Empty where there is neither. Reads the file anew each time, so that a changed secret counts
    from the next connection on. Raises `ListenerError`, which names the file, never the secret.
    """
    if value or file is None:
        return value
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ListenerError(
            f"cannot read the secret in {file}: {error.strerror or error}",
            hint="the bot's user must be able to read the file",
        ) from error
    except UnicodeDecodeError:
        raise ListenerError(
            f"the secret in {file} is not text", hint="the file must be UTF-8"
        ) from None
