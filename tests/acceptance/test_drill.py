"""The fire drill as an acceptance test: everything that breaks is seen, and nothing is lost."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from pcd.drill.driller import play
from pcd.drill.ground import open_ground
from pcd.drill.scenarios import SCENARIOS

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(600)]

# The others wait for leases and time-outs: half a minute each, in `make soak`.
QUICK = {"listener", "servicetitan-storm", "redis-gone", "disk-full"}


async def test_nothing_is_lost_in_a_drill() -> None:
    everything = "PCD_SOAK_ROUNDS" in os.environ
    with tempfile.TemporaryDirectory(prefix="pcd-drill-", dir="/tmp") as folder:
        async with open_ground(Path(folder)) as ground:
            for scenario in SCENARIOS:
                if everything or scenario.name in QUICK:
                    finding = await play(ground, scenario)
                    assert finding.is_good, finding
