"""The short version of `make soak`."""

from __future__ import annotations

from pathlib import Path

from tests.soak.__main__ import LOG
from tests.soak.run import Soak, soak

SEED = 3


async def test_whatever_is_killed_frozen_ended_and_joined_each_message_is_answered_once(
    tmp_path: Path,
) -> None:
    events: list[str] = []
    plan = Soak(seed=SEED, seconds=20.0, rate=20.0, log=LOG)
    found = await soak(plan, tmp_path, events.append)
    assert len(events) > 8
    assert found.startswith(("400 messages", "399 messages", "398 messages")), found
