"""The status page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from pcd.web.page import render

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
_VOID = {"meta", "br"}


class _Checker(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in {"src", "href"}]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f" {data}"


def _status(**more: object) -> dict[str, Any]:
    return {
        "daemon": {"version": "0.1.0", "uptime_seconds": 7300, "database": "embedded PostgreSQL"},
        "health": "ok",
        "troubles": [],
        "services": [{"name": "sync", "state": "running", "detail": ""}],
        "resources": [],
        "quarantined": 0,
        "passes": [],
        "pauses": [],
        "under_way": None,
        "at": NOW,
    } | more


def _read(
    status: dict[str, Any], *, watch: dict[str, Any] | None = None, day: dict[str, Any] | None = None
) -> _Checker:
    page = _Checker()
    page.feed(render(status, watch=watch, day=day))
    page.close()
    assert page.open == []
    return page


def test_page_loads_nothing_from_anywhere() -> None:
    assert _read(_status()).links == []
    assert "<script" not in render(_status())


RESOURCE = {
    "name": "customers", "reference": False, "rows": 12_345, "age_seconds": 3.2,
    "first_load_completed_at": NOW, "full_completed_at": NOW - timedelta(hours=13), "quarantined": 2,
}  # fmt: skip


def test_page_shows_services_resources_and_syncs() -> None:
    sync = {
        "sync_type": "full", "triggered_by": "schedule", "status": "failed", "resources": 27,
        "started_at": NOW - timedelta(minutes=5), "completed_at": NOW - timedelta(minutes=4),
        "records_fetched": 10, "records_written": 4, "failed": ["calls", "jobs"],
    }  # fmt: skip
    pause = {"name": "leads", "paused_at": NOW - timedelta(days=3), "reason": "too many"}
    text = _read(_status(resources=[RESOURCE], passes=[sync], pauses=[pause], quarantined=2)).text
    for part in ("12,345", "3 s ago", "customers", "13 h ago", "5 min ago", "60.0 s", "calls, jobs", "2 h"):
        assert part in text
    assert "leads was paused 3 d ago: too many" in text


def test_first_load_is_shown_with_its_share_and_the_time_left() -> None:
    order = {
        "mode": "full", "fetched": 5000, "total": 20_000, "seconds_left": 12.4,
        "resources": {"customers": {"fetched": 5000}}, "expected": {"customers": 12_500},
    }  # fmt: skip
    fresh = RESOURCE | {"first_load_completed_at": None, "full_completed_at": None, "age_seconds": None}
    waiting = fresh | {"name": "jobs"}
    page = render(_status(resources=[fresh, waiting], under_way=order))
    for part in ("5,000 records read of about 20,000, about 12 s left", "loading, 40%", "not loaded yet"):
        assert part in page
    assert '<progress value="5000" max="20000">' in page


def test_first_minutes_before_the_database_is_there() -> None:
    service = {"name": "lease", "state": "standby", "detail": "waiting for the database: Connection refused"}
    page = _read(_status(health="degraded", troubles=["database: not there yet"], services=[service]))
    assert "waiting for the database: Connection refused" in page.text
    assert "Mirror" not in page.text


WATCH = {
    "level": "warn", "looked_at": NOW - timedelta(seconds=40), "remedies": [], "channels": ["slack"],
    "checks": [
        {"component": "disk", "level": "warn", "text": "87 % full"},
        {"component": "sync", "level": "ok", "text": "compared 3 s ago"},
    ],
    "alerts": [
        {"key": "disk", "level": "warn", "title": "The disk fills up", "since": NOW - timedelta(hours=3)},
    ],
}  # fmt: skip
DAY = {
    "events": [{"type": "estimate_approved", "number": 1_204}], "remedies": [{}],
    "calls": [
        {"kind": "move_opportunity", "state": "done", "number": 31},
        {"kind": "create_contact", "state": "dry_run", "number": 7},
    ],
    "workflows": [{"name": "Estimate Follow-Up", "status": "active", "number": 12}],
    "messages": [{"channel": "sms", "status": "dry_run", "number": 9}],
    "person": [{"what": "open alerts (pcd alerts list)", "number": 1}, {"what": "nobody", "number": 0}],
    "modes": {"ghl": "live", "messages": "dry_run"},
}  # fmt: skip


def test_page_shows_what_followed_from_what_happened_in_the_last_day() -> None:
    text = _read(_status(), watch=WATCH, day=DAY).text
    for part in (
        "estimate approved", "1,204", "move opportunity", "31 calls to GoHighLevel, live",
        "9 messages, recorded but not sent", "Estimate Follow-Up", "1 open alerts (pcd alerts list)",
    ):  # fmt: skip
        assert part in text
    assert "nobody" not in text


def test_page_says_what_is_not_well_and_what_was_told() -> None:
    text = _read(_status(), watch=WATCH, day=DAY).text
    assert "a warning" in text
    assert "The disk fills up  told 3 h ago" in text
    assert "1 of 2 checks are well, measured 40 s ago." in text
    assert "87 % full" in text
    assert "compared 3 s ago" not in text


def test_failing_check_shows_in_the_heading_though_every_service_runs() -> None:
    assert "needs a look" in _read(_status(), watch=WATCH | {"level": "fail"}).text


@pytest.mark.parametrize("nasty", ['<script>alert("x")</script>', '"><img src=x onerror=y>', "a & b"])
def test_text_from_elsewhere_is_escaped(nasty: str) -> None:
    status = _status(
        troubles=[nasty],
        services=[{"name": nasty, "state": nasty, "detail": f"because {nasty}"}],
        under_way={"mode": nasty, "fetched": 0, "total": None, "resources": {}},
    )
    page = _read(status)
    assert page.text.count(nasty) == 5
    assert page.links == []
