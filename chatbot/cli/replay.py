"""`chatbot replay`."""

from __future__ import annotations

from pathlib import Path

import click

from chatbot.cli.options import json_option, nats_options, set_option
from chatbot.cli.terminal import refuse_flow, run_service, screen
from chatbot.errors import FlowError


@click.command()
@click.argument("flow")
@click.argument("log", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@set_option
@nats_options
@click.option("--no-node", is_flag=True, help="Start no node on this machine.")
@click.option("--limit", type=click.IntRange(min=1), help="Stop after so many messages.")
@json_option
def replay(
    flow: str,
    log: Path,
    overrides: tuple[str, ...],
    nats: str | None,
    data: Path | None,
    no_node: bool,
    limit: int | None,
    as_json: bool,
) -> int:
    """Run a recorded log through a flow.

    Shows what FLOW makes of the messages and would have answered; nothing is sent. LOG has
    lines such as `[12:34] <nick> text`, or JSON objects with `sender` and `text` (and `time`,
    `room`), one a line. With --json, one object a message, in the order of the log. Beside a
    running bot it uses that one's server and nodes, behind what people say.

    \b
    Examples:
      chatbot replay support flows/logs/ubuntu-2012-02-03.txt
      chatbot replay support chat.jsonl --limit 500 --json
    """
    from chatbot.commands.replay import ReplayOptions
    from chatbot.commands.replay import replay as replay_log

    options = ReplayOptions(
        flow=flow,
        log=log,
        overrides=overrides,
        nats=nats,
        data=data,
        node=not no_node,
        limit=limit,
        as_json=as_json,
    )
    try:
        return run_service(lambda: replay_log(options, screen(data=as_json), click.echo))
    except FlowError as error:
        refuse_flow(error, overrides)
