"""How values are written on the simulated wire."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import orjson
import pytest

from pcd.sim import dialect

INSTANT = datetime(2026, 9, 4, 12, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (INSTANT, "2026-09-04T12:00:01Z"),
        (INSTANT.replace(microsecond=123456), "2026-09-04T12:00:01.1234563Z"),
        (INSTANT.replace(microsecond=500000), "2026-09-04T12:00:01.5000001Z"),
        (INSTANT.replace(microsecond=120000, second=0), "2026-09-04T12:00:00.12Z"),
        (datetime(2026, 9, 4, 8, tzinfo=timezone(timedelta(hours=-4))), "2026-09-04T12:00:00Z"),
    ],
)
def test_instants_have_up_to_seven_digits_and_no_trailing_zero(value: datetime, text: str) -> None:
    assert dialect.instant(value) == text
    assert dialect.parse_ticks(text) == dialect.ticks(value)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-09-04", "2026-09-04T00:00:00Z"),
        ("2026-09-04T12:00", "2026-09-04T12:00:00.0000000Z"),
        ("2026-09-04T14:00:00+02:00", "2026-09-04T12:00:00Z"),
    ],
)
def test_dates_and_instants_are_read_in_any_usual_form(text: str, same: str) -> None:
    assert dialect.parse_ticks(text) == dialect.parse_ticks(same)


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "2026-09-04T12:00:00 00:00"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        dialect.parse_ticks(text)


def test_decimals_keep_their_scale_but_have_at_least_four_places() -> None:
    body = dialect.encode({"a": Decimal("25.17"), "b": Decimal("1.0000000000"), "c": Decimal("1E+2")})
    assert body == b'{"a":25.1700,"b":1.0000000000,"c":100.0000}'
    assert dialect.decode(body)["b"].as_tuple().exponent == -10


def test_dates_become_midnight_and_amounts_strings() -> None:
    assert orjson.loads(dialect.encode({"d": date(2026, 9, 4)})) == {"d": "2026-09-04T00:00:00Z"}
    assert dialect.money(Decimal("12.5")) == "12.50"


def test_value_without_a_wire_form_is_an_error() -> None:
    with pytest.raises(TypeError):
        dialect.encode({"a": object()})
