"""`chatbot model`."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from chatbot.cli.options import json_option, nats_options
from chatbot.cli.terminal import print_json, screen
from chatbot.errors import ChatbotError


@click.group()
def model() -> None:
    """Keep models in NATS, for nodes on all machines.

    A flow names one as nats:NAME. A node fetches it once and keeps it, under a digest of its
    files, so that a model that is pushed anew is fetched anew when the node starts.

    \b
    Examples:
      chatbot model push moods ./my-model
      chatbot model list
    """


def _complete_name(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    from chatbot.commands import model as commands

    given = context.params
    try:
        found = asyncio.run(commands.every(given.get("nats"), given.get("data")))
    except ChatbotError:
        return []  # no server: nothing to complete, and no place to say so
    return [each.name for each in found if each.name.startswith(incomplete)]


existing_name = click.argument("name", shell_complete=_complete_name)


@model.command("push")
@click.argument("name")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--export/--no-export",
    default=True,
    help="Whether a sentence model is to have an export for ONNX Runtime with it.",
)
@nats_options
@json_option
def model_push(
    name: str, folder: Path, export: bool, nats: str | None, data: Path | None, as_json: bool
) -> int:
    """Store the model in FOLDER as NAME.

    It takes the place of what was called so.

    FOLDER is what `save_pretrained` of transformers wrote, or a model of MLflow's flavour
    transformers. Files that hold code or pickles are left out. A sentence model is exported for
    ONNX Runtime, where PyTorch is installed here, so that nodes need none.

    \b
    Examples:
      chatbot model push moods ./my-model
    """
    from chatbot.commands import model as commands

    stored = asyncio.run(
        commands.push(nats, data, name, folder, screen(data=as_json), export=export)
    )
    if as_json:
        print_json(commands.summary(stored))
    else:
        click.echo(f"stored {name} ({len(stored.files)} files); flows name it nats:{name}")
    return 0


@model.command("list")
@nats_options
@json_option
def model_list(nats: str | None, data: Path | None, as_json: bool) -> int:
    """List the models.

    \b
    Examples:
      chatbot model list
      chatbot model list --json
    """
    from chatbot.commands import model as commands

    found = asyncio.run(commands.every(nats, data))
    if as_json:
        print_json([commands.summary(each) for each in found])
    else:
        commands.show(found, screen())
    return 0


@model.command("pull")
@existing_name
@click.argument("folder", type=click.Path(path_type=Path))
@nats_options
@json_option
def model_pull(name: str, folder: Path, nats: str | None, data: Path | None, as_json: bool) -> int:
    """Write the model NAME to FOLDER, which must not be there yet.

    \b
    Examples:
      chatbot model pull moods ./copy
    """
    from chatbot.commands import model as commands

    found = asyncio.run(commands.pull(nats, data, name, folder, screen(data=as_json)))
    if as_json:
        print_json(commands.summary(found))
    else:
        click.echo(f"wrote {name} to {folder}")
    return 0


@model.command("drop")
@existing_name
@nats_options
@json_option
def model_drop(name: str, nats: str | None, data: Path | None, as_json: bool) -> int:
    """Delete the model NAME.

    Nodes that have fetched it keep it until they are started anew.

    \b
    Examples:
      chatbot model drop moods
    """
    from chatbot.commands import model as commands

    asyncio.run(commands.drop(nats, data, name))
    if as_json:
        print_json({"dropped": name})
    else:
        click.echo(f"dropped {name}")
    return 0
