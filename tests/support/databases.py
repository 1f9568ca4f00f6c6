"""Migrated databases for tests: to copy seven hundred files takes a second, to empty them a twentieth.

A database goes from test to test, emptied, as long as nobody changed its shape or what it was born with.
"""

from __future__ import annotations

from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import anyio
import asyncpg

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from pcd.db.pool import Connection

_NUMBERS = count(1)
_LARGE = 2**20
_PATIENCE = 0.5

# Whatever declares something: a change there leaves another transaction's number, or another count.
_CATALOGUES = (
    "pg_class", "pg_attribute", "pg_attrdef", "pg_constraint", "pg_index", "pg_inherits", "pg_trigger",
    "pg_proc", "pg_type", "pg_namespace", "pg_rewrite", "pg_policy", "pg_extension", "pg_publication",
    "pg_event_trigger", "pg_statistic_ext", "pg_default_acl", "pg_description", "pg_db_role_setting",
)  # fmt: skip
_SHAPE = " UNION ALL ".join(
    f"SELECT '{name}', count(*), coalesce(max(xmin::text::bigint), 0) FROM {name}" for name in _CATALOGUES
)
_TABLES = """
SELECT format('%I.%I', n.nspname, c.relname) AS name, pg_relation_size(c.oid) AS size
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY name
"""
_SESSIONS = """
SELECT count(*)
FROM pg_stat_activity
WHERE datname = current_database()
  AND backend_type = 'client backend'
  AND pid <> pg_backend_pid()
"""
_SEQUENCES = """
SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
FROM pg_sequences
WHERE last_value IS NOT NULL
"""


class _State(NamedTuple):
    """A new database: the *shape* of its catalogue and the rows that it is born with, by table."""

    shape: list[tuple[object, ...]]
    born: dict[str, str]


class Databases:
    """Databases on one server that are all alike; they cost nothing until one is borrowed."""

    def __init__(self, admin: str, *, prefix: str, prepare: Callable[[str], Awaitable[None]]) -> None:
        """Make them as the user of *admin*, their names begin with *prefix*; *prepare* gets the first one."""
        self._admin = admin
        self._prefix = prefix
        self._prepare = prepare
        self._template = ""
        self._states: dict[str, _State] = {}
        self._free: list[str] = []

    @contextmanager
    def borrow(self) -> Generator[str]:
        """Yield the URL of one that is as it was prepared."""
        name = self._free.pop() if self._free else anyio.run(self._make)
        try:
            yield at(self._admin, name)
        finally:
            if anyio.run(self._reset, name):
                self._free.append(name)
            else:
                anyio.run(administer, self._admin, f'DROP DATABASE "{name}" WITH (FORCE)')

    def drop(self) -> None:
        """Drop those that nobody uses, and what they are copied from."""
        for name in filter(None, (*self._free, self._template)):
            anyio.run(administer, self._admin, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._free.clear()

    async def _make(self) -> str:
        if not self._template:
            self._template = f"{self._prefix}_template"
            await administer(self._admin, f'CREATE DATABASE "{self._template}"')
            await self._prepare(at(self._admin, self._template))
        name = f"{self._prefix}_{next(_NUMBERS)}"
        await administer(self._admin, f'CREATE DATABASE "{name}" TEMPLATE "{self._template}"')
        connection = await asyncpg.connect(at(self._admin, name), timeout=10)
        self._states[name] = await _state(connection)
        await connection.close(timeout=5)
        return name

    async def _reset(self, name: str) -> bool:
        """Empty a database and return whether it is as it was at first."""
        try:
            connection = await asyncpg.connect(at(self._admin, name), timeout=10)
        except (OSError, asyncpg.PostgresError):
            return False
        try:
            return await _reset(connection, self._states[name])
        finally:
            await connection.close(timeout=5)


def at(url: str, name: str) -> str:
    """Return the URL of database *name* on the server of *url*."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


async def administer(url: str, sql: str) -> None:
    """Run one statement outside of any transaction."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute(sql, timeout=30)
    finally:
        await connection.close(timeout=5)


async def _reset(connection: Connection, first: _State) -> bool:
    with anyio.move_on_after(_PATIENCE) as patience:
        # A session that was closed takes a moment to end.
        while await connection.fetchval(_SESSIONS):  # noqa: ASYNC110 - no event tells
            await anyio.sleep(0.005)
    if patience.cancelled_caught:
        return False
    if [tuple(row) for row in await connection.fetch(_SHAPE)] != first.shape:
        return False
    tables = await connection.fetch(_TABLES)
    if any(table["size"] > _LARGE for table in tables):
        return False
    filled = [table["name"] for table in tables if table["size"] and table["name"] not in first.born]
    # No trigger, no foreign key: nothing has to go before another.
    deletes = "".join(f"DELETE FROM {name};" for name in filled)
    await connection.execute(f"SET session_replication_role = replica; {deletes}", timeout=30)
    await connection.execute(_SEQUENCES)
    return await _born(connection, list(first.born)) == first.born


async def _state(connection: Connection) -> _State:
    shape = [tuple(row) for row in await connection.fetch(_SHAPE)]
    names = [table["name"] for table in await connection.fetch(_TABLES) if table["size"]]
    return _State(shape, await _born(connection, names))


async def _born(connection: Connection, tables: list[str]) -> dict[str, str]:
    """Return a fingerprint of the rows of each of *tables*."""
    rows = "SELECT md5(string_agg(row::text, ',' ORDER BY row::text)) FROM {} AS row"
    return {name: await connection.fetchval(rows.format(name)) for name in tables}
