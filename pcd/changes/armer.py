"""Puts the capture triggers on tables whose first load is complete, keeps them right, and takes them away.

History is not news: a table is watched from the end of its first load on. What upstream changed while the
load ran is put into the outbox in the transaction that creates the triggers: those rows may have been read
before the change or after it, and no trigger saw which.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import asyncpg

from pcd.changes import capture
from pcd.changes.capture import CHANNEL, TRIGGERS, Capture, captures
from pcd.db import queries
from pcd.db.migrate import in_step
from pcd.tables import catalogue
from pcd.tables.quote import qualified, quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pcd.db.pool import Connection, Database
    from pcd.tables.catalogue import Catalogue
    from pcd.tables.spec import Resource

_log = logging.getLogger(__name__)
_SQL = queries.load("pcd.changes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What a detach took away: triggers as ``schema.table: name``, functions by name."""

    triggers: tuple[str, ...]
    functions: tuple[str, ...]


async def arm(db: Database, resources: Iterable[Resource]) -> tuple[str, ...]:
    """Begin to watch every table that is ready and return which; doing it again does nothing.

    A table is ready when the first loads of the *resources* that fill it, and of those that its derived
    columns follow, are complete. For whoever has just completed a sync. Raises StoreError.
    """
    loaded = {row["resource"] for row in await db.fetch(_SQL["loaded"])}
    armed = {row["resource"] for row in await db.fetch(_SQL["armed"])}
    ready = [each for each in captures(resources) if each.needs <= loaded and each.resource not in armed]
    begun: list[str] = []
    if not ready:
        return ()
    async with db.session() as connection:
        actual = await catalogue.read(connection)
        for each in ready:
            try:
                await in_step(connection, partial(_begin, connection, each, actual, begun))
            except asyncpg.LockNotAvailableError:
                _log.warning(
                    "%s: somebody keeps the table locked; capture begins after the next sync", each.table
                )
    if begun:
        _log.info("changes of %s are captured from now on", ", ".join(begun))
    return tuple(begun)


async def repair(db: Database, resources: Iterable[Resource]) -> tuple[str, ...]:
    """Make the triggers of watched tables what they should be and return whose were not.

    For the time after a migration: a declaration may track another column now, somebody may have altered
    a table, dropped a trigger or disabled it. Raises StoreError.
    """
    armed = {row["resource"] for row in await db.fetch(_SQL["armed"])}
    repaired: list[str] = []
    async with db.session() as connection:
        actual = await catalogue.read(connection)
        firing = await _firing(connection)
        for each in captures(resources):
            if each.resource not in armed:
                continue
            if statements := tuple(_repairs(each, actual, firing)):
                await in_step(connection, partial(_execute, connection, statements))
                repaired.append(each.resource)
    return tuple(repaired)


async def detach(db: Database) -> Removed:
    """Take all triggers and functions of ours away, for good until `attach`; tables and rows stay."""
    async with db.session() as connection:
        await in_step(connection, partial(_switch, connection, on=False))
        triggers = await connection.fetch(_SQL["found_triggers"])
        for row in triggers:
            drop = f"DROP TRIGGER IF EXISTS {quote(row['name'])} ON {qualified(row['schema'], row['table'])}"
            await in_step(connection, partial(connection.execute, drop))
        functions = await connection.fetch(_SQL["found_functions"])
        for row in functions:
            drop = f"DROP FUNCTION IF EXISTS {qualified('pcd', row['name'])}()"
            await in_step(connection, partial(connection.execute, drop))
    return Removed(
        triggers=tuple(f"{row['schema']}.{row['table']}: {row['name']}" for row in triggers),
        functions=tuple(row["name"] for row in functions),
    )


async def attach(db: Database) -> None:
    """Let tables be watched again. What changed since `detach` is not known and makes no events."""
    async with db.session() as connection:
        await in_step(connection, partial(_switch, connection, on=True))


async def _begin(connection: Connection, each: Capture, actual: Catalogue, begun: list[str]) -> None:
    if not await connection.fetchval(_SQL["capture_is_on"]):
        return
    baseline_at = await connection.fetchval(_SQL["set_baseline"], each.resource, sorted(each.loads))
    if baseline_at is None:
        return
    table = actual.tables[each.table]
    # The first trigger's lock waits for every writer under way; what they wrote is visible afterwards.
    await _execute(connection, (*capture.function(each, table), *_all_triggers(each)))
    await connection.execute(capture.replay(each, table), baseline_at)
    await connection.fetchval(_SQL["wake"], CHANNEL)
    begun.append(each.resource)


async def _switch(connection: Connection, *, on: bool) -> None:
    await connection.execute(_SQL["switch_capture"], on)
    if not on:
        await connection.execute(_SQL["forget_baselines"])


async def _firing(connection: Connection) -> frozenset[tuple[str, str]]:
    rows = await connection.fetch(_SQL["found_triggers"])
    return frozenset((row["table"], row["name"]) for row in rows if row["is_enabled"])


def _repairs(each: Capture, actual: Catalogue, firing: frozenset[tuple[str, str]]) -> Iterator[str]:
    table = actual.tables[each.table]
    if actual.marks.get(each.function) != capture.mark(each, table):
        yield from capture.function(each, table)
    for name in TRIGGERS:
        if (each.table, name) not in firing:
            _log.warning(
                "%s: trigger %s was missing or disabled and is back; what was written meanwhile is unknown",
                each.table,
                name,
            )
            yield from capture.trigger(each, name)


def _all_triggers(each: Capture) -> Iterator[str]:
    for name in TRIGGERS:
        yield from capture.trigger(each, name)


async def _execute(connection: Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        await connection.execute(statement)
