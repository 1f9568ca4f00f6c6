"""Facts that follow from other facts and from the time. Pure."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pcd.workflows.conditions.condition import Value
    from pcd.workflows.facts.fact import Around

    Compute = Callable[[Mapping[str, Value], Around], Value]

DEADLINE = timedelta(days=7)
"""How long an offer stands that is made today."""

_HOUR = Decimal(3600)


def now(_: Mapping[str, Value], around: Around) -> Value:
    """Return the instant of judging."""
    return around.now


def today(_: Mapping[str, Value], around: Around) -> Value:
    """Return the business's calendar day."""
    return around.now.astimezone(around.zone).date()


def deadline(_: Mapping[str, Value], around: Around) -> Value:
    """Return the last day of an offer that is made today."""
    return around.now.astimezone(around.zone).date() + DEADLINE


def days_since(name: str) -> Compute:
    """Return what counts the calendar days since fact *name*; negative before it."""

    def compute(known: Mapping[str, Value], around: Around) -> Value:
        then = _day(known.get(name), around)
        return None if then is None else (around.now.astimezone(around.zone).date() - then).days

    return compute


def days_until(name: str) -> Compute:
    """Return what counts the calendar days until fact *name*; negative after it."""

    def compute(known: Mapping[str, Value], around: Around) -> Value:
        then = _day(known.get(name), around)
        return None if then is None else (then - around.now.astimezone(around.zone).date()).days

    return compute


def hours_until(name: str) -> Compute:
    """Return what counts the hours until instant *name*, in hundredths; negative after it."""

    def compute(known: Mapping[str, Value], around: Around) -> Value:
        then = known.get(name)
        if not isinstance(then, datetime):
            return None
        seconds = (then - around.now) // timedelta(seconds=1)
        return (Decimal(seconds) / _HOUR).quantize(Decimal("0.01"))

    return compute


def local_date(name: str) -> Compute:
    """Return what tells the business's calendar day of instant *name*."""
    return lambda known, around: _day(known.get(name), around)


def local_time(name: str) -> Compute:
    """Return what tells the time of day of instant *name* in the business's zone: ``"2:30 PM"``."""

    def compute(known: Mapping[str, Value], around: Around) -> Value:
        then = known.get(name)
        return clock_time(then.astimezone(around.zone)) if isinstance(then, datetime) else None

    return compute


def window(start: str, end: str) -> Compute:
    """Return what tells two instants as a window: ``"2:00 PM - 4:00 PM"``; or only one of them."""

    def compute(known: Mapping[str, Value], around: Around) -> Value:
        times = [
            clock_time(moment.astimezone(around.zone))
            for moment in (known.get(start), known.get(end))
            if isinstance(moment, datetime)
        ]
        return " - ".join(times) or None

    return compute


def clock_time(moment: datetime) -> str:
    """Return the time of day as people write it: ``"9:05 AM"``."""
    return f"{moment.hour % 12 or 12}:{moment.minute:02} {'AM' if moment.hour < 12 else 'PM'}"


def first_name(known: Mapping[str, Value], _: Around) -> Value:
    """Return what to call a customer: a person's first name, a company's whole name."""
    name = str(known.get("customer.name") or "").strip()
    if known.get("customer.type") == "Commercial" or not name:
        return name or None
    comma, after = name.partition(",")[1:]
    words = (after if comma and after.strip() else name).split()
    return words[0] if words else None


def is_paid(known: Mapping[str, Value], _: Around) -> Value:
    """Return whether nothing of the invoice is left to pay."""
    balance = known.get("invoice.balance")
    return None if not isinstance(balance, Decimal) else balance <= 0


def _day(value: Value, around: Around) -> date | None:
    if isinstance(value, datetime):
        return value.astimezone(around.zone).date()
    return value if isinstance(value, date) else None
