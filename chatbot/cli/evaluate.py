"""`chatbot eval`."""

from __future__ import annotations

from pathlib import Path

import click

from chatbot.cli.options import json_option, nats_option, set_option
from chatbot.cli.terminal import print_json, refuse_flow, screen
from chatbot.errors import FlowError


@click.command("eval")
@click.argument("flow")
@click.argument("data", required=False, type=click.Path(dir_okay=False, path_type=Path))
@set_option
@click.option("--operation", metavar="NAME", help="Which operation, where several classify.")
@click.option(
    "--outside",
    multiple=True,
    metavar="LABEL",
    help="A label in DATA for texts that are in none of the flow's. Repeatable.",
)
@click.option(
    "--folds",
    type=click.IntRange(min=2),
    help="Instead of DATA: score the flow's own examples, each learned from the other folds.",
)
@click.option("--thorough", is_flag=True, help="With --folds: train as `chatbot train` does.")
@click.option("--quick", is_flag=True, help="Leave aside what `chatbot train` made.")
@click.option("--no-estimate", is_flag=True, help="No cross-validation of the examples.")
@click.option(
    "--confusion",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the confusion matrix into this file (PNG, SVG or PDF).",
)
@click.option(
    "--min-accuracy",
    type=click.FloatRange(0, 1),
    help="Exit with 1 if the accuracy is below this share, such as 0.9.",
)
@nats_option
@json_option
def evaluate(
    flow: str,
    data: Path | None,
    overrides: tuple[str, ...],
    operation: str | None,
    outside: tuple[str, ...],
    folds: int | None,
    thorough: bool,
    quick: bool,
    no_estimate: bool,
    confusion: Path | None,
    min_accuracy: float | None,
    nats: str | None,
    as_json: bool,
) -> int:
    """Say how right FLOW's classification is.

    DATA has texts with their labels, which the flow has not learned from: TSV or CSV with the
    columns `text` and `label`, JSON lines with "text" and "label" (or "labels"), or YAML like
    a file of examples. The texts that were most wrongly labelled are shown on the terminal,
    and not with --json.

    \b
    Examples:
      chatbot eval support questions.tsv
      chatbot eval support questions.tsv --min-accuracy 0.9 --json
      chatbot eval support mixed.csv --outside oos --confusion matrix.png
      chatbot eval support --folds 10
    """
    from chatbot.commands import evaluate as commands

    options = commands.EvalOptions(
        flow=flow,
        data=data,
        overrides=overrides,
        operation=operation,
        folds=folds,
        quick=quick,
        thorough=thorough,
        outside=outside,
        estimate=not no_estimate,
        picture=confusion,
        nats=nats,
    )
    try:
        found = commands.evaluate(options, screen(data=as_json))
    except FlowError as error:
        if not as_json:
            refuse_flow(error, overrides)
        print_json({"problems": [each.plain() for each in error.problems]})
        return error.exit_code
    if confusion is not None:
        from chatbot.commands.picture import draw

        draw(found.scores, confusion)
    if as_json:
        print_json(commands.as_json(found))
    else:
        commands.show(found, screen())
    return int(min_accuracy is not None and found.scores.accuracy < min_accuracy)
