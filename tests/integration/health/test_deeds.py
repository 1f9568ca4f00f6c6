"""What the remedies do to real services, a real lease and real rows."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import anyio
import pytest

from pcd.clock import Clock
from pcd.db.leases import Leaser
from pcd.errors import ControlError, LeaseLost, PcdError
from pcd.health.deeds import UNTOUCHABLE, Deeds, SyncHands
from pcd.restart import RestartPolicy
from pcd.supervisor import State, Supervisor
from pcd.workflows.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import TaskStatus

    from pcd.db.leases import Lease
    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio
SECOND = timedelta(seconds=1)


class Sick:
    """A service that breaks as long as *ill* says so, and counts its starts."""

    def __init__(self, name: str, *, ill: int = 0) -> None:
        self.name = name
        self.ill = ill
        self.starts = 0

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        self.starts += 1
        if self.starts <= self.ill:
            raise PcdError("does not start")
        task_status.started()
        await anyio.sleep_forever()


@asynccontextmanager
async def supervised(*services: Sick) -> AsyncIterator[Supervisor]:
    patient = RestartPolicy(first=timedelta(milliseconds=1), limit=2, humane=timedelta(hours=1))
    supervisor = Supervisor(Clock(), policy=patient)
    for service in services:
        supervisor.add(service)
    stop = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(supervisor.run, stop)
        yield supervisor
        stop.set()


@dataclass(slots=True)
class Hands:
    """A sync as the remedy sees it."""

    still: float | None = None
    is_open: bool = True
    opened: anyio.Event = field(default_factory=anyio.Event)
    syncs: int = 0

    def hands(self) -> SyncHands:
        return SyncHands(
            still_for=lambda: self.still,
            is_open=lambda: self.is_open,
            wait_open=self.opened.wait,
            sync=self.sync,
        )

    async def sync(self) -> str:
        self.syncs += 1
        return "completed"


def deeds(supervisor: Supervisor, db: Database, hands: Hands | None = None) -> Deeds:
    return Deeds(
        supervisor=supervisor,
        db=lambda: db,
        workflows=lambda: Store(db, holder="test", lease=SECOND, clock=Clock()),
        sync=(hands or Hands()).hands(),
        holder="taken away",
        stalled_after=lambda: timedelta(minutes=30),
    )


async def test_degraded_service_is_restarted_and_waited_for(db: Database) -> None:
    sick, well = Sick("events", ill=2), Sick("web")
    async with supervised(sick, well) as supervisor:
        await supervisor.wait_for("events", State.DEGRADED)
        with anyio.fail_after(20):
            assert await deeds(supervisor, db).restart_service("events") == "events restarted"
        assert (sick.starts, well.starts) == (3, 1)
        assert supervisor.state("events") is State.RUNNING


@pytest.mark.parametrize("name", ["control", "database", "healer", "nobody"])
async def test_what_heals_and_what_is_not_there_is_left_alone(db: Database, name: str) -> None:
    services = [Sick(each) for each in ("control", "database", "healer")]
    async with supervised(*services) as supervisor:
        with pytest.raises(ControlError, match="is not restarted by itself"):
            await deeds(supervisor, db).restart_service(name)
        for service in services:
            await supervisor.wait_for(service.name, State.RUNNING)
    assert [service.starts for service in services] == [1, 1, 1]
    assert name in {*UNTOUCHABLE, "nobody"}


async def test_what_a_person_paused_stays_paused(db: Database) -> None:
    async with supervised(Sick("events")) as supervisor:
        await supervisor.wait_for("events", State.RUNNING)
        supervisor.pause("events", reason="a person")
        await supervisor.wait_for("events", State.PAUSED)
        with pytest.raises(ControlError):
            await deeds(supervisor, db).restart_service("events")
        assert supervisor.state("events") is State.PAUSED


async def test_sync_that_reads_records_is_left_alone(db: Database) -> None:
    hands = Hands(still=60)
    async with supervised() as supervisor:
        with pytest.raises(ControlError, match="reads records"):
            await deeds(supervisor, db, hands).resync("sync")
    assert hands.syncs == 0


async def test_idle_sync_is_only_asked_for(db: Database) -> None:
    hands = Hands()
    async with supervised() as supervisor:
        assert await deeds(supervisor, db, hands).resync("sync") == "sync completed"
    assert hands.syncs == 1


async def test_stuck_sync_is_cut_off_fenced_and_started_over(db: Database) -> None:
    leaser = Leaser(db, holder="stuck", ttl=SECOND, clock=Clock())
    hands = Hands(still=3600)
    async with supervised() as supervisor, anyio.create_task_group() as group:
        held = anyio.Event()
        leases: list[Lease] = []

        async def be_stuck() -> None:
            with suppress(LeaseLost):
                async with leaser.hold("sync") as lease:
                    leases.append(lease)
                    held.set()
                    await anyio.sleep_forever()
            hands.still = None
            hands.opened.set()

        group.start_soon(be_stuck)
        await held.wait()
        with anyio.fail_after(10):
            told = await deeds(supervisor, db, hands).resync("sync")
        group.cancel_scope.cancel()
    async with db.transaction() as connection:
        with pytest.raises(LeaseLost):
            await leases[0].fence(connection)
    assert told == "the holder was cut off; sync completed"
    assert hands.syncs == 1


async def test_steps_of_a_dead_holder_are_taken_back(db: Database) -> None:
    insert = (
        "INSERT INTO automation.workflow_instances (entity_type, entity_id, customer_id, status, "
        "workflow_name, workflow_version, event_id, due_at, lease_until, holder, starts_allowed) "
        "VALUES ('job', 1, 1, 'active', 'w', 'v', $1, now() - interval '2 h', "
        "now() - interval '1 h', 'dead', 5)"
    )
    for _ in range(3):
        await db.execute(insert, uuid4())
    runner = Sick("workflows")
    async with supervised(runner) as supervisor:
        await supervisor.wait_for("workflows", State.RUNNING)
        told = await deeds(supervisor, db).reclaim_workflows("workflows")
        with anyio.fail_after(20):
            while runner.starts < 2:  # noqa: ASYNC110 - no event tells
                await anyio.sleep(0.01)
    rows: list[Any] = await db.fetch("SELECT holder, lease_until, rescues FROM automation.workflow_instances")
    assert told == "3 steps taken back; restarted: workflows"
    assert {(row["holder"], row["lease_until"], row["rescues"]) for row in rows} == {(None, None, 1)}
