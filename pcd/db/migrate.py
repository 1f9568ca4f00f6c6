"""Brings a database to the shape that this version of pcd needs; running it again changes nothing.

The order: old tables that stand in the wrong schema move to the promised one, the numbered files run,
the mirrored tables get their missing columns, what rejects real records is relaxed. One process does
it at a time; each step is a transaction that waits only briefly for its locks and tries again, so that
the old system's writers are never queued behind us.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from hashlib import blake2b
from importlib.resources import files
from typing import TYPE_CHECKING

import anyio
import asyncpg

from pcd.db import adopt
from pcd.errors import ConfigError, StoreError
from pcd.tables import RESOURCES, catalogue, ddl

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from datetime import datetime

    from pcd.db.pool import Connection, Database

_LOG = logging.getLogger(__name__)

OLDEST = 150000
_ADVISORY_KEY = int.from_bytes(b"pcd.mig", "big")
_STEP = timedelta(minutes=30)
_LOCK_TIMEOUT_MS = 3000
_LOCK_ATTEMPTS = 20
_LOCK_PAUSE = 0.5

_BOOTSTRAP = """
CREATE SCHEMA IF NOT EXISTS pcd;
CREATE TABLE IF NOT EXISTS pcd.migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
"""

_IS_ATTACHED = "SELECT is_on FROM pcd.capture_switch"

_WHO = """
SELECT a.pid, a.application_name, a.client_addr::text AS address, a.query_start
FROM pg_locks AS l
JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint << 32 | l.objid::bigint) = $1
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered SQL file; once applied anywhere it must never change."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """A digest of the text."""
        return blake2b(self.sql.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Status:
    """One migration and when it was applied here (None: not yet)."""

    number: int
    name: str
    applied_at: datetime | None


def migrations() -> tuple[Migration, ...]:
    """Return every migration of this version, by number, without gaps."""
    found = []
    for entry in files("pcd.db.migrations").iterdir():
        number, separator, name = entry.name.removesuffix(".sql").partition("_")
        if entry.name.endswith(".sql") and separator and number.isdigit():
            found.append(Migration(int(number), name, entry.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError("the migrations are not numbered 1, 2, 3, ...")
    return tuple(found)


async def migrate(
    db: Database,
    *,
    wait: timedelta = timedelta(minutes=2),
    on_step: Callable[[str], None] = _LOG.info,
) -> int:
    """Bring the database up to date and return how many steps that took, 0 when it was.

    *on_step* is told each step, and who is waited for. Raises ConfigError for a server that is too
    old or a database that a newer or altered pcd migrated, StoreError when another migration holds
    on for longer than *wait*.
    """
    async with db.session() as connection:
        check_version(int(await connection.fetchval("SELECT current_setting('server_version_num')")))
        async with alone(connection, wait=wait, on_step=on_step):
            await connection.execute(f"SET statement_timeout = {int(_STEP.total_seconds() * 1000)}")
            await connection.execute(_BOOTSTRAP)
            steps = await _adopt(connection, on_step)
            steps += await _apply_files(connection, on_step)
            return steps + await _shape(connection, on_step)


async def status(db: Database) -> list[Status]:
    """Return each migration of this version and when it was applied; changes nothing."""
    exists = await db.fetchval("SELECT to_regclass('pcd.migrations') IS NOT NULL")
    rows = await db.fetch("SELECT number, applied_at FROM pcd.migrations") if exists else []
    applied = {row["number"]: row["applied_at"] for row in rows}
    return [Status(each.number, each.name, applied.get(each.number)) for each in migrations()]


def check_version(number: int) -> None:
    """Raise ConfigError when *number*, the server's ``server_version_num``, is older than PostgreSQL 15."""
    if number < OLDEST:
        raise ConfigError(
            f"database.url: the server is PostgreSQL {number // 10000}, pcd needs {OLDEST // 10000} or newer"
        )


