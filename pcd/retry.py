"""Decide whether and when a failed request is tried again. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from pcd.errors import Clamped, Malformed, NoAnswer, RateLimited, Unavailable

if TYPE_CHECKING:
    from pcd.errors import UpstreamError

FIRST_DELAY = 1.0
LONGEST_DELAY = 60.0
SHORTEST_PAUSE = 1.0
"""Even "retry after 0 seconds" is waited for: otherwise it would be obeyed in a tight loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long one request may take, all of its attempts together.

    *attempt* is the time for one attempt, *total* that for all. It is tried *attempts* times at most,
    and given up when *decodes* of them brought a body that cannot be read.

    Source for *attempt*: "Timeouts and pagination", partnerapis.servicetitan.io, read 2026-11-23:
    the API gives up after 100 seconds, clients should use the same.
    """

    attempts: int = 10
    decodes: int = 5
    attempt: timedelta = timedelta(seconds=100)
    total: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Tried:
    """How many attempts failed, and how many of them because their body could not be read."""

    attempts: int = 0
    unreadable: int = 0

    def and_failed(self, error: UpstreamError) -> Tried:
        """Return this with one more attempt, which failed with *error*."""
        return Tried(self.attempts + 1, self.unreadable + isinstance(error, Malformed))


def delay(attempt: int, error: UpstreamError, jitter: float) -> float:
    """Return the seconds to wait after *attempt* (from 1) failed with *error*.

    As long as we were told to, and where we were not told 1, 2, 4 ... 60 seconds, of which *jitter*
    (0 to 1) leaves between half and all.
    """
    if isinstance(error, RateLimited) and error.retry_after is not None:
        return max(error.retry_after, SHORTEST_PAUSE)
    ceiling = min(FIRST_DELAY * 2.0 ** min(attempt - 1, 16), LONGEST_DELAY)
    return ceiling * (1 + min(max(jitter, 0.0), 1.0)) / 2


def next_delay(
    error: UpstreamError, *, tried: Tried, elapsed: float, jitter: float, patience: Patience
) -> float | None:
    """Return the seconds to wait before the next attempt, or None when *error* is final.

    *tried* includes the attempt that failed with *error*; *elapsed* are the seconds since the first
    one began. A wait that *patience* does not cover is not begun.
    """
    match error:
        case Clamped() | NoAnswer():
            return None
        case Malformed():
            is_enough = tried.unreadable >= patience.decodes
        case RateLimited() | Unavailable():
            is_enough = False
        case _:
            return None
    seconds = delay(tried.attempts, error, jitter)
    if is_enough or tried.attempts >= patience.attempts or elapsed + seconds > patience.total.total_seconds():
        return None
    return seconds


def header_seconds(value: str, *, now: datetime) -> float | None:
    """Return the seconds that a ``Retry-After`` of *value* asks for, from *now*; None when it says nothing.

    It holds seconds or an HTTP date, and a date that has passed gives less than nought.
    """
    value = value.strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value):
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    return ((until if until.tzinfo else until.replace(tzinfo=UTC)) - now).total_seconds()
