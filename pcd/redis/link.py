"""The one way to Redis: quick to give up, told once when it goes and once when it returns."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from pcd.errors import PcdError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from redis.asyncio import Redis

    from pcd.clock import Clock
    from pcd.config import Url

T = TypeVar("T")

_log = logging.getLogger(__name__)
_WITHIN = 0.2
_ALTOGETHER = 0.5
# How long nobody waits for a Redis that did not answer.
_LEFT_ALONE = 5.0
_CLOSE = 1.0
_AT_ONCE = 16


class RedisGone(PcdError):
    """Redis does not answer at present. Whoever asked goes on without it."""


class Link:
    """A few connections to one Redis. Made by `connect`.

    After a failure it is left alone for five seconds: until then `run` raises RedisGone at once.
    """

    def __init__(self, client: Redis, *, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._again_at = float("-inf")
        self._is_gone = False

    @property
    def is_gone(self) -> bool:
        """Whether the last question was not answered."""
        return self._is_gone

    async def run(self, ask: Callable[[Redis], Awaitable[T]]) -> T:
        """Return what *ask* got, within half a second; raises RedisGone."""
        from redis.exceptions import RedisError

        if self._clock.monotonic() < self._again_at:
            raise RedisGone("Redis did not answer a moment ago")
        reason = "no answer"
        with anyio.move_on_after(_ALTOGETHER):
            try:
                answer = await ask(self._client)
            except (RedisError, OSError) as error:
                reason = type(error).__name__
            else:
                self._note_success()
                return answer
        self._note_failure(reason)
        raise RedisGone(f"Redis does not answer ({reason})")

    def _note_success(self) -> None:
        if self._is_gone:
            _log.info("redis: answers again")
        self._is_gone = False

    def _note_failure(self, reason: str) -> None:
        if not self._is_gone:
            _log.warning("redis: does not answer (%s); going on without it", reason)
        self._is_gone = True
        self._again_at = self._clock.monotonic() + _LEFT_ALONE


@asynccontextmanager
async def connect(url: Url, *, clock: Clock) -> AsyncGenerator[Link | None]:
    """Hold a link to the Redis at *url*, None where there is no url. Nothing is asked yet."""
    if not url:
        yield None
        return
    client = await anyio.to_thread.run_sync(_open, url.reveal())
    try:
        yield Link(client, clock=clock)
    finally:
        with anyio.move_on_after(_CLOSE, shield=True):
            await client.aclose()


def _open(url: str) -> Any:  # noqa: ANN401 - the package is imported where it is used
    from redis.asyncio import BlockingConnectionPool, Redis

    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_AT_ONCE,
        timeout=_WITHIN,
        socket_timeout=_WITHIN,
        socket_connect_timeout=_WITHIN,
        retry=None,
        client_name="pcd",
    )
    return Redis.from_pool(pool)
