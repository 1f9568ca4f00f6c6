"""Fetches the pages of one walk, one ahead of whoever takes them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from pcd.errors import Clamped, Malformed
from pcd.servicetitan import decode, paginate

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import datetime

    import msgspec
    from anyio.streams.memory import MemoryObjectSendStream

    from pcd.servicetitan.client import ServiceTitan
    from pcd.sync.batch import Batch
    from pcd.sync.plan import Drain
    from pcd.tables.spec import Resource

_IDLE_PAGES = 5
# Pages without a record may be an export's way through what it leaves out, but not for ever.
_BARREN_PAGES = 1000

Prepare: TypeAlias = "Callable[[list[msgspec.Raw]], Coroutine[object, object, Batch]]"


class Page(NamedTuple):
    """One fetched page. *token* continues an export; *total* is a list's own count, if it told."""

    batch: Batch
    as_of: datetime
    has_more: bool
    token: str = ""
    total: int | None = None


async def fetch_pages(
    st: ServiceTitan, resource: Resource, drain: Drain, prepare: Prepare, send: MemoryObjectSendStream[Page]
) -> None:
    """Send every page of *drain*, prepared, and close *send*.

    A page is prepared here because the database is busy with the one before. Raises Malformed when
    upstream does not move on.
    """
    fetch = _export if drain.export else _list
    async with send:
        await fetch(st, resource, drain, prepare, send)


async def _export(
    st: ServiceTitan, resource: Resource, drain: Drain, prepare: Prepare, send: MemoryObjectSendStream[Page]
) -> None:
    endpoint = resource.export
    if endpoint is None:
        raise ValueError(f"{resource.name} has no export endpoint")
    token, since, idle, barren = drain.token, drain.since, 0, 0
    met = {token}
    while True:
        params = paginate.export_params(endpoint, token=token, since=since, recent=drain.recent)
        found, answer = await st.get_page(endpoint.path, params, decode.export_page, scope=resource.scope)
        batch = await prepare(found.records)
        # Where the end names no token, its own page is asked for again next time, not everything.
        await send.send(Page(batch, answer.requested_at, found.has_more, found.continue_from or token))
        if not found.has_more:
            return
        token, since = found.continue_from, None
        idle = idle + 1 if token in met else 0
        barren = 0 if found.records else barren + 1
        _refuse_idling(resource, idle)
        _refuse_idling(resource, barren, most=_BARREN_PAGES)
        met.add(token)


async def _list(
    st: ServiceTitan, resource: Resource, drain: Drain, prepare: Prepare, send: MemoryObjectSendStream[Page]
) -> None:
    endpoint = resource.list
    if endpoint is None:
        raise ValueError(f"{resource.name} has no list endpoint")
    page, size, idle = endpoint.first_page, endpoint.page_size, 0
    before: set[int] = set()
    while True:
        params = paginate.list_params(
            endpoint,
            page=page,
            page_size=size,
            modified_from=drain.since,
            modified_before=drain.before,
            include_total=True,
        )
        read = partial(decode.list_page, page=page, page_size=size)
        try:
            found, answer = await st.get_page(endpoint.path, params, read, scope=resource.scope)
        except Clamped as clamped:
            page, size = endpoint.first_page, clamped.page_size
            continue
        batch = await prepare(found.records)
        await send.send(Page(batch, answer.requested_at, found.has_more, total=found.total_count))
        if not found.has_more:
            return
        ids = batch.ids()
        idle = idle + 1 if ids == before else 0
        _refuse_idling(resource, idle)
        page, before = page + 1, ids


def _refuse_idling(resource: Resource, idle: int, *, most: int = _IDLE_PAGES) -> None:
    if idle >= most:
        text = f"{resource.name}: ServiceTitan says there is more, but does not move on"
        raise Malformed(text, service=decode.SERVICE)
