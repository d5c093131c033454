"""Ways of writing that are a nuisance whatever is written: floods, repetition, capitals."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dffml import Definition, OperationImplementationContext, op

from chatbot.errors import UsageError
from chatbot.policy import OFF, Rate
from operations.placement import cheap

SHORTEST = 8
"""Characters of a text whose repetition counts: people say `ok` and `+1` all the time."""

LETTERS = 20
CAPITALS = 0.9
"""So many letters at least, of which so many are capitals."""


@dataclass(frozen=True)
class HabitsConfig:
    """From how many messages in which time on it is a flood, or a repetition; `off` for neither.

    With `capitals`, what is written in them is found, too.
    """

    flood: str = "8 in 10s"
    repeat: str = "3 in 2m"
    capitals: bool = True


@cheap
@op(
    name="find_habits",
    config_cls=HabitsConfig,
    inputs={
        "text": Definition(name="find_habits.text", primitive="string"),
        "time": Definition(name="find_habits.time", primitive="generic"),
        "recent": Definition(name="find_habits.recent", primitive="array"),
    },
    outputs={
        "found": Definition(name="find_habits.found", primitive="string"),
        "mark": Definition(name="find_habits.mark", primitive="array"),
    },
)
class FindHabits(OperationImplementationContext):
    """Tell whether a message is one too many: `found` is flood, repeat, capitals or "".

    `recent` are the marks of the person's last messages in the room, to which the flow appends
    this one's: when it was said, and a hash of it.
    """

    async def run(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return what is found, and the mark of this message."""
        config: HabitsConfig = self.config
        text = " ".join(inputs["text"].casefold().split())
        print_ = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=6).hexdigest()
        mark = [inputs["time"].timestamp(), print_ if len(text) >= SHORTEST else ""]
        marks = [each for each in inputs["recent"] or () if _is_mark(each)]
        return {"found": _found(config, inputs["text"], [*marks, mark]), "mark": mark}


def is_shouted(text: str) -> bool:
    """Whether a text is in capitals, but for one letter in ten."""
    letters = [each for each in text if each.isalpha()]
    return len(letters) >= LETTERS and sum(map(str.isupper, letters)) >= CAPITALS * len(letters)


def _found(config: HabitsConfig, text: str, marks: list[list[Any]]) -> str:
    now, print_ = marks[-1]
    if _is_many(config.flood, [at for at, _ in marks], now):
        return "flood"
    if print_ and _is_many(config.repeat, [at for at, own in marks if own == print_], now):
        return "repeat"
    return "capitals" if config.capitals and is_shouted(text) else ""


def _is_many(rate: str, times: list[float], now: float) -> bool:
    if rate == OFF:
        return False
    wanted = Rate.parse(rate)
    return sum(now - wanted.seconds < at <= now for at in times) >= wanted.count


def _is_mark(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], int | float)


def check_config(config: HabitsConfig) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """Yield (path in the configuration, message, hint) for what is wrong with it."""
    for key in ("flood", "repeat"):
        try:
            if (rate := getattr(config, key)) != OFF:
                Rate.parse(rate)
        except UsageError as error:
            yield (key,), error.message, error.hint


FindHabits.imp.check_config = staticmethod(check_config)
