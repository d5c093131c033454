"""`chatbot run`."""

from __future__ import annotations

from pathlib import Path

import click

from chatbot.cli.options import nats_options, set_option
from chatbot.cli.terminal import refuse_flow, run_service, screen
from chatbot.errors import FlowError


@click.command()
@click.argument("flows", metavar="FLOW...", nargs=-1, required=True)
@set_option
@nats_options
@click.option("--no-node", is_flag=True, help="Start no node on this machine.")
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="What the node on this machine has, such as gpu. Repeatable.",
)
@click.option("--no-listeners", is_flag=True, help="Only share the work of other primaries.")
@click.option("--console", is_flag=True, help="Talk in this terminal, beside other listeners.")
@click.option("--jsonl", is_flag=True, help="Talk in lines of JSON, for scripts.")
@click.option("--watch", is_flag=True, help="Reload the flow when one of its files changes.")
@click.option(
    "--listen",
    metavar="ADDRESS[:PORT]",
    help="Let other machines reach the embedded server, with TLS and a token.",
)
def run(
    flows: tuple[str, ...],
    overrides: tuple[str, ...],
    nats: str | None,
    data: Path | None,
    no_node: bool,
    labels: tuple[str, ...],
    no_listeners: bool,
    console: bool,
    jsonl: bool,
    watch: bool,
    listen: str | None,
) -> int:
    """Run the bot of a flow, or of several.

    FLOW is a file, or the name of a flow that comes with the program. Where it names no chat
    network (or with --console) the bot talks in this terminal; lines from a pipe are answered
    in order. Of several flows, the first of these has the terminal. Without --nats it starts a
    NATS server of its own.

    With --jsonl each line of standard input is a message as JSON ({"text": …}), and each line of
    standard output what became of it; it ends when all are answered.

    \b
    Examples:
      chatbot run support
      printf 'how do I install this?\\n' | chatbot run support
      printf '{"text": "thanks!"}\\n' | chatbot run support --jsonl
      chatbot run support --set listeners.irc.server=irc.libera.chat
      chatbot run ./myflow.yaml --watch            edit it while the bot runs
      chatbot run support ./other.yaml             two flows in one process
      chatbot run ./myflow.yaml --label gpu        its node takes what the flow wants on a GPU
      chatbot run support --listen 192.0.2.7       nodes may join from other machines
    """
    from chatbot.broker.server import Listen
    from chatbot.commands.run import RunOptions
    from chatbot.commands.run import run as run_bot

    if labels and no_node:
        raise click.UsageError("--label is for the node here, and --no-node wants none")
    if listen and nats:
        raise click.UsageError("--listen opens the embedded server, and --nats uses another")
    if len(flows) > 1 and overrides:
        raise click.UsageError("--set is for one flow; put what several share in an `include`")
    if console and jsonl:
        raise click.UsageError("--console and --jsonl both take standard input")
    options = RunOptions(
        flow=flows[0],
        others=flows[1:],
        overrides=overrides,
        nats=nats,
        data=data,
        listen=Listen.parse(listen) if listen else None,
        node=not no_node,
        labels=labels,
        console=console,
        jsonl=jsonl,
        listeners=not no_listeners,
        watch=watch,
    )
    try:
        return run_service(lambda: run_bot(options, screen()))
    except FlowError as error:
        refuse_flow(error, overrides)
