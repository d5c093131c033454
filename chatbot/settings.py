"""What the environment says; the only reader of it.

Nothing else looks at environment variables, so what a process may be told is all here.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

NATS_URL = "CHATBOT_NATS_URL"
DATA = "CHATBOT_DATA"


def nats_url() -> str | None:
    """Return the address of an existing NATS server, `None` where none is named."""
    return os.environ.get(NATS_URL) or None


def keep_data_in(folder: Path | None) -> None:
    """Have this process, and those that it starts, use `folder`, where one is named."""
    if folder is not None:
        os.environ[DATA] = str(folder)


def keep_to_itself(folder: Path) -> None:
    """Have this process use a server of its own, in `folder`, whatever the environment names."""
    os.environ.pop(NATS_URL, None)
    keep_data_in(folder)


def data_folder(given: Path | None = None) -> Path:
    """Return the folder for what outlives the process, made readable by its owner alone.

    It is the one of `data_path`.
    """
    folder = data_path(given)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def data_path(given: Path | None = None) -> Path:
    """Return where the folder for what outlives the process is, or would be made.

    `given` (from `--data`) comes first, then `CHATBOT_DATA`, then the user's data folder.
    """
    if given is None:
        named = os.environ.get(DATA)
        if named:
            given = Path(named)
        else:
            import platformdirs

            given = Path(platformdirs.user_data_dir("chatbot", appauthor=False))
    return given.expanduser().resolve()


def models_path() -> Path:
    """Return the folder of what thorough training made; it may not be there."""
    return data_path() / "models"


def cache_folder() -> Path:
    """Return the folder for what can be made again: trained heads, files that travelled."""
    import platformdirs

    folder = Path(platformdirs.user_cache_dir("chatbot", appauthor=False))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def variable(name: str) -> str | None:
    """Return what `${name}` in a flow file stands for, `None` where it is not set."""
    return os.environ.get(name)


def credential(name: Path) -> Path | None:
    """Return the credential of that name that systemd gave this service, where it did.

    `None` for an absolute name, too.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder or name.is_absolute():
        return None
    path = Path(folder) / name
    return path if path.is_file() else None


def child_environment(**extra: str) -> dict[str, str]:
    """Return the environment for a process that we start, with `extra` on top."""
    return {**os.environ, **extra}


def stdin_is_terminal() -> bool:
    """Whether a person types, as against a pipe or a file."""
    return sys.stdin is not None and sys.stdin.isatty()
