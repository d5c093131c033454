"""The command line: commands, options, exit codes. The only place that exits or prints.

Exit codes: 0 done; 1 it failed; 2 the command line, a flow or a setting is wrong, and nothing
was started; 130 interrupted twice. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

import chatbot
from chatbot.errors import ChatbotError, FlowError

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from chatbot.commands.screen import Screen

F = TypeVar("F", bound=Callable[..., Any])

EXAMPLES = """
\b
Examples:
  chatbot run support                     talk to the bot in this terminal
  chatbot run support --set listeners.irc.server=irc.libera.chat \\
      --set 'listeners.irc.channels=["#example"]'
  chatbot node run classify_text          give it another node (same machine)
  chatbot status                          see what runs
  chatbot replay support LOG              what would it have said?
  chatbot flow check myflow.yaml          is it right?

\b
Completion in bash (zsh, fish):
  eval "$(_CHATBOT_COMPLETE=bash_source chatbot)"
"""


@click.group(
    epilog=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(chatbot.__version__, prog_name="chatbot")
@click.option("-v", "--verbose", count=True, help="Log life-cycle steps; twice: everything.")
@click.pass_context
def cli(context: click.Context, verbose: int) -> None:
    """A chat bot on distributed dataflows.

    It listens in chat channels, classifies what is said with transformer models on as many
    machines as you give it, and answers as a flow file says.
    """
    from chatbot import logs

    logs.configure(verbose)
    context.obj = verbose


def main() -> None:
    """Run the command line; never returns."""
    try:
        code = cli.main(standalone_mode=False)
    except FlowError as error:
        _refuse_flow(error)
    except ChatbotError as error:
        _refuse(error)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)


def _refuse(error: ChatbotError) -> NoReturn:
    click.secho("error: ", fg="red", bold=True, err=True, nl=False)
    click.echo(error.message, err=True)
    if error.hint:
        click.secho(f"  {error.hint}", err=True)
    sys.exit(error.exit_code)


def _refuse_flow(error: FlowError, overrides: tuple[str, ...] = ()) -> NoReturn:
    from chatbot.flowfile.problems import render

    for problem in error.problems:
        click.echo(render(problem, overrides), err=True)
    click.secho(error.message, fg="red", bold=True, err=True)
    sys.exit(error.exit_code)


def _run(main: Callable[[], Coroutine[Any, Any, int]], *, quiet: bool = False) -> int:
    from chatbot import service

    def draining() -> None:
        if not quiet:
            click.echo("draining; once more to end at once", err=True)

    return service.run(main, draining=draining)


def _screen(quiet: bool = False, *, data: bool = False) -> Screen:
    from chatbot.commands.screen import Screen

    return Screen(quiet=quiet, data=data)


def _print_json(value: Any) -> None:
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def nats_options(command: F) -> F:
    """Add the options that say which NATS server to use."""
    command = click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder of the embedded server [default: the user's data folder, or CHATBOT_DATA].",
    )(command)
    return click.option(
        "--nats",
        metavar="URL",
        help="A NATS server or cluster [default: CHATBOT_NATS_URL, else the bot's own, embedded].",
    )(command)


set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a value of the flow file, such as listeners.irc.server=127.0.0.1. Repeatable.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


@cli.command()
@click.argument("flow")
@set_option
@nats_options
@click.option("--no-node", is_flag=True, help="Start no node on this machine.")
@click.option("--no-listeners", is_flag=True, help="Only share the work of other primaries.")
@click.option("--console", is_flag=True, help="Talk in this terminal, beside other listeners.")
@click.option(
    "--listen",
    metavar="ADDRESS[:PORT]",
    help="Let other machines reach the embedded server, with TLS and a token.",
)
def run(
    flow: str,
    overrides: tuple[str, ...],
    nats: str | None,
    data: Path | None,
    no_node: bool,
    no_listeners: bool,
    console: bool,
    listen: str | None,
) -> int:
    """Run the bot of a flow.

    FLOW is a file, or the name of a flow that comes with the program. Where it names no chat
    network (or with --console) the bot talks in this terminal; lines from a pipe are answered
    in order. Without --nats it starts a NATS server of its own.

    \b
    Examples:
      chatbot run support
      printf 'how do I install this?\\n' | chatbot run support
      chatbot run support --set listeners.irc.server=irc.libera.chat
      chatbot run support --listen 192.0.2.7       nodes may join from other machines
    """
    from chatbot.broker.server import Listen
    from chatbot.commands.run import RunOptions
    from chatbot.commands.run import run as run_bot

    if listen and nats:
        raise click.UsageError("--listen opens the embedded server, and --nats uses another")
    options = RunOptions(
        flow=flow,
        overrides=overrides,
        nats=nats,
        data=data,
        listen=Listen.parse(listen) if listen else None,
        node=not no_node,
        console=console,
        listeners=not no_listeners,
    )
    try:
        return _run(lambda: run_bot(options, _screen()))
    except FlowError as error:
        _refuse_flow(error, overrides)


@cli.group()
def node() -> None:
    """Run operations for bots, on this machine.

    \b
    Examples:
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
    required=True,
    metavar="OPERATION...",
    shell_complete=_complete_operation,
)
@nats_options
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="What flows may ask of a node, such as gpu or size=large. Repeatable.",
)
@click.option("-q", "--quiet", is_flag=True, help="Say only what is wrong.")
def node_run(
    operations: tuple[str, ...],
    labels: tuple[str, ...],
    nats: str | None,
    data: Path | None,
    quiet: bool,
) -> int:
    """Run OPERATIONs until stopped.

    It runs them for every flow that needs them, and gets their configuration over NATS; no
    file is needed here. The node runs nothing but what is named here and installed on this
    machine. It may be started before the bot and stopped at any time: what it has not done,
    another does. What a flow places on nodes with labels (`on: gpu`) it takes only if it has
    them all; host=<this machine's name> it has without being told.

    \b
    Examples:
      chatbot node run classify_text
      chatbot node run classify_text clean_text
      chatbot node run classify_text --label gpu --label size=large
      chatbot node run classify_text --nats nats://TOKEN@192.0.2.7:4222
    """
    from chatbot.commands.node import run as run_node

    return _run(lambda: run_node(operations, nats, data, _screen(quiet), labels), quiet=quiet)


@cli.group()
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
        checked = commands.check(flow, overrides, _screen(quiet=as_json))
    except FlowError as error:
        if not as_json:
            _refuse_flow(error, overrides)
        import dataclasses

        _print_json({"problems": [dataclasses.asdict(each) for each in error.problems]})
        return error.exit_code
    if as_json:
        _print_json(commands.as_json(checked))
    return 0


@cli.command()
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
        _print_json(commands.as_json(seen))
    else:
        commands.show(seen, _screen())
    return 0


@cli.command()
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
        return _run(lambda: replay_log(options, _screen(data=as_json), click.echo))
    except FlowError as error:
        _refuse_flow(error, overrides)


@cli.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def dffml(context: click.Context, arguments: tuple[str, ...]) -> int:
    """Run DFFML's own command.

    It gets the ARGUMENTS as they are, and works on today's Python.

    \b
    Examples:
      chatbot dffml version
      chatbot dffml service node run classify_text
      chatbot dffml dataflow run single -dataflow flow.json -orchestrator nats ...
    """
    from chatbot.commands.dffml_service import dffml_main

    if arguments in {("--help",), ("-h",)}:
        click.echo(f"{context.get_help()}\n\nDFFML's own help:\n")
    return dffml_main(list(arguments))


if __name__ == "__main__":
    main()
