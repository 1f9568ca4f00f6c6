from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcd.errors import (
    Clamped,
    Forbidden,
    Malformed,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
    UpstreamError,
)
from pcd.retry import LONGEST_DELAY, Patience, Tried, delay, next_delay

DOWN = Unavailable("down", service="ServiceTitan")
PATIENCE = Patience(attempts=5, decodes=2, total=timedelta(seconds=100))


def limited(seconds: float | None) -> RateLimited:
    return RateLimited("slow down", service="ServiceTitan", retry_after=seconds)


@pytest.mark.parametrize(
    ("attempt", "jitter", "expected"),
    [(1, 0.0, 0.5), (1, 1.0, 1.0), (2, 1.0, 2.0), (4, 0.5, 6.0), (7, 1.0, 60.0), (10**9, 1.0, 60.0)],
)
def test_delay_doubles_up_to_a_minute(attempt: int, jitter: float, expected: float) -> None:
    assert delay(attempt, DOWN, jitter) == expected


@given(st.integers(1, 10**6), st.floats(0, 1), st.sampled_from([DOWN, limited(None)]))
def test_delay_keeps_its_bounds(attempt: int, jitter: float, error: UpstreamError) -> None:
    assert 0.5 <= delay(attempt, error, jitter) <= LONGEST_DELAY
    assert delay(attempt, error, jitter) <= delay(attempt + 1, error, 1.0)


@pytest.mark.parametrize(("told", "expected"), [(60.0, 60.0), (2.5, 2.5), (0.0, 1.0)])
def test_told_wait_is_kept_but_never_a_tight_loop(told: float, expected: float) -> None:
    assert delay(9, limited(told), 0.9) == expected


@pytest.mark.parametrize(
    ("error", "tried", "elapsed", "expected"),
    [
        pytest.param(DOWN, Tried(1), 0.0, 1.0, id="down"),
        pytest.param(DOWN, Tried(5), 0.0, None, id="down for the last time"),
        pytest.param(DOWN, Tried(1), 99.5, None, id="down and out of time"),
        pytest.param(limited(60.0), Tried(1), 0.0, 60.0, id="told to wait"),
        pytest.param(limited(60.0), Tried(1), 50.0, None, id="told to wait for longer than there is"),
        pytest.param(limited(None), Tried(2), 0.0, 2.0, id="limited, nothing told"),
        pytest.param(Malformed("x", service="s"), Tried(1, 1), 0.0, 1.0, id="malformed"),
        pytest.param(Malformed("x", service="s"), Tried(2, 2), 0.0, None, id="malformed again"),
        pytest.param(Malformed("x", service="s"), Tried(4, 1), 0.0, 8.0, id="malformed after other trouble"),
        pytest.param(Malformed("x", service="s"), Tried(5, 1), 0.0, None, id="malformed for the last time"),
        pytest.param(Clamped("x", service="s", page_size=50), Tried(1), 0.0, None, id="clamped"),
        pytest.param(Unauthorized("x", service="s"), Tried(1), 0.0, None, id="unauthorized"),
        pytest.param(Forbidden("x", service="s"), Tried(1), 0.0, None, id="forbidden"),
        pytest.param(Rejected("x", service="s"), Tried(1), 0.0, None, id="rejected"),
    ],
)
def test_only_what_may_pass_is_tried_again(
    error: UpstreamError, tried: Tried, elapsed: float, expected: float | None
) -> None:
    found = next_delay(error, tried=tried, elapsed=elapsed, jitter=1.0, patience=PATIENCE)
    assert found == expected


def test_unreadable_bodies_are_counted_apart() -> None:
    tried = Tried().and_failed(DOWN).and_failed(Malformed("x", service="s")).and_failed(limited(None))
    assert tried == Tried(attempts=3, unreadable=1)
