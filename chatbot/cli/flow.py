"""`chatbot flow`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from chatbot.cli.flowfiles import export, migrate
from chatbot.cli.options import json_option, nats_options, set_option
from chatbot.cli.terminal import print_json, refuse_flow, screen
from chatbot.errors import FlowError


@click.group()
def flow() -> None:
    """Check flow files, and have bots that run take them up.

    \b
    Examples:
      chatbot flow check flows/support.yaml
      chatbot flow apply flows/support.yaml
      chatbot flow check --help
    """


@flow.command("check")
@click.argument("flow")
@set_option
@json_option
def flow_check(flow: str, overrides: tuple[str, ...], as_json: bool) -> int:
    """Say all that is wrong with FLOW.

    Each problem has its file, line and column. The exit code is 2 if there is any. A warning,
    such as of a secret that stands in the file in clear, is none.

    \b
    Examples:
      chatbot flow check flows/support.yaml
      chatbot flow check support --set listeners.irc.server=irc.libera.chat
    """
    from chatbot.commands import flow as commands

    try:
        checked = commands.check(flow, overrides, screen(quiet=as_json))
    except FlowError as error:
        return _refuse(error, overrides, as_json)
    if as_json:
        print_json(commands.as_json(checked))
    return 0


@flow.command("apply")
@click.argument("flow")
@set_option
@nats_options
@json_option
def flow_apply(
    flow: str, overrides: tuple[str, ...], nats: str | None, data: Path | None, as_json: bool
) -> int:
    """Have running bots read their file of FLOW anew.

    The file is checked here first; if anything is wrong with it, nobody is asked. Then every
    primary of the flow, on this machine or another, reads the file that it was started with,
    checks it, waits until nodes are ready, and runs it from the next message on. What it has
    begun ends as it was begun. A primary that finds its file wrong goes on as before.

    The exit code is 0 if all primaries run now what was checked here, 1 if one does not, 2 if
    FLOW is wrong or no primary runs it.

    \b
    Examples:
      chatbot flow apply flows/support.yaml
      chatbot flow apply support --nats nats://TOKEN@192.0.2.7:4222 --json
    """
    from chatbot.commands import apply as commands

    try:
        applied = asyncio.run(commands.apply(flow, overrides, nats, data, screen(data=as_json)))
    except FlowError as error:
        return _refuse(error, overrides, as_json)
    if as_json:
        print_json(commands.as_json(applied))
    else:
        commands.show(applied, screen())
    return 0 if all(each.is_done for each in applied) else 1


flow.add_command(export)
flow.add_command(migrate)


def _refuse(error: FlowError, overrides: tuple[str, ...], as_json: bool) -> int:
    if not as_json:
        refuse_flow(error, overrides)
    print_json({"problems": [each.plain() for each in error.problems]})
    return error.exit_code
