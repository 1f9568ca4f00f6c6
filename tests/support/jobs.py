"""Rows of one mirrored table, and what the change feed says of them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

from pcd.changes.reader import take

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pcd.changes.change import Change, State
    from pcd.db.pool import Connection, Database

Seen: TypeAlias = "tuple[int, str, object, object]"

INSERT = "INSERT INTO servicetitan.st_jobs (st_id, tenant_id, job_status, full_data) VALUES ($1, 1, $2, '{}')"


async def taken(db: Database, limit: int = 100_000) -> list[Change]:
    """Consume the outbox."""
    async with db.transaction() as connection:
        return await take(connection, limit)


async def seen(db: Database) -> list[Seen]:
    """Consume the outbox and return (id, operation, status before, status after) of each change."""
    return [brief(change) for change in await taken(db)]


def brief(change: Change) -> Seen:
    """Return (id, operation, status before, status after)."""
    return (change.st_id, change.op, status(change.before), status(change.after))


def status(state: State | None) -> object:
    """Return the status of a job."""
    return None if state is None else state["job_status"]


@asynccontextmanager
async def writer(db: Database, *rights: str) -> AsyncIterator[Connection]:
    """Hold a connection as a role that has *rights* on the jobs and none anywhere else."""
    name = await db.fetchval("SELECT 'writer_of_' || current_database()")
    await db.execute(f"CREATE ROLE {name}")
    try:
        await db.execute(f"GRANT USAGE ON SCHEMA servicetitan TO {name}")
        await db.execute(f"GRANT {', '.join(rights)} ON servicetitan.st_jobs TO {name}")
        async with db.session() as connection:
            await connection.execute(f"SET SESSION AUTHORIZATION {name}")
            yield connection
            await connection.execute("RESET SESSION AUTHORIZATION")
    finally:
        await db.execute(f"DROP OWNED BY {name}")
        await db.execute(f"DROP ROLE {name}")
