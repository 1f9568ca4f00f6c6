"""The connections to PostgreSQL: every statement has a timeout, every transaction one way in and out."""
# ruff: noqa: ASYNC109 - a timeout here is also the server's, not only a scope of the caller's

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

import anyio
import asyncpg

from pcd.db.errors import translated
from pcd.errors import StoreError, StoreUnreachable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from asyncpg.pool import PoolConnectionProxy
    from asyncpg.transaction import Transaction

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Record: TypeAlias = asyncpg.Record

STATEMENT = timedelta(seconds=30)
# Clean-up after a cancellation runs shielded, so it has to be bounded: the server may be frozen, and a
# daemon that stops has ten seconds for everything.
_CLEAN_UP = 2.0
_COMMIT = 10.0
_CONNECT = 10.0
_BACKOFF = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

# A client that froze or vanished must not hold row locks for long.
_SESSION = {
    "timezone": "UTC",
    "jit": "off",
    "statement_timeout": str(int(STATEMENT.total_seconds() * 1000)),
    "idle_in_transaction_session_timeout": "60000",
    "client_connection_check_interval": "10000",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
_NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


class Usage(NamedTuple):
    """How many connections of a pool are at work, how many wait for work, and how many there may be."""

    busy: int
    idle: int
    most: int


class Database:
    """A pool of connections to one database. Made by `Database.connect`.

    asyncpg's errors leave it as `StoreError`, `StoreUnreachable` or `DataRejected`. Inside a
    transaction the connection is asyncpg's own, errors included: `pcd.db.errors.refuses_data` tells a
    refused value there, and ``connection.transaction()`` makes a savepoint.
    """

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], *, url: str) -> None:
        self._pool = pool
        self.url = url

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        pool_size: int = 10,
        application_name: str = "pcd",
        on_wait: Callable[[str], None] | None = None,
        wait: timedelta | None = None,
        settings: Mapping[str, str] = _NO_SETTINGS,
    ) -> Database:
        """Return a connected database, whose sessions have *settings* besides ours.

        While the server cannot be reached it waits, for *wait* at most (None: for ever), and tells
        *on_wait* one sentence whenever the reason changes. Raises ConfigError when the server
        answers but refuses us, StoreUnreachable when the time is up.
        """
        deadline = anyio.current_time() + wait.total_seconds() if wait is not None else float("inf")
        told = ""
        attempt = 0
        while True:
            try:
                session = {**_SESSION, **settings, "application_name": application_name}
                return cls(await _open(url, pool_size=pool_size, session=session), url=url)
            except StoreUnreachable as error:
                pause = _BACKOFF[min(attempt, len(_BACKOFF) - 1)]
                if anyio.current_time() + pause > deadline:
                    raise
                if on_wait is not None and str(error) != told:
                    told = str(error)
                    on_wait(f"waiting for the database: {told}")
            attempt += 1
            await anyio.sleep(pause)

    @property
    def usage(self) -> Usage:
        """How many connections there are at present."""
        size, idle = self._pool.get_size(), self._pool.get_idle_size()
        return Usage(busy=size - idle, idle=idle, most=self._pool.get_max_size())

    @asynccontextmanager
    async def transaction(self, *, timeout: timedelta = STATEMENT) -> AsyncGenerator[Connection]:
        """Hold a connection inside a transaction: committed at the end, rolled back on any exception.

        *timeout* bounds the whole block, waiting for the connection aside. A cancellation cannot cut
        a commit or a rollback in two: both are shielded and bounded.
        """
        seconds = timeout.total_seconds()
        async with self._borrowed(seconds) as connection:
            with anyio.move_on_after(seconds) as scope, translated():
                block = connection.transaction()
                finished = False
                try:
                    await block.start()
                    if timeout > STATEMENT:
                        await connection.execute(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")
                    yield connection
                    finished = True
                finally:
                    await _finish(connection, block, commit=finished)
            if scope.cancelled_caught:
                raise StoreError(f"a transaction took longer than {seconds:g} s and was rolled back")

    @asynccontextmanager
    async def session(self, *, timeout: timedelta = STATEMENT) -> AsyncGenerator[Connection]:
        """Hold a connection outside of any transaction; what was set in the session is reset afterwards.

        *timeout* bounds only the wait for the connection.
        """
        async with self._borrowed(timeout.total_seconds()) as connection:
            try:
                with translated():
                    yield connection
            finally:
                with anyio.move_on_after(_CLEAN_UP, shield=True) as scope:
                    with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                        await connection.reset(timeout=_CLEAN_UP)
                if scope.cancelled_caught:
                    _terminate(connection)

    async def fetch(self, sql: str, *args: object, timeout: timedelta = STATEMENT) -> list[Record]:
        """Return all rows of one statement."""
        async with self._statement(timeout) as connection:
            return await connection.fetch(sql, *args)

    async def fetchrow(self, sql: str, *args: object, timeout: timedelta = STATEMENT) -> Record | None:
        """Return the first row of one statement, or None."""
        async with self._statement(timeout) as connection:
            return await connection.fetchrow(sql, *args)

    async def fetchval(self, sql: str, *args: object, timeout: timedelta = STATEMENT) -> Any:  # noqa: ANN401 - a column of any type
        """Return the first column of the first row of one statement, or None."""
        async with self._statement(timeout) as connection:
            return await connection.fetchval(sql, *args)

    async def execute(self, sql: str, *args: object, timeout: timedelta = STATEMENT) -> str:
        """Run one statement and return its command tag (``"UPDATE 3"``)."""
        async with self._statement(timeout) as connection:
            return await connection.execute(sql, *args)

    async def close(self) -> None:
        """Close every connection, by force those that do not close within two seconds."""
        with anyio.move_on_after(_CLEAN_UP, shield=True) as scope:
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await self._pool.close()
        if scope.cancelled_caught:
            self._pool.terminate()

    @asynccontextmanager
    async def _statement(self, timeout: timedelta) -> AsyncGenerator[Connection]:
        seconds = timeout.total_seconds()
        async with self._borrowed(seconds) as connection:
            with anyio.move_on_after(seconds) as scope, translated():
                if timeout > STATEMENT:
                    await connection.execute(f"SET statement_timeout = {int(seconds * 1000)}")
                try:
                    yield connection
                finally:
                    if timeout > STATEMENT:
                        await _restore_timeout(connection)
            if scope.cancelled_caught:
                raise StoreUnreachable(f"PostgreSQL did not answer a statement within {seconds:g} s")

    @asynccontextmanager
    async def _borrowed(self, seconds: float) -> AsyncGenerator[Connection]:
        with translated(connecting=self.url):
            # A proxy of a connection, and it forwards everything.
            connection = cast("Connection", await self._pool.acquire(timeout=seconds))
        try:
            yield connection
        finally:
            with anyio.move_on_after(_CLEAN_UP, shield=True) as scope:
                with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                    await self._pool.release(
                        cast("PoolConnectionProxy[Record]", connection), timeout=_CLEAN_UP
                    )
            if scope.cancelled_caught:
                _terminate(connection)


async def _open(url: str, *, pool_size: int, session: dict[str, str]) -> asyncpg.Pool[asyncpg.Record]:
    with translated(connecting=url):
        pool = await asyncpg.create_pool(
            url,
            # asyncpg restores a minimum by itself, and logs a traceback each time the server is away.
            min_size=0,
            max_size=max(pool_size, 1),
            timeout=_CONNECT,
            server_settings=session,
            reset=_keep,
        )
        try:
            async with pool.acquire(timeout=_CONNECT):
                return pool
        except BaseException:
            pool.terminate()
            raise


async def _keep(_connection: object) -> None:
    # Nothing here changes a session for good, so the round trip of asyncpg's reset would be wasted.
    return


async def _finish(connection: Connection, block: Transaction, *, commit: bool) -> None:
    with anyio.move_on_after(_COMMIT if commit else _CLEAN_UP, shield=True) as scope:
        if commit:
            await block.commit()
        else:
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await block.rollback()
    if scope.cancelled_caught or (not commit and _is_in_transaction(connection)):
        _terminate(connection)
    if scope.cancelled_caught and commit:
        raise StoreUnreachable("PostgreSQL did not answer a COMMIT; whether it holds is not known")


async def _restore_timeout(connection: Connection) -> None:
    with anyio.move_on_after(_CLEAN_UP, shield=True):
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            await connection.execute("RESET statement_timeout")
            return
    _terminate(connection)


def _is_in_transaction(connection: Connection) -> bool:
    # Once a connection is lost, the pool takes it back, and asking it anything is an error.
    with suppress(asyncpg.InterfaceError):
        return not connection.is_closed() and connection.is_in_transaction()
    return False


def _terminate(connection: Connection) -> None:
    with suppress(asyncpg.InterfaceError):
        connection.terminate()
