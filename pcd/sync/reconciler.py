"""Finds the rows that upstream no longer has, after a walk that noted everything it saw."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pcd.db import queries
from pcd.errors import Malformed
from pcd.servicetitan import decode, paginate
from pcd.sync.request import Tally
from pcd.tables import presence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    import msgspec

    from pcd.db.leases import Lease
    from pcd.db.pool import Connection
    from pcd.servicetitan.client import ServiceTitan
    from pcd.sync.retrier import Retrier
    from pcd.sync.writer import Writer
    from pcd.tables.spec import ListEndpoint, Resource

log = logging.getLogger(__name__)

_SQL = queries.load("pcd.sync")
_BELIEVABLE_SHARE = 20
_IDS_AT_ONCE = 50
_ASK_AT_MOST = 500


def is_believable(*, missing: int, stored: int) -> bool:
    """Tell whether so many rows may be gone without asking a person: one, or up to a twentieth.

    An upstream that answers with a part of its data must not empty the mirror.
    """
    return missing <= 1 or missing * _BELIEVABLE_SHARE <= stored


class Reconciler:
    """Marks rows as gone, and nothing else."""

    def __init__(self, store: Retrier, st: ServiceTitan, *, technician_roles: str = "{}") -> None:
        """Compare what *store* holds with what was seen, and ask *st* when in doubt.

        *technician_roles* is a JSON object of roles by technician id, for what is derived from assignments.
        """
        self._store = store
        self._st = st
        self._technician_roles = technician_roles

    async def judge(
        self,
        resource: Resource,
        writer: Writer,
        lease: Lease,
        *,
        started_at: datetime,
        accept: bool,
        origin: str,
    ) -> Tally:
        """Mark the rows that the walk since *started_at* did not see, as the pass *origin*; return how many.

        More than a twentieth of the resource is believed only when *accept* says so; otherwise
        nothing is marked and the rows are counted as suspect.
        """
        rows = await self._store.fetch(presence.unseen(resource), resource.name, started_at)
        if not rows:
            return Tally()
        stored: int = await self._store.fetchval(presence.count_live(resource))
        missing = [row["st_id"] for row in rows]
        if len(missing) <= _ASK_AT_MOST or (
            not accept and is_believable(missing=len(missing), stored=stored)
        ):
            missing = await self._still_there(resource, missing)
        if not missing:
            return Tally()
        if not accept and not is_believable(missing=len(missing), stored=stored):
            log.warning(
                "%s: %d of %d rows were not served by ServiceTitan; too many to believe, so none is marked. "
                "If they are really gone: pcd sync full --only %s --accept-gone",
                resource.name,
                len(missing),
                stored,
                resource.name,
            )
            return Tally(suspect=len(missing))

        async def work(connection: Connection) -> None:
            await lease.fence(connection)
            await connection.execute(_SQL["begin_page"], origin, self._technician_roles)
            await writer.mark_gone(connection, missing)

        await self._store.transact(work)
        return Tally(gone=len(missing))

    async def _still_there(self, resource: Resource, ids: list[int]) -> list[int]:
        """Return those of *ids* that a look-up by id does not find either, where one is possible."""
        endpoint = resource.list
        if endpoint is None or not endpoint.ids:
            return ids
        found: set[int] = set()
        for chunk in _chunks(ids):
            found |= await self._look_up(endpoint, chunk)
        return [st_id for st_id in ids if st_id not in found]

    async def _look_up(self, endpoint: ListEndpoint, ids: Sequence[int]) -> set[int]:
        page, _ = await self._st.get_page(endpoint.path, paginate.ids_params(endpoint, ids), _records)
        return {st_id for record in page if (st_id := _id(record)) is not None}


def _id(record: msgspec.Raw) -> int | None:
    """Return the id of *record*, also of one that cannot be stored."""
    try:
        return decode.head(record, modified="").id
    except Malformed:
        return decode.leading_id(record)


def _records(body: bytes) -> list[msgspec.Raw]:
    return decode.list_page(body, page=1, page_size=_IDS_AT_ONCE).records


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), _IDS_AT_ONCE):
        yield ids[start : start + _IDS_AT_ONCE]
