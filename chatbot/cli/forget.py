"""`chatbot forget`."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from chatbot.cli.options import json_option, nats_options
from chatbot.cli.terminal import print_json, screen


@click.command()
@click.argument("user")
@click.option("--network", metavar="NAME", help="Only on this network (a listener's name).")
@click.option("--flow", metavar="NAME", help="Only what this flow has heard.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@nats_options
@json_option
def forget(
    user: str,
    network: str | None,
    flow: str | None,
    yes: bool,
    nats: str | None,
    data: Path | None,
    as_json: bool,
) -> int:
    """Erase what is kept of what USER said.

    What waits to be handled, what was decided for it, and what failed, with all replies that
    have not been said yet, what the bot keeps to answer commands, and the questions that USER
    asked or answered, whatever flow noted them. USER is the sender as the
    network says it (a nick, a Matrix id). The bot may go on meanwhile; what it has said in the
    channel stays there.

    \b
    Examples:
      chatbot forget anna --network irc
      chatbot forget @anna:example.org --yes --json
    """
    from chatbot.commands import forget as commands

    whom = commands.Whom(sender=user, network=network, flow=flow)
    shown = screen(data=as_json)
    found = asyncio.run(commands.find(whom, nats, data, shown))
    if found and not yes:
        _ask(len(found))
    asyncio.run(commands.forget(whom, found, nats, data, shown))
    if as_json:
        print_json({"erased": len(found)})
    else:
        click.echo(f"erased {len(found)} message{'' if len(found) == 1 else 's'}")
    return 0


def _ask(count: int) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError(f"{count} messages would be erased: say --yes")
    click.confirm(f"erase {count} message{'' if count == 1 else 's'} for good?", abort=True)
