"""Walks an endpoint from a starting point to its end and hands every page to the writer.

The next page is fetched while the present one is written; at most two pages are in memory. The
position reached is stored in the transaction that stores the rows it covers.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import anyio
import msgspec

from pcd.db import queries
from pcd.errors import Malformed, PcdError, Rejected, StoreError
from pcd.sync.journal import read_seen
from pcd.sync.pages import Page, fetch_pages
from pcd.sync.plan import Drain, Keep, is_complete, restart_after_refused_token
from pcd.sync.request import Tally
from pcd.tables.statements import pack

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import asyncpg

    from pcd.db.leases import Lease
    from pcd.db.pool import Connection
    from pcd.servicetitan.client import ServiceTitan
    from pcd.sync.batch import Batch
    from pcd.sync.plan import Cursor
    from pcd.sync.retrier import Retrier
    from pcd.tables.spec import Resource

log = logging.getLogger(__name__)

_SQL = queries.load("pcd.sync")
_PAGE_TRANSACTION = timedelta(seconds=60)
_LIST_TRIES = _WALK_TRIES = 3
_BAD_REQUEST = 400


class Sink(Protocol):
    """What takes the pages: the writer, or the audit that only compares."""

    async def prepare(self, records: list[msgspec.Raw]) -> Batch:
        """Return *records* ready to be stored; no database is involved."""
        ...

    async def store(self, connection: asyncpg.Connection, batch: Batch, *, as_of: datetime) -> Tally:
        """Store *batch* inside the caller's transaction; *as_of* is when upstream was asked."""
        ...


@dataclass(frozen=True, slots=True)
class Reached:
    """Where a walk ended: the last token, and of a list the first and last count that upstream gave.

    *nameless* counts the records whose id cannot be read, so that nobody can note them as seen.
    """

    tally: Tally
    token: str = ""
    pages: int = 0
    nameless: int = 0
    started_at: datetime | None = None
    first_total: int | None = None
    last_total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What one resource's walks have in common. *origin* names the pass, for the lineage of its changes."""

    resource: Resource
    cursor: Cursor
    sink: Sink
    lease: Lease
    origin: str
    on_page: Callable[[Tally], None]


