"""Notifications that are lost in every way there is, and found missing."""

from __future__ import annotations

import logging
import os
import signal
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.jobs import INSERT, seen
from support.proxy import Proxy

from pcd.changes.listener import Listener, ListenState, Rhythm
from pcd.clock import Clock
from pcd.db.embedded import Embedded
from pcd.db.pool import Database
from pcd.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

pytestmark = pytest.mark.asyncio

LISTENING, POLLING = ListenState.LISTENING, ListenState.POLLING
HOURS = timedelta(hours=5)
QUICK = Rhythm(
    canary=timedelta(milliseconds=50),
    lost_after=timedelta(milliseconds=500),
    poll=timedelta(milliseconds=50),
    retry=timedelta(milliseconds=50),
)
PID = """SELECT pid FROM pg_stat_activity
WHERE application_name = 'pcd listener' AND datname = current_database()"""


class Ear:
    """A listener that runs, and what it woke."""

    def __init__(self, url: str, *, poll: timedelta, rhythm: Rhythm) -> None:
        self._metrics = Metrics()
        self._woken = anyio.Event()
        self.listener = Listener(
            url, poll_interval=poll, clock=Clock(), on_wake=self._wake, metrics=self._metrics, rhythm=rhythm
        )

    def wakes(self, reason: str) -> float:
        """Return how often the listener woke somebody for *reason*."""
        return self.number("pcd_wakes_total", reason=reason)

    def number(self, name: str, **labels: str) -> float:
        """Return a metric."""
        families = text_string_to_metric_families(self._metrics.render().decode())
        samples = (sample for family in families for sample in family.samples)
        return next((each.value for each in samples if (each.name, each.labels) == (name, labels)), 0.0)

    async def wake(self, reason: str, number: float = 1) -> None:
        """Wait until the listener has woken somebody *number* times for *reason*."""
        with anyio.fail_after(30):
            while self.wakes(reason) < number:
                await self._woken.wait()

    async def reach(self, state: ListenState) -> None:
        """Wait for *state*."""
        with anyio.fail_after(30):
            await self.listener.wait_for(state)

    def _wake(self) -> None:
        self._woken.set()
        self._woken = anyio.Event()


@asynccontextmanager
async def listening(url: str, *, poll: timedelta = HOURS, rhythm: Rhythm = QUICK) -> AsyncIterator[Ear]:
    """Run a listener at *url* and wait until it listens."""
    ear = Ear(url, poll=poll, rhythm=rhythm)
    async with anyio.create_task_group() as group:
        await group.start(lambda *, task_status: ear.listener.run(task_status=task_status))
        await ear.reach(LISTENING)
        yield ear
        group.cancel_scope.cancel()


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stop the process *pid* for the length of the block."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_a_committed_change_wakes_at_once(watched: Database) -> None:
    async with listening(watched.url, rhythm=Rhythm()) as ear:
        await watched.execute(INSERT, 1, "Scheduled")
        await ear.wake("notification")
        assert await seen(watched) == [(1, "I", None, "Scheduled")]


async def test_a_transaction_wakes_once_whatever_it_writes(watched: Database) -> None:
    async with listening(watched.url, rhythm=Rhythm()) as ear:
        async with watched.transaction() as connection:
            for st_id in range(100):
                await connection.execute(INSERT, st_id, "Scheduled")
        await watched.execute("SELECT pg_notify('pcd_changes', 'the last one')")
        await ear.wake("notification", 2)
        assert ear.wakes("notification") == 2


async def test_what_nobody_heard_is_found_after_listening_again(watched: Database) -> None:
    """What is notified while nobody listens is gone for good."""
    async with Proxy(watched.url).serve() as proxy, listening(proxy.url, rhythm=Rhythm(poll=HOURS)) as ear:
        await ear.wake("connected")
        await proxy.cut()
        await ear.reach(POLLING)
        await watched.execute(INSERT, 1, "Scheduled")
        proxy.mend()
        await ear.wake("connected", 2)
        assert ear.wakes("notification") == 0
        assert await seen(watched) == [(1, "I", None, "Scheduled")]


