"""When a step is due. Pure: the instant before, the zone and the facts are arguments.

Times of day are the business's. One that the clocks skip (02:30 on the spring day) is the first instant
after the gap, one that they show twice (01:30 on the autumn day) is the first of both.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, assert_never

from pcd.config import durations
from pcd.errors import ConditionError
from pcd.workflows.workflow import After, AtTime, OnDate, Until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from pcd.workflows.workflow import Delay, Hours, Wait

LONGEST = timedelta(days=3660)
"""The longest delay that a definition may have."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_DAY = timedelta(days=1)
_PART = re.compile(r"([0-9]{1,6}) ?(second|sec|minute|min|hour|hr|day|week)s?", re.IGNORECASE)
_DAYS = re.compile(r"P?(?:([0-9]+)[wW])? ?(?:([0-9]+)[dD])?")
_UNITS = {
    "second": timedelta(seconds=1),
    "sec": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "min": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "hr": timedelta(hours=1),
    "day": _DAY,
    "week": 7 * _DAY,
}


def due_at(delay: Delay, since: datetime, zone: ZoneInfo, facts: Mapping[str, Any] = _NOTHING) -> datetime:
    """Return when a step with *delay* is due, counted from *since*; never before it.

    *facts* hold the moment of a delay until one; without a value there the step is due at once. Raises
    ConditionError when the fact is not known, or is no moment.
    """
    # Python adds to a local time what its clocks show, not what passes.
    since = since.astimezone(UTC)
    moment = max(_moment(delay.wait, since, zone, facts), since)
    return moment if delay.within is None else opening(moment, delay.within, zone)


def at_local(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Return the instant, in UTC, at which it is *at* on *day* in *zone*.

    What the clocks show twice is the first instant; what they skip is the first instant after the gap.
    """
    first = datetime.combine(day, at, tzinfo=zone).replace(fold=0)
    instant = first.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == first.replace(tzinfo=None):
        return instant
    # In a gap, fold 0 counts with the offset before it and fold 1 with the one after it: either side of it.
    return _end_of_gap(first.replace(fold=1).astimezone(UTC), instant, zone)


def opening(moment: datetime, hours: Hours, zone: ZoneInfo) -> datetime:
    """Return *moment* if the business is open then, or else the next instant at which it opens."""
    day = moment.astimezone(zone).date()
    for later in range(15):
        today = day + later * _DAY
        if today.weekday() not in hours.days:
            continue
        opens, closes = at_local(today, hours.opens, zone), at_local(today, hours.closes, zone)
        if moment < closes:
            return max(moment, opens)
    return moment


def parse_delay(text: str) -> After:
    """Return the delay that *text* says: ``"2 days"``, ``"1 day 2 hours"``, ``"90m"``; raises ValueError.

    Days and weeks are those of the calendar, so that "2 days" after 10:00 is 10:00 whatever the clocks did
    meanwhile; "48 hours" and "48h" are 48 hours.
    """
    stripped = text.strip()
    if not stripped:
        return After()
    days, rest, place = 0, timedelta(), 0
    for part in _PART.finditer(stripped):
        if stripped[place : part.start()].strip(" ,") not in {"", "and"}:
            break
        unit = _UNITS[part[2].lower()]
        if unit >= _DAY:
            days += int(part[1]) * (unit // _DAY)
        else:
            rest += int(part[1]) * unit
        place = part.end()
    if place != len(stripped):
        days, rest = _short(stripped)
    if days * _DAY + rest > LONGEST:
        raise ValueError(f"a delay of at most {LONGEST.days} days")
    return After(days=days, rest=rest)


def _short(text: str) -> tuple[int, timedelta]:
    try:
        found = durations.parse(text)
    except ValueError:
        raise ValueError('a delay such as "2 hours", "3 days", "1 day 2 hours" or "90m"') from None
    if found % timedelta(seconds=1):
        raise ValueError("a delay of whole seconds")
    whole = _DAYS.match(text)
    days = 7 * int(whole[1] or 0) + int(whole[2] or 0) if whole else 0
    return days, found - days * _DAY


def _moment(wait: Wait, since: datetime, zone: ZoneInfo, facts: Mapping[str, Any]) -> datetime:
    match wait:
        case After(days=days, rest=rest):
            return _moved(since, days, rest, zone)
        case AtTime():
            return _at_time(wait, since, zone)
        case OnDate(on=on, at=at):
            return max(at_local(on, at, zone), since)
        case Until(fact=fact, days=days, rest=rest):
            try:
                found = _fact(facts, fact, zone)
                return since if found is None else _moved(found.astimezone(UTC), days, rest, zone)
            except OverflowError:
                raise ConditionError(
                    f"{fact} lies at an end of the calendar, and the step waits for it"
                ) from None
        case _:
            assert_never(wait)


def _moved(moment: datetime, days: int, rest: timedelta, zone: ZoneInfo) -> datetime:
    """Return *moment* at the same time of day so many *days* of the calendar later, and then *rest* later."""
    if days:
        local = moment.astimezone(zone)
        moment = at_local(local.date() + days * _DAY, local.time(), zone)
    return moment + rest


def _at_time(wait: AtTime, since: datetime, zone: ZoneInfo) -> datetime:
    first = since.astimezone(zone).date() + wait.days * _DAY
    for later in range(8):
        day = first + later * _DAY
        moment = at_local(day, wait.at, zone)
        if day.weekday() in wait.weekdays and moment >= since:
            return moment
    return since


def _fact(facts: Mapping[str, Any], name: str, zone: ZoneInfo) -> datetime | None:
    if name not in facts:
        raise ConditionError(f"{name} is not known, and the step waits for it")
    found = facts[name]
    if found is None or isinstance(found, datetime):
        return found
    if isinstance(found, date):
        return at_local(found, time(), zone)
    raise ConditionError(f"{name} is neither a date nor an instant, and the step waits for it")


def _end_of_gap(early: datetime, late: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant between *early* and *late* with the offset of *late*, behind a gap."""
    new = late.astimezone(zone).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) / 2
        if middle.astimezone(zone).utcoffset() == new:
            late = middle
        else:
            early = middle
    return late.replace(microsecond=0)
