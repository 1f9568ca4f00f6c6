from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcd.errors import ConditionError
from pcd.workflows.delays import at_local, due_at, opening, parse_delay
from pcd.workflows.workflow import After, AtTime, Delay, Hours, OnDate, Until

NEW_YORK = ZoneInfo("America/New_York")
ZONES = [NEW_YORK, ZoneInfo("UTC"), ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Asia/Kolkata")]
OFFICE = Hours(opens=time(9), closes=time(18))


def local(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK, fold=fold).astimezone(UTC)


def test_time_that_the_spring_day_skips_is_the_first_instant_after_the_gap() -> None:
    found = at_local(date(2026, 3, 8), time(2, 30), NEW_YORK)
    assert found == local("2026-03-08T03:00")


def test_time_that_the_autumn_day_shows_twice_is_the_first_of_both() -> None:
    found = at_local(date(2026, 11, 1), time(1, 30), NEW_YORK)
    assert found == local("2026-11-01T01:30", fold=0)
    assert found < local("2026-11-01T01:30", fold=1)


@pytest.mark.parametrize(
    ("delay", "since", "due"),
    [
        (After(), "2026-03-02T10:00", "2026-03-02T10:00"),
        (After(rest=timedelta(hours=2)), "2026-03-02T10:00", "2026-03-02T12:00"),
        (After(days=2), "2026-03-06T10:00", "2026-03-08T10:00"),
        (After(rest=timedelta(hours=48)), "2026-03-06T10:00", "2026-03-08T11:00"),
        (After(days=1), "2026-03-07T02:30", "2026-03-08T03:00"),
        (After(days=1), "2026-10-31T01:30", "2026-11-01T01:30"),
        (After(days=1, rest=timedelta(hours=1)), "2026-03-07T02:30", "2026-03-08T04:00"),
        (AtTime(at=time(10)), "2026-03-02T09:00", "2026-03-02T10:00"),
        (AtTime(at=time(10)), "2026-03-02T10:00", "2026-03-02T10:00"),
        (AtTime(at=time(10)), "2026-03-02T10:01", "2026-03-03T10:00"),
        (AtTime(at=time(10), days=2), "2026-03-02T23:00", "2026-03-04T10:00"),
        (AtTime(at=time(10), weekdays=frozenset({0})), "2026-03-03T09:00", "2026-03-09T10:00"),
        (AtTime(at=time(2, 30)), "2026-03-07T12:00", "2026-03-08T03:00"),
        (AtTime(at=time(1, 30)), "2026-10-31T12:00", "2026-11-01T01:30"),
        (OnDate(on=date(2026, 12, 24), at=time(10)), "2026-03-02T09:00", "2026-12-24T10:00"),
        (OnDate(on=date(2026, 3, 8), at=time(2, 30)), "2026-03-02T09:00", "2026-03-08T03:00"),
        (OnDate(on=date(2026, 3, 1), at=time(10)), "2026-03-02T09:00", "2026-03-02T09:00"),
        (Until(fact="start", rest=-timedelta(hours=24)), "2026-03-02T10:00", "2026-03-09T14:00"),
        (Until(fact="start", days=-2), "2026-03-02T10:00", "2026-03-08T14:00"),
        (Until(fact="start", days=-3), "2026-03-02T10:00", "2026-03-07T14:00"),
        (Until(fact="start", rest=-timedelta(hours=72)), "2026-03-02T10:00", "2026-03-07T13:00"),
        (Until(fact="start", days=-2, rest=-timedelta(hours=12)), "2026-03-02T10:00", "2026-03-08T01:00"),
        (Until(fact="day", days=1), "2026-03-02T10:00", "2026-03-09T00:00"),
        (Until(fact="start"), "2026-03-20T10:00", "2026-03-20T10:00"),
        (Until(fact="day"), "2026-03-02T10:00", "2026-03-08T00:00"),
        (Until(fact="nothing"), "2026-03-02T10:00", "2026-03-02T10:00"),
    ],
)
def test_delay_comes_to_an_instant(delay: After | AtTime | OnDate | Until, since: str, due: str) -> None:
    facts = {"start": local("2026-03-10T14:00"), "day": date(2026, 3, 8), "nothing": None}
    assert due_at(Delay(wait=delay), local(since), NEW_YORK, facts) == local(due)


@pytest.mark.parametrize(
    ("moment", "opens"),
    [
        ("2026-03-02T10:00", "2026-03-02T10:00"),
        ("2026-03-02T08:59", "2026-03-02T09:00"),
        ("2026-03-02T18:00", "2026-03-03T09:00"),
        ("2026-03-06T19:00", "2026-03-09T09:00"),
        ("2026-03-07T10:00", "2026-03-09T09:00"),
        ("2026-03-08T02:00", "2026-03-09T09:00"),
    ],
)
def test_moment_outside_of_business_hours_moves_to_the_next_opening(moment: str, opens: str) -> None:
    assert opening(local(moment), OFFICE, NEW_YORK) == local(opens)
    assert due_at(Delay(within=OFFICE), local(moment), NEW_YORK) == local(opens)


@pytest.mark.parametrize("facts", [{}, {"start": "tomorrow"}, {"start": date.max}, {"start": date.min}])
def test_delay_until_what_is_no_moment_is_an_error(facts: dict[str, object]) -> None:
    # Away from the middle of the calendar, whichever end it is at.
    wait = Until(fact="start", days=1 if facts.get("start") == date.max else -1)
    with pytest.raises(ConditionError):
        due_at(Delay(wait=wait), local("2026-03-02T10:00"), NEW_YORK, facts)


@pytest.mark.parametrize(
    ("text", "delay"),
    [
        ("2 days", After(days=2)),
        ("1 day", After(days=1)),
        ("3 weeks", After(days=21)),
        ("2 hours", After(rest=timedelta(hours=2))),
        ("1 day 2 hours", After(days=1, rest=timedelta(hours=2))),
        ("1 day, 2 hours and 5 minutes", After(days=1, rest=timedelta(hours=2, minutes=5))),
        ("90m", After(rest=timedelta(minutes=90))),
        ("1d12h", After(days=1, rest=timedelta(hours=12))),
        ("1w 2d", After(days=9)),
        ("P1DT12H", After(days=1, rest=timedelta(hours=12))),
        ("1.5d", After(rest=timedelta(hours=36))),
        ("48h", After(rest=timedelta(hours=48))),
        ("PT48H", After(rest=timedelta(hours=48))),
        ("30 seconds", After(rest=timedelta(seconds=30))),
        ("", After()),
    ],
)
def test_delay_is_read(text: str, delay: After) -> None:
    assert parse_delay(text) == delay


@pytest.mark.parametrize(
    "text", ["soon", "2 dayz", "2", "1 day later", "-1 day", "99999 days", "1.5 s 3", "500ms"]
)
def test_delay_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="delay"):
        parse_delay(text)


