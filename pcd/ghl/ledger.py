"""The account of a day's calls."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from pcd.ghl import ration
from pcd.ghl.shapes import Budget

if TYPE_CHECKING:
    from datetime import datetime

    from pcd.ghl.limits import Limits

DAILY = 200_000
"""Source: "Rate Limits", marketplace.gohighlevel.com, read 2026-11-23: a day, app and subaccount."""

_REMEMBERED = 1800.0
_APART = 10.0
_SHORTEST = 60.0


class _Sample(NamedTuple):
    at: datetime
    used: int
    low: int


class Ledger:
    """Counts the calls of the day, as GoHighLevel tells them and in between as we make them.

    What others do with the same token is in their numbers, and so in ours. The present rate is that of
    the last half hour.
    """

    def __init__(self, *, daily: int, now: datetime) -> None:
        """Start with nothing used, until an answer says otherwise."""
        self.limit, self.used = daily, 0
        self._low = 0
        self._ends_at = ration.day_ends_at(now)
        self._samples = deque([_Sample(now, 0, 0)])

    def count(self, now: datetime, *, low_priority: bool = False) -> None:
        """Note that a call begins."""
        self._turn_page(now)
        self.used += 1
        self._low += low_priority

    def note(self, limits: Limits, now: datetime) -> None:
        """Take over what an answer says about the day."""
        self._turn_page(now)
        self.limit = limits.daily_most or self.limit
        if limits.daily_remaining is not None:
            used = max(self.limit - limits.daily_remaining, 0)
            is_first = len(self._samples) == 1 and self._samples[0].used == 0
            if is_first or used < self._samples[-1].used:
                self._samples = deque([_Sample(now, used, self._low)])
            self.used = used
        if (now - self._samples[-1].at).total_seconds() >= _APART:
            self._samples.append(_Sample(now, self.used, self._low))
            while (now - self._samples[0].at).total_seconds() > _REMEMBERED:
                self._samples.popleft()

    def budget(self, now: datetime, *, window_free: int) -> Budget:
        """Return how the day stands."""
        self._turn_page(now)
        first = self._samples[0]
        seconds = max((now - first.at).total_seconds(), _SHORTEST)
        coming = ration.forecast(
            limit=self.limit,
            used=self.used,
            per_second=(self.used - first.used) / seconds,
            low_per_second=(self._low - first.low) / seconds,
            seconds_left=(self._ends_at - now).total_seconds(),
        )
        return Budget(
            limit=self.limit,
            used=self.used,
            remaining=self._remaining,
            forecast=coming,
            window_free=window_free,
        )

    def spacing(self, now: datetime) -> float | None:
        """Return the seconds to leave between two low-priority calls; None while there is to be none."""
        self._turn_page(now)
        left = (self._ends_at - now).total_seconds()
        return ration.spacing(limit=self.limit, remaining=self._remaining, seconds_left=left)

    def seconds_left(self, now: datetime) -> float:
        """Return how long the day still lasts."""
        self._turn_page(now)
        return (self._ends_at - now).total_seconds()

    @property
    def _remaining(self) -> int:
        return max(self.limit - self.used, 0)

    def _turn_page(self, now: datetime) -> None:
        if now >= self._ends_at:
            self._ends_at = ration.day_ends_at(now)
            self.used = 0
            self._samples = deque([_Sample(now, 0, self._low)])
