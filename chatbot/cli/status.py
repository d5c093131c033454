"""`chatbot status`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from chatbot.cli.options import json_option, nats_options
from chatbot.cli.terminal import print_json, screen


@click.command()
@nats_options
@json_option
def status(nats: str | None, data: Path | None, as_json: bool) -> int:
    """Show what runs and what waits.

    Flows, primaries, listeners, nodes and queues, of the bot with this data folder or of all
    bots at a NATS server.

    \b
    Examples:
      chatbot status
      chatbot status --nats nats://TOKEN@192.0.2.7:4222 --json
    """
    from chatbot.commands import status as commands

    seen = asyncio.run(commands.status(nats, data))
    if as_json:
        print_json(commands.as_json(seen))
    else:
        commands.show(seen, screen())
    return 0
