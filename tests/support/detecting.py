"""A watched mirror without a ServiceTitan: rows are written by SQL, and the recorder says what they mean."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from pcd.changes.armer import arm
from pcd.clock import Clock
from pcd.db.leases import Leaser
from pcd.events.channels import Channels
from pcd.events.event import Surroundings
from pcd.events.recorder import Recorder, Settings
from pcd.events.rules import RULES
from pcd.tables import RESOURCES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from pcd.db.leases import Lease
    from pcd.db.pool import Database
    from pcd.events.event import EventRule, Follower

AROUND = Surroundings(install_names=("Install",))


@dataclass(slots=True)
class Detection:
    """A recorder at work on *db*."""

    db: Database
    lease: Lease
    recorder: Recorder
    channels: Channels
    settings: Settings = field(default_factory=Settings)

    async def write(self, resource: str, st_id: int, **columns: object) -> None:
        """Insert or update one row of *resource*, in a transaction of its own."""
        await self.db.execute(*upsert(resource, st_id, **columns))

    async def events(self, *types: str) -> list[dict[str, Any]]:
        """Let the recorder work and return all events so far, or those of *types*, in order."""
        await self.recorder.drain()
        rows = await self.db.fetch(
            "SELECT *, payload::text AS text FROM automation.events "
            "WHERE cardinality($1::text[]) = 0 OR type = ANY($1) ORDER BY sequence",
            list(types),
        )
        return [{**dict(row), "payload": orjson.loads(row["text"])} for row in rows]

    async def types(self) -> list[str]:
        """Let the recorder work and return the types of all events so far, in order."""
        return [event["type"] for event in await self.events()]


def upsert(resource: str, st_id: int, **columns: object) -> tuple[Any, ...]:
    """Return a statement and its arguments that write one row."""
    table = f"servicetitan.{RESOURCES[resource].table}"
    names, values = list(columns), list(columns.values())
    marks = [f"${position}" for position in range(2, len(names) + 2)]
    updates = ", ".join(f"{name} = excluded.{name}" for name in (*names, "full_data"))
    sql = (
        f"INSERT INTO {table} (st_id, tenant_id, full_data{''.join(f', {name}' for name in names)}) "
        f"VALUES ($1, 1000, '{{}}'{''.join(f', {mark}' for mark in marks)}) "
        f"ON CONFLICT (st_id) DO UPDATE SET {updates}"
    )
    return (sql, st_id, *values)


async def watch(db: Database, *, since: datetime | None = None) -> None:
    """Let every table be watched, as if its first load had begun at *since* and ended."""
    await db.execute(
        "INSERT INTO pcd.cursors (resource, first_load_started_at, first_load_completed_at) "
        "SELECT unnest($1::text[]), $2, $2 ON CONFLICT (resource) DO UPDATE "
        "SET first_load_started_at = $2, first_load_completed_at = $2",
        list(RESOURCES),
        since or datetime.now(UTC),
    )
    await db.execute("UPDATE pcd.capture_switch SET changed_at = '-infinity'")
    await arm(db, RESOURCES.values())


@asynccontextmanager
async def detecting(
    db: Database,
    *,
    settings: Settings | None = None,
    rules: Mapping[str, EventRule] = RULES,
    watched: bool = True,
    follower: Follower | None = None,
) -> AsyncIterator[Detection]:
    """Watch the mirror and yield a recorder that is ready."""
    if watched:
        await watch(db)
    clock, channels = Clock(), Channels()
    settings = settings or Settings(surroundings=AROUND)
    leaser = Leaser(db, holder="test", ttl=timedelta(seconds=30), clock=clock)
    async with leaser.hold("events", wait=timedelta(seconds=5)) as lease:
        recorder = Recorder(
            db,
            lease=lease,
            settings=settings,
            channels=channels,
            clock=clock,
            rules=rules,
            follower=follower,
        )
        await recorder.prepare()
        yield Detection(db, lease, recorder, channels, settings)
