"""`chatbot flow`."""

from __future__ import annotations

import click

from chatbot.cli.options import json_option, set_option
from chatbot.cli.terminal import print_json, refuse_flow, screen
from chatbot.errors import FlowError


@click.group()
def flow() -> None:
    """Check flow files.

    \b
    Examples:
      chatbot flow check flows/support.yaml
      chatbot flow check --help
    """


@flow.command("check")
@click.argument("flow")
@set_option
@json_option
def flow_check(flow: str, overrides: tuple[str, ...], as_json: bool) -> int:
    """Say all that is wrong with FLOW.

    Each problem has its file, line and column. The exit code is 2 if there is any.

    \b
    Examples:
      chatbot flow check flows/support.yaml
      chatbot flow check support --set listeners.irc.server=irc.libera.chat
    """
    from chatbot.commands import flow as commands

    try:
        checked = commands.check(flow, overrides, screen(quiet=as_json))
    except FlowError as error:
        if not as_json:
            refuse_flow(error, overrides)
        import dataclasses

        print_json({"problems": [dataclasses.asdict(each) for each in error.problems]})
        return error.exit_code
    if as_json:
        print_json(commands.as_json(checked))
    return 0
