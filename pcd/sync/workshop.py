"""Makes a writer for each resource, fitted to the table as it really is in this database."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pcd.db import queries
from pcd.sync.writer import Writer
from pcd.tables import catalogue, derived

if TYPE_CHECKING:
    from collections.abc import Collection

    from pcd.db.leases import Lease
    from pcd.db.pool import Connection
    from pcd.sync.retrier import Retrier
    from pcd.tables.catalogue import Catalogue
    from pcd.tables.derived import Pass
    from pcd.tables.spec import Resource

_SQL = queries.load("pcd.sync")
_WHOLE_TABLE = timedelta(minutes=5)


class Workshop:
    """Keeps one writer a resource; an adopted table may be narrower or typed differently than ours."""

    def __init__(self, store: Retrier, *, tenant_id: int, technician_roles: str = "{}") -> None:
        """Make writers for the tables of *store* and the records of *tenant_id*."""
        self._technician_roles = technician_roles
        self._store = store
        self._tenant_id = tenant_id
        self._catalogue: Catalogue | None = None
        self._writers: dict[str, Writer] = {}

    async def writer(self, resource: Resource) -> Writer:
        """Return the writer of *resource*; the catalogue is read once."""
        if resource.name not in self._writers:
            if self._catalogue is None:
                self._catalogue = await self._store.transact(catalogue.read)
            table = self._catalogue.tables[resource.table]
            self._writers[resource.name] = Writer(resource, table, tenant_id=self._tenant_id)
        return self._writers[resource.name]

    async def derive_all(self, lease: Lease, *, loaded: Collection[str]) -> None:
        """Compute the derived columns of every row anew, as far as what they need is *loaded*.

        Only rows that differ are written.
        """
        for one in derived.PASSES:
            if not one.needs <= set(loaded):
                continue

            async def work(connection: Connection, one: Pass = one) -> None:
                await lease.fence(connection)
                await connection.execute(_SQL["begin_page"], "full pass", self._technician_roles)
                await connection.execute(one.lock)
                await connection.execute(one.sql, None)

            await self._store.transact(work, timeout=_WHOLE_TABLE)

    def forget(self) -> None:
        """Read the catalogue again before the next pass: somebody may have altered a table."""
        self._catalogue = None
        self._writers.clear()