_instants = st.floats(min_value=9.5e8, max_value=2.5e9).map(lambda epoch: datetime.fromtimestamp(epoch, UTC))
_times = st.times().map(lambda at: at.replace(second=0, microsecond=0))


@given(_instants, _times, st.sampled_from(ZONES))
@settings(max_examples=150, deadline=None)
def test_time_of_day_is_met_or_skipped_by_the_clocks(moment: datetime, at: time, zone: ZoneInfo) -> None:
    day = moment.astimezone(zone).date()
    shown = at_local(day, at, zone).astimezone(zone)
    assert shown.date() == day
    assert shown.time() >= at
    if shown.time() != at:
        before = shown.astimezone(UTC) - timedelta(minutes=1)
        assert before.astimezone(zone).time() < at
    assert shown.fold == 0


@given(
    _instants,
    st.one_of(
        st.builds(After, days=st.integers(0, 30), rest=st.timedeltas(timedelta(), timedelta(days=2))),
        st.builds(
            AtTime,
            at=_times,
            days=st.integers(0, 10),
            weekdays=st.frozensets(st.integers(0, 6), min_size=1),
        ),
    ),
    st.sampled_from(ZONES),
    st.sampled_from([None, OFFICE]),
)
@settings(max_examples=200, deadline=None)
def test_nothing_is_due_before_it_was_counted_from(
    since: datetime, wait: After | AtTime, zone: ZoneInfo, within: Hours | None
) -> None:
    due = due_at(Delay(wait=wait, within=within), since, zone)
    assert due >= since
    assert due - since <= timedelta(days=60)
    if within is not None:
        shown = due.astimezone(zone)
        assert shown.weekday() in within.days
        assert within.opens <= shown.time() < within.closes
