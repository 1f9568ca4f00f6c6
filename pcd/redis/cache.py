"""Answers that processes keep for each other for a while, under names that tell nobody what was asked."""

from __future__ import annotations

import hashlib
import hmac
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from pcd.redis.link import RedisGone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import timedelta

    from redis.asyncio import Redis

    from pcd.redis.link import Link


class Cache:
    """What was found by a key, for *lasting* at most; shared by all who use the same *name* and *secret*.

    Keys are stored as digests that *secret* makes, values as they are. Without Redis nothing is found and
    nothing kept. *observe* hears of each key that was asked for ``hit`` or ``miss``, and of each that turned
    out to be wrong ``stale``.
    """

    def __init__(
        self, link: Link, name: str, *, secret: str, lasting: timedelta, observe: Callable[[str], None]
    ) -> None:
        self._link = link
        self._prefix = f"pcd:{name}:"
        self._secret = secret.encode()
        self._milliseconds = round(lasting.total_seconds() * 1000)
        self._observe = observe

    async def find(self, keys: Iterable[str]) -> dict[str, str]:
        """Return what is kept of *keys*."""
        asked = list(keys)
        names = [self._name(key) for key in asked]

        async def ask(client: Redis) -> list[bytes | None]:
            return cast("list[bytes | None]", await client.mget(names)) if names else []

        try:
            values = await self._link.run(ask)
        except RedisGone:
            return {}
        for value in values:
            self._observe("miss" if value is None else "hit")
        return {key: value.decode() for key, value in zip(asked, values, strict=True) if value is not None}

    async def keep(self, found: Mapping[str, str]) -> None:
        """Keep *found* for the others, instead of what was kept."""

        async def put(client: Redis) -> None:
            async with client.pipeline(transaction=False) as pipeline:
                for key, value in found.items():
                    pipeline.set(self._name(key), value, px=self._milliseconds)
                await pipeline.execute()

        with suppress(RedisGone):
            await self._link.run(put)

    async def forget(self, key: str) -> None:
        """Keep nothing of *key* any more: it was wrong."""
        with suppress(RedisGone):
            if await self._link.run(lambda client: client.delete(self._name(key))):
                self._observe("stale")

    def _name(self, key: str) -> str:
        return self._prefix + hmac.digest(self._secret, key.encode(), hashlib.sha256).hex()
