"""`chatbot flow`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from chatbot.cli.flow_test import flow_test
from chatbot.cli.flowfiles import export, migrate
from chatbot.cli.options import complete_operations, json_option, nats_options, set_option
from chatbot.cli.terminal import print_json, refuse_flow, screen, write_file
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
@click.argument("flows", metavar="FLOW...", nargs=-1, required=True)
@set_option
@json_option
def flow_check(flows: tuple[str, ...], overrides: tuple[str, ...], as_json: bool) -> int:
    """Say all that is wrong with each FLOW, a flow or a subflow.

    Each problem has its file, line and column, with the line and what to do. The exit code is 2
    if there is any. A warning, such as of a secret that stands in the file in clear, is none.
    Nothing is started, and no model is loaded.

    \b
    Examples:
      chatbot flow check flows/support.yaml
      chatbot flow check support --set listeners.irc.server=irc.libera.chat
      chatbot flow check flows/*.yaml --json
    """
    from chatbot.commands import flow as commands

    try:
        checked = commands.check(flows, overrides, screen(quiet=as_json))
    except FlowError as error:
        return _refuse(error, overrides, as_json)
    if as_json:
        print_json(checked[0] if len(checked) == 1 else checked)
    return 0


@flow.command("schema")
def flow_schema() -> int:
    """Print the JSON Schema of flow files (draft 2020-12).

    It has the operations and listeners that are installed here, so that an editor completes
    their names and settings. The first line of a flow file can name it:

    \b
      # yaml-language-server: $schema=flow.schema.json

    \b
    Examples:
      chatbot flow schema > flow.schema.json
    """
    from chatbot.flowfile.schema import schema

    print_json(schema())
    return 0


@flow.command("show")
@click.argument("flow")
@set_option
@click.option(
    "--as",
    "kind",
    type=click.Choice(["text", "mermaid", "svg", "png", "dot"]),
    help="The form [default: text, or as the name of the file says].",
)
@click.option("--fold", is_flag=True, help="Show a subflow as one box.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it to a file."
)
def flow_show(
    flow: str, overrides: tuple[str, ...], kind: str | None, fold: bool, output: Path | None
) -> int:
    """Show what runs in FLOW, and what goes from where to where.

    A dashed line is a condition. Graphviz draws SVG and PNG where it is installed.

    \b
    Examples:
      chatbot flow show support
      chatbot flow show support --as mermaid
      chatbot flow show support -o support.svg
      chatbot flow show support --fold -o support.png
    """
    from chatbot.commands import drawing

    kind = drawing.kind_of(kind, output)
    if kind == "png" and output is None:
        raise click.UsageError("a PNG goes to a file: -o FILE.png")
    try:
        drawn = drawing.draw(flow, overrides, kind, folded=fold)
    except FlowError as error:
        refuse_flow(error, overrides)
    if output is None:
        click.echo(drawn, nl=False)
    else:
        write_file(output, drawn)
    return 0


@flow.command("explain")
@click.argument("operation", shell_complete=complete_operations)
@json_option
def flow_explain(operation: str, as_json: bool) -> int:
    """Say what OPERATION does, takes and gives.

    Its documentation, inputs, outputs, configuration with defaults, and where it runs.

    \b
    Examples:
      chatbot flow explain classify_text
      chatbot flow explain answer --json
    """
    from chatbot.commands import operations as commands

    found = commands.explain(operation)
    if as_json:
        print_json(commands.as_json(found))
    else:
        commands.show(found, screen())
    return 2 if found.broken else 0


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


flow.add_command(flow_test)
flow.add_command(export)
flow.add_command(migrate)


def _refuse(error: FlowError, overrides: tuple[str, ...], as_json: bool) -> int:
    if not as_json:
        refuse_flow(error, overrides)
    print_json({"problems": [each.plain() for each in error.problems]})
    return error.exit_code
