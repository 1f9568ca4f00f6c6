"""Random histories: whatever is written, batched, restarted, killed or not heard, each event is told once.

Short by default; PCD_SOAK=1 looks longer.
"""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from support.detecting import AROUND, upsert, watch
from support.expecting import MODELLED, Model, Told

from pcd.clock import Clock
from pcd.db.leases import Lease, Leaser
from pcd.db.pool import Database
from pcd.errors import StoreError
from pcd.events.channels import Channels
from pcd.events.recorder import Recorder, Settings
from pcd.events.replayer import Request
from pcd.events.rules import RULES
from pcd.tables import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from pcd.db.pool import Connection

LONG = bool(os.environ.get("PCD_SOAK_ROUNDS"))
EXAMPLES, STEPS = (400, 60) if LONG else (15, 30)
TODAY = datetime.now(UTC).date()

IDS = st.integers(1, 3)
UNITS = st.sampled_from((None, 1, 2, 3))
MONEY = st.sampled_from((None, Decimal(-5), Decimal(0), Decimal(80), Decimal("1250.50")))
ESTIMATES = st.fixed_dictionaries(
    {"status": st.sampled_from((None, "Maybe", "Open", "Sold", "Sold", "Dismissed")), "total": MONEY}
)
JOBS = st.fixed_dictionaries(
    {
        "job_status": st.sampled_from((None, "Lost", "Scheduled", "Completed", "Canceled")),
        "business_unit_id": UNITS,
    }
)
INVOICES = st.fixed_dictionaries(
    {
        "status": st.sampled_from((None, "Posted", "Posted", "Exported")),
        "total": st.sampled_from((None, Decimal(-5), Decimal(80), Decimal(80))),
        "balance": MONEY,
        "due_date": st.sampled_from((None, TODAY - timedelta(9), TODAY - timedelta(3), TODAY + timedelta(9))),
        "active": st.booleans(),
    }
)
STATES = {"estimates": ESTIMATES, "jobs": JOBS, "invoices": INVOICES}
WRITES = st.one_of(
    *(st.tuples(st.just(name), IDS, states) for name, states in STATES.items()),
    st.tuples(st.sampled_from(sorted(STATES)), IDS, st.none()),
)
NAMES = {1: "Service", 2: "Pool Install", 3: "New Installs"}


class Crash(Exception):
    """The process ends here."""


class Fragile(Recorder):
    """A recorder that ends at a chosen place: before it commits, or just afterwards."""

    place = ""

    async def _take(self, connection: Connection, write: Any) -> Any:  # noqa: ANN401 - the parent's own types
        done = await super()._take(connection, write)
        if self.place == "before the commit":
            raise Crash
        if self.place == "backend terminated":
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return done

    def _tell(self, recorded: Any, changes: Any) -> None:  # noqa: ANN401 - the parent's own types
        if self.place == "after the commit":
            raise Crash
        super()._tell(recorded, changes)


