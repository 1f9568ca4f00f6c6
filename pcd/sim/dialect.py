"""How ServiceTitan writes values on the wire.

Source: a published capture of 1,940 records (``hbenda-pph/etl_servicetitan`` of 2026-06-10,
``review/return_1.json``): instants in UTC with up to seven fractional digits, trailing zeros trimmed;
numbers with their full decimal scale. ServiceTitan's OpenAPI document "Accounting" of 2026-05-21: money
on invoices and payments as strings with two places.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

Record: TypeAlias = dict[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_INSTANT = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,7})\d*)?)?)?(Z|[+-]\d{2}:?\d{2})?"
)
_SCALE = 4


def ticks(instant: datetime) -> int:
    """Return *instant* in units of 100 ns since 1970, the precision of the wire.

    Python's instants end at microseconds; the seventh digit is made up from the others, always the
    same for the same instant, and 0 on whole seconds.
    """
    microseconds = (instant - _EPOCH) // _MICROSECOND
    fraction = instant.microsecond
    return microseconds * 10 + (fraction * 7 + instant.second) % 10 * (fraction > 0)


def from_ticks(value: int) -> datetime:
    """Return the instant of `ticks`; the seventh digit is cut, and made up again by `ticks`."""
    return _EPOCH + value // 10 * _MICROSECOND


def instant(value: datetime) -> str:
    """Return *value* as the wire writes it: ``2021-07-19T20:35:38.2876004Z``."""
    value = value.astimezone(UTC)
    whole = value.strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{ticks(value) % 10_000_000:07d}".rstrip("0")
    return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"


def day(value: date) -> str:
    """Return a calendar date as the wire writes it: midnight, marked as UTC though it is local."""
    return f"{value.isoformat()}T00:00:00Z"


def money(value: Decimal) -> str:
    """Return an amount as invoices and payments carry it: a string with two places."""
    return f"{value:.2f}"


def parse_ticks(text: str) -> int:
    """Read a date or an instant, with up to seven fractional digits, into `ticks`.

    Raises ValueError where *text* is neither. No zone means UTC.
    """
    found = _INSTANT.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"not a date-time: {text!r}")
    year, month, dom, hour, minute, second, fraction, zone = found.groups()
    whole = datetime(
        int(year), int(month), int(dom), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC
    )
    if zone and zone != "Z":
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
        whole = whole - offset if zone[0] == "+" else whole + offset
    return (whole - _EPOCH) // _MICROSECOND * 10 + int((fraction or "").ljust(7, "0"))


def encode(record: Mapping[str, Any]) -> bytes:
    """Return *record* as JSON text in the wire dialect.

    Datetimes, dates and Decimals may stand anywhere in it. A Decimal is written with its own scale,
    but at least four places: ``Decimal("25.17")`` becomes ``25.1700``.
    """
    text = orjson.dumps(record, default=_encode_value, option=orjson.OPT_PASSTHROUGH_DATETIME)
    return bytes(memoryview(text))  # orjson's own result keeps its large buffer; records are kept for long


def decode(body: bytes) -> Record:
    """Return the record in *body*, its decimal fractions as Decimals with their scale."""
    record: Record = json.loads(body, parse_float=Decimal)
    return record


def _encode_value(value: object) -> object:
    match value:
        case Decimal():
            exponent = value.as_tuple().exponent
            places = max(_SCALE, -exponent if isinstance(exponent, int) else 0)
            return orjson.Fragment(f"{value:.{places}f}")
        case datetime():
            return instant(value)
        case date():
            return day(value)
        case _:
            raise TypeError(f"no wire form for {type(value).__name__}")
