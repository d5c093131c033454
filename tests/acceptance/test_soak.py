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
    messages, _, replies, *_ = found.split()
    assert int(messages) > 600, found  # 800 where the machine keeps up
    assert int(replies) == 2 * int(messages)
    assert "each was heard, decided and said once" in found
