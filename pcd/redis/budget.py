"""A rate limit that several processes keep together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from pcd.redis.link import RedisGone

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from redis.asyncio import Redis

    from pcd.redis.link import Link

# The starts of the last period stand in a list, newest first, by Redis' own clock. A start is granted when
# the one that many places back, less those to be left, lies a whole period behind; else the milliseconds
# until then are returned.
_SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local count, period, left = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local oldest = tonumber(redis.call('LINDEX', KEYS[1], count - 1 - left) or '-1')
local newest = tonumber(redis.call('LINDEX', KEYS[1], 0) or '-1')
if newest > now then
    redis.call('DEL', KEYS[1])
    oldest = -1
end
if oldest >= 0 and now - oldest < period then
    return period - (now - oldest)
end
redis.call('LPUSH', KEYS[1], now)
redis.call('LTRIM', KEYS[1], 0, count - 1)
redis.call('PEXPIRE', KEYS[1], 2 * period)
return 0
"""


class SharedBudget:
    """At most *per_second* starts in any second, by all processes that use the same *name*.

    With *seconds* it is that many times as much in any *seconds*: a burst may be longer. `claim` is asked
    after the process's own limit; without Redis that one alone holds, at once.
    """

    def __init__(self, link: Link, name: str, *, per_second: float, seconds: float = 1) -> None:
        self._link = link
        self._key = f"pcd:budget:{name}"
        self._count = max(1, int(per_second * seconds))
        self._period = max(1, round(1000 * self._count / per_second))

    async def claim(self, *, leaving: int = 0) -> float:
        """Take one start and return 0; or return in how many seconds to ask again, having taken none.

        None is taken that would not leave *leaving* more to others.
        """
        left = min(leaving, self._count - 1)
        try:
            return await self._link.run(partial(self._ask, left)) / 1000
        except RedisGone:
            return 0.0

    async def _ask(self, left: int, client: Redis) -> int:
        asked = client.eval(_SCRIPT, 1, self._key, str(self._count), str(self._period), str(left))
        return int(await cast("Awaitable[int]", asked))
