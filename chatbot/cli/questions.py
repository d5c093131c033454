"""`chatbot questions`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from chatbot.cli.options import json_option, nats_options
from chatbot.cli.terminal import print_json, screen
from chatbot.errors import ChatbotError


@click.group()
def questions() -> None:
    """See and erase the questions that bots have noted.

    The operation similar_questions notes what is asked in channels, and how it was answered.
    What a person asked or answered, `chatbot forget` erases.

    \b
    Examples:
      chatbot questions list
      chatbot questions remove 3f2a91c07b
    """


def _complete_id(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    from chatbot.commands import questions as commands

    given = context.params
    try:
        found = asyncio.run(commands.every(given.get("nats"), given.get("data")))
    except ChatbotError:
        return []  # no server: nothing to complete, and no place to say so
    return [each.key[: commands.ID] for each in found if each.key.startswith(incomplete)]


index_option = click.option("--index", metavar="NAME", help="Only those of this index.")


@questions.command("list")
@index_option
@nats_options
@json_option
def questions_list(index: str | None, nats: str | None, data: Path | None, as_json: bool) -> int:
    """List what was asked, oldest first, and how it was answered.

    \b
    Examples:
      chatbot questions list
      chatbot questions list --index support --json
    """
    from chatbot.commands import questions as commands

    found = asyncio.run(commands.every(nats, data, index))
    if as_json:
        print_json([commands.summary(each) for each in found])
    else:
        commands.show(found, screen())
    return 0


@questions.command("remove")
@click.argument("ids", nargs=-1, required=True, metavar="ID...", shell_complete=_complete_id)
@index_option
@nats_options
@json_option
def questions_remove(
    ids: tuple[str, ...], index: str | None, nats: str | None, data: Path | None, as_json: bool
) -> int:
    """Erase questions with their answers, on all nodes.

    Nothing is erased if one of the ids is unknown.

    \b
    Examples:
      chatbot questions remove 3f2a91c07b 9c1e44d210
    """
    from chatbot.commands import questions as commands

    found = asyncio.run(commands.remove(nats, data, ids, index))
    if as_json:
        print_json({"removed": [each.key for each in found]})
    else:
        click.echo(f"removed {len(found)} question{'' if len(found) == 1 else 's'}")
    return 0