async def test_a_terminated_backend_is_replaced(watched: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="pcd.changes")
    async with listening(watched.url, rhythm=Rhythm()) as ear:
        await watched.execute(f"SELECT pg_terminate_backend(pid) FROM ({PID}) AS ours")
        await ear.reach(POLLING)
        await ear.reach(LISTENING)
        await watched.execute(INSERT, 1, "Scheduled")
        await ear.wake("notification")
    lost, found = [record.getMessage() for record in caplog.records if "notifications" in record.msg]
    assert "closed the connection" in lost
    assert "arrive again" in found


async def test_a_frozen_backend_is_noticed_and_replaced(watched: Database) -> None:
    """Nothing fires: only the canary tells. Closing such a connection needs a bound of its own."""
    if "host=" not in watched.url:
        pytest.skip("only a server of our own is frozen")
    async with listening(watched.url) as ear:
        with frozen(await watched.fetchval(PID)):
            await ear.reach(POLLING)
            await ear.reach(LISTENING)
            assert ear.number("pcd_notifications_lost_total") == 1
            await watched.execute(INSERT, 1, "Scheduled")
            await ear.wake("notification")


async def test_a_half_open_connection_is_noticed_and_polled_around(
    watched: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """Logged once when it goes and once when it is back, however often it is tried meanwhile."""
    caplog.set_level(logging.INFO, logger="pcd.changes")
    async with Proxy(watched.url).serve() as proxy, listening(proxy.url) as ear:
        proxy.lose()
        await ear.reach(POLLING)
        await ear.wake("poll", ear.wakes("poll") + 20)
        assert ear.number("pcd_listening") == 0
        proxy.find()
        await ear.reach(LISTENING)
        assert ear.number("pcd_listening") == 1
    assert len([record for record in caplog.records if "notifications" in record.msg]) == 2


async def test_the_fallback_poll_goes_on_while_notifications_arrive(watched: Database) -> None:
    """And is not a query of the listener's: on the wire there is nothing but the canary."""
    async with (
        Proxy(watched.url).serve() as proxy,
        listening(proxy.url, poll=timedelta(milliseconds=20), rhythm=Rhythm(canary=HOURS)) as ear,
    ):
        await ear.wake("poll", ear.wakes("poll") + 1)
        passed = proxy.passed
        await ear.wake("poll", ear.wakes("poll") + 10)
        assert proxy.passed == passed
        assert ear.listener.state is LISTENING


async def test_the_canary_is_measured(watched: Database) -> None:
    async with listening(watched.url, poll=timedelta(milliseconds=20)) as ear:
        while ear.number("pcd_notification_round_trip_seconds_count") < 3:
            await ear.wake("poll", ear.wakes("poll") + 1)
        hearing = ear.listener.describe()
        assert hearing.round_trip is not None
        assert 0 < hearing.round_trip < 0.5
        assert hearing.lost == 0


@pytest.mark.timeout(120)
async def test_a_restarted_server_is_listened_to_again(short_dir: Path) -> None:
    embedded = Embedded(short_dir / "restarted", settings={"fsync": "off"})
    async with embedded.use(owner=True) as url:
        ear = Ear(url, poll=HOURS, rhythm=QUICK)
    async with anyio.create_task_group() as group:
        await group.start(lambda *, task_status: ear.listener.run(task_status=task_status))
        for round_number in (1, 2):
            async with embedded.use(owner=True) as url:
                await ear.reach(LISTENING)
                db = await Database.connect(url, pool_size=1)
                await db.execute("SELECT pg_notify('pcd_changes', '')")
                await db.close()
                await ear.wake("notification", round_number)
            await ear.reach(POLLING)
        group.cancel_scope.cancel()
