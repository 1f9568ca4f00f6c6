"""A connection outside the pool, for what a pool cannot do: to listen. Opening and closing are bounded."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import anyio
import asyncpg

from pcd.db.errors import translated
from pcd.errors import StoreUnreachable

if TYPE_CHECKING:
    from asyncio import BaseTransport
    from datetime import timedelta

    from pcd.db.pool import Connection

_CLOSE = 2.0

# A peer that vanished is noticed within half a minute, idle or not; the kernel's own bound is hours.
_TCP_OPTIONS = {
    "SO_KEEPALIVE": (socket.SOL_SOCKET, 1),
    "TCP_KEEPIDLE": (socket.IPPROTO_TCP, 10),
    "TCP_KEEPINTVL": (socket.IPPROTO_TCP, 5),
    "TCP_KEEPCNT": (socket.IPPROTO_TCP, 3),
    "TCP_USER_TIMEOUT": (socket.IPPROTO_TCP, 25_000),
}


async def open_connection(url: str, *, application_name: str, within: timedelta) -> Connection:
    """Return a connection made *within* this time. Its statements are bounded by whoever sends them.

    Raises StoreUnreachable, or ConfigError where the server refuses us.
    """
    seconds = within.total_seconds()
    connection: Connection | None = None
    with anyio.move_on_after(seconds), translated(connecting=url):
        connection = await asyncpg.connect(
            url,
            timeout=seconds,
            server_settings={
                "application_name": application_name,
                "timezone": "UTC",
                "idle_session_timeout": "0",
                "tcp_keepalives_idle": "30",
            },
        )
    if connection is None:
        raise StoreUnreachable(f"PostgreSQL gave no connection within {seconds:g} s")
    _keep_alive(connection)
    return connection


async def close_connection(connection: Connection) -> None:
    """Close *connection*; by force when the server does not take part in it."""
    with anyio.move_on_after(_CLOSE, shield=True):
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            await connection.close(timeout=_CLOSE)
    if not connection.is_closed():
        connection.terminate()


def _keep_alive(connection: Connection) -> None:
    # asyncpg has no way to its socket but this one (its issue 519).
    transport: BaseTransport = cast("Any", connection)._transport  # noqa: SLF001
    peer = transport.get_extra_info("socket")
    if peer is None or peer.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    for name, (level, value) in _TCP_OPTIONS.items():
        option = getattr(socket, name, None)
        if option is not None:
            peer.setsockopt(level, option, value)
