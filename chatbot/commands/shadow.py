"""`chatbot labels shadow` and `promote`: what was learned, and runs beside before it takes over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chatbot.broker import subjects
from chatbot.broker.buckets import open_bucket
from chatbot.broker.heads import HEAD, NEXT, Compared, HeadRecord, Heads, all_heads
from chatbot.commands.labels import Asked, opened
from chatbot.commands.screen import Screen
from chatbot.commands.tally import printable
from chatbot.errors import UsageError


@dataclass(frozen=True, slots=True)
class Shadow:
    """What runs in the shadow of `current` (`None`: the file's examples alone), for an operation
    in one configuration; and how the two differed."""

    operation: str
    record: HeadRecord
    current: HeadRecord | None
    compared: Compared


async def shadows(asked: Asked) -> list[Shadow]:
    """Return what runs in the shadow; nothing where nothing does."""
    async with opened(asked) as (broker, corrections, _):
        bucket = await open_bucket(broker, subjects.LEARNED)
        running = await all_heads(broker, bucket, corrections.learner, HEAD)
        coming = await all_heads(broker, bucket, corrections.learner, NEXT)
        return [
            Shadow(key, record, running.get(key), await heads.compared(record))
            for key, record in coming.items()
            for heads in [await Heads.open(broker, corrections.learner, key)]
        ]


async def promote(asked: Asked) -> list[Shadow]:
    """Have what runs in the shadow take over; return it. Raises `UsageError` where nothing does."""
    found = await shadows(asked)
    if not found:
        raise UsageError(
            "nothing runs in the shadow",
            hint="with `learning: {shadow: true}` what is learned does, until it is promoted",
        )
    async with opened(asked) as (broker, corrections, _):
        for each in found:
            heads = await Heads.open(broker, corrections.learner, each.operation)
            await heads.promote(each.record)
    return found


def as_json(shadow: Shadow) -> dict[str, Any]:
    """Return what `--json` prints."""
    compared = shadow.compared
    return {
        "operation": shadow.operation,
        "runs": shadow.current.revision if shadow.current else None,
        "shadow": shadow.record.revision,
        "corrections": shadow.record.count,
        "contested": shadow.record.contested,
        "at": shadow.record.at,
        "seen": compared.seen,
        "differing": compared.differing,
        "pairs": [
            {"runs": runs or None, "shadow": other or None, "count": count}
            for runs, other, count in compared.pairs
        ],
    }


def show(found: Sequence[Shadow], screen: Screen) -> None:
    """Say how each did, with a table of where the two differ."""
    from rich.table import Table
    from rich.text import Text

    if not found:
        screen.out.print("Nothing runs in the shadow.")
    for each in found:
        compared = each.compared
        about = f"{each.record.revision[:8]}, with {each.record.count} corrections"
        share = f" ({compared.differing / compared.seen:.1%})" if compared.seen else ""
        text = f"{about}: {compared.differing} of {compared.seen} messages differ{share}"
        screen.out.print(text, markup=False)
        table = Table("now", "with it", "messages", box=None, header_style="bold")
        for runs, other, count in compared.pairs:
            cells = (runs or "(not sure)", other or "(not sure)", str(count))
            table.add_row(*(Text(printable(cell)) for cell in cells))
        if compared.pairs:
            screen.out.print(table)
