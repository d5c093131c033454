"""`chatbot flow export` and `chatbot flow migrate`."""

from __future__ import annotations

from pathlib import Path

import click

from chatbot.cli.options import json_option, set_option
from chatbot.cli.terminal import print_json, refuse_flow, screen
from chatbot.errors import FlowError


@click.command("export")
@click.argument("flow")
@set_option
@click.option("--dffml", "dffml", is_flag=True, help="Write DFFML's own dataflow file.")
@click.option("--format", "form", type=click.Choice(["json", "yaml"]), default="json")
def export(flow: str, overrides: tuple[str, ...], dffml: bool, form: str) -> int:
    """Write FLOW in another form to standard output.

    With --dffml: as a dataflow that DFFML's own command line runs. Its inputs are the fields of a
    message, `message.text` and so on. Listeners, state, schedules and places stay behind. It may
    be loaded again like any flow.

    \b
    Examples:
      chatbot flow export support --dffml > support.json
      chatbot dffml dataflow run contexts -dataflow support.json -context-def message.id \\
          -contexts 1 -inputs "how do I install this?"=message.text -no-echo
    """
    from chatbot.commands import flowfiles

    if not dffml:
        raise click.UsageError("say in which form: --dffml is the only one")
    try:
        click.echo(flowfiles.export(flow, overrides, form).rstrip("\n"))
    except FlowError as error:
        refuse_flow(error, overrides)
    return 0


@click.command("migrate")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--write", is_flag=True, help="Change the files; without, only show how.")
@json_option
def migrate(files: tuple[Path, ...], write: bool, as_json: bool) -> int:
    """Bring flow FILES to the version of today.

    Comments and layout stay. Without --write nothing is changed, and the exit code is 1 if a file
    is of an earlier version.

    \b
    Examples:
      chatbot flow migrate myflow.yaml
      chatbot flow migrate myflow.yaml --write
    """
    from chatbot.commands import flowfiles

    found = flowfiles.migrate(files, write=write)
    if as_json:
        print_json([{"file": str(each.path), "changes": list(each.changes)} for each in found])
    for each in found if not as_json else ():
        told = screen()
        if not each.changes:
            told.say(f"{each.path}: is of this version")
        elif write:
            told.say(f"{each.path}: {', '.join(each.changes)}")
        else:
            click.echo("\n".join(flowfiles.difference(each)))
    return int(not write and any(each.changes for each in found))
