"""Runs the statements that write records as rows, around those that PostgreSQL refuses."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, NamedTuple

import anyio
import anyio.lowlevel
import asyncpg
import orjson

from pcd.db.errors import message, refuses_data
from pcd.sync.batch import Draft, Misfit, draft, slices
from pcd.sync.surprise import Expectation, Surprise
from pcd.tables import statements
from pcd.tables.statements import pack

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping, Sequence
    from datetime import datetime

    from pcd.db.pool import Connection
    from pcd.sync.batch import Item
    from pcd.tables.catalogue import Table
    from pcd.tables.spec import Resource


_WRITE_AT_ONCE = 1000
_LOOK_AT_ONCE = 200


class Loaded(NamedTuple):
    """What loads have come to: surprises by kind, and the values that the rows' keys have now."""

    met: Counter[Surprise]
    keys: Mapping[str, set[int]]


class _Load(NamedTuple):
    as_of: datetime
    into: Loaded


class _Parcel(NamedTuple):
    """What one statement writes, and its first arguments."""

    statement: str
    drafts: Sequence[Draft]
    packed: tuple[str, str, str]


class Loader:
    """Writes records of one resource into its table as it really is."""

    def __init__(
        self, resource: Resource, table: Table, *, tenant_id: int, keys: tuple[str, ...] = ()
    ) -> None:
        """Write *resource* of *tenant_id* into *table*; other tables follow the columns *keys*."""
        self._tenant_id = tenant_id
        self._keys = keys
        self._expectation = Expectation(resource)
        self._insert = statements.insert(resource, table, keys=keys)
        self._upsert = statements.upsert(resource, table, keys=keys)
        self._cut = statements.cut(resource, table)

    def begin(self) -> Loaded:
        """Return what nothing has come to yet."""
        return Loaded(Counter(), {key: set() for key in self._keys})

    async def load(
        self,
        connection: Connection,
        items: Sequence[Item],
        *,
        stored: Container[int],
        as_of: datetime,
        into: Loaded,
    ) -> list[Misfit]:
        """Write *items*, of which those in *stored* have a row already; return what does not fit.

        *as_of* is when upstream was asked. What is found is added *into* what was before.
        """
        load, misfits = _Load(as_of, into), list[Misfit]()
        parcels = self._parcels(items, stored, misfits)
        ahead = deque([next(parcels, None)])

        def look_ahead() -> None:
            ahead.append(next(parcels, None))

        while (parcel := ahead.popleft()) is not None:
            misfits += await self._write(connection, parcel, load, meanwhile=look_ahead)
            if not ahead:  # the statement failed at once
                look_ahead()
        return misfits

    def _parcels(
        self, items: Sequence[Item], stored: Container[int], misfits: list[Misfit]
    ) -> Iterator[_Parcel]:
        """Yield *items* as what to run, one statement each, and add those that are no text to *misfits*."""
        for part in slices(items, _WRITE_AT_ONCE):
            drafts, illegible = draft(part)
            misfits += illegible
            new = [each for each in drafts if each.item.st_id not in stored]
            known = [each for each in drafts if each.item.st_id in stored]
            yield from (_parcel(self._insert, new),) if new else ()
            yield from (_parcel(self._upsert, known),) if known else ()

    async def _write(
        self,
        connection: Connection,
        parcel: _Parcel,
        load: _Load,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> list[Misfit]:
        """Write *parcel*, halving it around what PostgreSQL refuses, and return the refused."""
        drafts = parcel.drafts
        try:
            async with connection.transaction():
                await self._execute(connection, parcel, load, meanwhile)
        except asyncpg.PostgresError as error:
            if not refuses_data(error):
                raise
            if isinstance(error, asyncpg.UniqueViolationError) and parcel.statement == self._insert:
                # Somebody else, the old system perhaps, inserted one of them meanwhile.
                return await self._write(connection, _parcel(self._upsert, drafts), load)
            if len(drafts) == 1:
                (one,) = drafts
                return [Misfit(one.item.st_id, one.text, one.item.digest, _reason(error))]
            half = len(drafts) // 2
            first = await self._write(connection, _parcel(parcel.statement, drafts[:half]), load)
            return first + await self._write(connection, _parcel(parcel.statement, drafts[half:]), load)
        return []

    async def _execute(
        self, connection: Connection, parcel: _Parcel, load: _Load, meanwhile: Callable[[], None]
    ) -> None:
        """Write *parcel*; while the database is busy with it, look for surprises and do *meanwhile*."""
        found: Counter[Surprise] = Counter()

        async def work() -> None:
            for part in slices(parcel.drafts, _LOOK_AT_ONCE):
                found.update(self._expectation.surprises(each.text for each in part))
                await anyio.lowlevel.checkpoint()
            meanwhile()

        try:
            async with anyio.create_task_group() as group:
                group.start_soon(work)
                row = await connection.fetchrow(parcel.statement, *parcel.packed, load.as_of, self._tenant_id)
        except BaseExceptionGroup as failed:
            # Only the statement can fail, and the caller knows its error, not a group.
            raise failed.exceptions[0] from None
        assert row is not None
        load.into.met.update(found)
        for key, values in load.into.keys.items():
            values.update(row[key] or ())
        if row["is_filled"]:
            cuts: dict[str, int] = orjson.loads(
                await connection.fetchval(self._cut, parcel.packed[0]) or "{}"
            )
            load.into.met.update({Surprise("cut", name): count for name, count in cuts.items()})


def _parcel(statement: str, drafts: Sequence[Draft]) -> _Parcel:
    packed = (
        pack([each.text for each in drafts]),
        pack([each.item.digest for each in drafts]),
        pack([each.modified or "" for each in drafts]),
    )
    return _Parcel(statement, drafts, packed)


def _reason(error: asyncpg.PostgresError) -> str:
    return f"PostgreSQL refuses it: {message(error)[:200]}"
