"""PostgreSQL as the sync sees it: what fails for a reason that passes is tried again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from pcd.db.pool import STATEMENT
from pcd.errors import DataRejected, StoreError, StoreUnreachable, StoreUnusable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import timedelta

    from pcd.clock import Clock
    from pcd.db.pool import Connection, Database, Record

log = logging.getLogger(__name__)

T = TypeVar("T")

_PAUSES = (0.3, 0.9, 2.7, 8.1, 24.3)
# Of one outage, however many wait for its end: longer than a restart takes, shorter than patience lasts.
_LONGEST = sum(_PAUSES)


class Retrier:
    """A database whose statements and transactions are repeated while PostgreSQL is in trouble that passes.

    It gives up after half a minute. A lost answer leaves unknown whether a statement took effect, so
    whatever goes through here comes to the same when it happens twice.
    """

    def __init__(
        self, db: Database, *, clock: Clock, sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    ) -> None:
        """Repeat what *db* is asked; *sleep* is for tests."""
        self._db = db
        self._clock = clock
        self._sleep = sleep
        self._away_since: float | None = None

    async def fetch(self, sql: str, *args: object) -> list[Record]:
        """Return all rows of one statement."""
        return await self._again(lambda: self._db.fetch(sql, *args))

    async def fetchrow(self, sql: str, *args: object) -> Record | None:
        """Return the first row of one statement, or None."""
        return await self._again(lambda: self._db.fetchrow(sql, *args))

    async def fetchval(self, sql: str, *args: object) -> Any:  # noqa: ANN401 - a column of any type
        """Return the first column of the first row of one statement, or None."""
        return await self._again(lambda: self._db.fetchval(sql, *args))

    async def execute(self, sql: str, *args: object) -> str:
        """Run one statement and return its command tag."""
        return await self._again(lambda: self._db.execute(sql, *args))

    async def transact(
        self,
        work: Callable[[Connection], Awaitable[T]],
        *,
        timeout: timedelta = STATEMENT,  # noqa: ASYNC109 - the transaction's, each time
        what: str = "a transaction failed",
    ) -> T:
        """Return what *work* makes of a connection inside a transaction; *what* names it in the log."""

        async def once() -> T:
            async with self._db.transaction(timeout=timeout) as connection:
                return await work(connection)

        return await self._again(once, what=what)

    async def _again(self, attempt: Callable[[], Awaitable[T]], *, what: str = "a statement failed") -> T:
        for pause in _PAUSES:
            try:
                value = await attempt()
            except (DataRejected, StoreUnusable):
                raise
            except StoreError as error:
                if isinstance(error, StoreUnreachable) and self._has_been_away_too_long():
                    raise
                log.warning("%s (%s); trying again", what, error)
                await self._sleep(pause)
            else:
                self._away_since = None
                return value
        return await attempt()

    def _has_been_away_too_long(self) -> bool:
        now = self._clock.monotonic()
        if self._away_since is None:
            self._away_since = now
        return now - self._away_since >= _LONGEST
