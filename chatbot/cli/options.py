"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def nats_options(command: F) -> F:
    """Add the options that say which NATS server to use."""
    command = click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder of the embedded server [default: the user's data folder, or CHATBOT_DATA].",
    )(command)
    return nats_option(command)


def nats_option(command: F) -> F:
    """Add the option that names a NATS server, for a command that uses none of its own."""
    return click.option(
        "--nats",
        metavar="URL",
        help="A NATS server or cluster [default: CHATBOT_NATS_URL, else the bot's own, embedded].",
    )(command)


def complete_operations(_: click.Context, __: click.Parameter, word: str) -> list[str]:
    """Return the installed operations that begin with `word`, for a shell's completion."""
    from chatbot.flowfile.catalog import OPERATIONS, Catalog

    return [name for name in Catalog(OPERATIONS).names() if name.startswith(word)]


set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a value of the flow file, such as listeners.irc.server=127.0.0.1. Repeatable.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
