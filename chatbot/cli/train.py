"""`chatbot train`."""

from __future__ import annotations

from pathlib import Path

import click

from chatbot import settings
from chatbot.cli.options import json_option, nats_option, set_option
from chatbot.cli.terminal import print_json, refuse_flow, screen
from chatbot.errors import FlowError, UsageError


@click.command()
@click.argument("flow")
@set_option
@click.option("--operation", metavar="NAME", help="Which operation, where several classify.")
@click.option("--list", "listed", is_flag=True, help="Train nothing; list what was trained.")
@click.option(
    "--rollback", metavar="REVISION", help="Train nothing; use this revision, or `quick`."
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to keep it in [default: the user's data folder, or CHATBOT_DATA].",
)
@nats_option
@json_option
def train(
    flow: str,
    overrides: tuple[str, ...],
    operation: str | None,
    listed: bool,
    rollback: str | None,
    data: Path | None,
    nats: str | None,
    as_json: bool,
) -> int:
    """Teach the model of FLOW its labels, thoroughly.

    A node learns the examples in seconds, with the model as it is. This takes some minutes and
    changes the model, too, if that is better for examples that were held back. The result is
    kept with its score.

    Where a NATS server runs, what people corrected in the channel is learned, too, and all nodes
    of the flow take the result over within seconds, as they do when it is rolled back. Else nodes
    on this machine use it from their next start on.

    \b
    Examples:
      chatbot train support
      chatbot train support --nats nats://nats.example.org
      chatbot train support --list
      chatbot train support --rollback quick
    """
    from chatbot.commands import train as commands

    if listed and rollback is not None:
        raise UsageError("--list and --rollback exclude each other")
    settings.keep_data_in(data)
    shown = screen(data=as_json)
    try:
        if rollback is not None:
            commands.roll_back(flow, overrides, operation, rollback, shown, nats)
        elif not listed:
            commands.train(flow, overrides, operation, shown, nats)
        kept, current = commands.revisions(flow, overrides, operation, nats)
    except FlowError as error:
        refuse_flow(error, overrides)
    if as_json:
        print_json(commands.as_json(kept, current))
    else:
        commands.show(kept, current, screen())
    return 0
