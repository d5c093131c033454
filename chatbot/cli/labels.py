"""`chatbot labels`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from chatbot.cli.options import json_option, nats_options
from chatbot.cli.terminal import print_json, screen
from chatbot.errors import ChatbotError

if TYPE_CHECKING:
    from chatbot.commands.labels import Asked

F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def labels() -> None:
    """See and roll back what people taught the bot.

    People with the role that the flow's `learning` names say `!label LABEL` to a message, or react
    to it. What they taught is kept at the NATS server until it is taken back or forgotten.

    \b
    Examples:
      chatbot labels list
      chatbot labels export > more-labels.yaml
      chatbot labels history
      chatbot labels rollback 12
    """


def _complete_flow(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    from chatbot.commands import labels as commands

    given = context.params
    try:
        found = asyncio.run(commands.flows(given.get("nats"), given.get("data")))
    except ChatbotError:
        return []  # no server: nothing to complete, and no place to say so
    return [name for name in found if name.startswith(incomplete)]


flow_option = click.option(
    "--flow",
    metavar="NAME",
    help="What this flow learned, where several learn.",
    shell_complete=_complete_flow,
)


def common(command: F) -> F:
    """Add what all of them have."""
    return flow_option(nats_options(json_option(command)))


def _asked(flow: str | None, nats: str | None, data: Path | None) -> Asked:
    from chatbot.commands.labels import Asked

    return Asked(nats, data, flow)


@labels.command("list")
@click.option("--label", metavar="LABEL", help="Only those with this label.")
@click.option("--contested", is_flag=True, help="Only those on which people disagree.")
@common
def labels_list(
    label: str | None,
    contested: bool,
    flow: str | None,
    nats: str | None,
    data: Path | None,
    as_json: bool,
) -> int:
    """List what people taught, the last first.

    What people wrote is shown. A text that people label differently teaches nothing until they
    agree, or `chatbot labels settle` decides.

    \b
    Examples:
      chatbot labels list
      chatbot labels list --label question
      chatbot labels list --contested --json
    """
    from chatbot.commands import labels as commands

    every = asyncio.run(commands.every(_asked(flow, nats, data)))
    found = commands.chosen(every, label, contested=contested)
    if as_json:
        print_json([commands.as_json(each) for each in found])
    else:
        commands.show_list(found, screen())
    return 0


@labels.command("export")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file.")
@common
def labels_export(
    output: Path | None, flow: str | None, nats: str | None, data: Path | None, as_json: bool
) -> int:
    """Write what people agree on as a file of examples.

    The file has the form of the flow's own, so that its lines may be moved there; with --json it
    has all that is known of each, with the rooms. `chatbot labels import` takes both.

    \b
    Examples:
      chatbot labels export
      chatbot labels export -o learned.yaml
      chatbot labels export --json -o learned.json
    """
    from chatbot.commands import labels as commands

    every = asyncio.run(commands.every(_asked(flow, nats, data)))
    if as_json:
        import msgspec

        rows = [commands.as_json(each) for each in commands.chosen(every, None, contested=False)]
        text = msgspec.json.format(msgspec.json.encode(rows), indent=2).decode() + "\n"
    else:
        text = commands.as_examples(every)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, "utf-8")
    return 0


@labels.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--by", metavar="NAME", help="Whose corrections these are [default: your login].")
@common
def labels_import(
    file: Path,
    by: str | None,
    flow: str | None,
    nats: str | None,
    data: Path | None,
    as_json: bool,
) -> int:
    """Teach what a file says.

    FILE is a file of examples (label: [texts]), or what `export --json` wrote. Nothing of it is
    kept where it has a label that the flow does not know.

    \b
    Examples:
      chatbot labels import learned.yaml
      chatbot labels import learned.json --by anna --json
    """
    from chatbot.commands import labels as commands

    taught = commands.read_taught(file)
    asked = _asked(flow, nats, data)
    shown = screen(data=as_json)
    changed = asyncio.run(commands.take(asked, taught, by or commands.whoami(), shown))
    if as_json:
        print_json({"read": len(taught), "changed": changed})
    else:
        click.echo(f"took {changed} of {len(taught)} examples; the others were known")
    return 0


@labels.command("history")
@common
def labels_history(flow: str | None, nats: str | None, data: Path | None, as_json: bool) -> int:
    """List all changes with their numbers, the last at the end.

    \b
    Examples:
      chatbot labels history
      chatbot labels history --json
    """
    from chatbot.commands import labels as commands

    found = asyncio.run(commands.history(_asked(flow, nats, data)))
    if as_json:
        print_json(found)
    else:
        commands.show_history(found, screen())
    return 0


@labels.command("rollback")
@click.argument("change", type=click.IntRange(min=0))
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@common
def labels_rollback(
    change: int,
    yes: bool,
    flow: str | None,
    nats: str | None,
    data: Path | None,
    as_json: bool,
) -> int:
    """Have all as it was after CHANGE.

    CHANGE is a number of the history; 0 is before the first. It is a change itself, so that it
    can be rolled back, too. What was forgotten stays so.

    \b
    Examples:
      chatbot labels rollback 12
      chatbot labels rollback 0 --yes --json
    """
    from chatbot.commands import labels as commands

    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError(f"all would be as it was after change {change}: say --yes")
        click.confirm(f"have all as it was after change {change}?", abort=True)
    changed = asyncio.run(commands.roll_back(_asked(flow, nats, data), change))
    if as_json:
        print_json({"changed": changed})
    else:
        click.echo(f"{changed} example{'' if changed == 1 else 's'} changed")
    return 0


@labels.command("undo")
@click.argument("by", metavar="ACCOUNT")
@click.option("--network", metavar="NAME", help="Only what they taught on this network.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@common
def labels_undo(
    by: str,
    network: str | None,
    yes: bool,
    flow: str | None,
    nats: str | None,
    data: Path | None,
    as_json: bool,
) -> int:
    """Take back all that ACCOUNT taught.

    What others said of the same texts holds on. It can be rolled back.

    \b
    Examples:
      chatbot labels undo anna --network irc
      chatbot labels undo @ben:example.org --yes --json
    """
    from chatbot.commands import labels as commands

    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError(f"all that {by} taught would be taken back: say --yes")
        click.confirm(f"take back all that {by} taught?", abort=True)
    changed = asyncio.run(commands.take_back(_asked(flow, nats, data), by, network))
    if as_json:
        print_json({"changed": changed})
    else:
        click.echo(f"{changed} example{'' if changed == 1 else 's'} changed")
    return 0


@labels.command("settle")
@click.argument("id", metavar="ID")
@click.argument("label", nargs=-1, required=True)
@common
def labels_settle(
    id: str,
    label: tuple[str, ...],
    flow: str | None,
    nats: str | None,
    data: Path | None,
    as_json: bool,
) -> int:
    """Decide that the text ID is LABEL, whatever people called it.

    Where a text may have several labels, name all that it has.

    \b
    Examples:
      chatbot labels settle 3f2a91c07b question
    """
    from chatbot.commands import labels as commands

    found = asyncio.run(commands.settle(_asked(flow, nats, data), id, label))
    if as_json:
        print_json(commands.as_json(found))
    else:
        click.echo(f"{found.key[:10]} is {' and '.join(label)}")
    return 0


@labels.command("shadow")
@common
def labels_shadow(flow: str | None, nats: str | None, data: Path | None, as_json: bool) -> int:
    """Say how what was learned does beside what runs.

    With `learning: {shadow: true}` in the flow, what is learned runs in the shadow: it judges each
    message, too, and nothing is done of it. `chatbot labels promote` has it take over.

    \b
    Examples:
      chatbot labels shadow
      chatbot labels shadow --json
    """
    from chatbot.commands import shadow as commands

    found = asyncio.run(commands.shadows(_asked(flow, nats, data)))
    if as_json:
        print_json([commands.as_json(each) for each in found])
    else:
        commands.show(found, screen())
    return 0


@labels.command("promote")
@common
def labels_promote(flow: str | None, nats: str | None, data: Path | None, as_json: bool) -> int:
    """Have what runs in the shadow take over.

    \b
    Examples:
      chatbot labels promote
    """
    from chatbot.commands import shadow as commands

    found = asyncio.run(commands.promote(_asked(flow, nats, data)))
    if as_json:
        print_json([commands.as_json(each) for each in found])
    else:
        for each in found:
            click.echo(f"{each.record.revision[:8]} runs, with {each.record.count} corrections")
    return 0
