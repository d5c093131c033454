"""`chatbot node`."""

from __future__ import annotations

from pathlib import Path

import click

from chatbot.cli.options import nats_options
from chatbot.cli.terminal import run_service, screen


@click.group()
def node() -> None:
    """Run operations for bots, on this machine.

    \b
    Examples:
      chatbot node run
      chatbot node run classify_text
      chatbot node run --help
    """


def _operations() -> list[str]:
    from chatbot.flowfile.catalog import OPERATIONS, Catalog

    return Catalog(OPERATIONS).names()


def _complete_operation(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    given = context.params.get("operations") or ()
    return [name for name in _operations() if name.startswith(incomplete) and name not in given]


class _NodeRun(click.Command):
    """Lists, below its help, what is installed."""

    def format_epilog(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_paragraph()
        formatter.write_text(f"Operations installed here: {', '.join(_operations())}.")


@node.command("run", cls=_NodeRun)
@click.argument(
    "operations",
    nargs=-1,
    metavar="[OPERATION]...",
    shell_complete=_complete_operation,
)
@click.option(
    "--operations",
    "files",
    multiple=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A Python file with operations, as it lies beside the flow. Repeatable.",
)
@nats_options
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="What flows may ask of a node, such as gpu or size=large. Repeatable.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    help="Cores that models use [default: all, shared with other nodes on this machine].",
)
@click.option("-q", "--quiet", is_flag=True, help="Say only what is wrong.")
def node_run(
    operations: tuple[str, ...],
    files: tuple[Path, ...],
    labels: tuple[str, ...],
    nats: str | None,
    data: Path | None,
    threads: int | None,
    quiet: bool,
) -> int:
    """Run OPERATIONs, or all of the program's, until stopped.

    It runs them for every flow that needs them, also for one that comes later: it loads what a
    flow wants and no more, and gets its configuration over NATS. Without a name it may run all
    operations that come with the program; other packages' have to be named. The node runs nothing
    else, nor what is not installed on this machine, or in a FILE here: operations that lie beside
    a flow as a Python file are never sent. A FILE must be the same as the flow's; one that was
    changed is loaded anew when the flow wants it.

    The node may be started before the bot and stopped at any time: what it has not done, another
    does. What a flow places on nodes with labels (`on: gpu`) it takes only if it has them all;
    host=<this machine's name> it has without being told.

    \b
    Examples:
      chatbot node run
      chatbot node run classify_text clean_text
      chatbot node run --operations shout.py
      chatbot node run classify_text --label gpu --label size=large
      chatbot node run classify_text --threads 4
      chatbot node run classify_text --nats nats://TOKEN@192.0.2.7:4222
    """
    from chatbot.commands.node import run as run_node

    return run_service(
        lambda: run_node(operations, nats, data, screen(quiet), labels, files, threads),
        quiet=quiet,
    )
