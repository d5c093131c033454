"""What is to be done about a message that should not have been written, and taking it back.

The rule that it guards: an operation decides from what it is given alone (the message, and the
cases so far), so that a message that is run again gets the same verdict; what people wrote is in
no case.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from dffml import Definition, OperationImplementationContext, op

from chatbot import units
from chatbot.errors import UsageError
from operations.placement import cheap

STEPS = {
    "warn": (),
    "redact": ("delete",),
    "mute": ("delete", "mute"),
    "kick": ("delete", "kick"),
    "ban": ("delete", "ban"),
}
"""The actions of each step. Each of them is told to whom it is about, too: that is the flow's."""

FORGIVEN = "forgiven"
UNDOES = {"mute": "unmute", "ban": "unban"}


@dataclass(frozen=True)
class ModerateConfig:
    """What is done at a person's first strike, the second, and so on; the last is repeated.

    With `dry_run` nothing is: the outputs say what would be. A mute lasts for `mute`. A case
    counts for `memory`; those of dry runs count in dry runs alone. What the network does not let
    the bot do is told in the room `tell`, if one is named.
    """

    dry_run: bool = True
    steps: list[str] = field(default_factory=lambda: ["warn", "redact", "mute"])
    mute: str = "30m"
    memory: str = "30d"
    tell: str = ""


@cheap
@op(
    name="moderate",
    config_cls=ModerateConfig,
    inputs={
        "found": Definition(name="moderate.found", primitive="string"),
        "cases": Definition(name="moderate.cases", primitive="array"),
        "sender": Definition(name="moderate.sender", primitive="string"),
        "account": Definition(name="moderate.account", primitive="string"),
        "name": Definition(name="moderate.name", primitive="string"),
        "room": Definition(name="moderate.room", primitive="string"),
        "time": Definition(name="moderate.time", primitive="generic"),
    },
    outputs={
        "step": Definition(name="moderate.step", primitive="string"),
        "strike": Definition(name="moderate.strike", primitive="integer"),
        "live": Definition(name="moderate.live", primitive="bool"),
        "dry": Definition(name="moderate.dry", primitive="bool"),
        "found": Definition(name="moderate.verdict", primitive="string"),
        "case": Definition(name="moderate.case", primitive="map"),
        "action": Definition(name="action", primitive="map"),
    },
    expand=["action"],
)
class Moderate(OperationImplementationContext):
    """Decide what is done about a message of which something was `found` ("spam", "rude").

    Gives nothing where nothing was. `cases` are those so far: a list to which the flow appends
    each `case`, and what `forgive` gives. A person is their account, else whom the message is from.
    """

    async def run(self, inputs: dict[str, Any]) -> dict[str, Any] | None:
        """Return the step, which strike it is, and the actions that are taken."""
        config: ModerateConfig = self.config
        if not inputs["found"]:
            return None
        person, at = inputs["account"] or inputs["sender"], inputs["time"].timestamp()
        since = at - units.duration(config.memory)
        strike = 1 + strikes(inputs["cases"], person, since, dry=config.dry_run)
        step = config.steps[min(strike, len(config.steps)) - 1]
        case = {
            "person": person,
            "sender": inputs["sender"],
            "name": inputs["name"],
            "room": inputs["room"],
            "found": inputs["found"],
            "step": step,
            "at": at,
        }
        if config.dry_run:
            case["dry"] = True
        elif step == "mute":
            case["until"] = at + units.duration(config.mute)
        if config.tell:
            case["tell"] = config.tell
        return {
            "step": step,
            "strike": strike,
            "found": inputs["found"],
            "case": case,
            "live": not config.dry_run,
            "dry": config.dry_run,
            "action": [] if config.dry_run else _actions(step, inputs["found"], config),
        }


@cheap
@op(
    name="forgive",
    inputs={
        "who": Definition(name="forgive.who", primitive="string"),
        "by": Definition(name="forgive.by", primitive="string"),
        "cases": Definition(name="forgive.cases", primitive="array"),
        "time": Definition(name="forgive.time", primitive="generic"),
    },
    outputs={
        "known": Definition(name="forgive.known", primitive="bool"),
        "name": Definition(name="forgive.name", primitive="string"),
        "case": Definition(name="forgive.case", primitive="map"),
        "action": Definition(name="action", primitive="map"),
    },
    expand=["action"],
)
class Forgive(OperationImplementationContext):
    """Take back the strikes of a person, with the mutes and bans that last.

    `who` is what people call them, their account or whom their messages are from. `known` is
    false where the cases have nobody like that; of several, the last one is meant.
    """

    async def run(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the case that ends those before, and the actions that take back what lasts."""
        who, at = " ".join(inputs["who"].split()).removeprefix("@"), inputs["time"].timestamp()
        cases = [each for each in inputs["cases"] or () if isinstance(each, dict)]
        named = [each for each in cases if _is_called(each, who)] if who else []
        if not named:
            return {"known": False, "name": who, "action": []}
        last = named[-1]
        counted = [each for each in _counted(cases, last.get("person")) if not each.get("dry")]
        return {
            "known": True,
            "name": str(last.get("name") or who),
            "case": {**last, "step": FORGIVEN, "by": inputs["by"], "at": at, "until": 0.0},
            "action": [undone for each in counted if (undone := _undone(each, at))],
        }


def strikes(cases: list[Any], person: str, since: float, *, dry: bool) -> int:
    """Return how many cases count against a person: since they were forgiven last, if ever."""
    return sum(
        bool(each.get("dry")) == dry and float(each.get("at") or 0.0) >= since
        for each in _counted(cases, person)
    )


def _counted(cases: Any, person: Any) -> list[dict[str, Any]]:
    """Return the cases of a person since they were forgiven last, whatever else is in the list."""
    own = [each for each in cases or () if isinstance(each, dict) and each.get("person") == person]
    ends = [number for number, each in enumerate(own) if each.get("step") == FORGIVEN]
    return own[ends[-1] + 1 :] if ends else own


def _actions(step: str, found: str, config: ModerateConfig) -> list[dict[str, Any]]:
    seconds = units.duration(config.mute) if step == "mute" else 0.0
    tell = {"tell": config.tell} if config.tell else {}
    return [
        {"kind": kind, "text": found, "seconds": seconds if kind == "mute" else 0.0, **tell}
        for kind in STEPS[step]
    ]


def _undone(case: dict[str, Any], at: float) -> dict[str, Any] | None:
    """Return what takes a case back, unless it is over by itself."""
    kind = UNDOES.get(str(case.get("step")))
    if kind is None or (kind == "unmute" and float(case.get("until") or 0.0) <= at):
        return None
    tell = {"tell": case["tell"]} if case.get("tell") else {}
    return {"kind": kind, "to": case.get("sender"), "room": case.get("room"), **tell}


def _is_called(case: dict[str, Any], who: str) -> bool:
    names = (str(case.get(key) or "") for key in ("name", "sender", "person"))
    return any(each.removeprefix("@").casefold() == who.casefold() for each in names)


def check_config(config: ModerateConfig) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """Yield (path in the configuration, message, hint) for what is wrong with it."""
    if not config.steps:
        yield ("steps",), "there are no steps", f"take of {', '.join(STEPS)}"
    for number, step in enumerate(config.steps):
        if step not in STEPS:
            yield ("steps", number), f"there is no step {step!r}", f"there are {', '.join(STEPS)}"
    for key in ("mute", "memory"):
        try:
            units.duration(getattr(config, key))
        except UsageError as error:
            yield (key,), error.message, error.hint


Moderate.imp.check_config = staticmethod(check_config)
