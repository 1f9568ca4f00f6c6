"""Tells runners that something may be due: this process's own at once, other daemons' by notification.

A notification is a hint: a runner looks by itself when something falls due, and every check interval.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

import anyio

from pcd.db import queries
from pcd.db.dedicated import close_connection, open_connection
from pcd.db.errors import translated
from pcd.errors import StoreUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskStatus

    from pcd.db.pool import Connection
    from pcd.events.channels import Channels
    from pcd.workflows.starter import Starter

_SQL = queries.load("pcd.workflows")
_CHANNEL = "pcd_workflows"
_WITHIN = timedelta(seconds=5)
# A notification takes a lock of the whole server at its commit: one tells of all events of a moment.
_TOGETHER = 0.02
_PING_EVERY = 30.0


class Waker:
    """A service: calls *wake* after events that matter to *starter*, recorded here or by another daemon."""

    name = "waker"

    def __init__(
        self, url: str, *, channels: Channels, starter: Starter, holder: str, wake: Callable[[], None]
    ) -> None:
        self._url = url
        self._channels = channels
        self._starter = starter
        self._holder = holder
        self._wake = wake
        self._news = anyio.Event()

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Wake until cancelled. Raises StoreUnreachable when notifications cannot be heard."""
        connection = await open_connection(self._url, application_name="pcd waker", within=_WITHIN)
        try:
            async with anyio.create_task_group() as group:
                await group.start(self._listen, connection)
                group.start_soon(self._tell, connection)
                task_status.started()
                await self._follow()
        finally:
            await close_connection(connection)

    async def _follow(self) -> NoReturn:
        with self._channels.subscribe() as events:
            # What was recorded before may be due as well.
            self._wake()
            while True:
                event = await events.receive()
                if self._starter.wants((event.type,)):
                    self._wake()
                    self._news.set()

    async def _listen(self, connection: Connection, *, task_status: TaskStatus[None]) -> NoReturn:
        broken = anyio.Event()
        connection.add_termination_listener(lambda _: broken.set())
        with translated(), anyio.fail_after(_WITHIN.total_seconds()):
            await connection.add_listener(_CHANNEL, self._hear)
        task_status.started()
        await broken.wait()
        raise StoreUnreachable("PostgreSQL closed the connection")

    def _hear(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        if payload != self._holder:
            self._wake()

    async def _tell(self, connection: Connection) -> NoReturn:
        """Notify others, once for all events of a moment; it also finds a server that does not answer."""
        while True:
            with anyio.move_on_after(_PING_EVERY):
                await self._news.wait()
                await anyio.sleep(_TOGETHER)
            statement = (_SQL["tell"], self._holder) if self._news.is_set() else ("SELECT 1",)
            self._news = anyio.Event()
            with anyio.move_on_after(_WITHIN.total_seconds()) as scope, translated():
                await connection.execute(*statement)
            if scope.cancelled_caught:
                raise StoreUnreachable("PostgreSQL does not answer the waker")
