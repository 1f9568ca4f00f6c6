"""A daemon at work while everything around it fails at random: it loses nobody and does not grow.

Half a minute by default; PCD_SOAK_ROUNDS makes it last, twenty minutes at 50. Prints what was measured.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from dataclasses import astuple, dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

import aiohttp
import anyio
import pytest
from prometheus_client.parser import text_string_to_metric_families

from pcd.drill.ground import Ground, NotWell
from pcd.drill.props import Disk, RedisServer
from pcd.sim.faults import Faults
from pcd.sim.trouble import TroubleRates
from pcd.stage import open_stage
from pcd.telemetry.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

ROUNDS = int(os.environ.get("PCD_SOAK_ROUNDS", "0"))
SECONDS = 24.0 * ROUNDS or 12.0
WARM_UP = min(SECONDS / 4, 60.0)
SAMPLES = 4
LOOKS = 8
BETWEEN_LOOKS = 0.15
HOLD = 5.0 if ROUNDS else 1.0

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(2 * SECONDS + 600)]

# How long the first in a queue may have waited for the daemon to be taken for one that keeps up.
KEEPS_UP = 5.0
# Pools fill up as they are wanted; what leaks never ends.
SLACK = 6
MEMORY_SLACK = 1.10
STORM = Faults(rate_limited=0.2, server_error=0.1, reset=0.1, truncated=0.1, token_expired=0.05)
TROUBLE = TroubleRates(rate_limited=0.2, server_error=0.1, reset=0.1, slow_answer=0.1, slow_seconds=0.5)
_MORE = """
[workflows]
check_interval = "1s"

[health]
interval = "1s"
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """What the daemon holds at a quiet moment; memory in MB."""

    memory: float
    descriptors: float
    tasks: float
    connections: float


async def test_daemon_loses_nobody_and_does_not_grow_while_everything_around_it_fails(
    short_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = short_dir / "endurance"
    folder.mkdir(mode=0o755)
    dice = random.Random(1)
    samples: list[Sample] = []
    async with open_stage(folder, customers=30, pace=600.0, more=_MORE) as stage:
        ground = Ground(stage, disk=Disk(folder=folder), redis=RedisServer())
        async with ground.daemon():
            await _until(ground, ground.is_watching, what="the first load")
            pid, began = ground.process.pid, anyio.current_time()
            while (now := anyio.current_time() - began) < SECONDS or len(samples) < SAMPLES:
                await _suffer(ground, dice)
                if now >= WARM_UP:
                    samples.append(await _sample(ground))
            assert ground.process.pid == pid, stage.last_lines()
            assert await ground.lost() == ()
    with capsys.disabled():
        sys.stderr.write(_table(samples))
    third = max(len(samples) // 3, 1)
    first, last = _middle(samples[:third]), _middle(samples[-third:])
    assert last.memory <= first.memory * MEMORY_SLACK
    assert last.descriptors <= first.descriptors + SLACK
    assert last.tasks <= first.tasks + SLACK
    assert last.connections <= first.connections + SLACK


async def _suffer(ground: Ground, dice: random.Random) -> None:
    """Let something fail while a customer arrives, and wait until the daemon keeps up again."""
    servicetitan, ghl = ground.stage.tenant.simulator, ground.stage.subaccount.simulator
    seed = dice.getrandbits(32)
    servicetitan.dice.switch(replace(dice.choice((STORM, Faults())), seed=seed))
    ghl.troubles.switch(replace(dice.choice((TROUBLE, TroubleRates())), seed=seed))
    ground.customer_arrives()
    await dice.choice((_cut, _freeze, _look_again_and_again))(ground)
    await anyio.sleep(HOLD)
    servicetitan.dice.switch(Faults())
    ghl.troubles.switch(TroubleRates())
    await _until(ground, lambda: _keeps_up(ground), what="recovery")


async def _until(ground: Ground, is_so: Callable[[], Awaitable[bool]], *, what: str) -> None:
    try:
        await ground.until(is_so, what=what)
    except NotWell as error:
        pytest.fail("\n".join((str(error), *await ground.lost(), ground.stage.last_lines())))


async def _keeps_up(ground: Ground) -> bool:
    status = await ground.call("status")
    waiting = any(each["oldest_seconds"] >= KEEPS_UP for each in status["queues"])
    return not waiting and await ground.is_well()


async def _cut(ground: Ground) -> None:
    async with ground.database() as db:
        await db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'pcd%' AND application_name <> 'pcd drill'"
        )


async def _freeze(ground: Ground) -> None:
    ground.signal_postgres(signal.SIGSTOP)
    try:
        await anyio.sleep(HOLD)
    finally:
        ground.signal_postgres(signal.SIGCONT)


async def _look_again_and_again(ground: Ground) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(_metrics, ground)


async def _metrics(ground: Ground) -> dict[str, float]:
    """Return what ``/metrics`` says, the samples of a family added up; every declared metric is there."""
    address = (await ground.call("status"))["http"]
    async with aiohttp.ClientSession() as session, session.get(f"{address}metrics") as answer:
        families = list(text_string_to_metric_families(await answer.text()))
    assert {metric.name.removesuffix("_total") for metric in METRICS} <= {each.name for each in families}
    return {each.name: sum(one.value for one in each.samples) for each in families}


async def _sample(ground: Ground) -> Sample:
    """Return the least of several looks: what is at work only for a moment is no growth."""
    looks = [await _look(ground) for _ in range(LOOKS)]
    return Sample(*map(min, zip(*map(astuple, looks), strict=True)))


async def _look(ground: Ground) -> Sample:
    await anyio.sleep(BETWEEN_LOOKS)
    found = await _metrics(ground)
    async with ground.database() as db:
        connections = await db.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE application_name LIKE 'pcd%' AND application_name <> 'pcd drill'"
        )
    memory = found["process_resident_memory_bytes"] / 2**20
    return Sample(memory, found["process_open_fds"], found["pcd_tasks"], connections)


def _middle(samples: Sequence[Sample]) -> Sample:
    return Sample(*(median(column) for column in zip(*map(astuple, samples), strict=True)))


def _table(samples: Sequence[Sample]) -> str:
    head = "\nround  memory MB  descriptors  tasks  connections\n"
    shown = samples[:: max(len(samples) // 12, 1)]
    return head + "".join(
        f"{number:5}  {one.memory:9.1f}  {one.descriptors:11.0f}  {one.tasks:5.0f}  {one.connections:11.0f}\n"
        for number, one in zip(range(0, len(samples), max(len(samples) // 12, 1)), shown, strict=False)
    )
