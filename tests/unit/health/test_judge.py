"""From readings to verdicts: bounds, hysteresis, sentences."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcd.health.check import Bounds, Check, Level, Measurement, Thresholds, Unread, Verdict
from pcd.health.judge import judge, level_of

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
THRESHOLDS = Thresholds(sync_stalled_after=timedelta(minutes=30), workflow_stalled_after=timedelta(hours=1))
BOUNDS = Bounds(warn=10, fail=20)
OK, WARN, FAIL = Level.OK, Level.WARN, Level.FAIL


def check(*, breaks_after: int = 1, heals_after: int = 2) -> Check:
    return Check(
        name="depth",
        reads="depth",
        bounds=lambda _: BOUNDS,
        owner="Look at the depth.",
        breaks_after=breaks_after,
        heals_after=heals_after,
    )


def levels(values: list[float], declared: Check) -> list[Level]:
    found: list[Level] = []
    verdict: Verdict | None = None
    for minute, value in enumerate(values):
        reading = {"": Measurement(value=value, text=f"depth {value}")}
        at = NOON + timedelta(minutes=minute)
        verdict = judge(declared, reading, thresholds=THRESHOLDS, previous=verdict, at=at)
        found.append(verdict.level)
    return found


@pytest.mark.parametrize(
    ("value", "held", "expected"),
    [
        pytest.param(9.9, OK, OK, id="below"),
        pytest.param(10, OK, WARN, id="on the bound"),
        pytest.param(20, OK, FAIL, id="on the upper bound"),
        pytest.param(9.5, WARN, WARN, id="not clear of the bound yet"),
        pytest.param(8.9, WARN, OK, id="clear of it"),
        pytest.param(19, FAIL, FAIL, id="not clear of the upper bound yet"),
        pytest.param(12, FAIL, WARN, id="down by one"),
        pytest.param(1, FAIL, OK, id="down by two"),
        pytest.param(math.inf, OK, FAIL, id="endless"),
    ],
)
def test_level_of_a_value(value: float, held: Level, expected: Level) -> None:
    assert level_of(value, BOUNDS, held=held) is expected


def test_check_without_bounds_never_breaks() -> None:
    assert level_of(1e300, Bounds()) is OK


def test_level_rises_at_once_and_falls_after_two_good_ones() -> None:
    assert levels([1, 25, 1, 1, 1], check()) == [OK, FAIL, FAIL, OK, OK]


def test_one_bad_value_is_forgiven_where_the_check_says_so() -> None:
    assert levels([25, 1, 25, 1, 25, 25], check(breaks_after=2)) == [OK, OK, OK, OK, OK, FAIL]


def test_value_that_swings_around_its_bound_does_not_flutter() -> None:
    assert levels([10, 9.5, 10, 9.5, 10], check(heals_after=1)) == [WARN] * 5


def test_since_is_when_the_level_came() -> None:
    first = judge(
        check(), {"": Measurement(value=25, text="deep")}, thresholds=THRESHOLDS, previous=None, at=NOON
    )
    later = judge(
        check(),
        {"": Measurement(value=26, text="deeper")},
        thresholds=THRESHOLDS,
        previous=first,
        at=NOON + timedelta(hours=1),
    )
    assert (later.since, later.text) == (NOON, "deeper")


def test_worst_subjects_are_named_first_and_the_rest_counted() -> None:
    reading = {
        name: Measurement(value=value, text=f"{value:g} deep")
        for name, value in {"a": 1.0, "b": 12.0, "c": 30.0, "d": 11.0, "e": 25.0}.items()
    }
    verdict = judge(check(), reading, thresholds=THRESHOLDS, previous=None, at=NOON)
    assert verdict.level is FAIL
    assert verdict.text == "c: 30 deep; e: 25 deep; b: 12 deep; and 1 more"
    assert verdict.worst is not None
    assert verdict.worst.subject == "c"


def test_many_good_subjects_are_one_word() -> None:
    reading = {name: Measurement(value=1, text="fine") for name in "abc"}
    assert judge(check(), reading, thresholds=THRESHOLDS, previous=None, at=NOON).text == "all 3 are well"


def test_what_cannot_be_measured_keeps_its_level() -> None:
    bad = judge(
        check(), {"": Measurement(value=25, text="deep")}, thresholds=THRESHOLDS, previous=None, at=NOON
    )
    unread = Unread("the database is away")
    verdict = judge(check(), unread, thresholds=THRESHOLDS, previous=bad, at=NOON)
    assert (verdict.level, verdict.is_measured) == (FAIL, False)
    assert verdict.text == "not measured: the database is away"
    unknown = judge(check(), unread, thresholds=THRESHOLDS, previous=None, at=NOON)
    assert unknown.level is OK


def test_subject_that_is_gone_is_forgotten() -> None:
    bad = judge(
        check(), {"x": Measurement(value=25, text="deep")}, thresholds=THRESHOLDS, previous=None, at=NOON
    )
    assert judge(check(), {}, thresholds=THRESHOLDS, previous=bad, at=NOON).level is OK


@given(
    st.lists(st.sampled_from([0.0, 9.5, 10.0, 15.0, 19.0, 20.0, 100.0]), max_size=30),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_level_never_changes_before_its_time(values: list[float], breaks: int, heals: int) -> None:
    found = [OK, *levels(values, check(breaks_after=breaks, heals_after=heals))]
    changes = [position for position, (a, b) in enumerate(pairwise(found)) if a is not b]
    for position in changes:
        needed = breaks if found[position + 1].rank > found[position].rank else heals
        assert position + 1 >= needed
    if values and all(value >= 20 for value in values[-breaks:]) and len(values) >= breaks:
        assert found[-1] is FAIL
