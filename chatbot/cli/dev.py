"""`chatbot flow dev`."""

from __future__ import annotations

from pathlib import Path

import click

from chatbot.cli.options import nats_options, set_option
from chatbot.cli.terminal import refuse_flow, run_service, screen
from chatbot.errors import FlowError


@click.command("dev")
@click.argument("flow")
@set_option
@nats_options
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="What the node here has, such as gpu. Repeatable.",
)
def flow_dev(
    flow: str,
    overrides: tuple[str, ...],
    nats: str | None,
    data: Path | None,
    labels: tuple[str, ...],
) -> int:
    """Talk to FLOW in this terminal while you write it.

    Each message's journey is shown as it happens: which operations ran, what they were given,
    what they gave, how long they took, and which did not run and why. When the flow, one of
    its subflows, its files of examples or of operations is saved, it is taken up; what is wrong
    is told, and the flow goes on as it was. Networks that the flow names are left alone, and so
    is a bot that runs: without --nats or --data it has a server and a data folder of its own; on a
    server that is named, the flow is called NAME-dev.

    A line such as /room #dev is for the terminal: who speaks and where, and which schedule is
    due. /help lists what there is. You may give every command; on a pipe, too.

    \b
    Examples:
      chatbot flow dev support
      chatbot flow dev ./myflow.yaml
      printf 'hello\\n/by otto hi\\n' | chatbot flow dev ./myflow.yaml
      printf 'hello\\n/due day\\n' | chatbot flow dev digest
    """
    from chatbot.commands.dev import dev
    from chatbot.commands.run import RunOptions

    options = RunOptions(flow=flow, overrides=overrides, nats=nats, data=data, labels=labels)
    try:
        return run_service(lambda: dev(options, screen()))
    except FlowError as error:
        refuse_flow(error, overrides)
