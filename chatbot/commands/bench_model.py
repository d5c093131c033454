"""`chatbot bench model`: what each back end would give on this machine, for a flow's examples."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from chatbot import settings
from chatbot.commands.screen import Screen
from chatbot.commands.understanding import fetched
from chatbot.errors import OperationError, UsageError
from chatbot.flowfile.flow import Flow, Instance
from chatbot.flowfile.load import load
from chatbot.inference import backends
from chatbot.inference.examples import read_examples
from chatbot.inference.loading import kept_for
from chatbot.inference.loss import MOST
from chatbot.inference.measuring import Measured, Request
from chatbot.inference.models import DEFAULT
from chatbot.inference.training import Examples

WORTH = 1.2
"""Times the default's rate from which on another back end is worth a setting."""

HEADS = ("texts/s", "alone, ms", "ready, s", "MB", "right, %", "agrees, %")


@dataclass(frozen=True, slots=True)
class Subject:
    """A classifier of the flow: its path, model, back end and labelled texts.

    `trained` is the revision of thorough training whose model it is, "" for the flow's own.
    """

    name: str
    encoder: str
    backend: str
    examples: Examples
    several: bool
    trained: str = ""

    @property
    def texts(self) -> list[str]:
        return [text for texts in self.examples.values() for text in texts]

    @property
    def owners(self) -> list[int]:
        """The number of each text's label."""
        return [number for number, texts in enumerate(self.examples.values()) for _ in texts]


@dataclass(frozen=True, slots=True)
class Row:
    """What one back end gives. Accuracy and agreement (with the exact one) are from 0 to 1."""

    measured: Measured
    accuracy: float
    agreement: float
    refused: bool


async def bench_model(
    flow: str,
    overrides: Sequence[str],
    names: Sequence[str],
    as_json: bool,
    screen: Screen,
    nats: str | None = None,
) -> Any:
    """Measure, and show a table of each classifier; return what `--json` prints instead.

    A model of the object store is fetched from the server `nats`.
    Raises `UsageError` for a flow without a classifier; `OperationError` where no exact back
    end can be had, as there is nothing to compare with.
    """
    found = []
    for each in subjects(load(flow, overrides=overrides)):
        subject = _as_trained(replace(each, encoder=await fetched(each.encoder, nats)))
        rows, impossible = await _measure(subject, names or _all(), screen)
        found.append(_as_json(subject, rows, impossible))
        if not as_json:
            _show(subject, rows, impossible, screen)
    return found


def subjects(flow: Flow) -> list[Subject]:
    """Return the flow's classifiers, one of those that are alike."""
    seen: dict[tuple[str, Path], Subject] = {}
    for name, instance in flow.instances.items():
        if instance.operation == "classify_text":
            each = _subject(name, instance)
            seen.setdefault((each.encoder, instance.files["examples"]), each)
    if not seen:
        raise UsageError(
            f"the flow {flow.name} has no classifier: there is no model to measure",
            hint="give a flow that uses classify_text, such as support",
        )
    return list(seen.values())


def _subject(name: str, instance: Instance) -> Subject:
    config = instance.config
    several = bool(config.get("several"))
    examples = read_examples(instance.files["examples"], several=several)
    return Subject(
        name,
        str(config.get("encoder", DEFAULT)),
        str(config.get("backend", backends.AUTO)),
        examples,
        several,
    )


def _as_trained(subject: Subject) -> Subject:
    """Return it with the model that nodes here run: the one that thorough training left, if so."""
    kept = kept_for(
        subject.examples, subject.encoder, several=subject.several, models=settings.models_path()
    )
    if kept is None:
        return subject
    return replace(subject, encoder=str(kept.encoder), trained=kept.about.revision)


def _all() -> list[str]:
    return [name for name in backends.NAMES if name != backends.AUTO]


async def _measure(
    subject: Subject, names: Sequence[str], screen: Screen
) -> tuple[list[Row], list[Measured]]:
    """Measure one after the other; the default first, with which the others are compared."""
    wanted = [backends.AUTO, *names]
    measured: dict[str, Measured] = {}
    impossible: list[Measured] = []
    with screen.counting(f"measuring {subject.name}", len(wanted)) as advance:
        for name in wanted:
            if name not in measured:
                each = await _apart(Request(subject.encoder, name, subject.texts, subject.owners))
                if each.impossible:
                    impossible.append(each)
                measured[each.backend] = each
            advance()
    if measured.get(backends.AUTO):
        raise OperationError(measured[backends.AUTO].impossible)
    exact = next(iter(measured.values()))
    possible = [each for each in measured.values() if not each.impossible]
    return [_row(each, exact, subject.owners) for each in possible], impossible


