"""`chatbot init`."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from chatbot import settings
from chatbot.cli.terminal import screen
from chatbot.errors import UsageError

T = TypeVar("T")


def _complete_template(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    from chatbot.commands.init import TEMPLATES

    return [each.name for each in TEMPLATES if each.name.startswith(incomplete)]


@click.command()
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--template",
    metavar="NAME",
    shell_complete=_complete_template,
    help="What it is to do: support, faq, duplicates, moderation, digest or tutorial.",
)
@click.option("--name", metavar="NAME", help="What it is called; its files, too.")
@click.option(
    "--listen",
    metavar="PLACE",
    help="console, 'irc.libera.chat #example', or '@me:matrix.org #room:matrix.org'.",
)
@click.option("--only", metavar="WHOM", help="Whom it answers: everybody, or addressed.")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing; take what is usual.")
@click.option("--force", is_flag=True, help="Write over files that are there.")
def init(
    folder: Path,
    template: str | None,
    name: str | None,
    listen: str | None,
    only: str | None,
    yes: bool,
    force: bool,
) -> int:
    """Make a bot in FOLDER to go on with.

    It asks what the bot is to do, what it is called, where it listens, and whom it answers; what
    an option says is not asked. It writes a flow that works, with examples, tests and a README,
    and says what to run next. Files that are there are left alone. Without FOLDER it writes here.

    \b
    Examples:
      chatbot init
      chatbot init mybot --yes
      chatbot init mybot --template faq --name helpbot --listen 'irc.libera.chat #example'
    """
    from chatbot.commands import init as commands

    kinds = [each.name for each in commands.TEMPLATES]
    width = max(map(len, kinds))
    about = [_told(each.name, each.about, width) for each in commands.TEMPLATES]
    _check_given(
        (template, commands.template_called),
        (name, commands.checked_name),
        (listen, commands.checked_place),
        (only, commands.checked_only),
    )
    asked = _Asking(yes)
    kind = asked.answer(
        template, f"What is it to do?\n{chr(10).join(about)}\n", kinds[0], commands.template_called
    )
    called = asked.answer(name, "What is it called?", kind.called, commands.checked_name)
    place = asked.answer(
        listen,
        "Where does it listen? (console, 'irc.libera.chat #example', "
        "'@me:matrix.org #room:matrix.org')\n",
        commands.CONSOLE,
        commands.checked_place,
    )
    usual = "everybody"
    if place == commands.CONSOLE and only is None:
        whom = usual  # there is nobody else
    else:
        whom = asked.answer(
            only, "Whom does it answer? (everybody, addressed)", usual, commands.checked_only
        )
    answers = commands.Answers(kind, called, place, whom)
    written = commands.init(folder, answers, force=force)
    tell_written(written, commands.next_commands(folder, answers))
    return 0


def tell_written(written: list[Path], following: list[tuple[str, str]]) -> None:
    """Say which files were written, and what to run next: commands, and what each is for."""
    shown = screen()
    for path in written:
        shown.say(f"wrote {path}")
    shown.say("Next:")
    width = max(len(command) for command, _ in following)
    for command, about in following:
        shown.say(f"  {command:<{width}}  # {about}")


def _told(name: str, about: str, width: int) -> str:
    """Return a line for a template; where the terminal is narrow, several, broken at words."""
    return textwrap.fill(
        f"{name:<{width}}  {about}",
        max(shutil.get_terminal_size().columns, 2 * width),
        initial_indent="  ",
        subsequent_indent=" " * (width + 4),
    )


def _check_given(*given: tuple[str | None, Callable[[str], object]]) -> None:
    """Refuse an option that is wrong before anything is asked."""
    for value, check in given:
        if value is not None:
            check(value)


class _Asking:
    def __init__(self, yes: bool) -> None:
        self._yes = yes

    def answer(self, given: str | None, question: str, usual: str, check: Callable[[str], T]) -> T:
        """Return what was `given`, the `usual`, or what a person answers; again, if that is bad."""
        if given is not None or self._yes:
            return check(usual if given is None else given)
        while True:
            try:
                return check(click.prompt(question, default=usual, err=True))
            except click.Abort:
                if settings.stdin_is_terminal():
                    raise
                click.echo(err=True)  # ends the line of the question
                hint = "--yes takes what is usual; --help has an option for each question"
                raise UsageError("nobody answers", hint=hint) from None
            except UsageError as error:
                click.echo(f"{error.message} ({error.hint})", err=True)
