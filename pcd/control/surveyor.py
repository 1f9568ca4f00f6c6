"""Asks how many records a sync is going to read, so that it can be told how far it is."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio

from pcd.control.methods import Compare
from pcd.db import queries
from pcd.errors import StoreError, UpstreamError
from pcd.retry import Patience
from pcd.servicetitan import paginate
from pcd.servicetitan.decode import list_page
from pcd.sync.request import Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pcd.control.methods import Errand
    from pcd.db.pool import Database
    from pcd.servicetitan.client import ServiceTitan
    from pcd.tables.spec import ListEndpoint, Resource

_log = logging.getLogger(__name__)
_SQL = queries.load("pcd.control")
_WITHIN = timedelta(seconds=2)
_PATIENCE = Patience(attempts=1, attempt=timedelta(seconds=20), total=timedelta(seconds=20))


class Surveyor:
    """Knows the sizes of what is read whole: from ServiceTitan's lists, else from what is stored already."""

    def __init__(self, db: Database, st: ServiceTitan, *, resources: Mapping[str, Resource]) -> None:
        self._db = db
        self._st = st
        self._resources = resources

    async def survey(self, errand: Errand, expect: Callable[[str, int], None]) -> None:
        """Tell *expect* how many records each resource has that *errand* reads whole, as far as it is known.

        One small request a resource; raises nothing of ours, for nothing depends on it.
        """
        try:
            whole, stored = await self._read_whole(errand), await self._stored()
        except StoreError as error:
            _log.debug("the sizes are not known: %s", error)
            return
        async with anyio.create_task_group() as group:
            for resource in whole:
                if resource.list is not None:
                    group.start_soon(self._ask, resource, resource.list, expect)
                elif size := stored.get(resource.table):
                    expect(resource.name, size)

    async def _read_whole(self, errand: Errand) -> list[Resource]:
        left_out = {row["name"] for row in await self._db.fetch(_SQL["pauses"], timeout=_WITHIN)}
        mode, since = (None, None) if isinstance(errand, Compare) else (errand.mode, errand.since)
        if since is not None:
            return []
        if mode is Mode.INCREMENTAL:
            rows = await self._db.fetch(_SQL["freshness"], timeout=_WITHIN)
            left_out |= {row["resource"] for row in rows if row["first_load_completed_at"]}
        return [
            resource
            for name, resource in self._resources.items()
            if name not in left_out
            and (name in errand.only if errand.only else resource.reference or mode is not Mode.REFERENCE)
        ]

    async def _stored(self) -> dict[str, int]:
        rows = await self._db.fetch(_SQL["table_rows"], timeout=_WITHIN)
        return {row["name"]: row["live"] for row in rows}

    async def _ask(
        self, resource: Resource, endpoint: ListEndpoint, expect: Callable[[str, int], None]
    ) -> None:
        first = endpoint.first_page
        params = paginate.list_params(endpoint, page=first, page_size=1, include_total=True)
        try:
            answer = await self._st.get(endpoint.path, params, scope=resource.scope, patience=_PATIENCE)
            found = list_page(answer.body, page=first, page_size=1)
        except UpstreamError as error:
            _log.debug("%s: the size is not known: %s", resource.name, error)
            return
        if found.total_count is not None:
            expect(resource.name, found.total_count)
