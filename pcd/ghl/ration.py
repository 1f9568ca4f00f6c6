"""Decide how much of a day's calls is left for whom. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

SLOW_BELOW = 0.25
"""Of the day's calls: with less than that left, low-priority calls are spread over the rest of the day."""

HOLD_BELOW = 0.05
"""Of the day's calls: the last ones, which are kept for what cannot wait.

A guess: how integrators live with it; nothing is published.
"""


def day_ends_at(now: datetime) -> datetime:
    """Return when the day's calls are counted from nought again.

    Midnight in UTC is a guess: which midnight it is is published nowhere, and no header tells. When it
    is another one, the first answer after it corrects what we believe.
    """
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def forecast(*, limit: int, used: int, per_second: float, low_per_second: float, seconds_left: float) -> int:
    """Return how many calls the day will have used at its end if it goes on like this.

    *low_per_second* of the *per_second* are of low priority: they stop when the last twentieth is reached,
    so alone they never use up the day.
    """
    others = max(per_second - low_per_second, 0.0) * max(seconds_left, 0.0)
    low = min(max(low_per_second, 0.0), max(per_second, 0.0)) * max(seconds_left, 0.0)
    room = max(limit * (1 - HOLD_BELOW) - used - others, 0.0)
    return used + int(others + min(low, room))


def spacing(*, limit: int, remaining: int, seconds_left: float) -> float | None:
    """Return the seconds between two low-priority calls: 0 for no need to wait, None for none today."""
    if remaining >= limit * SLOW_BELOW:
        return 0.0
    to_give = remaining - limit * HOLD_BELOW
    return None if to_give < 1 else max(seconds_left, 0.0) / to_give
