"""`chatbot doctor`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from chatbot.cli.options import json_option, nats_options, set_option
from chatbot.cli.terminal import print_json, refuse_flow, screen
from chatbot.errors import FlowError


@click.command()
@click.argument("flow", required=False)
@set_option
@nats_options
@json_option
def doctor(
    flow: str | None, overrides: tuple[str, ...], nats: str | None, data: Path | None, as_json: bool
) -> int:
    """Find what is wrong, and say what to do about it.

    Is the NATS server there, with JetStream? Are streams and buckets set up as the flows ask,
    on as many servers, and is there room? Are clocks together? Has each operation a node, each
    message a primary, and do all speak one protocol? With a FLOW, what its file asks for is
    compared, too, whether it runs or not. Nothing is started, made or changed.

    The exit code is 0 if all is well, 1 if something was found, 2 if the command line or FLOW
    is wrong.

    \b
    Examples:
      chatbot doctor
      chatbot doctor support
      chatbot doctor --nats nats://TOKEN@192.0.2.7:4222 --json
    """
    from chatbot.commands import doctor as commands

    try:
        report = asyncio.run(commands.doctor(flow, overrides, nats, data))
    except FlowError as error:
        refuse_flow(error, overrides)
    if as_json:
        print_json(commands.as_json(report))
    else:
        commands.show(report, screen())
    return 0 if report.healthy else 1
