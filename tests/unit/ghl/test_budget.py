from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcd.ghl import ration
from pcd.ghl.ledger import Ledger
from pcd.ghl.limits import Limits, limits_of

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HALF_DAY = 43_200


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param(
            {
                "X-RateLimit-Limit-Daily": "200000",
                "x-ratelimit-daily-remaining": "1",
                "X-RateLimit-Interval-Milliseconds": "10000",
                "X-RateLimit-Max": " 100 ",
                "X-RateLimit-Remaining": "0",
            },
            Limits(most=100, remaining=0, interval=10.0, daily_most=200_000, daily_remaining=1),
            id="all",
        ),
        pytest.param({}, Limits(), id="none"),
        pytest.param(
            {
                "X-RateLimit-Max": "many",
                "X-RateLimit-Remaining": "-1",
                "X-RateLimit-Interval-Milliseconds": "0",
            },
            Limits(),
            id="no numbers",
        ),
    ],
)
def test_limits_are_read_off_the_headers(headers: dict[str, str], expected: Limits) -> None:
    assert limits_of(headers) == expected


@pytest.mark.parametrize(
    ("remaining", "expected"),
    [
        pytest.param(200_000, 0.0, id="whole day"),
        pytest.param(50_000, 0.0, id="a quarter"),
        pytest.param(46_000, pytest.approx(HALF_DAY / 36_000), id="less than a quarter"),
        pytest.param(10_100, 432.0, id="nearly held"),
        pytest.param(10_000, None, id="the last twentieth"),
        pytest.param(0, None, id="nothing left"),
    ],
)
def test_low_priority_is_slowed_and_then_held(remaining: int, expected: float | None) -> None:
    assert ration.spacing(limit=200_000, remaining=remaining, seconds_left=HALF_DAY) == expected


@given(
    limit=st.integers(20, 10**6),
    remaining=st.integers(0, 10**6),
    seconds_left=st.floats(1, 86_400),
)
def test_spread_calls_never_touch_the_last_twentieth(limit: int, remaining: int, seconds_left: float) -> None:
    spacing = ration.spacing(limit=limit, remaining=remaining, seconds_left=seconds_left)
    if spacing:
        assert remaining - seconds_left / spacing >= limit * ration.HOLD_BELOW - 1


def test_answers_correct_what_we_counted() -> None:
    ledger = Ledger(daily=200_000, now=NOON)
    ledger.count(NOON)
    ledger.note(Limits(daily_most=200_000, daily_remaining=150_000), NOON)
    budget = ledger.budget(NOON, window_free=80)
    assert (budget.used, budget.remaining, budget.window_free) == (50_000, 150_000, 80)
    assert budget.forecast == 50_000, "what was used before we came says nothing about the rate"


def test_forecast_follows_the_present_rate() -> None:
    ledger = Ledger(daily=200_000, now=NOON)
    ledger.note(Limits(daily_remaining=150_000), NOON)
    at = NOON
    for second in range(1, 601):
        at = NOON + timedelta(seconds=second)
        for _ in range(8):
            ledger.count(at)
        ledger.note(Limits(daily_remaining=150_000 - 8 * second), at)
    budget = ledger.budget(at, window_free=0)
    assert budget.forecast == pytest.approx(54_800 + 8 * (HALF_DAY - 600), rel=0.01)
    assert budget.forecast > budget.limit, "it will not last"
    quiet = ledger.budget(at + timedelta(minutes=20), window_free=0)
    assert quiet.forecast < budget.forecast


def test_backfill_alone_never_uses_up_the_day() -> None:
    """It stops by itself, so it is no cause for alarm; what cannot wait is."""
    forecast = partial(ration.forecast, limit=200_000, used=50_000, seconds_left=HALF_DAY)
    assert forecast(per_second=8.0, low_per_second=8.0) == 190_000
    assert forecast(per_second=8.0, low_per_second=7.0) == 190_000
    assert forecast(per_second=0.5, low_per_second=0.5) == 50_000 + HALF_DAY // 2
    assert forecast(per_second=8.0, low_per_second=0.0) == 50_000 + 8 * HALF_DAY
    assert forecast(per_second=8.0, low_per_second=1.0) == 50_000 + 7 * HALF_DAY, "no room for the rest"
    assert forecast(per_second=-1.0, low_per_second=5.0) == 50_000


def test_low_priority_calls_are_told_apart_in_the_forecast() -> None:
    ledger = Ledger(daily=200_000, now=NOON)
    ledger.note(Limits(daily_remaining=200_000), NOON)
    for second in range(1, 601):
        at = NOON + timedelta(seconds=second)
        for _ in range(8):
            ledger.count(at, low_priority=True)
        ledger.note(Limits(daily_remaining=200_000 - 8 * second), at)
    assert ledger.budget(NOON + timedelta(minutes=10), window_free=0).forecast == 190_000


def test_forecast_forgets_what_was_longer_ago_than_half_an_hour() -> None:
    ledger = Ledger(daily=200_000, now=NOON)
    for minute in range(120):
        at = NOON + timedelta(minutes=minute)
        ledger.note(Limits(daily_remaining=200_000 - min(minute, 60) * 100), at)
    budget = ledger.budget(NOON + timedelta(minutes=119), window_free=0)
    assert budget.forecast == budget.used == 6000


def test_day_begins_anew_at_midnight_and_whenever_they_say() -> None:
    ledger = Ledger(daily=1000, now=NOON)
    ledger.note(Limits(daily_remaining=10), NOON)
    assert ledger.spacing(NOON) is None
    later = NOON + timedelta(hours=3)
    ledger.note(Limits(daily_remaining=1000), later)
    assert ledger.spacing(later) == 0.0
    assert ledger.budget(later, window_free=0).forecast == 0
    ledger.note(Limits(daily_remaining=10), later)
    assert ledger.budget(NOON + timedelta(hours=12), window_free=0).used == 0
