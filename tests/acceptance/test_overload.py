"""A burst in front of slow nodes; `make overload` is the same with 100,000 messages."""

from __future__ import annotations

import pytest

from tests.benchmarks.overload import burst


@pytest.mark.crash
async def test_a_burst_before_slow_nodes_loses_nothing_and_holds_up_nobody() -> None:
    seen = await burst(4000)
    assert seen.wrong == [], str(seen)
    assert seen.lag > 500, str(seen)
    assert seen.asked > 20, str(seen)
