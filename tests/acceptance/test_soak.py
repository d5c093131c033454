"""The short version of `make soak`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.__main__ import LOG
from tests.soak.run import Soak, soak

SEED = 3


@pytest.mark.crash
async def test_whatever_is_killed_frozen_ended_and_joined_each_message_is_answered_once(
    tmp_path: Path,
) -> None:
    events: list[str] = []
    plan = Soak(seed=SEED, seconds=40.0, rate=20.0, log=LOG)
    found = await soak(plan, tmp_path, events.append)
    assert len(events) > 15
    assert found.startswith(("800 messages", "799 messages", "798 messages")), found
