"""Daemons on one database whose clocks are hours apart: who holds what is the database's to say."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from support.daemons import Daemon, Done, Home, running, servicetitan

from pcd.clock import Clock
from pcd.db import leases
from pcd.db.leases import Lease
from pcd.errors import LeaseLost
from pcd.sim.faults import Faults
from pcd.sim.tenant import open_tenant

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pcd.db.leases import Held
    from pcd.db.pool import Database
    from pcd.sim.tenant import Tenant

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(180)]

TTL = timedelta(seconds=4)
PATIENCE = 60
NAME = "as the new holder left it"
Leases = dict[str, "Held"]


def home(folder: Path, database_url: str, tenant: Tenant) -> Home:
    folder.mkdir()
    return Home(
        folder,
        {
            "database.url": database_url,
            "leases.ttl": f"{TTL.seconds}s",
            "sync.full_cron": "0 0 1 1 *",  # at some hours the wrong clock stands behind that of the night
            **servicetitan(tenant),
        },
    )


@pytest.mark.parametrize("hours", [7, -7], ids=["fast", "slow"])
async def test_daemon_whose_clock_is_wrong_takes_over_in_time_and_not_before(
    db: Database, database_url: str, tmp_path: Path, hours: int
) -> None:
    """The holder is frozen in the middle of a sync; what it would write later is refused."""
    done: list[Done] = []
    async with open_tenant(customers=20, pace=0) as tenant:
        one, other = (home(tmp_path / name, database_url, tenant) for name in ("one", "other"))

        async def sync() -> None:
            done.append(await one.command("sync", "full", "--only", "customers"))

        async with running(one) as right:
            first = await until(db, lambda found: len(found) >= 3 and all_of(right, found))
            await one.until(is_loaded)
            tenant.simulator.dice.switch(Faults(empty_page=1.0))
            async with (
                running(other, fast_by=timedelta(hours=hours)) as wrong,
                anyio.create_task_group() as group,
            ):
                group.start_soon(sync)
                await one.until(lambda status: bool(status["under_way"]))
                await other.until(lambda status: is_off_by(hours, status))
                await wrong.until_state("sync", "standby")
                first = await db_leases(db)
                held = await until(db, lambda found: renewed_for(TTL, first, found))
                assert {name: each.term for name, each in held.items()} == {
                    name: each.term for name, each in first.items()
                }
                right.process.send_signal(signal.SIGSTOP)
                try:
                    last = await db_leases(db)
                    taken = await until(db, lambda found: all_of(wrong, found))
                    tenant.simulator.dice.switch(Faults())
                    await db.execute("UPDATE servicetitan.st_customers SET name = $1", NAME)
                finally:
                    right.process.send_signal(signal.SIGCONT)
                await right.until_state("sync", "standby")
                assert all_of(wrong, await db_leases(db))
    for name, lease in taken.items():
        assert last[name].expires_at <= lease.acquired_at < last[name].expires_at + TTL / 2, name
        assert lease.term > last[name].term
        with pytest.raises(LeaseLost):
            await write_late(db, last[name])
    assert [each.code for each in done] == [1]
    assert await names(db) == {NAME}
    assert "Traceback" not in right.text + wrong.text


async def db_leases(db: Database) -> Leases:
    return {each.name: each for each in await leases.read(db)}


async def until(db: Database, is_so: Callable[[Leases], bool]) -> Leases:
    """Return the first leases of which *is_so* holds."""
    with anyio.fail_after(PATIENCE):
        while not is_so(found := await db_leases(db)):  # noqa: ASYNC110 - no event tells
            await anyio.sleep(0.05)
    return found


async def write_late(db: Database, lease: Held) -> None:
    """Begin to write under *lease* as a holder that does not know that it is over."""
    held = Lease(lease.name, term=lease.term, clock=Clock(), trusted_until=float("inf"))
    async with db.transaction() as connection:
        await held.fence(connection)


def all_of(daemon: Daemon, found: Leases) -> bool:
    return all(each.is_live and str(daemon.process.pid) in each.holder for each in found.values())


def renewed_for(time: timedelta, first: Leases, found: Leases) -> bool:
    return all(found[name].expires_at >= each.expires_at + time for name, each in first.items())


def is_loaded(status: dict[str, Any]) -> bool:
    return any(each["last_outcome"] == "completed" for each in status["schedules"])


def is_off_by(hours: int, status: dict[str, Any]) -> bool:
    off = datetime.fromisoformat(status["at"]) - datetime.now(UTC)
    return abs(off - timedelta(hours=hours)) < timedelta(minutes=1)


async def names(db: Database) -> set[str]:
    rows = await db.fetch("SELECT DISTINCT name FROM servicetitan.st_customers")
    return {row["name"] for row in rows}
