"""Everything that a drill breaks, each declared once, in the order of playing."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import anyio

from pcd.drill import props
from pcd.drill.scenario import Scenario
from pcd.sim.faults import Faults

if TYPE_CHECKING:
    from pcd.drill.ground import Ground

_STORM_SECONDS = 4.0
_CLOCK_WRONG_BY = 3600.0


async def _kill_listener(ground: Ground) -> None:
    async with ground.database() as db:
        await db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pcd listener'"
        )


async def _freeze(ground: Ground) -> None:
    ground.signal_postgres(signal.SIGSTOP)


async def _thaw(ground: Ground) -> None:
    ground.signal_postgres(signal.SIGCONT)


async def _storm(ground: Ground) -> None:
    simulator = ground.stage.tenant.simulator
    simulator.dice.switch(Faults(rate_limited=0.9, server_error=0.1))


async def _calm(ground: Ground) -> None:
    await anyio.sleep(_STORM_SECONDS)
    ground.stage.tenant.simulator.dice.switch(Faults())


async def _revoke(ground: Ground) -> None:
    ground.stage.subaccount.simulator.gate.tokens.clear()


async def _restore(ground: Ground) -> None:
    simulator = ground.stage.subaccount.simulator
    simulator.gate.tokens.add(simulator.settings.token)


async def _set_clock(ground: Ground) -> None:
    await ground.tell_clock(_CLOCK_WRONG_BY)


async def _set_clock_right(ground: Ground) -> None:
    await ground.tell_clock(0.0)


async def _poison(ground: Ground) -> None:
    await ground.define("poison", props.POISON.format(url=ground.hook))


async def _take_away(ground: Ground) -> None:
    await ground.define("poison", "")


async def _stop_redis(ground: Ground) -> None:
    await ground.redis.stop()


async def _start_redis(ground: Ground) -> None:
    await ground.redis.start()


async def _fill_disk(ground: Ground) -> None:
    ground.disk.fill()


async def _clear_disk(ground: Ground) -> None:
    ground.disk.clear()


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        name="listener",
        what="the connection that hears PostgreSQL's notifications is killed",
        answer="looks for changes every second, connects again, reads once fully",
        sign="no notifications from PostgreSQL",
        breaks=_kill_listener,
    ),
    Scenario(
        name="database-frozen",
        what="PostgreSQL stands still (SIGSTOP)",
        answer="waits and says so, goes on where it was",
        sign="PostgreSQL",
        breaks=_freeze,
        mends=_thaw,
    ),
    Scenario(
        name="servicetitan-storm",
        what="ServiceTitan answers nine of ten requests with 429, the rest with 500",
        answer="waits as told or longer each time, and tries again",
        sign="ServiceTitan",
        breaks=_storm,
        mends=_calm,
    ),
    Scenario(
        name="token-revoked",
        what="GoHighLevel's token is revoked",
        answer="keeps what is owed, asks now and then, sends it once the token holds",
        sign="GoHighLevel",
        breaks=_revoke,
        mends=_restore,
    ),
    Scenario(
        name="clock-step",
        what="the machine's clock is set an hour forward, later right again",
        answer="measures durations by another clock, due times by the database's",
        sign="clock",
        breaks=_set_clock,
        mends=_set_clock_right,
    ),
    Scenario(
        name="poison-step",
        what="a workflow's step kills the process, each time it is taken",
        answer="gives the step up once its starts are spent; the others run on",
        sign="workflows: instance .* is a dead letter now",
        breaks=_poison,
        mends=_take_away,
    ),
    Scenario(
        name="redis-gone",
        what="Redis is stopped",
        answer="goes on without it",
        sign="redis: does not answer",
        breaks=_stop_redis,
        mends=_start_redis,
        needs=lambda ground: "" if ground.redis.url else "there is no program redis-server",
    ),
    Scenario(
        name="disk-full",
        what="the database's disk is full",
        answer="says so, writes nothing by halves, goes on when there is room",
        sign="disk",
        breaks=_fill_disk,
        mends=_clear_disk,
        needs=lambda ground: ground.disk.why_not,
    ),
)
