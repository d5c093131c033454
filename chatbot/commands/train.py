"""`chatbot train`: the encoder of a flow learns its labels, too; what came of it is kept."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from chatbot import settings
from chatbot.commands import rollout
from chatbot.commands.screen import Screen
from chatbot.commands.understanding import Subject, subject
from chatbot.errors import OperationError
from chatbot.inference import loss
from chatbot.inference.encoder import Encoder
from chatbot.inference.loading import fingerprint
from chatbot.inference.revisions import QUICK, About, Kept, Revisions, key, now
from chatbot.inference.scoring import interval
from chatbot.inference.thorough import Outcome, Stage, thorough
from chatbot.learning import corpus


def train(
    flow: str,
    overrides: Sequence[str],
    operation: str | None,
    screen: Screen,
    nats: str | None = None,
) -> Kept:
    """Train thoroughly, keep the result and use it from now on. Blocks for minutes.

    Where a server runs, what people corrected there is learned, too, and its nodes take the
    result over. Raises `FlowError` before anything is loaded if the flow or its examples are
    wrong.
    """
    given = subject(flow, overrides, operation, nats)
    running = rollout.find(nats, None)
    taught = rollout.corrections(running, given.flow, given.name)
    examples = corpus(given.examples, [each for each in taught if each.label])
    what = replace(given, examples=examples)
    screen.say(_learned_from(what, len(taught)))
    with tempfile.TemporaryDirectory(prefix="chatbot-train-") as folder:
        made = thorough(
            what.encoder,
            what.examples,
            Path(folder) / "encoder",
            _stages(screen),
            several=what.several,
        )
        if made.share < 1.0:
            screen.say(_cut_short(made.share))
        screen.say(_exported(made))

        def save(place: Path) -> None:
            shutil.copytree(Path(folder) / "encoder", place)

        kept = _store(what).keep(_about(what, made, len(taught)), made.head, save)
    if not what.exact:
        screen.say(_taken(given, kept))
    rollout.choose(running, _key(what), kept, screen)
    return kept


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
    screen: Screen,
    nats: str | None = None,
) -> Kept | None:
    """Use a revision from now on, `None` for quick training; raises `UsageError`.

    Where a server runs, its nodes do, too.
    """
    what = subject(flow, overrides, operation, nats)
    kept = _store(what).use(revision)
    rollout.choose(rollout.find(nats, None), _key(what), kept, screen)
    return kept


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
    table.add_column("", no_wrap=True, min_width=1)
    table.add_column("revision", no_wrap=True, min_width=12)
    for name in ("trained", "examples", "right, held back", "quick", "took"):
        table.add_column(name)
    for each in kept:
        about = each.about
        table.add_row(
            "*" if _is(each, current) else "",
            about.revision[:12],
            f"{about.at:%Y-%m-%d %H:%M}",
            f"{about.examples} of {about.labels} labels{_corrected(about)}",
            f"{about.estimate:.1%} ({about.low:.1%} to {about.high:.1%})",
            f"{about.estimate_before:.1%}",
            f"{about.seconds:.0f} s",
        )
    table.add_row("" if current else "*", QUICK, "at a node's start", "", "", "", "")
    screen.out.print(table)


def _cut_short(share: float) -> str:
    """Return what is said of a training that had time for that share of its steps."""
    return (
        f"training was cut short: its processor time was up after {int(share * 100)} % of the steps"
        "; with fewer or shorter examples, or less that runs beside it, it gets further"
    )


def _taken(what: Subject, kept: Kept) -> str:
    """Return what is said of the flow's own back end, which is not exact, and this result."""
    if why := what.missing:
        return f"what {what.backend} loses with it is measured by each node: not here ({why})"
    try:
        encoder = Encoder.load(str(kept.encoder), backend=what.backend, shared=False)
        loss.check(encoder, str(kept.encoder), what.examples, settings.cache_folder() / "losses")
    except OperationError as error:
        return f"nodes refuse this result, and go on with what they have: {error.message}" + (
            f"; {error.hint}" if error.hint else ""
        )
    return f"nodes may run it with {what.backend}, as the flow says: it loses little"


def _exported(made: Outcome) -> str:
    """Return what is said of the export for ONNX Runtime."""
    if made.unexported:
        return (
            f"there is no export for ONNX Runtime: {made.unexported}; "
            "each node makes its own, which takes PyTorch there"
        )
    return f"exported for ONNX Runtime in {made.exporting:.0f} s: nodes need no PyTorch for it"


def _is(each: Kept, current: Kept | None) -> bool:
    return current is not None and each.about.revision == current.about.revision


def _corrected(about: About) -> str:
    return f", {about.corrections} corrected" if about.corrections else ""


def _learned_from(what: Subject, corrections: int) -> str:
    found = f"learning from {what.count} examples of {len(what.examples)} labels"
    if not corrections:
        return found
    return f"{found}, with {corrections} correction{'' if corrections == 1 else 's'}"


def _store(what: Subject) -> Revisions:
    return Revisions(settings.models_path(), _key(what))


def _key(what: Subject) -> str:
    return key(what.encoder, what.examples, several=what.several)


def _about(what: Subject, made: Outcome, corrections: int) -> About:
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
        corrections=corrections,
        choices={name: float(value) for name, value in asdict(made.head.settings).items()},
        share=made.share,
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