def pending(known: tuple[Migration, ...], applied: dict[int, tuple[str, str]]) -> tuple[Migration, ...]:
    """Return the migrations to apply, given number → (name, checksum) of those *applied* before.

    Raises ConfigError where an applied one has been edited since or comes from a newer version.
    """
    for migration in known:
        name, checksum = applied.get(migration.number, (migration.name, migration.checksum))
        if checksum != migration.checksum:
            raise ConfigError(
                f"migration {migration.number:04} ({name}) was edited after it had been applied to this "
                "database; install the pcd that applied it, and put the change into a new migration"
            )
    newer = sorted(set(applied) - {migration.number for migration in known})
    if newer:
        raise ConfigError(
            f"this database was migrated by a newer pcd (migration {newer[-1]:04}, {applied[newer[-1]][0]}); "
            "use that version"
        )
    return tuple(migration for migration in known if migration.number not in applied)


async def _apply_files(connection: Connection, on_step: Callable[[str], None]) -> int:
    rows = await connection.fetch("SELECT number, name, checksum FROM pcd.migrations")
    todo = pending(migrations(), {row["number"]: (row["name"], row["checksum"]) for row in rows})
    for migration in todo:
        on_step(f"migration {migration.number:04} {migration.name}")
        await in_step(connection, partial(_apply, connection, migration))
    return len(todo)


async def _apply(connection: Connection, migration: Migration) -> None:
    await connection.execute(migration.sql)
    await connection.execute(
        "INSERT INTO pcd.migrations (number, name, checksum) VALUES ($1, $2, $3)",
        migration.number,
        migration.name,
        migration.checksum,
    )


async def _adopt(connection: Connection, on_step: Callable[[str], None]) -> int:
    names = {resource.table for resource in RESOURCES.values()}
    moves = await adopt.moves(connection, mirrored=names, on_step=on_step)
    for move in moves:
        await in_step(connection, move)
    if moves:
        on_step(f"{len(moves)} tables moved from schema public to their own; views keep their names there")
    return len(moves)


async def _shape(connection: Connection, on_step: Callable[[str], None]) -> int:
    is_attached = await connection.fetchval(_IS_ATTACHED)
    statements = ddl.plan(await catalogue.read(connection), RESOURCES.values(), is_attached=is_attached)
    if statements:
        on_step(f"mirrored tables: {len(statements)} changes")
    for statement in statements:
        _LOG.debug("%s", statement)
        await in_step(connection, partial(connection.execute, statement))
    relaxations = await adopt.relaxations(connection)
    for relax in relaxations:
        await in_step(connection, relax)
    return len(statements) + len(relaxations)


async def in_step(connection: Connection, work: Callable[[], Awaitable[object]]) -> None:
    """Do *work* in a transaction that gives up its wait for a lock soon and is then tried again."""
    for attempt in range(1, _LOCK_ATTEMPTS + 1):
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS}")
                await work()
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            if attempt == _LOCK_ATTEMPTS:
                raise
            await anyio.sleep(_LOCK_PAUSE)
        else:
            return


@asynccontextmanager
async def alone(
    connection: Connection, *, wait: timedelta, on_step: Callable[[str], None]
) -> AsyncGenerator[None]:
    """Be the only one who changes the shape of the database, for the length of the block.

    Raises StoreError when another goes on for longer than *wait*, and says who.
    """
    deadline = anyio.current_time() + wait.total_seconds()
    told = ""
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _ADVISORY_KEY):
        who = await _holder(connection)
        if anyio.current_time() > deadline:
            raise StoreError(f"another migration has been running for {wait.total_seconds():g} s: {who}")
        if who and who != told:
            told = who
            on_step(f"waiting for another migration: {who}")
        await anyio.sleep(0.2)
    try:
        yield
    finally:
        if not connection.is_closed():
            with anyio.move_on_after(5, shield=True):
                await connection.execute("SELECT pg_advisory_unlock($1)", _ADVISORY_KEY)


async def _holder(connection: Connection) -> str:
    row = await connection.fetchrow(_WHO, _ADVISORY_KEY)
    if row is None:
        return ""
    name, place = row["application_name"] or "a session", row["address"] or "this machine"
    return f"{name} at {place}, backend {row['pid']}"
