"""`chatbot train`: the encoder of a flow learns its labels, too; what came of it is kept."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from chatbot import settings
from chatbot.commands.screen import Screen
from chatbot.commands.understanding import Subject, subject
from chatbot.inference.loading import fingerprint
from chatbot.inference.revisions import QUICK, About, Kept, Revisions, key, now
from chatbot.inference.scoring import interval
from chatbot.inference.thorough import Outcome, Stage, thorough


def train(
    flow: str,
    overrides: Sequence[str],
    operation: str | None,
    screen: Screen,
    nats: str | None = None,
) -> Kept:
    """Train thoroughly, keep the result and use it from now on. Blocks for minutes.

    Raises `FlowError` before anything is loaded if the flow or its
    examples are wrong.
    """
    what = subject(flow, overrides, operation, nats)
    with tempfile.TemporaryDirectory(prefix="chatbot-train-") as folder:
        made = thorough(
            what.encoder,
            what.examples,
            Path(folder) / "encoder",
            _stages(screen),
            several=what.several,
        )

        def save(place: Path) -> None:
            shutil.copytree(Path(folder) / "encoder", place)

        return _store(what).keep(_about(what, made), made.head, save)


def revisions(
    flow: str, overrides: Sequence[str], operation: str | None, nats: str | None = None
) -> tuple[list[Kept], Kept | None]:
    """Return what is kept for the flow, the newest first, and which of it is in use."""
    store = _store(subject(flow, overrides, operation, nats))
    return store.all(), store.current()


def roll_back(
    flow: str,
    overrides: Sequence[str],
    operation: str | None,
    revision: str,
    nats: str | None = None,
) -> Kept | None:
    """Use a revision from now on, `None` for quick training; raises `UsageError`."""
    return _store(subject(flow, overrides, operation, nats)).use(revision)


def as_json(kept: Sequence[Kept], current: Kept | None) -> list[dict[str, object]]:
    """Return what `--json` prints."""
    import msgspec

    return [
        msgspec.to_builtins(each.about)
        | {"folder": str(each.folder), "current": _is(each, current)}
        for each in kept
    ]


def show(kept: Sequence[Kept], current: Kept | None, screen: Screen) -> None:
    """Show a table of revisions."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("", "revision", "trained", "examples", "right, held back", "quick", "took"):
        table.add_column(name, no_wrap=True)
    for each in kept:
        about = each.about
        table.add_row(
            "*" if _is(each, current) else "",
            about.revision[:12],
            f"{about.at:%Y-%m-%d %H:%M}",
            f"{about.examples} of {about.labels} labels",
            f"{about.estimate:.1%} ({about.low:.1%} to {about.high:.1%})",
            f"{about.estimate_before:.1%}",
            f"{about.seconds:.0f} s",
        )
    table.add_row("" if current else "*", QUICK, "at a node's start", "", "", "", "")
    screen.out.print(table)


def _is(each: Kept, current: Kept | None) -> bool:
    return current is not None and each.about.revision == current.about.revision


def _store(what: Subject) -> Revisions:
    return Revisions(settings.models_path(), key(what.encoder, what.examples, several=what.several))


def _about(what: Subject, made: Outcome) -> About:
    held = max(made.held, 1)
    low, high = interval(made.right, held)
    return About(
        revision=made.head.revision,
        of=fingerprint(what.examples),
        at=now(),
        encoder=what.encoder,
        examples=what.count,
        labels=len(what.examples),
        held=made.held,
        estimate=made.right / held,
        low=low,
        high=high,
        estimate_before=made.before / held,
        blend=made.blend,
        seconds=round(made.seconds, 1),
        choices={name: float(value) for name, value in asdict(made.head.settings).items()},
    )


def _stages(screen: Screen) -> Stage:
    @contextmanager
    def stage(text: str) -> Iterator[Callable[[float], None]]:
        with screen.counting(text, 100) as advance:
            done = 0

            def progress(share: float) -> None:
                nonlocal done
                while done < share * 100:
                    done += 1
                    advance()

            yield progress

    return stage
