"""`chatbot bench`."""

from __future__ import annotations

import click

from chatbot.cli.options import json_option, nats_option, set_option
from chatbot.cli.terminal import print_json, refuse_flow, run_service, screen
from chatbot.errors import FlowError


@click.group()
def bench() -> None:
    """Measure what this machine can do.

    \b
    Examples:
      chatbot bench model support
    """


def _complete_backend(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    from chatbot.inference.backends import NAMES

    return [name for name in NAMES if name.startswith(incomplete)]


def _check_backends(
    _: click.Context, __: click.Parameter, names: tuple[str, ...]
) -> tuple[str, ...]:
    from chatbot.inference.backends import check_name

    problems = [f"{message} ({hint})" for name in names for message, hint in check_name(name)]
    if problems:
        raise click.BadParameter("; ".join(problems))
    return names


@bench.command()
@click.argument("flow")
@click.option(
    "--backend",
    "backends",
    multiple=True,
    metavar="NAME",
    callback=_check_backends,
    shell_complete=_complete_backend,
    help="Measure this one, beside the default. Repeatable [default: all].",
)
@set_option
@nats_option
@json_option
def model(
    flow: str,
    backends: tuple[str, ...],
    overrides: tuple[str, ...],
    nats: str | None,
    as_json: bool,
) -> int:
    """Measure the back ends of FLOW's model.

    Shows for each that this machine has how many texts a second it runs, how long a lone one
    takes, how soon it is ready, its memory, how many of the flow's examples it gets right, each
    judged by a head that has not seen it, and for how many the label is the default's. One that
    gets 2 points less right than the default is refused by nodes. The default is exact; a faster
    one is chosen with `backend` in the operation's configuration. After `chatbot train` it is the
    trained model that is measured. Takes about ten seconds for each.

    \b
    Examples:
      chatbot bench model support
      chatbot bench model support --backend onnx-int8 --json
    """
    from chatbot.commands.bench_model import bench_model

    async def run() -> int:
        found = await bench_model(flow, overrides, backends, as_json, screen(data=as_json), nats)
        if as_json:
            print_json(found)
        return 0

    try:
        return run_service(run)
    except FlowError as error:
        refuse_flow(error, overrides)
