"""The few tests that rules are made of. Pure: a row's tracked columns in, an answer out."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from pcd.events.event import Doubt, Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from zoneinfo import ZoneInfo

    from pcd.changes.change import State
    from pcd.tables.spec import Resource

Test: TypeAlias = "Callable[[State, Surroundings], bool]"
Check: TypeAlias = "Callable[[State, Surroundings], Doubt | None]"


def is_value(column: str, value: str) -> Test:
    """Return a test that holds while *column* is *value*."""
    return lambda state, _: state.get(column) == value


def known(resource: Resource, column: str, *also: str, optional: bool = False) -> Check:
    """Return a check that doubts a value that *resource* does not declare, and none unless *optional*.

    *also* are values that only an adopted table holds.
    """
    values = next(each.known for each in resource.columns if each.name == column) | set(also)

    def check(state: State, _: Surroundings) -> Doubt | None:
        value = state.get(column)
        if value is None:
            return None if optional else Doubt(reason=f"{column} is null")
        return None if value in values else Doubt(reason=f"{column} {value!r} is not a known one")

    return check


def amount(column: str, *, may_be_negative: bool = False) -> Check:
    """Return a check that doubts an amount that is missing, or below zero."""

    def check(state: State, _: Surroundings) -> Doubt | None:
        value = number(state, column)
        if value is None:
            return Doubt(reason=f"{column} is null")
        return Doubt(reason=f"{column} is negative") if value < 0 and not may_be_negative else None

    return check


def present(column: str) -> Check:
    """Return a check that doubts a row without *column*."""
    return lambda state, _: Doubt(reason=f"{column} is null") if state.get(column) is None else None


def number(state: State, column: str) -> Decimal | None:
    """Return an amount, None where there is none (or one that is no number, which numeric columns know)."""
    value = state.get(column)
    if value is None:
        return None
    found = Decimal(value)
    return found if found.is_finite() else None


def day(state: State, column: str) -> date | None:
    """Return a calendar date; an adopted table may hold it as an instant, whose time does not matter."""
    value = state.get(column)
    return None if value is None else date.fromisoformat(str(value)[:10])


def is_active(state: State) -> bool:
    """Whether the row is neither inactive nor gone upstream."""
    return state.get("active") is not False and state.get("st_deleted_at") is None


def changed(before: State, after: State, *columns: str) -> tuple[str, ...]:
    """Return those of *columns* whose value is another one."""
    return tuple(column for column in columns if before.get(column) != after.get(column))


def what_changed(
    *columns: str,
) -> Callable[[State | None, State, Surroundings, datetime], Mapping[str, Any]]:
    """Return the payload's ``changed`` and ``before``: which of *columns*, and what they were."""

    def tell(before: State | None, after: State, _: Surroundings, _at: datetime) -> Mapping[str, Any]:
        was = before or {}
        names = changed(was, after, *columns)
        return {"changed": list(names), "before": {name: was.get(name) for name in names}}

    return tell


def midnight(on: date, zone: ZoneInfo) -> datetime:
    """Return the instant at which *on* begins in *zone*; the first one where it begins twice."""
    return datetime.combine(on, time(), tzinfo=zone)


def end_of(on: date, zone: ZoneInfo) -> datetime:
    """Return the instant at which *on* ends in *zone*."""
    return midnight(on + timedelta(days=1), zone)
