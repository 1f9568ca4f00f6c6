"""Tables partitioned by time: partitions made ahead, dropped when their time is up.

`plan` is pure. A DEFAULT partition is the safety net: rows of a time that nobody made a partition for are
kept in it, and moved when somebody does.
"""

# ruff: noqa: S608 - names come from declarations and are quoted by pcd.tables.quote

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING

from pcd.db import queries
from pcd.db.migrate import in_step
from pcd.tables.quote import literal, qualified, quote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pcd.db.pool import Connection, Database

_SQL = queries.load("pcd.db")


class Span(Enum):
    """What one partition holds, and how its name ends."""

    DAY = "%Y%m%d"
    MONTH = "%Y%m"

    def start(self, at: datetime) -> datetime:
        """Return the beginning of the span that *at* lies in."""
        midnight = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight if self is Span.DAY else midnight.replace(day=1)

    def after(self, start: datetime) -> datetime:
        """Return the beginning of the span after the one that begins at *start*."""
        return self.start(start + timedelta(days=1 if self is Span.DAY else 31))


@dataclass(frozen=True, slots=True, kw_only=True)
class Partitioned:
    """A table partitioned by range on *column*, with a partition ``<table>_default``.

    There are always partitions for *ahead* spans to come; one is dropped when all of it is older than
    *keep* (None: never).
    """

    schema: str
    table: str
    column: str
    span: Span
    ahead: int
    keep: timedelta | None

    def name(self, start: datetime) -> str:
        """Return the name of the partition that begins at *start*."""
        return f"{self.table}_{start.strftime(self.span.value)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What has to be done: the beginnings of the partitions to make, the names of those to drop."""

    make: tuple[datetime, ...]
    drop: tuple[str, ...]


def plan(table: Partitioned, existing: Iterable[str], *, now: datetime) -> Plan:
    """Return what makes the partitions named *existing* what they should be at *now*."""
    names = set(existing)
    starts = [table.span.start(now)]
    while len(starts) <= table.ahead:
        starts.append(table.span.after(starts[-1]))
    drop = tuple(name for name in sorted(names) if _is_over(table, name, now))
    return Plan(make=tuple(start for start in starts if table.name(start) not in names), drop=drop)


async def keep_now(db: Database, table: Partitioned) -> int:
    """Do it by the database's clock, which stamps the rows: one of ours that is ahead would drop new ones."""
    return await keep(db, table, now=await db.fetchval("SELECT clock_timestamp()"))


async def keep(db: Database, table: Partitioned, *, now: datetime) -> int:
    """Make and drop partitions of *table* and return how many; doing it again does nothing.

    Every step waits only briefly for its lock and is then tried again. Raises StoreError.
    """
    async with db.session() as connection:
        rows = await connection.fetch(_SQL["partitions"], f"{quote(table.schema)}.{quote(table.table)}")
        todo = plan(table, [row["name"] for row in rows], now=now)
        for start in todo.make:
            await in_step(connection, partial(_make, connection, table, start))
        for name in todo.drop:
            await in_step(
                connection,
                partial(connection.execute, f"DROP TABLE IF EXISTS {qualified(table.schema, name)}"),
            )
        if table.keep is not None:
            await connection.execute(
                f"DELETE FROM {_default(table)} WHERE {quote(table.column)} < $1", now - table.keep
            )
    return len(todo.make) + len(todo.drop)


async def _make(connection: Connection, table: Partitioned, start: datetime) -> None:
    """Make one partition; what the default one holds of its time moves into it."""
    end = table.span.after(start)
    parent, own = qualified(table.schema, table.table), qualified(table.schema, table.name(start))
    column = quote(table.column)
    bounds = tuple(literal(instant.isoformat()) for instant in (start, end))
    await connection.execute(f"LOCK TABLE {parent} IN SHARE UPDATE EXCLUSIVE MODE")
    if await connection.fetchval("SELECT to_regclass($1)", own) is not None:
        return
    await connection.execute(f"CREATE TABLE {own} (LIKE {parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
    await connection.execute(f"LOCK TABLE {_default(table)} IN ACCESS EXCLUSIVE MODE")
    await connection.execute(
        f"WITH moved AS (DELETE FROM {_default(table)} WHERE {column} >= $1 AND {column} < $2 RETURNING *) "
        f"INSERT INTO {own} SELECT * FROM moved",
        start,
        end,
    )
    await connection.execute(
        f"ALTER TABLE {parent} ATTACH PARTITION {own} FOR VALUES FROM ({bounds[0]}) TO ({bounds[1]})"
    )


def _is_over(table: Partitioned, name: str, now: datetime) -> bool:
    found = re.fullmatch(rf"{re.escape(table.table)}_(\d+)", name)
    if found is None or table.keep is None:
        return False
    try:
        start = datetime.strptime(found[1], table.span.value).replace(tzinfo=UTC)
    except ValueError:
        return False
    return table.span.after(start) <= now - table.keep


def _default(table: Partitioned) -> str:
    return qualified(table.schema, f"{table.table}_default")
