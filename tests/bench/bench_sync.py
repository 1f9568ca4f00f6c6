"""How fast pages of records are written, compared with what PostgreSQL can do and with the old way."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast

import msgspec
import orjson

from bench.database import database
from bench.result import Result, rate
from pcd.clock import Clock
from pcd.db.leases import Leaser
from pcd.servicetitan.client import Answer
from pcd.servicetitan.decode import ExportPage
from pcd.sim.clock import SimClock
from pcd.sim.company import bulk
from pcd.sim.store import Store
from pcd.sync.plan import Cursor, Drain
from pcd.sync.puller import Job, Puller
from pcd.sync.retrier import Retrier
from pcd.sync.workshop import Workshop
from pcd.tables import RESOURCES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import asyncpg

    from pcd.db.leases import Lease
    from pcd.db.pool import Database
    from pcd.servicetitan.client import ServiceTitan

RECORDS = 20_000
PAGE = 5_000
OLD_WAY = 1_000
ROUNDS = 3
NOW = datetime(2026, 3, 2, tzinfo=UTC)
JOBS = RESOURCES["jobs"]
TABLE = f"servicetitan.{JOBS.table}"


class Memory:
    """Serves pages that are in memory and decoded already, as ServiceTitan's client would."""

    def __init__(self, records: list[bytes]) -> None:
        self._pages = [
            ExportPage(
                has_more=end < len(records),
                continue_from=str(end),
                records=[msgspec.Raw(record) for record in records[end - PAGE : end]],
            )
            for end in range(PAGE, len(records) + 1, PAGE)
        ]

    async def get_page(
        self, _path: str, params: dict[str, str], _decode: object, *, scope: str
    ) -> tuple[ExportPage, Answer]:
        """Return the page behind the token, whatever the *scope*."""
        return self._pages[int(params.get("from", "0")) // PAGE], Answer(body=b"", requested_at=NOW)


async def measure(admin: str) -> list[Result]:
    """Return the ratios of writing, comparing and rewriting 20,000 job records."""
    bodies = _bodies()
    async with database(admin, "bench_sync") as db, _lease(db) as lease:
        store = Retrier(db, clock=Clock())
        writer = await Workshop(store, tenant_id=1000).writer(JOBS)
        puller = Puller(store, cast("ServiceTitan", Memory(bodies)), lookback=timedelta())
        job = Job(
            resource=JOBS, cursor=Cursor(), sink=writer, lease=lease, origin="bench", on_page=lambda _: None
        )
        await db.execute(f"CREATE TABLE same (LIKE {TABLE} INCLUDING ALL)")
        await db.execute(f"CREATE TABLE bare (LIKE {TABLE})")
        for table in (TABLE, "same", "bare"):
            # It would begin at a moment of its own, and write what is not ours.
            await db.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")
        ours, same, bare, again, old, wal = [], [], [], [], [], []
        records: list[asyncpg.Record] = []
        for _ in range(ROUNDS):
            await db.execute(f"TRUNCATE {TABLE}")
            ours.append(await _pull(db, puller, job))
            records = records or await db.fetch(f"SELECT * FROM {TABLE}", timeout=timedelta(minutes=2))
            same.append(await _copy(db, "same", records))
            bare.append(await _copy(db, "bare", records))
            # Or the first reader would write the hint bits that the writer left to it.
            await db.execute(f"VACUUM {TABLE}")
            before = await db.fetchval("SELECT pg_current_wal_insert_lsn()")
            again.append(await _pull(db, puller, job))
            wal.append(int(await db.fetchval("SELECT pg_current_wal_insert_lsn() - $1", before)))
            old.append(await _old_way(db, bodies[:OLD_WAY]))
    writing, copying = rate(RECORDS, ours), rate(RECORDS, same)
    comparing, rowwise = rate(RECORDS, again), rate(OLD_WAY, old)
    return [
        _ratio("write new rows", writing, "COPY, same indexes", copying, goal=0.6),
        _ratio("write new rows", writing, "COPY, no index at all", rate(RECORDS, bare)),
        _ratio("sync unchanged rows again", comparing, "writing them", writing, goal=8),
        Result(
            what="WAL of syncing unchanged rows again",
            ours=f"{median(wal):,.0f} bytes",
            against=f"{RECORDS:,} rows",
            ratio="",
            goal="none of rows",
            holds=median(wal) < RECORDS,
        ),
        _ratio("write new rows", writing, "SELECT, then INSERT or UPDATE, a row", rowwise, goal=10),
    ]


@asynccontextmanager
async def _lease(db: Database) -> AsyncIterator[Lease]:
    leaser = Leaser(db, holder="bench", ttl=timedelta(minutes=5), clock=Clock())
    async with leaser.hold("sync") as lease:
        yield lease


async def _pull(db: Database, puller: Puller, job: Job) -> float:
    await db.execute("CHECKPOINT")
    started = perf_counter()
    tally = await puller.pull(job, (Drain(export=True),))
    took = perf_counter() - started
    assert tally.fetched == RECORDS, tally
    return took


def _ratio(what: str, ours: float, against: str, theirs: float, *, goal: float | None = None) -> Result:
    ratio = ours / theirs
    return Result(
        what=what,
        ours=f"{ours:,.0f} rows/s",
        against=f"{against}: {theirs:,.0f} rows/s",
        ratio=f"{ratio:.2f}",
        goal="" if goal is None else f">= {goal:g}",
        holds=None if goal is None else ratio >= goal,
    )


def _bodies() -> list[bytes]:
    store = Store(clock=SimClock(NOW, speed=0.0))
    bulk(store, JOBS.name, RECORDS, seed=1, now=NOW)
    return [row.body for row in store[JOBS.name].rows()]


async def _copy(db: Database, table: str, records: list[asyncpg.Record]) -> float:
    await db.execute(f"TRUNCATE {table}")
    await db.execute("CHECKPOINT")
    async with db.session() as connection:
        started = perf_counter()
        await connection.copy_records_to_table(table, records=map(tuple, records), timeout=120)
        return perf_counter() - started


async def _old_way(db: Database, bodies: list[bytes]) -> float:
    """Write as the old workers did: two statements a row, each its own transaction, one after another."""
    await db.execute("TRUNCATE same")
    started = perf_counter()
    async with db.session() as connection:
        for body in bodies:
            record = orjson.loads(body)
            known = await connection.fetchval("SELECT st_id FROM same WHERE st_id = $1", record["id"])
            await connection.execute(_OLD_UPDATE if known else _OLD_INSERT, *_old_values(record, body))
    return perf_counter() - started


def _old_values(record: dict[str, Any], body: bytes) -> tuple[object, ...]:
    """Return what the old worker wrote of a job, in its order."""
    return (
        record["id"],
        record["customerId"],
        record["locationId"],
        record["businessUnitId"],
        record["jobNumber"],
        record["jobTypeId"],
        record["jobStatus"],
        record["campaignId"],
        record.get("summary"),
        str(record.get("total") or 0),
        record["tagTypeIds"],
        "[]",
        orjson.dumps(record["customFields"]).decode(),
        record["createdOn"],
        record["modifiedOn"],
        body.decode(),
    )


_OLD_COLUMNS = """st_id, customer_id, location_id, business_unit_id, job_number, job_type_id, job_status,
    campaign_id, summary, invoice_total, tag_type_ids, tags, custom_fields, st_created_on, st_modified_on,
    full_data"""
_OLD_VALUES = """$1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::numeric, $11::bigint[], $12::jsonb,
    $13::jsonb, $14::text::timestamptz, $15::text::timestamptz, $16::jsonb"""
_OLD_INSERT = f"INSERT INTO same (tenant_id, {_OLD_COLUMNS}) VALUES (1000, {_OLD_VALUES})"
_OLD_UPDATE = f"UPDATE same SET ({_OLD_COLUMNS}) = ({_OLD_VALUES}) WHERE st_id = $1"
