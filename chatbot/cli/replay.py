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
@click.option(
    "--speed",
    default="max",
    show_default=True,
    metavar="max|recorded|FACTOR",
    help="As fast as possible, as it was said, or so many times as fast.",
)
@click.option(
    "--against",
    metavar="FLOW|FILE",
    help="Compare with another flow, or with what an earlier --json wrote (FILE.jsonl).",
)
@click.option("--against-revision", metavar="REV", help="Compare with FLOW as it was in git.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page with plots and lists (HTML), too.",
)
@json_option
def replay(
    flow: str,
    log: Path,
    overrides: tuple[str, ...],
    nats: str | None,
    data: Path | None,
    no_node: bool,
    limit: int | None,
    speed: str,
    against: str | None,
    against_revision: str | None,
    report: Path | None,
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
      chatbot replay support chat.jsonl --speed 10
      chatbot replay new.yaml chat.jsonl --against old.yaml --report report.html
      chatbot replay flows/support.yaml chat.jsonl --against-revision HEAD~1
    """
    from chatbot.commands.replay import ReplayOptions
    from chatbot.commands.replay import replay as replay_log

    if against is not None and against_revision is not None:
        raise click.UsageError("--against and --against-revision exclude each other")
    options = ReplayOptions(
        flow=flow,
        log=log,
        overrides=overrides,
        nats=nats,
        data=data,
        node=not no_node,
        limit=limit,
        as_json=as_json,
        speed=_factor(speed),
        against=against,
        revision=against_revision,
        report=report,
    )
    try:
        return run_service(lambda: replay_log(options, screen(data=as_json), click.echo))
    except FlowError as error:
        refuse_flow(error, overrides)


def _factor(speed: str) -> float:
    """Return how many times as fast as it was recorded; 0 for as fast as possible."""
    if speed in ("max", "recorded"):
        return 0.0 if speed == "max" else 1.0
    try:
        factor = float(speed.removesuffix("x"))
    except ValueError:
        factor = 0.0
    if not 0.0 < factor < 1e9:
        raise click.UsageError(f"--speed {speed}: it is max, recorded, or a number such as 10")
    return factor
