"""`chatbot flow test`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from chatbot.cli.options import json_option, set_option
from chatbot.cli.terminal import print_json, refuse_flow, run_service, screen, write_file
from chatbot.errors import FlowError

if TYPE_CHECKING:
    from chatbot.commands.verdicts import Results, Verdict

_STYLES = {"passed": "green", "failed": "red", "xfailed": "yellow", "xpassed": "red"}


@click.command("test")
@click.argument("paths", metavar="[FLOW|FILE|FOLDER]...", nargs=-1)
@set_option
@click.option("-k", "match", default="", help="Run the tests with this text in their names.")
@click.option(
    "--nats",
    is_flag=False,
    flag_value="",
    metavar="[URL]",
    help="Run through NATS and nodes, at this server or one of its own.",
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="With --nats: folder of the embedded server.",
)
@click.option(
    "--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write JUnit's XML, too."
)
@click.option("-v", "--verbose", is_flag=True, help="Show each test, and all that was not run.")
@json_option
def flow_test(
    paths: tuple[str, ...],
    overrides: tuple[str, ...],
    match: str,
    nats: str | None,
    data: Path | None,
    junit: Path | None,
    verbose: bool,
    as_json: bool,
) -> int:
    """Run the tests of flows.

    They lie beside a flow: those of support.yaml in support.test.yaml. A FLOW, a FILE of tests, or
    all in a FOLDER (without any: in this one). They run in this process, or with --nats as the bot
    does. Nothing is sent. The exit code is 0 if all is as expected, 1 if a test failed, 2 if a file
    is wrong.

    \b
    Examples:
      chatbot flow test support
      chatbot flow test flows -k install --junit results.xml
      chatbot flow test support --json
      chatbot flow test support --nats
    """
    from chatbot.commands import trials, verdicts
    from chatbot.commands.playing import Place

    if nats and trials.is_flow(nats):  # as in `--nats support`
        nats, paths = "", (nats, *paths)
    place = None if nats is None else Place(nats=nats or None, data=data)
    options = trials.Selection(paths=paths, overrides=overrides, match=match, place=place)
    try:
        found = trials.collect(options)
    except FlowError as error:
        if not as_json:
            refuse_flow(error, overrides)
        print_json({"problems": [each.plain() for each in error.problems]})
        return error.exit_code
    kept: list[Results] = []

    def ended(verdict: Verdict) -> None:
        if not as_json:
            _show(verdict, verbose)

    async def main() -> int:
        kept.append(await trials.run(options, found, screen(data=as_json), ended))
        return int(kept[0].failed > 0)

    code = run_service(main)
    if not kept:
        return code
    if junit is not None:
        write_file(junit, verdicts.junit(kept[0]))
    if as_json:
        print_json(verdicts.as_json(kept[0]))
    else:
        _summarise(kept[0], verbose)
    return code


def _show(verdict: Verdict, verbose: bool) -> None:
    from chatbot.commands import verdicts

    if not verdict.is_good:
        first, *rest = verdicts.lines_of(verdict)
        click.secho(first, fg="red", bold=True)
        for line in rest:
            sign = line.strip()[:1]
            click.secho(line, fg={"-": "green", "+": "red"}.get(sign))
    elif verbose:
        click.secho(f"{verdict.status.ljust(7)} ", fg=_STYLES[verdict.status], nl=False)
        click.echo(verdict.trial.name)


def _summarise(results: Results, verbose: bool) -> None:
    found = [verdict.status for verdict in results.verdicts]
    counts = [
        click.style(f"{found.count(status)} {status}", fg=colour)
        for status, colour in _STYLES.items()
        if status in found
    ]
    seconds = sum(verdict.seconds for verdict in results.verdicts)
    click.echo(f"{', '.join(counts)} in {seconds:.1f} s")
    for flow, each in results.coverage.items():
        plain = each.plain()
        ran, both = plain["operations"], plain["conditions"]
        click.echo(
            f"{flow}: {ran['run']} of {ran['all']} operations ran, "
            f"{both['both']} of {both['all']} conditions were true and false"
        )
        if verbose or len(results.coverage) == 1:
            for text, names in (
                ("never ran", ran["missing"]),
                ("condition always true", both["always"]),
            ):
                if names:
                    click.echo(f"  {text}: {', '.join(names)}")
