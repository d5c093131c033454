"""What the commands share of the terminal: starting, printing, refusing; the only exits."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from chatbot.errors import ChatbotError, FlowError, UsageError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from chatbot.commands.screen import Screen


def refuse(error: ChatbotError) -> NoReturn:
    """Say what is wrong and what to do, and exit with the error's code."""
    click.secho("error: ", fg="red", bold=True, err=True, nl=False)
    click.echo(error.message, err=True)
    if error.hint:
        click.secho(f"  {error.hint}", err=True)
    sys.exit(error.exit_code)


def refuse_flow(error: FlowError, overrides: tuple[str, ...] = ()) -> NoReturn:
    """Say all that is wrong with a flow file, each with its place, and exit."""
    from chatbot.flowfile.problems import render

    for problem in error.problems:
        click.echo(render(problem, overrides), err=True)
    click.secho(error.message, fg="red", bold=True, err=True)
    sys.exit(error.exit_code)


def run_service(main: Callable[[], Coroutine[Any, Any, int]], *, quiet: bool = False) -> int:
    """Run a coroutine until it ends or a signal drains it; return the exit code."""
    from chatbot import service

    def draining() -> None:
        if not quiet:
            click.echo("draining; once more to end at once", err=True)

    return service.run(main, draining=draining)


def screen(quiet: bool = False, *, data: bool = False) -> Screen:
    """Return the terminal to write on; `data`: what is printed is for programs."""
    from chatbot.commands.screen import Screen

    return Screen(quiet=quiet, data=data)


def write_file(path: Path, content: str | bytes) -> None:
    """Write a result to a file, or refuse with what is wrong with its name."""
    data = content.encode() if isinstance(content, str) else content
    try:
        path.write_bytes(data)
    except OSError as error:
        refuse(UsageError(f"{path} cannot be written: {error.strerror or type(error).__name__}"))


def print_json(value: Any) -> None:
    """Print a value as indented JSON on stdout."""
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
