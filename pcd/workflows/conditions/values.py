"""What values are to each other: which can be compared, and as what. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from pcd.errors import ConditionError

if TYPE_CHECKING:
    from pcd.workflows.conditions.condition import Value


def comparable(left: Value, right: Value, column: int) -> tuple[Any, Any]:
    """Return both values as they can be compared with each other; raises ConditionError.

    A text beside a number, a date or an instant is read as one. A date beside an instant is compared with
    the instant's day in UTC.
    """
    left, right = _sound(left, column), _sound(right, column)
    if isinstance(left, str) and not isinstance(right, str):
        left = _read(left, right, column)
    elif isinstance(right, str) and not isinstance(left, str):
        right = _read(right, left, column)
    if isinstance(left, datetime) != isinstance(right, datetime):
        left, right = _day(left), _day(right)
    if isinstance(left, int | Decimal) and isinstance(right, int | Decimal):
        both_alike = isinstance(left, bool) == isinstance(right, bool)
    else:
        both_alike = type(left) is type(right)
    if not both_alike:
        raise ConditionError(f"{kind(left)} cannot be compared with {kind(right)}", column=column)
    return left, right


def kind(value: object) -> str:  # noqa: PLR0911 - one a kind
    """Return what a value is, in words."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | Decimal():
            return "a number"
        case str():
            return "a text"
        case datetime():
            return "an instant"
        case date():
            return "a date"
        case tuple():
            return "a list"
        case _:
            return type(value).__name__


def _sound(value: Value, column: int) -> Value:
    """Return *value* as it can be ordered: what is no number cannot, an instant without a zone is UTC."""
    if isinstance(value, Decimal) and not value.is_finite():
        raise ConditionError("not a number is neither more nor less nor equal", column=column)
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value


def _read(text: str, beside: Value, column: int) -> Value:
    # The text may be a customer's, so it is not told.
    refusal = ConditionError(f"a text that cannot be read as {kind(beside)}", column=column)
    try:
        match beside:
            case bool() | tuple() | None:
                return text
            case int() | Decimal():
                found = Decimal(text)
            case _:
                return _moment(text)
    except (ValueError, InvalidOperation):
        raise refusal from None
    if not found.is_finite():
        raise refusal
    return found


def _moment(text: str) -> date:
    if len(text) == 10:
        return date.fromisoformat(text)
    found = datetime.fromisoformat(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _day(value: Value) -> Value:
    return value.astimezone(UTC).date() if isinstance(value, datetime) else value
