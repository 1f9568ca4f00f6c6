"""Whether a message may go to a customer at this moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from pcd.messages.message import Channel, Mode
from pcd.workflows.delays import at_local

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

_WEEK = 7
_MIDNIGHT = time()
# Each round passes the end of a quiet night or a midnight; a week has seven of each.
_ROUNDS = 2 * _WEEK + 2


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From *start* to *end* on the wall clock, over midnight when *end* is the smaller; equal means never."""

    start: time
    end: time


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known about a customer at the moment of sending.

    *objections* are sentences, each a reason never to send on this channel: an opt-out, a do-not-text
    flag, a STOP. *sent_at* are the instants of the messages of the last eight days that count.
    """

    objections: tuple[str, ...] = ()
    quiet_hours: QuietHours | None = None
    zone: ZoneInfo
    max_per_day: int
    max_per_week: int
    sent_at: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Send:
    """It may go now."""


@dataclass(frozen=True, slots=True)
class Hold:
    """It may not go before *until*."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Drop:
    """It may never go."""

    reason: str


Verdict = Send | Hold | Drop


def vet(standing: Standing, *, channel: Channel, mode: Mode, now: datetime) -> Verdict:
    """Return whether a message may go by *channel* at *now* to whom *standing* describes.

    What a customer does not want is never sent, whatever the hour. Quiet hours and caps hold it until
    the first instant at which neither stands against it; the reason is the first one that does.
    A day and a week (seven days, today included) are the customer's own calendar days.
    """
    if mode is Mode.OFF:
        return Drop("messages are switched off (messaging.mode)")
    if standing.objections:
        return Drop(f"no {_NOUNS[channel]}: {'; '.join(standing.objections)}")
    if min(standing.max_per_day, standing.max_per_week) <= 0:
        return Drop("the customer's cap is no messages at all")
    at, first = now, ""
    for _ in range(_ROUNDS):
        until, reason = _obstacle(standing, at)
        if until is None:
            break
        at, first = until, first or reason
    return Hold(at, first) if first else Send()


def quiet_until(hours: QuietHours | None, zone: ZoneInfo, now: datetime) -> datetime | None:
    """Return when the quiet hours that *now* lies in end, None outside of any.

    A wall-clock time that a clock change skips is the instant of the change; one that comes twice is
    the first.
    """
    if hours is None or hours.start == hours.end:
        return None
    today = now.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        last = day if hours.start < hours.end else day + timedelta(days=1)
        if at_local(day, hours.start, zone) <= now < (end := at_local(last, hours.end, zone)):
            return end
    return None


def _obstacle(standing: Standing, at: datetime) -> tuple[datetime | None, str]:
    end = quiet_until(standing.quiet_hours, standing.zone, at)
    if end is not None:
        return end, "quiet hours"
    today = at.astimezone(standing.zone).date()
    days = [sent.astimezone(standing.zone).date() for sent in standing.sent_at]
    is_day_full = sum(day == today for day in days) >= standing.max_per_day
    is_week_full = sum(_is_in_week(day, today) for day in days) >= standing.max_per_week
    if not (is_day_full or is_week_full):
        return None, ""
    reason = f"{standing.max_per_day} messages today" if is_day_full else f"{standing.max_per_week} this week"
    return next(_free_days(standing, days, today)), f"the customer's cap is reached: {reason}"


def _free_days(standing: Standing, days: list[date], today: date) -> Iterator[datetime]:
    for ahead in range(1, _WEEK + 1):
        day = today + timedelta(days=ahead)
        if sum(_is_in_week(sent, day) for sent in days) < standing.max_per_week:
            yield at_local(day, _MIDNIGHT, standing.zone)


def _is_in_week(day: date, last: date) -> bool:
    return last - timedelta(days=_WEEK) < day <= last


_NOUNS = {Channel.SMS: "text message", Channel.EMAIL: "e-mail"}
