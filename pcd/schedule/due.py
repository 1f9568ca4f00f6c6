"""Whether a schedule is due: a decision from its cron line, its last firing and this instant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cronsim import CronSim, CronSimError

from pcd.errors import ConfigError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_CLOCK_SLACK = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One named cron line.

    *key* is where it stands in the configuration (``"sync.full_cron"``). *at_first* says that a schedule
    which has never fired is due at once instead of at its first occurrence.
    """

    name: str
    cron: str
    key: str
    at_first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """It is time. *at* is the occurrence that is due, *is_late* says that it was missed by over a minute."""

    at: datetime
    is_late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NotYet:
    """Nothing to do until *until*."""

    until: datetime


def decide(schedule: Schedule, *, fired_at: datetime | None, now: datetime, zone: ZoneInfo) -> Due | NotYet:
    """Return whether *schedule* is due at *now*, given the instant at which it *fired_at* last.

    However many occurrences were missed, the schedule is due once. A last firing that lies in the future
    (the clock was set back, or another daemon's is fast) is forgotten: the next occurrence counts from *now*.
    """
    if fired_at is None and schedule.at_first:
        return Due(at=now, is_late=False)
    if fired_at is None or lies_ahead(fired_at, now=now):
        return NotYet(until=next_occurrence(schedule, after=now, zone=zone))
    expected = next_occurrence(schedule, after=fired_at, zone=zone)
    if expected > now:
        return NotYet(until=expected)
    return Due(at=expected, is_late=now - expected > _CLOCK_SLACK)


def lies_ahead(fired_at: datetime, *, now: datetime) -> bool:
    """Whether a clock that was wrong, this one's or another daemon's, told when a schedule fired."""
    return fired_at > now + _CLOCK_SLACK


def next_occurrence(schedule: Schedule, *, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant after *after* at which the cron line fires in *zone*.

    A daily time that daylight saving skips fires right after the gap; one that comes twice fires once.
    Raises ConfigError naming the key when the line cannot be read.

    Source: cronsim 2.8, which follows Debian's cron.
    """
    try:
        return next(CronSim(schedule.cron, after.astimezone(zone))).astimezone(after.tzinfo)
    except (CronSimError, StopIteration) as error:
        message = f"{schedule.key}: {schedule.cron!r} is not a cron line that ever fires ({error})"
        raise ConfigError(message) from error
