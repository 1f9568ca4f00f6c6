"""Which schedules are due, also on the days on which the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcd.errors import ConfigError
from pcd.schedule.due import Due, NotYet, Schedule, decide, next_occurrence

NEW_YORK = ZoneInfo("America/New_York")


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _schedule(cron: str, *, at_first: bool = False) -> Schedule:
    return Schedule(name="full", cron=cron, key="sync.full_cron", at_first=at_first)


@pytest.mark.parametrize(
    ("cron", "after", "expected"),
    [
        pytest.param("30 2 * * *", "2026-03-08T05:00", "2026-03-08T07:00", id="spring: 03:00 EDT, no 02:30"),
        pytest.param("30 2 * * *", "2026-03-08T07:00", "2026-03-09T06:30", id="spring: the day after"),
        pytest.param("30 1 * * *", "2026-11-01T04:00", "2026-11-01T05:30", id="fall: 01:30 EDT"),
        pytest.param("30 1 * * *", "2026-11-01T05:30", "2026-11-02T06:30", id="fall: not at 01:30 EST"),
        pytest.param("*/30 * * * *", "2026-11-01T05:30", "2026-11-01T06:00", id="fall: repeated hour"),
        pytest.param("0 2 * * *", "2026-07-01T05:59:59.9", "2026-07-01T06:00", id="summer"),
        pytest.param("0 2 * * *", "2026-01-15T06:00", "2026-01-15T07:00", id="winter"),
    ],
)
def test_cron_lines_follow_the_clock_on_the_wall(cron: str, after: str, expected: str) -> None:
    assert next_occurrence(_schedule(cron), after=_at(after), zone=NEW_YORK) == _at(expected)


@pytest.mark.parametrize(
    ("fired", "now", "expected"),
    [
        pytest.param(
            "2026-06-01T06:00", "2026-06-02T05:59", NotYet(until=_at("2026-06-02T06:00")), id="a minute early"
        ),
        pytest.param(
            "2026-06-01T06:00",
            "2026-06-02T06:00",
            Due(at=_at("2026-06-02T06:00"), is_late=False),
            id="on time",
        ),
        pytest.param(
            "2026-06-01T06:00",
            "2026-06-05T12:00",
            Due(at=_at("2026-06-02T06:00"), is_late=True),
            id="4 missed: once",
        ),
        pytest.param(
            "2026-06-05T12:00",
            "2026-06-05T12:01",
            NotYet(until=_at("2026-06-06T06:00")),
            id="caught up",
        ),
        pytest.param(
            "2026-06-02T06:00",
            "2026-06-02T05:59:30",
            NotYet(until=_at("2026-06-03T06:00")),
            id="clock a bit back",
        ),
        pytest.param(
            "2027-06-02T06:00",
            "2026-06-02T05:30",
            NotYet(until=_at("2026-06-02T06:00")),
            id="clock was ahead",
        ),
    ],
)
def test_schedule_is_due_once_however_the_clock_moved(fired: str, now: str, expected: Due | NotYet) -> None:
    assert decide(_schedule("0 2 * * *"), fired_at=_at(fired), now=_at(now), zone=NEW_YORK) == expected


def test_new_schedule_waits_for_its_first_occurrence_unless_it_is_due_at_first() -> None:
    now = _at("2026-06-02T06:30")
    late = _schedule("0 2 * * *")
    assert decide(late, fired_at=None, now=now, zone=NEW_YORK) == NotYet(until=_at("2026-06-03T06:00"))
    eager = _schedule("0 2 * * *", at_first=True)
    assert decide(eager, fired_at=None, now=now, zone=NEW_YORK) == Due(at=now, is_late=False)


@pytest.mark.parametrize("cron", ["", "* * *", "61 * * * *", "0 0 31 2 *", "soon"])
def test_unreadable_cron_line_is_refused_with_its_key(cron: str) -> None:
    with pytest.raises(ConfigError, match=r"^sync\.full_cron: "):
        next_occurrence(_schedule(cron), after=_at("2026-06-02T06:30"), zone=NEW_YORK)


@given(
    seconds=st.integers(0, 10 * 365 * 86_400),
    cron=st.sampled_from(["0 2 * * *", "*/5 * * * *"]),
)
def test_next_occurrence_lies_ahead_and_at_most_a_long_day_away(seconds: int, cron: str) -> None:
    instant = _at("2020-01-01T00:00") + timedelta(seconds=seconds)
    ahead = next_occurrence(_schedule(cron), after=instant, zone=NEW_YORK) - instant
    assert timedelta(0) < ahead <= timedelta(hours=25)
