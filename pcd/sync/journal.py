"""Keeps the sync's own records: the log that other programs read, the cursors, what was paused."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import orjson

from pcd.db import queries
from pcd.sync.plan import Cursor
from pcd.sync.request import Mode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from pcd.db.leases import Lease
    from pcd.sync.request import Request, ResourceReport
    from pcd.sync.retrier import Retrier

_SQL = queries.load("pcd.sync")


async def read_cursor(store: Retrier, resource: str) -> Cursor:
    """Return where *resource* stands."""
    row = await store.fetchrow(_SQL["cursor"], resource)
    if row is None:
        return Cursor()
    return Cursor(
        token=row["token"] or "",
        reached_at=row["window_end"],
        first_load_completed_at=row["first_load_completed_at"],
        plain_pass_at=row["plain_pass_at"],
    )


async def read_loaded(store: Retrier) -> frozenset[str]:
    """Return the names of the resources that were read completely at least once."""
    return frozenset(row["resource"] for row in await store.fetch(_SQL["loaded"]))


async def read_paused(store: Retrier) -> frozenset[str]:
    """Return the names of everything that a person has paused."""
    return frozenset(row["name"] for row in await store.fetch(_SQL["paused"]))


async def read_seen(store: Retrier, resource: str) -> int | None:
    """Return how many records the last full walk over *resource* has seen, None if that was forgotten.

    PostgreSQL empties the table after a crash, and what was seen before would pass for gone.
    """
    seen: int | None = await store.fetchval(_SQL["count_seen"], resource)
    return seen


class Journal:
    """Writes one row for each module and sync into ``servicetitan.st_sync_log``, truthfully."""

    def __init__(self, store: Retrier) -> None:
        """Write to *store*."""
        self._store = store

    async def abandon(self, lease: Lease) -> None:
        """Close the rows that earlier holders of *lease* left open when their process ended."""
        await self._store.execute(_SQL["abandon_log"], lease.term)

    async def start(self, module: str, request: Request, lease: Lease, *, at: datetime) -> UUID:
        """Open a row for *module* and return its id."""
        parameters = {"lease_term": lease.term, "only": list(request.only)}
        if request.since is not None:
            parameters["since"] = request.since
        kind = "full" if request.mode is Mode.REFERENCE else request.mode.value
        row_id = uuid4()
        text = orjson.dumps(parameters).decode()
        await self._store.execute(_SQL["start_log"], row_id, module, kind, at, request.triggered_by, text)
        return row_id

    async def finish(self, row_id: UUID, report: ResourceReport) -> None:
        """Close the row with what came of it."""
        tally = report.tally
        details = {
            name: getattr(tally, name)
            for name in ("unchanged", "stale", "gone", "suspect", "cut", "requests")
        }
        await self._store.execute(
            _SQL["finish_log"],
            row_id,
            report.status,
            tally.fetched,
            tally.created,
            tally.updated,
            tally.failed,
            round(report.duration.total_seconds() * 1000),
            report.error or None,
            orjson.dumps(details).decode(),
        )

    async def note_fresh(self, report: ResourceReport, *, at: datetime) -> None:
        """Note a fresh pass in the log of its own, if it stored something or failed."""
        tally = report.tally
        if not (tally.written or tally.failed or report.error):
            return
        await self._store.execute(
            _SQL["log_fresh"],
            report.resource,
            at,
            report.status,
            tally.fetched,
            tally.created,
            tally.updated,
            tally.failed,
            report.error or None,
        )

    async def checked(self, resources: Sequence[str]) -> None:
        """Note that *resources* were compared with upstream just now."""
        await self._store.execute(_SQL["checked"], list(resources))

    async def begin(self, resource: str) -> None:
        """Note that the first walk over *resource* begins, unless it had begun before."""
        await self._store.execute(_SQL["begin_cursor"], resource)

    async def complete(self, resource: str, *, full: bool) -> None:
        """Note that *resource* was read completely."""
        await self._store.execute(_SQL["complete_cursor"], resource, full)

    async def prune(self) -> None:
        """Forget fresh passes older than a week."""
        await self._store.execute(_SQL["prune_fresh"])
