from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcd.messages.message import Channel, Mode
from pcd.messages.vet import Drop, Hold, QuietHours, Send, Standing, Verdict, quiet_until, vet

NEW_YORK = ZoneInfo("America/New_York")
PHOENIX = ZoneInfo("America/Phoenix")
NIGHT = QuietHours(time(21), time(8))
NOON = datetime(2026, 6, 10, 16, tzinfo=UTC)


def at(text: str, zone: ZoneInfo = NEW_YORK) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def standing(
    *,
    objections: tuple[str, ...] = (),
    quiet: QuietHours | None = NIGHT,
    zone: ZoneInfo = NEW_YORK,
    day: int = 3,
    week: int = 10,
    sent: tuple[datetime, ...] = (),
) -> Standing:
    return Standing(
        objections=objections,
        quiet_hours=quiet,
        zone=zone,
        max_per_day=day,
        max_per_week=week,
        sent_at=sent,
    )


def judged(about: Standing, *, now: datetime = NOON, mode: Mode = Mode.LIVE) -> Verdict:
    return vet(about, channel=Channel.SMS, mode=mode, now=now)


@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.DRY_RUN])
def test_message_at_noon_goes(mode: Mode) -> None:
    assert judged(standing(), mode=mode) == Send()


def test_nothing_goes_while_messages_are_off() -> None:
    assert judged(standing(), mode=Mode.OFF) == Drop("messages are switched off (messaging.mode)")


def test_objection_drops_whatever_the_hour() -> None:
    verdict = judged(standing(objections=("the customer opted out",)), now=at("2026-06-10T23:00"))
    assert verdict == Drop("no text message: the customer opted out")


@pytest.mark.parametrize(
    ("now", "until"),
    [
        pytest.param("2026-06-10T20:59:59", None, id="a-second-before-nine"),
        pytest.param("2026-06-10T21:00", "2026-06-11T08:00", id="nine-exactly"),
        pytest.param("2026-06-11T00:00", "2026-06-11T08:00", id="midnight"),
        pytest.param("2026-06-11T07:59:59", "2026-06-11T08:00", id="a-second-before-eight"),
        pytest.param("2026-06-11T08:00", None, id="eight-exactly"),
        pytest.param("2026-03-07T23:00", "2026-03-08T08:00", id="the-night-that-loses-an-hour"),
        pytest.param("2026-10-31T23:00", "2026-11-01T08:00", id="the-night-that-gains-an-hour"),
    ],
)
def test_night_is_quiet(now: str, until: str | None) -> None:
    assert quiet_until(NIGHT, NEW_YORK, at(now)) == (until and at(until))


@pytest.mark.parametrize(
    ("hours", "now", "until"),
    [
        pytest.param(
            (1, 30, 2, 30), "2026-03-08T06:45:00+00:00", "2026-03-08T07:00:00+00:00", id="end-skipped"
        ),
        pytest.param((2, 30, 4, 0), "2026-03-08T06:59:00+00:00", None, id="start-skipped-not-yet"),
        pytest.param(
            (2, 30, 4, 0), "2026-03-08T07:00:00+00:00", "2026-03-08T08:00:00+00:00", id="start-skipped"
        ),
        pytest.param(
            (0, 0, 1, 30), "2026-11-01T05:29:00+00:00", "2026-11-01T05:30:00+00:00", id="end-comes-twice"
        ),
        pytest.param((0, 0, 1, 30), "2026-11-01T06:10:00+00:00", None, id="second-half-past-one-is-over"),
        pytest.param(
            (1, 30, 3, 0), "2026-11-01T06:10:00+00:00", "2026-11-01T08:00:00+00:00", id="start-comes-twice"
        ),
        pytest.param((12, 0, 13, 0), "2026-06-10T16:30:00+00:00", "2026-06-10T17:00:00+00:00", id="lunch"),
        pytest.param((9, 0, 9, 0), "2026-06-10T13:00:00+00:00", None, id="equal-means-never"),
    ],
)
def test_quiet_hours_survive_clock_changes(
    hours: tuple[int, int, int, int], now: str, until: str | None
) -> None:
    quiet = QuietHours(time(hours[0], hours[1]), time(hours[2], hours[3]))
    found = quiet_until(quiet, NEW_YORK, datetime.fromisoformat(now))
    assert found == (until and datetime.fromisoformat(until))


def test_quiet_hours_are_the_customers_own() -> None:
    evening = at("2026-06-10T21:30", NEW_YORK)
    assert isinstance(judged(standing(), now=evening), Hold)
    assert judged(standing(zone=PHOENIX), now=evening) == Send()


def test_full_day_holds_until_the_next_morning() -> None:
    sent = tuple(at(f"2026-06-10T{hour:02}:00") for hour in (9, 10, 11))
    assert judged(standing(sent=sent)) == Hold(
        at("2026-06-11T08:00"), "the customer's cap is reached: 3 messages today"
    )


def test_full_day_without_quiet_hours_holds_until_midnight() -> None:
    verdict = judged(standing(sent=(NOON,), day=1, quiet=None))
    assert verdict == Hold(at("2026-06-11T00:00"), "the customer's cap is reached: 1 messages today")


def test_day_is_the_customers_calendar_day() -> None:
    late = at("2026-06-09T23:30", NEW_YORK)
    assert judged(standing(sent=(late,), day=1)) == Send()
    assert isinstance(judged(standing(sent=(late,), day=1), now=late + timedelta(minutes=20)), Hold)


def test_full_week_holds_until_its_first_message_is_seven_days_old() -> None:
    sent = tuple(at(f"2026-06-{day:02}T12:00") for day in range(4, 10))
    assert judged(standing(sent=sent, week=6)) == Hold(
        at("2026-06-11T08:00"), "the customer's cap is reached: 6 this week"
    )


def test_cap_of_nothing_drops() -> None:
    assert judged(standing(day=0)) == Drop("the customer's cap is no messages at all")


@given(
    minute=st.integers(0, 365 * 24 * 60),
    ages=st.lists(st.integers(0, 8 * 24 * 60), max_size=30),
    day=st.integers(1, 4),
    week=st.integers(1, 12),
)
def test_held_message_may_go_when_its_time_comes(minute: int, ages: list[int], day: int, week: int) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    sent = tuple(now - timedelta(minutes=age) for age in ages)
    verdict = judged(standing(sent=sent, day=day, week=week), now=now)
    if isinstance(verdict, Hold):
        assert verdict.until > now
        assert judged(standing(sent=sent, day=day, week=week), now=verdict.until) == Send()
