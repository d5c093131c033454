"""`chatbot dffml`."""

from __future__ import annotations

import click


@click.command(
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
