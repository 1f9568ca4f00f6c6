"""Compares a resource with upstream record by record and changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pcd.sync.journal import read_seen
from pcd.sync.plan import Cursor, Drain
from pcd.sync.puller import Job
from pcd.sync.request import Tally
from pcd.tables import presence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import msgspec

    from pcd.clock import Clock
    from pcd.db.leases import Lease
    from pcd.db.pool import Connection
    from pcd.sync.batch import Batch
    from pcd.sync.puller import Puller
    from pcd.sync.retrier import Retrier
    from pcd.sync.writer import Writer
    from pcd.tables.spec import Resource

_SAMPLE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """How one resource differs from upstream. *missing* and *gone* hold at most 20 ids each, as examples.

    *upstream* and *stored* count records; *missing_count* are upstream's that we lack, *differing_count*
    those we hold in another state, *gone_count* ours that upstream did not serve.
    """

    resource: str
    upstream: int
    stored: int
    missing_count: int
    differing_count: int
    gone_count: int
    missing: tuple[int, ...] = ()
    gone: tuple[int, ...] = ()

    @property
    def is_closed(self) -> bool:
        """Whether there is nothing to fetch: gone rows are kept on purpose and are no gap."""
        return not self.missing_count and not self.differing_count


class _Comparison:
    """Takes pages like a writer, but only notes which records differ."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.missing: set[int] = set()
        self.differing: set[int] = set()

    async def prepare(self, records: Sequence[msgspec.Raw]) -> Batch:
        return await self._writer.prepare(records)

    async def store(self, connection: Connection, batch: Batch, *, as_of: datetime) -> Tally:
        missing, differing = await self._writer.compare(connection, batch, as_of=as_of)
        self.missing |= missing
        self.differing |= differing
        return Tally(fetched=batch.fetched, unchanged=batch.fetched - len(missing) - len(differing))


class Auditor:
    """Finds what upstream has that we have not, and the reverse."""

    def __init__(self, store: Retrier, puller: Puller, *, clock: Clock) -> None:
        """Compare *store* with what *puller* reads."""
        self._store = store
        self._puller = puller
        self._clock = clock

    async def compare(
        self,
        resource: Resource,
        writer: Writer,
        lease: Lease,
        *,
        on_page: Callable[[Tally], None],
    ) -> Gap:
        """Read all of *resource* and return how the table differs from it."""
        comparison = _Comparison(writer)
        job = Job(
            resource=resource,
            cursor=Cursor(),
            sink=comparison,
            lease=lease,
            origin="comparison",
            on_page=on_page,
        )
        started_at = self._clock.now()
        await self._puller.pull(job, _everything(resource))
        gone = await self._store.fetch(presence.unseen(resource), resource.name, started_at)
        upstream = await read_seen(self._store, resource.name) or 0
        stored: int = await self._store.fetchval(presence.count_live(resource))
        return Gap(
            resource=resource.name,
            upstream=upstream,
            stored=stored,
            missing_count=len(comparison.missing),
            differing_count=len(comparison.differing),
            gone_count=len(gone),
            missing=tuple(sorted(comparison.missing)[:_SAMPLE]),
            gone=tuple(row["st_id"] for row in gone[:_SAMPLE]),
        )


def _everything(resource: Resource) -> tuple[Drain, ...]:
    if resource.export is None:
        return (Drain(export=False, marks_seen=True),)
    return (
        Drain(export=True, marks_seen=True),
        Drain(export=True, recent=True, continues=True, marks_seen=True),
    )
