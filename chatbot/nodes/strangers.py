"""Processes of another version that we cannot talk with: what is said of them, and once.

The rule that it guards: a refusal names both sides' protocols and packages, and which of the two
to upgrade; it is not repeated at each announcement.
"""

from __future__ import annotations

import logging

import chatbot
from chatbot.messages import PROTOCOL, Stranger

log = logging.getLogger(__name__)


class Strangers:
    """Says in the log that a process is ignored: once for each."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def tell(self, stranger: Stranger) -> None:
        if stranger.key in self._told:
            return
        self._told.add(stranger.key)
        log.warning("ignore the %s: %s; %s", called(stranger), spoken(stranger), remedy(stranger))


def called(stranger: Stranger) -> str:
    """Return what kind of process it is, and where, as far as that is known."""
    where = f" on {stranger.host} (process {stranger.pid})" if stranger.host else ""
    flow = f" of the flow {stranger.flow}" if stranger.flow and stranger.kind != "flow" else ""
    name = f" {stranger.flow}" if stranger.flow and not flow else ""
    return f"{stranger.kind}{name}{flow}{where}" + ("" if where or name else f" {stranger.key}")


def spoken(stranger: Stranger) -> str:
    """Return what it speaks, and what we do."""
    theirs = f"chatbot {stranger.version}" if stranger.version else "an unknown version"
    ours = f"this program speaks protocol {PROTOCOL} (chatbot {chatbot.__version__})"
    if stranger.protocol in (0, PROTOCOL):
        return f"what it announces is not understood ({theirs}); {ours}"
    return f"it speaks protocol {stranger.protocol} ({theirs}), {ours}"


def remedy(stranger: Stranger) -> str:
    """Return which side to upgrade."""
    if stranger.protocol > PROTOCOL:
        return "upgrade chatbot here"
    if 0 < stranger.protocol < PROTOCOL:
        return "upgrade chatbot there"
    return "run the same version of chatbot on both sides"
