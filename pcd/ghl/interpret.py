"""Read single values of GoHighLevel's records, of which no type is certain. Pure.

What is not as expected counts as absent.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pcd.ghl.shapes import CustomValue

_VALUE_KEYS = ("value", "fieldValue", "field_value")
_MOST_DIGITS = 30


def text(record: Mapping[str, Any], *keys: str) -> str:
    """Return the first of *keys* that is not empty, as a text; "" when all are."""
    return next(filter(None, (as_text(record.get(key)) for key in keys)), "")


def as_text(value: object) -> str:
    """Return *value* as a text: a number without superfluous noughts, "" for what is neither."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case Decimal() if value.is_finite() and abs(value.adjusted()) < _MOST_DIGITS:
            return format(value.normalize(), "f")
        case _:
            return ""


def texts(values: object) -> tuple[str, ...]:
    """Return the texts in a list, of which each may be an object with a name, a label or a value."""
    found = (
        text(value, "name", "label", "value", "option") if isinstance(value, dict) else as_text(value)
        for value in items(values)
    )
    return tuple(filter(None, found))


def items(value: object) -> list[Any]:
    """Return *value* if it is a list, otherwise an empty one."""
    return value if isinstance(value, list) else []


def whole(value: object, otherwise: int) -> int:
    """Return *value* as a whole number, *otherwise* when it is none."""
    found = amount(value)
    return otherwise if found is None else int(found)


def amount(value: object) -> Decimal | None:
    """Return *value* as a number, or None when it is none."""
    try:
        found = Decimal(as_text(value).replace(",", ""))
    except InvalidOperation:
        return None
    return found if found.is_finite() and abs(found.adjusted()) < _MOST_DIGITS else None


def instant(record: Mapping[str, Any], *keys: str) -> datetime | None:
    """Return the first of *keys* that is an instant: ISO 8601, or milliseconds since 1970."""
    for value in map(record.get, keys):
        try:
            if isinstance(value, str):
                found = datetime.fromisoformat(value)
                return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
            if isinstance(value, int | Decimal) and value > 0:
                return datetime.fromtimestamp(float(value) / 1000, UTC)
        except (ValueError, OverflowError, OSError):
            continue
    return None


def dnd_settings(found: object) -> dict[str, str]:
    """Return the status by channel: ``{"SMS": "active"}``."""
    if not isinstance(found, dict):
        return {}
    said = {name: value for name, value in found.items() if isinstance(value, dict)}
    return {name: text(value, "status") for name, value in said.items() if text(value, "status")}


def custom_fields(record: Mapping[str, Any]) -> dict[str, CustomValue]:
    """Return the custom fields that have a value, by their ids.

    The value stands under ``value`` (contacts), ``fieldValue``, or ``fieldValueString``,
    ``fieldValueArray`` and so on (opportunities).

    Source: highlevel-api-docs, issue 87.
    """
    found: dict[str, CustomValue] = {}
    for field in items(record.get("customFields") or record.get("customField")):
        if not isinstance(field, dict) or not text(field, "id"):
            continue
        values = [value for value in map(_custom_value, _values(field)) if value]
        if values:
            found[text(field, "id")] = values[0]
    return found


def _values(field: Mapping[str, Any]) -> Iterable[object]:
    yield from (field[key] for key in _VALUE_KEYS if key in field)
    yield from (
        value for key, value in field.items() if key.startswith("fieldValue") and key not in _VALUE_KEYS
    )


def _custom_value(value: object) -> CustomValue:
    if isinstance(value, list):
        return texts(value)
    return json.dumps(value, default=str, sort_keys=True) if isinstance(value, dict) else as_text(value)
