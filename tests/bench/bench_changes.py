"""What capturing every change costs the writer."""

from __future__ import annotations

from datetime import UTC, datetime
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

import msgspec

from bench.database import database
from bench.result import Result
from pcd.changes.armer import arm
from pcd.changes.capture import TRIGGERS
from pcd.clock import Clock
from pcd.sim.clock import SimClock
from pcd.sim.company import bulk
from pcd.sim.store import Store
from pcd.sync.retrier import Retrier
from pcd.sync.workshop import Workshop
from pcd.tables import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pcd.db.pool import Database
    from pcd.sync.batch import Batch
    from pcd.sync.writer import Writer

NOW = datetime(2026, 3, 2, tzinfo=UTC)
JOBS = RESOURCES["jobs"]
TABLE = f"servicetitan.{JOBS.table}"
STATEMENT = 1_000
STATEMENTS = 5
ROUNDS = 8
GOAL = 0.4
LOADED = """INSERT INTO pcd.cursors (resource, first_load_started_at, first_load_completed_at)
SELECT unnest($1::text[]), now(), now()"""
UPDATE = f"""UPDATE {TABLE}
SET job_status = CASE job_status WHEN 'Hold' THEN 'Scheduled' ELSE 'Hold' END
WHERE st_id IN (SELECT st_id FROM {TABLE} ORDER BY st_id LIMIT $1 OFFSET $2)"""


class Race:
    """Times statements with and without capture, in turn, so that both meet the same machine."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._is_on = True
        self._seconds: dict[str, dict[bool, list[float]]] = {}

    async def start(self, *, is_on: bool) -> None:
        """Empty the tables and switch capture."""
        await self._db.execute(f"TRUNCATE {TABLE}")
        await self._db.execute("TRUNCATE pcd.outbox")
        for name in TRIGGERS:
            word = "ENABLE" if is_on else "DISABLE"
            await self._db.execute(f"ALTER TABLE {TABLE} {word} TRIGGER {name}")
        await self._db.execute("CHECKPOINT")
        self._is_on = is_on

    async def run(self, what: str, work: Callable[[int], Awaitable[object]]) -> None:
        """Time statements number 0 to 4 of *work*."""
        rounds = self._seconds.setdefault(what, {True: [], False: []})
        for number in range(STATEMENTS):
            started = perf_counter()
            await work(number)
            rounds[self._is_on].append(perf_counter() - started)

    def results(self) -> list[Result]:
        """Return a line for each kind of statement."""
        return [_result(what, seconds) for what, seconds in self._seconds.items()]


async def measure(admin: str) -> list[Result]:
    """Return how much slower statements of 1,000 rows are when they are captured."""
    async with database(admin, "bench_changes") as db:
        await db.execute(LOADED, list(RESOURCES))
        await arm(db, RESOURCES.values())
        writer = await Workshop(Retrier(db, clock=Clock()), tenant_id=1000).writer(JOBS)
        new, other = [await _batches(writer, status) for status in ("Scheduled", "Hold")]
        race = Race(db)
        for number in range(2 * ROUNDS):
            await race.start(is_on=number % 2 == 0)
            await race.run("sync writes new rows", lambda at: _store(db, writer, new[at]))
            await race.run("sync writes changed rows", lambda at: _store(db, writer, other[at]))
            await race.run("one UPDATE of one column", lambda at: _update(db, at))
        return race.results()


async def _update(db: Database, number: int) -> None:
    await db.execute(UPDATE, STATEMENT, number * STATEMENT)


async def _store(db: Database, writer: Writer, batch: Batch) -> None:
    async with db.transaction() as connection:
        await writer.store(connection, batch, as_of=NOW)


async def _batches(writer: Writer, status: str) -> list[Batch]:
    """Return 5,000 jobs in batches of 1,000, all in one *status*."""
    store = Store(clock=SimClock(NOW, speed=0.0))
    bulk(store, JOBS.name, STATEMENT * STATEMENTS, seed=1, now=NOW)
    records = [_with_status(row.body, status) for row in store[JOBS.name].rows()]
    return [
        await writer.prepare(records[start : start + STATEMENT])
        for start in range(0, len(records), STATEMENT)
    ]


def _with_status(body: bytes, status: str) -> msgspec.Raw:
    record = msgspec.json.decode(body)
    return msgspec.Raw(msgspec.json.encode({**record, "jobStatus": status}))


def _result(what: str, seconds: dict[bool, list[float]]) -> Result:
    plain, captured = (STATEMENT / median(seconds[on]) for on in (False, True))
    cost = 1 - captured / plain
    return Result(
        what=f"capture: {what}",
        ours=f"{captured:,.0f} rows/s",
        against=f"without capture: {plain:,.0f} rows/s",
        ratio=f"{cost:.0%} lost",
        goal=f"<= {GOAL:.0%}",
        holds=cost <= GOAL,
    )
