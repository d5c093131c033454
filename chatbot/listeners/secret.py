"""A secret as a flow file gives it: itself, from the environment, or the path of its file."""

from __future__ import annotations

from pathlib import Path

from chatbot.errors import ListenerError


def secret_of(value: str, file: Path | None) -> str:
    """Return the secret: `value`, or else what is in `file`, without blanks around it.

    Empty where neither is given. Raises `ListenerError` when the file cannot be read.
    """
    if value or file is None:
        return value.strip()
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is no text"
        raise ListenerError(
            f"cannot read the secret in {file}: {reason}",
            hint="let the file hold the secret alone, readable by the user that the bot runs as",
        ) from error
