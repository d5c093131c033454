"""Actions from a flow file: what stands behind `action`."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from dffml import Definition, OperationImplementationContext, op

from chatbot import units
from chatbot.errors import UsageError
from chatbot.flowfile.template import Template
from chatbot.messages import ACTIONS, ORDERS
from operations.placement import cheap

KINDS = tuple(kind for kind in ACTIONS if kind not in ORDERS)
"""What is done where the message came from."""

_LASTS = ("mute", "ban")
_MEANT = dict.fromkeys(("redact", "remove", "hide"), "delete") | {"reaction": "react"}
_ELSEWHERE = {
    "issue": "run: open_github_issue",
    "comment": "run: comment_on_github_issue",
    "post": "run: post_webhook",
}


@dataclass(frozen=True)
class ActConfig:
    """What is done: `react` with an emoji, `delete`, `kick`, `ban`, `unban`, `mute` or `unmute`.

    All but `kind` and `time` are templates. `to` is the message (its id: `react`, `delete`) or the
    person (their `sender`), this one without it; `text` the emoji, or why. A mute or ban lasts for
    `time`, such as 10m, or until it is taken back. Where `to` or `room` is empty, nothing is done.
    """

    kind: str
    to: str | None = None
    text: str = ""
    time: str | None = None
    room: str | None = None


@cheap
@op(
    name="act",
    config_cls=ActConfig,
    inputs={},
    outputs={"action": Definition(name="action", primitive="map")},
)
class Act(OperationImplementationContext):
    """Do something about a message or a person, beside talking: react, delete, kick, ban, mute.

    What a network cannot do is left out, and the log says so.
    """

    async def run(self, inputs: dict[str, Any]) -> dict[str, Any] | None:
        """Return the action, if there is anything to do."""
        config: ActConfig = self.config
        action: dict[str, Any] = {"kind": config.kind}
        for name in ("to", "room"):
            text = getattr(config, name)
            if text is None:
                continue
            action[name] = _template(text).render(inputs)
            if not action[name]:
                return None
        if config.text:
            action["text"] = _template(config.text).render(inputs)
        if config.time is not None:
            action["seconds"] = units.duration(config.time)
        return {"action": action}


def templates(config: ActConfig) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the templates of a configuration, each with its path."""
    for name in ("to", "text", "room"):
        if text := getattr(config, name):
            yield (name,), text


Act.imp.templates = staticmethod(templates)


def check_config(config: ActConfig) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield (path in the configuration, message, hint) for what is wrong with it."""
    if config.kind not in KINDS:
        yield ("kind",), f"there is no action `{config.kind}`", _hint(config.kind)
        return
    if config.kind == "react" and not config.text:
        yield ("kind",), "a reaction needs an emoji", 'action: {kind: react, text: "👍"}'
    if config.time is None:
        return
    if config.kind not in _LASTS:
        yield ("time",), f"`{config.kind}` has no time", f"only {' and '.join(_LASTS)} end by it"
        return
    try:
        units.duration(config.time)
    except UsageError as error:
        yield ("time",), f"`time`: {error.message}", error.hint


Act.imp.check_config = staticmethod(check_config)


def _hint(kind: str) -> str:
    """Return what may have been meant by an action that there is not."""
    if kind in _ELSEWHERE:
        return f"for that there is `{_ELSEWHERE[kind]}`"
    near = difflib.get_close_matches(kind, KINDS, n=1)
    meant = _MEANT.get(kind) or (near[0] if near else "")
    return f"did you mean {meant}?" if meant else f"there are {', '.join(KINDS)}"


@lru_cache(maxsize=4096)
def _template(text: str) -> Template:
    return Template(text, markdown=False)
