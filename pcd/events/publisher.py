"""Hands recorded events on to other programs, as a Redis stream. PostgreSQL remains the truth."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, cast

import anyio
import orjson

from pcd.events.finder import Query, after, last_sequence
from pcd.redis.link import RedisGone

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anyio.abc import TaskStatus
    from redis.asyncio import Redis

    from pcd.db.pool import Database
    from pcd.events.channels import Channels
    from pcd.events.finder import Event
    from pcd.redis.link import Link

STREAM = "pcd:events"
KEPT = 100_000
"""About how many events the stream holds; older ones are in PostgreSQL."""

_LOOK_EVERY = 5.0
_AGAIN = 1.0
_BATCH = 200
_NOT_SUPPRESSED = Query(suppressed=False)


class Publisher:
    """A service: appends every event that is told to anybody to the stream `STREAM`, in order, once.

    An entry's id is the event's sequence, so two publishers, or one that does not know how far it came, add
    nothing twice. After an absence of Redis the missing ones follow; where Redis lost its memory the stream
    goes on from what was published last, and where there never was one it begins with what comes next.
    """

    name = "publisher"

    def __init__(self, link: Link, *, db: Callable[[], Database], channels: Channels) -> None:
        self._link = link
        self._db = db
        self._channels = channels
        self._published = -1

    async def run(self, *, task_status: TaskStatus[None]) -> NoReturn:
        """Publish until cancelled. Raises StoreError."""
        with self._channels.subscribe() as news:
            task_status.started()
            while True:
                try:
                    await self._catch_up()
                except RedisGone:
                    await anyio.sleep(_AGAIN)
                    continue
                with anyio.move_on_after(_LOOK_EVERY):
                    await news.receive()
                while news.statistics().current_buffer_used:
                    news.receive_nowait()

    async def _catch_up(self) -> None:
        """Publish what the stream lacks."""
        known = await self._link.run(_newest)
        if known is None and self._published < 0:
            self._published = await last_sequence(self._db())
        start = self._published if known is None else known
        while events := await after(self._db(), _NOT_SUPPRESSED, start):
            for begin in range(0, len(events), _BATCH):
                batch = events[begin : begin + _BATCH]
                await self._link.run(partial(_append, batch))
            start = events[-1].sequence
        self._published = max(self._published, start)


def fields(event: Event) -> dict[Any, Any]:
    """Return what the stream says of *event*: texts, the payload as JSON."""
    return {
        "id": str(event.id),
        "type": event.type,
        "entity_type": event.entity_type,
        "entity_id": str(event.entity_id),
        "customer_id": "" if event.customer_id is None else str(event.customer_id),
        "occurred_at": event.occurred_at.isoformat(),
        "detected_at": event.detected_at.isoformat(),
        "payload": orjson.dumps(event.payload, default=str).decode(),
    }


async def _newest(client: Redis) -> int | None:
    entries = cast("list[tuple[bytes, object]]", await client.xrevrange(STREAM, count=1))
    return int(entries[0][0].partition(b"-")[0]) if entries else None


async def _append(events: Sequence[Event], client: Redis) -> None:
    from redis.exceptions import ResponseError

    pipeline = client.pipeline(transaction=False)
    for event in events:
        pipeline.xadd(STREAM, fields(event), id=f"{event.sequence}-0", maxlen=KEPT, approximate=True)
    for answer in await pipeline.execute(raise_on_error=False):
        # An id that is not above the newest one: somebody else has added it.
        if isinstance(answer, Exception) and not (
            isinstance(answer, ResponseError) and "equal or smaller" in str(answer)
        ):
            raise answer
