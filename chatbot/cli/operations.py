"""`chatbot operations`."""

from __future__ import annotations

import click

from chatbot.cli.options import json_option
from chatbot.cli.terminal import print_json, screen


@click.group()
def operations() -> None:
    """See which operations flows can use here, and write others.

    \b
    Examples:
      chatbot operations list
      chatbot flow explain classify_text
      chatbot operations new is_question
      chatbot operations check is_question.py
    """


@operations.command("list")
@json_option
def operations_list(as_json: bool) -> int:
    """List the installed operations.

    With their packages, where they run, and what they do.

    \b
    Examples:
      chatbot operations list
      chatbot operations list --json
    """
    from chatbot.commands import operations as commands

    found = commands.listed()
    if as_json:
        print_json([commands.as_json(each) for each in found])
    else:
        screen().out.print(commands.table(found))
    return 0