async def _apart(request: Request) -> Measured:
    """Return what a process of its own measures."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "chatbot.inference.measuring",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=settings.child_environment(),
    )
    try:
        out, _ = await process.communicate(msgspec.json.encode(request))
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        ended = f"its process ended with status {process.returncode}"
        return Measured(request.backend, impossible=ended)
    return msgspec.json.decode(out, type=Measured)


def _row(measured: Measured, exact: Measured, owners: Sequence[int]) -> Row:
    accuracy = _equal(measured.predicted, owners)
    exact_accuracy = _equal(exact.predicted, owners)
    return Row(
        measured,
        accuracy,
        _equal(measured.predicted, exact.predicted),
        not backends.is_exact(measured.backend) and exact_accuracy - accuracy > MOST,
    )


def _equal(found: Sequence[int], wanted: Sequence[int]) -> float:
    return sum(map(int.__eq__, found, wanted)) / len(wanted)


def _show(
    subject: Subject, rows: Sequence[Row], impossible: Sequence[Measured], screen: Screen
) -> None:
    from rich import box
    from rich.table import Table

    title = f"{subject.name}: {_model(subject)}, {len(subject.texts)} examples"
    screen.out.print(title, markup=False)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("back end", no_wrap=True)
    for head in HEADS:
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("")
    for number, row in enumerate(rows):
        it = row.measured
        table.add_row(
            it.backend,
            f"{it.rate:,.0f}",
            f"{it.latency * 1000:.1f}",
            f"{it.load:.1f}",
            f"{it.memory / 1e6:,.0f}",
            f"{row.accuracy * 100:.1f}",
            f"{row.agreement * 100:.1f}",
            _remark(row, subject, default=not number),
        )
    screen.out.print(table)
    for why, names in _together(impossible).items():
        screen.out.print(f"{', '.join(names)}: {why}", markup=False, soft_wrap=True)
    if subject.trained:
        screen.out.print("It was trained on these examples: of what is right, differences count.")
    screen.out.print(_advice(subject, rows), markup=False, soft_wrap=True)


def _model(subject: Subject) -> str:
    return f"what was trained, {subject.trained[:12]}" if subject.trained else subject.encoder


def _together(impossible: Sequence[Measured]) -> dict[str, list[str]]:
    """Return the back ends that cannot be had, by the reason."""
    found: dict[str, list[str]] = {}
    for each in impossible:
        why = each.impossible.removeprefix(f"the back end {each.backend!r} cannot be used: ")
        found.setdefault(why, []).append(each.backend)
    return found


def _advice(subject: Subject, rows: Sequence[Row]) -> str:
    """Return which is the fastest that nodes do not refuse, and how it is chosen."""
    best = max((row for row in rows if not row.refused), key=lambda row: row.measured.rate)
    name, default = best.measured.backend, rows[0].measured
    times = best.measured.rate / default.rate
    if times < WORTH:
        return f"None is much faster than the default here, {default.backend}."
    setting = f"operations.{subject.name.replace('/', '.operations.')}.config.backend={name}"
    return f"{name} is {times:.1f} times as fast as the default. To choose it: --set {setting}"


def _remark(row: Row, subject: Subject, *, default: bool) -> str:
    backend = row.measured.backend
    remarks = [
        "exact" if backends.is_exact(backend) else "",
        "default" if default else "",
        "the flow's" if backend == subject.backend else "",
        "refused" if row.refused else "",
    ]
    return ", ".join(filter(None, remarks))


def _as_json(subject: Subject, rows: Sequence[Row], impossible: Sequence[Measured]) -> Any:
    return {
        "operation": subject.name,
        "encoder": subject.encoder,
        "trained": subject.trained,
        "backend": subject.backend,
        "examples": len(subject.texts),
        "backends": [
            {
                "backend": row.measured.backend,
                "exact": backends.is_exact(row.measured.backend),
                "default": not number,
                "texts_per_second": row.measured.rate,
                "latency_seconds": row.measured.latency,
                "load_seconds": row.measured.load,
                "memory_bytes": row.measured.memory,
                "accuracy": row.accuracy,
                "agreement": row.agreement,
                "refused": row.refused,
            }
            for number, row in enumerate(rows)
        ],
        "impossible": {each.backend: each.impossible for each in impossible},
    }
