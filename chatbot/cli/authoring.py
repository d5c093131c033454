"""`chatbot operations new` and `chatbot operations check`."""

from __future__ import annotations

from pathlib import Path

import click

from chatbot.cli.init import tell_written
from chatbot.cli.options import json_option
from chatbot.cli.terminal import print_json, screen


@click.command("new")
@click.argument("name")
@click.option(
    "--folder",
    default=".",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to write it: beside the flow [default: here].",
)
@click.option("--batch", is_flag=True, help="One that takes many calls in one go, as models do.")
@click.option("--force", is_flag=True, help="Write over files that are there.")
def operations_new(name: str, folder: Path, batch: bool, force: bool) -> int:
    """Write an operation called NAME, with its test.

    It is a Python function in a file of its own, for a flow beside it; put in what it is to do.
    docs/operations.md says how it goes on.

    \b
    Examples:
      chatbot operations new is_question
      chatbot operations new sentiment --batch --folder bots
    """
    from chatbot.commands import new_operation as commands

    written = commands.new(name, folder, batch=batch, force=force)
    tell_written(written, commands.next_commands(name, folder))
    shown = screen()
    shown.say("In a flow beside it:")
    for line in commands.entry(name):
        shown.say(f"  {line}")
    return 0


@click.command("check")
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@json_option
def operations_check(files: tuple[Path, ...], as_json: bool) -> int:
    """Say what is wrong with the operations in each FILE.

    Of those that are right it says what they take and give. The files are loaded, as a flow that
    names them, or a node, does. The exit code is 2 if anything is wrong.

    \b
    Examples:
      chatbot operations check shout.py
      chatbot operations check *.py --json
    """
    from chatbot.commands import operation_files as commands

    checked = commands.check(files)
    if as_json:
        print_json(commands.as_json(checked))
    else:
        commands.show(checked, screen())
    return 2 if checked.problems else 0
