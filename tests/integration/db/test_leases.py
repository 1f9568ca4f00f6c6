from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from pcd.clock import Clock
from pcd.db.leases import Lease, Leaser, read
from pcd.db.pool import Database
from pcd.errors import ControlError, LeaseLost

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.asyncio

LONG = timedelta(seconds=30)
AT_ONCE = timedelta(0)


class FakeClock(Clock):
    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


def leaser(db: Database, holder: str, *, ttl: timedelta = LONG, clock: Clock | None = None) -> Leaser:
    return Leaser(db, holder=holder, ttl=ttl, clock=clock or Clock())


async def expire(db: Database, name: str = "sync") -> None:
    await db.execute("UPDATE pcd.leases SET expires_at = now() - interval '1 s' WHERE name = $1", name)


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not condition():  # noqa: ASYNC110 - any state
            await anyio.sleep(0.01)


async def somebody_waits_for_a_lock(db: Database) -> bool:
    return bool(
        await db.fetchval(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
    )


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(10):
        while not await condition():  # noqa: ASYNC110 - any state of the database
            await anyio.sleep(0.01)


async def fenced(db: Database, lease: Lease) -> None:
    async with db.transaction() as connection:
        await lease.fence(connection)


async def test_a_held_lease_says_who_holds_it(db: Database) -> None:
    async with leaser(db, "first").hold("sync") as lease:
        (row,) = await read(db)
        assert (row.name, row.holder, row.term, row.is_live) == ("sync", "first", lease.term, True)
    assert await read(db) == []


async def test_a_second_holder_is_refused_by_name(db: Database) -> None:
    async with leaser(db, "first").hold("sync"):
        second = leaser(db, "second").hold("sync", wait=AT_ONCE)
        with pytest.raises(ControlError, match="held by first since") as caught:
            await second.__aenter__()
        assert caught.value.code == "busy"
        async with leaser(db, "second").hold("another", wait=AT_ONCE):
            assert len(await read(db)) == 2


async def test_a_waiting_holder_follows_at_once_and_is_told_for_whom_it_waits(db: Database) -> None:
    told: list[str] = []
    order: list[str] = []

    async def second() -> None:
        async with leaser(db, "second", ttl=timedelta(seconds=1)).hold("sync", on_wait=told.append):
            order.append("second")

    async with anyio.create_task_group() as group, leaser(db, "first").hold("sync"):
        group.start_soon(second)
        await until(lambda: bool(told))
        order.append("first")
    assert order == ["first", "second"]
    assert len(told) == 1
    assert "held by first" in told[0]


async def test_two_holders_are_never_inside_together(db: Database) -> None:
    inside = 0
    turns = 0

    async def contend(holder: str) -> None:
        nonlocal inside, turns
        mine = leaser(db, holder, ttl=timedelta(seconds=0.3))
        for _ in range(5):
            async with mine.hold("sync"):
                inside += 1
                assert inside == 1
                await anyio.lowlevel.checkpoint()
                assert inside == 1
                inside -= 1
                turns += 1

    async with anyio.create_task_group() as group:
        for number in range(4):
            group.start_soon(contend, f"holder {number}")
    assert turns == 20


async def test_a_takeover_waits_for_a_fenced_transaction_and_a_renewal_does_not(db: Database) -> None:
    first, second = leaser(db, "first"), leaser(db, "second")
    lease = await first.take("sync")
    assert isinstance(lease, Lease)
    taken: list[object] = []

    async def take_over() -> None:
        taken.append(await second.take("sync"))

    async with anyio.create_task_group() as group, db.transaction() as connection:
        await lease.fence(connection)
        await first.renew(lease)
        await expire(db)
        group.start_soon(take_over)
        await eventually(partial(somebody_waits_for_a_lock, db))
        assert taken == []
    (found,) = taken
    assert isinstance(found, Lease)
    assert found.term > lease.term


async def test_a_renewal_during_a_takeover_wins(db: Database) -> None:
    first, second = leaser(db, "first"), leaser(db, "second")
    lease = await first.take("sync")
    assert isinstance(lease, Lease)
    taken: list[object] = []

    async def take_over() -> None:
        taken.append(await second.take("sync"))

    async with anyio.create_task_group() as group, db.transaction() as connection:
        await lease.fence(connection)
        await expire(db)
        group.start_soon(take_over)
        await eventually(partial(somebody_waits_for_a_lock, db))
        await first.renew(lease)
    assert not isinstance(taken[0], Lease)
    assert not lease.lost


async def test_a_fence_refuses_the_old_term(db: Database) -> None:
    lease = await leaser(db, "first").take("sync")
    assert isinstance(lease, Lease)
    await expire(db)
    assert isinstance(await leaser(db, "second").take("sync"), Lease)
    with pytest.raises(LeaseLost, match="taken it over"):
        await fenced(db, lease)


async def test_a_lost_lease_cancels_the_body(db: Database) -> None:
    async def robbed() -> None:
        async with leaser(db, "first", ttl=timedelta(seconds=0.6)).hold("sync"):
            await db.execute("UPDATE pcd.leases SET holder = 'thief', term = nextval('pcd.lease_terms')")
            await anyio.sleep_forever()

    with pytest.raises(LeaseLost, match="taken it over"):
        await robbed()
    (row,) = await read(db)
    assert row.holder == "thief"


async def test_a_lease_is_renewed_for_as_long_as_the_body_runs(db: Database) -> None:
    async with leaser(db, "first", ttl=timedelta(seconds=0.6)).hold("sync") as lease:
        (before,) = await read(db)
        await until(lambda: not lease.lost and lease.remaining() < 0.4)

        async def is_renewed() -> bool:
            return (await read(db))[0].expires_at > before.expires_at

        await eventually(is_renewed)
        assert (await read(db))[0].term == lease.term


async def test_a_body_leaves_its_own_exception_unwrapped(db: Database) -> None:
    async def fail() -> None:
        async with leaser(db, "first").hold("sync"):
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert await read(db) == []


async def test_a_cancelled_body_gives_the_lease_back(db: Database) -> None:
    with anyio.move_on_after(0.1) as scope:
        async with leaser(db, "first").hold("sync"):
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert await read(db) == []


async def test_a_lease_is_not_trusted_longer_than_its_window(db: Database) -> None:
    clock = FakeClock()
    lease = await leaser(db, "first", clock=clock).take("sync")
    assert isinstance(lease, Lease)
    clock.seconds = 26.9
    await fenced(db, lease)
    clock.seconds = 27.1
    with pytest.raises(LeaseLost, match="could not be renewed"):
        await fenced(db, lease)


class Leaping(Clock):
    """Time that passes between any two looks at the clock."""

    def __init__(self, step: float) -> None:
        self._step, self._seconds = step, 0.0

    def monotonic(self) -> float:
        self._seconds += self._step
        return self._seconds


@pytest.mark.parametrize("step", [0.2, 0.3, 0.4, 0.5])
async def test_a_lease_that_runs_out_while_it_is_looked_at_is_lost(db: Database, step: float) -> None:
    brief = Leaser(db, holder="first", ttl=timedelta(seconds=1), clock=Leaping(step))
    with pytest.raises(LeaseLost, match="could not be renewed"):
        async with brief.hold("sync"):
            await anyio.sleep_forever()


async def test_a_renewal_counts_from_when_it_was_asked_for(db: Database) -> None:
    """The database's answer may take long; its promise began earlier."""
    clock = FakeClock()
    mine = leaser(db, "first", clock=clock)
    lease = await mine.take("sync")
    assert isinstance(lease, Lease)
    clock.seconds = 10.0
    await mine.renew(lease)
    assert lease.remaining() == pytest.approx(27.0)


async def test_an_outage_within_the_window_is_survived(db: Database, database_url: str) -> None:
    own = await Database.connect(database_url, pool_size=1, application_name="leases")
    async with leaser(own, "first", ttl=timedelta(seconds=3)).hold("sync") as lease:
        before = lease.remaining()
        await db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'leases'"
        )
        await until(lambda: lease.remaining() < before - 0.9)
        await until(lambda: lease.remaining() > before - 0.9)
        assert not lease.lost
    await own.close()


async def test_an_outage_beyond_the_window_cancels_the_body(database_url: str) -> None:
    own = await Database.connect(database_url, pool_size=1)

    async def cut_off() -> None:
        async with leaser(own, "first", ttl=timedelta(seconds=0.5)).hold("sync"):
            await own.close()
            await anyio.sleep_forever()

    with pytest.raises(LeaseLost, match="could not be renewed"):
        await cut_off()