class History(RuleBasedStateMachine):
    """Writers, a recorder, and a model that watches the writers only."""

    database_url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self.model = Model()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - whatever *work* returns
        """Carry out *work*."""
        return self.runner.run(work)

    @initialize()
    def begin(self) -> None:
        """Empty the database and begin to watch it."""
        self.do(self._begin())

    async def _begin(self) -> None:
        self.db = await Database.connect(self.database_url, pool_size=4)
        tables = ", ".join(f"servicetitan.st_{name}" for name in (*STATES, "business_units"))
        await self.db.execute(f"TRUNCATE {tables}")
        await watch(self.db)
        await self.db.execute(
            "TRUNCATE pcd.outbox, pcd.change_log, pcd.departed, pcd.due, pcd.parked, pcd.halted_rules, "
            "pcd.incomplete_events, automation.events, automation.event_keys, pcd.leases"
        )
        self.lease: Lease = await self._lease()
        self.recorder = await self._recorder()

    async def _lease(self) -> Lease:
        leaser = Leaser(self.db, holder="test", ttl=timedelta(hours=1), clock=Clock())
        lease = await leaser.take("events")
        assert isinstance(lease, Lease)
        return lease

    async def _recorder(self, *, batch: int = 5000, place: str = "") -> Recorder:
        recorder = Fragile(
            self.db,
            lease=self.lease,
            settings=Settings(surroundings=AROUND, batch=batch),
            channels=Channels(),
            clock=Clock(),
        )
        recorder.place = place
        await recorder.prepare()
        return recorder

    @rule(writes=st.lists(WRITES, min_size=1, max_size=4))
    def write(self, writes: list[tuple[str, int, Mapping[str, Any] | None]]) -> None:
        """Write some rows in one transaction, some of them perhaps twice."""
        self.do(self._write(writes))
        for (resource, st_id), state in {(name, key): state for name, key, state in writes}.items():
            self.model.commit(resource, st_id, state)

    async def _write(self, writes: list[tuple[str, int, Mapping[str, Any] | None]]) -> None:
        async with self.db.transaction() as connection:
            for resource, st_id, state in writes:
                await _send(connection, resource, st_id, state)

    @rule(first=WRITES, second=WRITES)
    def overlap(self, first: tuple[str, int, Any], second: tuple[str, int, Any]) -> None:
        """Let a slow transaction commit after a fast one that began later, and a recorder look in between."""
        if first[:2] != second[:2]:
            self.do(self._overlap(first, second))
            for resource, st_id, state in (second, first):
                self.model.commit(resource, st_id, state)

    async def _overlap(self, first: tuple[str, int, Any], second: tuple[str, int, Any]) -> None:
        async with self.db.transaction() as slow:
            await _send(slow, *first)
            async with self.db.transaction() as fast:
                await _send(fast, *second)
            await self.recorder.drain()

    @rule(resource=st.sampled_from(sorted(STATES)), together=st.booleans())
    def reload(self, resource: str, together: bool) -> None:
        """Empty a table and fill it with the same rows, in one transaction or in two."""
        self.do(self._reload(f"servicetitan.{RESOURCES[resource].table}", together=together))

    async def _reload(self, table: str, *, together: bool) -> None:
        await self.db.execute(f"CREATE TABLE kept AS TABLE {table}")
        if together:
            async with self.db.transaction() as connection:
                await connection.execute(f"TRUNCATE {table}")
                await connection.execute(f"INSERT INTO {table} SELECT * FROM kept")
        else:
            await self.db.execute(f"DELETE FROM {table}")
            await self.recorder.drain()
            await self.db.execute(f"INSERT INTO {table} SELECT * FROM kept")
        await self.db.execute("DROP TABLE kept")

    @rule(unit=st.integers(1, 3))
    def unit_arrives(self, unit: int) -> None:
        """A business unit comes after its jobs, or before them; it keeps its name."""
        self.do(self._write([("business_units", unit, {"name": NAMES[unit]})]))
        self.model.commit("business_units", unit, {"name": NAMES[unit]})

    @rule(batch=st.sampled_from((1, 2, 3, 5000)))
    def record(self, batch: int) -> None:
        """Let a fresh recorder work through what waits, in batches of any size."""
        self.recorder = self.do(self._recorder(batch=batch))
        self.do(self.recorder.drain())

    @rule(place=st.sampled_from(("before the commit", "after the commit", "backend terminated")))
    def crash(self, place: str) -> None:
        """Let a recorder end in the middle of its work; a new one takes over."""
        self.do(self._crash(place))

    async def _crash(self, place: str) -> None:
        try:
            recorder = await self._recorder(batch=2, place=place)
            await recorder.drain()
        except (Crash, StoreError):
            self.recorder = await self._recorder()

    @rule()
    def retry(self) -> None:
        """Judge parked rows again; nothing about them has changed."""
        self.do(self.recorder.retry())

    @rule()
    def replay(self) -> None:
        """Derive everything again."""
        self.do(self._replay())

    async def _replay(self) -> None:
        await self.recorder.drain()
        # A replay knows all units, also those that came when the job had been deleted.
        types = tuple(name for name in RULES if name != "install_job_created")
        since = datetime.now(UTC) - timedelta(days=1)
        result = await self.recorder.replay(Request(since=since, types=types))
        assert not result.events

    @invariant()
    def told(self) -> None:
        """Nothing is told that the model does not expect, and nothing out of order."""
        if hasattr(self, "db"):
            told = self.do(self._told())
            for entity, events in told.items():
                expected = self.model.events[entity]
                assert set(events) <= set(expected), entity
                assert in_order(events) == in_order(expected)[: len(in_order(events))], entity

    def teardown(self) -> None:
        """Let the fallback poll find what nobody was woken for; then all is told."""
        if hasattr(self, "db"):
            self.do(self.recorder.drain())
            told = self.do(self._told())
            self.do(self.db.close())
            self.runner.close()
            assert {entity: sorted(events) for entity, events in told.items()} == {
                entity: sorted(events) for entity, events in self.model.events.items() if events
            }
            assert all(in_order(told[entity]) == in_order(self.model.events[entity]) for entity in told)

    async def _told(self) -> dict[tuple[str, int], list[Told]]:
        rows = await self.db.fetch(
            "SELECT type, ordinal, entity_type, entity_id FROM automation.events "
            "WHERE type = ANY($1) ORDER BY sequence",
            MODELLED,
        )
        told = defaultdict(list)
        for row in rows:
            told[row["entity_type"], row["entity_id"]].append(Told(row["type"], row["ordinal"]))
        return dict(told)


def in_order(events: list[Told]) -> list[Told]:
    """Return the events whose order is certain.

    A recorder that starts reads all units, also one whose arrival it has not come to yet.
    """
    return [event for event in events if event.type != "install_job_created"]


async def _send(connection: Connection, resource: str, st_id: int, state: Mapping[str, Any] | None) -> None:
    if state is None:
        table = f"servicetitan.{RESOURCES[resource].table}"
        await connection.execute(f"DELETE FROM {table} WHERE st_id = $1", st_id)
    else:
        await connection.execute(*upsert(resource, st_id, **state))


@pytest.mark.timeout(7200 if LONG else 300)
def test_events_of_any_history_are_those_of_the_model(database_url: str) -> None:
    """Each once, in order for each entity, whatever happens to the recorder."""

    class Here(History):
        pass

    Here.database_url = database_url
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
