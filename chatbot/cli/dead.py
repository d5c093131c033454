"""`chatbot dead`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chatbot.cli.options import json_option, nats_options
from chatbot.cli.terminal import print_json, screen
from chatbot.errors import ChatbotError

if TYPE_CHECKING:
    from chatbot.commands.dead import Chosen


@click.group()
def dead() -> None:
    """Read, retry and drop what failed.

    A message ends in the dead letters when an operation raises, takes longer than its `timeout`,
    kills three nodes, or gives what cannot be sent. They are kept for 30 days.

    \b
    Examples:
      chatbot dead list
      chatbot dead show 3f2a91c07b
      chatbot dead retry --all
    """


def _complete_letter(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    from chatbot.commands import dead as commands

    given = context.params
    try:
        found = asyncio.run(commands.every(given.get("nats"), given.get("data")))
    except ChatbotError:
        return []  # no server: nothing to complete, and no place to say so
    taken = given.get("ids") or ()
    return [each.id for each in found if each.id.startswith(incomplete) and each.id not in taken]


flow_option = click.option("--flow", metavar="NAME", help="Only those of this flow.")
all_option = click.option("--all", "every", is_flag=True, help="All there are.")
ids_argument = click.argument("ids", nargs=-1, metavar="[ID...]", shell_complete=_complete_letter)


@dead.command("list")
@flow_option
@nats_options
@json_option
def dead_list(flow: str | None, nats: str | None, data: Path | None, as_json: bool) -> int:
    """List what failed, oldest first.

    Nothing that people wrote is shown; `chatbot dead show ID` shows it.

    \b
    Examples:
      chatbot dead list
      chatbot dead list --flow support --json
    """
    from chatbot.commands import dead as commands

    found = asyncio.run(commands.every(nats, data, flow))
    if as_json:
        print_json([commands.summary(each) for each in found])
    else:
        commands.show_list(found, screen())
    return 0


@dead.command("show")
@click.argument("id", metavar="ID", shell_complete=_complete_letter)
@nats_options
@json_option
def dead_show(id: str, nats: str | None, data: Path | None, as_json: bool) -> int:
    """Show one in full.

    The message, what failed and why, where it was tried, and the trace.

    \b
    Examples:
      chatbot dead show 3f2a91c07b
      chatbot dead show 3f2a91c07b --json
    """
    from chatbot.commands import dead as commands

    found = asyncio.run(commands.one(nats, data, id))
    if as_json:
        print_json(commands.whole(found))
    else:
        commands.show_one(found, screen())
    return 0


@dead.command("retry")
@ids_argument
@all_option
@flow_option
@nats_options
@json_option
def dead_retry(
    ids: tuple[str, ...],
    every: bool,
    flow: str | None,
    nats: str | None,
    data: Path | None,
    as_json: bool,
) -> int:
    """Have messages handled once more.

    Their letters are deleted. What fails again is a new letter; what succeeds is answered, once,
    in the room that the message came from.

    \b
    Examples:
      chatbot dead retry 3f2a91c07b 9c1e44d210
      chatbot dead retry --all --flow support
    """
    from chatbot.commands import dead as commands

    found = asyncio.run(commands.retry(nats, data, _chosen(ids, every, flow)))
    return _tell("retried", [each.id for each in found], as_json)


@dead.command("drop")
@ids_argument
@all_option
@flow_option
@nats_options
@json_option
def dead_drop(
    ids: tuple[str, ...],
    every: bool,
    flow: str | None,
    nats: str | None,
    data: Path | None,
    as_json: bool,
) -> int:
    """Delete letters for good.

    \b
    Examples:
      chatbot dead drop 3f2a91c07b
      chatbot dead drop --all --flow support
    """
    from chatbot.commands import dead as commands

    found = asyncio.run(commands.drop(nats, data, _chosen(ids, every, flow)))
    return _tell("dropped", [each.id for each in found], as_json)


def _chosen(ids: tuple[str, ...], every: bool, flow: str | None) -> Chosen:
    from chatbot.commands.dead import Chosen

    if every and ids:
        raise click.UsageError("--all is for all: name none, or leave it out")
    if not every and not ids:
        raise click.UsageError("which? name some (`chatbot dead list` shows them), or say --all")
    if flow and ids:
        raise click.UsageError("--flow goes with --all")
    return Chosen(ids, every, flow)


def _tell(done: str, ids: list[str], as_json: bool) -> int:
    if as_json:
        print_json({done: ids})
    else:
        click.echo(f"{done} {len(ids)} dead letter{'' if len(ids) == 1 else 's'}")
    return 0