class Puller:
    """Walks endpoints; knows nothing of schedules, modes or logs."""

    def __init__(
        self, store: Retrier, st: ServiceTitan, *, lookback: timedelta, technician_roles: str = "{}"
    ) -> None:
        """Read from *st*, write to *store*; *lookback* is how far a restart overlaps.

        *technician_roles* is a JSON object of roles by technician id, for what is derived from assignments.
        """
        self._technician_roles = technician_roles
        self._store = store
        self._st = st
        self._lookback = lookback

    async def pull(self, job: Job, drains: tuple[Drain, ...]) -> Tally:
        """Carry out *drains* in order and return what they came to together."""
        total = Tally()
        for _ in range(_WALK_TRIES):
            total.add(await self._pull_once(job, drains))
            is_full = any(drain.marks_seen for drain in drains)
            if not is_full or await read_seen(self._store, job.resource.name) is not None:
                return total
            log.warning("%s: PostgreSQL crashed under a full walk; walking again", job.resource.name)
        raise StoreError("PostgreSQL crashed again and again, and forgot what the walk had seen")

    async def _pull_once(self, job: Job, drains: tuple[Drain, ...]) -> Tally:
        total = Tally()
        reached = Reached(Tally())
        for drain in drains:
            if drain.if_found and not reached.tally.fetched:
                continue
            start = replace(drain, token=reached.token) if drain.continues else drain
            reached = await (self._walk_export(job, start) if start.export else self._walk_list(job, start))
            total.add(reached.tally)
        return total

    async def retry_quarantined(self, job: Job) -> None:
        """Try the quarantined records of the resource again whose next try is due."""
        rows = await self._store.fetch(_SQL["quarantined"], job.resource.name)
        if rows:
            records = [msgspec.Raw(row["record"].encode()) for row in rows]
            batch = await job.sink.prepare(records)
            page = Page(batch, as_of=rows[0]["first_seen_at"], has_more=False)
            await self._persist(job, Drain(export=False), page, keeps=False)

    async def _walk_export(self, job: Job, drain: Drain) -> Reached:
        try:
            return await self._walk(job, drain)
        except Rejected as error:
            if error.status != _BAD_REQUEST or not drain.token:
                raise
            since = restart_after_refused_token(job.cursor, lookback=self._lookback)
            log.warning(
                "%s: ServiceTitan refused the stored continuation token; reading again from %s",
                job.resource.name,
                since.isoformat(timespec="seconds") if since else "the beginning",
            )
            return await self._walk(job, replace(drain, token="", since=since))

    async def _walk_list(self, job: Job, drain: Drain) -> Reached:
        name = job.resource.name
        total = Tally()
        for _ in range(_LIST_TRIES):
            reached = await self._walk(job, replace(drain, marks_seen=True))
            total.add(reached.tally)
            if await self._is_gapless(name, reached):
                await self._keep_window(job, drain, reached)
                return Reached(total)
            log.info("%s: the list changed while it was being read; reading it again", name)
        message = (
            f"{name}: the list kept changing while it was read {_LIST_TRIES} times; the next pass tries again"
        )
        raise Malformed(message, service="ServiceTitan")

    async def _walk(self, job: Job, drain: Drain) -> Reached:
        if drain.marks_seen and not drain.continues:
            await self._forget_seen(job)
        reached = Reached(Tally(), token=drain.token)
        send, receive = anyio.create_memory_object_stream[Page](0)
        try:
            async with anyio.create_task_group() as group, receive:
                group.start_soon(fetch_pages, self._st, job.resource, drain, job.sink.prepare, send)
                async for page in receive:
                    part = await self._store_page(job, drain, page)
                    reached = _advance(reached, page, part)
                    job.on_page(part)
        except BaseExceptionGroup as group_error:
            raise _first_of_ours(group_error) from group_error
        return reached

    async def _forget_seen(self, job: Job) -> None:
        async def work(connection: Connection) -> None:
            await job.lease.fence(connection)
            await connection.execute(_SQL["forget_seen"], job.resource.name)

        await self._store.transact(work)

    async def _store_page(self, job: Job, drain: Drain, page: Page) -> Tally:
        keeps = drain.export and (
            drain.keep is Keep.EACH_PAGE or (drain.keep is Keep.AT_END and not page.has_more)
        )
        if not page.batch.fetched and not keeps:
            return Tally(requests=1)
        tally = await self._persist(job, drain, page, keeps=keeps)
        tally.requests = 1
        return tally

    async def _persist(self, job: Job, drain: Drain, page: Page, *, keeps: bool) -> Tally:
        """Store *page*, the ids it showed and the position reached, all or nothing."""
        name = job.resource.name

        async def work(connection: Connection) -> Tally:
            await job.lease.fence(connection)
            await connection.execute(_SQL["begin_page"], job.origin, self._technician_roles)
            tally = await job.sink.store(connection, page.batch, as_of=page.as_of)
            if drain.marks_seen:
                await connection.execute(_SQL["note_seen"], name, pack(map(str, page.batch.ids())))
            if keeps:
                # In the middle of a walk nobody knows up to when it has read.
                reached = None if page.has_more else page.as_of
                await connection.execute(_SQL["keep_cursor"], name, page.token, reached, reached)
            return tally

        return await self._store.transact(
            work, timeout=_PAGE_TRANSACTION, what=f"{name}: a page could not be stored"
        )

    async def _is_gapless(self, name: str, reached: Reached) -> bool:
        if reached.pages <= 1:
            return True
        seen = (await read_seen(self._store, name) or 0) + reached.nameless
        return is_complete(first_total=reached.first_total, last_total=reached.last_total, seen=seen)

    async def _keep_window(self, job: Job, drain: Drain, reached: Reached) -> None:
        if drain.keep is not Keep.AT_END:
            return
        end = drain.before or reached.started_at

        async def work(connection: Connection) -> None:
            await job.lease.fence(connection)
            await connection.execute(_SQL["keep_cursor"], job.resource.name, None, end, end)

        await self._store.transact(work)


def _advance(reached: Reached, page: Page, part: Tally) -> Reached:
    reached.tally.add(part)
    return Reached(
        tally=reached.tally,
        token=page.token,
        pages=reached.pages + 1,
        nameless=reached.nameless + page.batch.nameless,
        started_at=reached.started_at or page.as_of,
        first_total=page.total if reached.pages == 0 else reached.first_total,
        last_total=page.total,
    )


def _first_of_ours(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error of ours inside *group*, or the group itself when there is none."""
    ours = group.subgroup(PcdError)
    error: BaseException = ours if ours is not None else group
    while isinstance(error, BaseExceptionGroup):
        if ours is None:
            return group
        error = error.exceptions[0]
    return error
