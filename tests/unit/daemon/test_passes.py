"""Rows of the sync log, put together to syncs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pcd.control.passes import failing, passes

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def _row(module: str, minute: int, **more: object) -> dict[str, Any]:
    at = NOON + timedelta(minutes=minute)
    return {
        "module": module, "sync_type": "incremental", "status": "completed", "triggered_by": "schedule",
        "started_at": at, "completed_at": at + timedelta(seconds=2), "error_message": None,
        "records_fetched": 10, "records_created": 1, "records_updated": None,
    } | more  # fmt: skip


def test_rows_of_one_sync_are_summed() -> None:
    (found,) = passes([_row("jobs", 1), _row("customers", 0), _row("reference_data", 0)])
    assert (found["resources"], found["records_fetched"], found["records_written"]) == (2, 20, 2)
    assert found["started_at"] == NOON
    assert found["completed_at"] == NOON + timedelta(minutes=1, seconds=2)
    assert (found["status"], found["failed"]) == ("completed", [])


def test_resource_that_comes_again_begins_an_older_sync() -> None:
    found = passes([_row("jobs", 6), _row("customers", 5), _row("jobs", 1), _row("customers", 0)])
    assert [each["resources"] for each in found] == [2, 2]


def test_full_sync_between_two_incremental_ones_stands_alone() -> None:
    found = passes([_row("jobs", 6), _row("calls", 5, sync_type="full"), _row("customers", 1)])
    assert [each["sync_type"] for each in found] == ["incremental", "full", "incremental"]


def test_sync_under_way_has_no_end() -> None:
    (found,) = passes([_row("jobs", 1, status="started", completed_at=None), _row("customers", 0)])
    assert (found["status"], found["completed_at"]) == ("started", None)


def test_resource_fails_as_long_as_its_newest_sync_failed() -> None:
    lost = {"status": "failed", "error_message": "the app lacks the scope"}
    cut = {"status": "failed", "error_message": "interrupted: the process ended"}
    rows = [
        _row("jobs", 9, status="started"),
        _row("jobs", 6, **lost),
        _row("calls", 6),
        _row("calls", 1, **lost),
        _row("leads", 1, **cut),
        _row("reference_data", 0, **lost),
    ]
    assert failing(rows) == {"jobs": "the app lacks the scope"}
