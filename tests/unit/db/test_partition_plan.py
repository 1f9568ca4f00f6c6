"""Which partitions are made and dropped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pcd.db.partitions import Partitioned, Span, plan

LOG = Partitioned(schema="pcd", table="log", column="at", span=Span.DAY, ahead=2, keep=timedelta(days=14))
EVENTS = Partitioned(schema="pcd", table="log", column="at", span=Span.MONTH, ahead=1, keep=None)


def starts(table: Partitioned, now: datetime, *existing: str) -> list[str]:
    """Return the names of what is made."""
    return [table.name(start) for start in plan(table, existing, now=now).make]


def test_days_are_made_ahead() -> None:
    now = datetime(2026, 2, 27, 23, 59, tzinfo=UTC)
    assert starts(LOG, now) == ["log_20260227", "log_20260228", "log_20260301"]


def test_months_are_made_ahead() -> None:
    assert starts(EVENTS, datetime(2026, 12, 31, tzinfo=UTC)) == ["log_202612", "log_202701"]


def test_what_exists_is_not_made_again() -> None:
    now = datetime(2026, 2, 27, tzinfo=UTC)
    assert starts(LOG, now, "log_20260227", "log_20260301", "log_default") == ["log_20260228"]


@pytest.mark.parametrize(
    ("name", "is_dropped"),
    [
        ("log_20260215", False),
        ("log_20260214", False),
        ("log_20260213", True),
        ("log_20200101", True),
        ("log_default", False),
        ("log_20269999", False),
        ("log_99", False),
        ("log_mine", False),
    ],
)
def test_a_partition_is_dropped_when_all_of_it_is_too_old(name: str, is_dropped: bool) -> None:
    found = plan(LOG, [name], now=datetime(2026, 2, 28, 12, tzinfo=UTC))
    assert found.drop == ((name,) if is_dropped else ())


def test_a_table_without_retention_drops_nothing() -> None:
    assert plan(EVENTS, ["log_199901"], now=datetime(2026, 2, 28, tzinfo=UTC)).drop == ()


def test_a_day_is_a_day_in_utc() -> None:
    now = datetime.fromisoformat("2026-02-27T20:00:00-08:00")
    assert starts(LOG, now)[0] == "log_20260228"
