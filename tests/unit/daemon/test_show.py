"""Tables and words for people, and what ``--since`` understands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pcd.cli import gaps, sync
from pcd.cli.show import ago, cut, screen, table
from pcd.cli.status import compared
from pcd.errors import ConfigError

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
_COUNTS = (
    *("fetched", "created", "updated", "unchanged"),
    *("stale", "failed", "cut", "gone", "suspect", "seconds"),
)


def test_table_aligns_numbers_to_the_right_and_text_to_the_left() -> None:
    shown = table(("resource", "rows", ""), [("customers", 12_345, "fresh"), ("jobs", 7, None)])
    assert shown == "resource     rows\ncustomers  12,345  fresh\njobs            7"


def test_last_column_goes_on_below_where_the_terminal_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(1, "the customer has no contact yet"), (2, "nothing")]
    monkeypatch.setenv("COLUMNS", "20")
    assert table(("id", "why"), rows) == ("id  why\n 1  the customer has\n    no contact yet\n 2  nothing")
    monkeypatch.setenv("COLUMNS", "12")
    assert table(("id", "why"), rows[:1]) == "id  why\n 1  the customer has no contact yet"


def test_empty_table_is_its_heads() -> None:
    assert table(("resource", "rows"), []) == "resource  rows"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "never"),
        (0.4, "0 s ago"),
        (119, "119 s ago"),
        (120, "2 min ago"),
        (7200, "2 h ago"),
        (172_800, "2 d ago"),
    ],
)
def test_ages_are_said_in_their_largest_unit(seconds: float | None, said: str) -> None:
    assert ago(seconds) == said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", None, id="not given"),
        pytest.param("2d", NOW - timedelta(days=2), id="a length of time"),
        pytest.param("2026-05-01", datetime(2026, 5, 1, 4, tzinfo=UTC), id="a day of the business"),
        pytest.param("2026-05-01T10:00Z", datetime(2026, 5, 1, 10, tzinfo=UTC), id="an instant"),
    ],
)
def test_since_is_an_instant(text: str, expected: datetime | None) -> None:
    assert sync.parse_since(text, now=NOW, zone="America/New_York") == expected


@pytest.mark.parametrize("text", ["yesterday", "30", "2026-13-01", "2027-01-01"])
def test_since_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^--since: "):
        sync.parse_since(text, now=NOW, zone="America/New_York")


def test_end_table_says_how_many_resources_failed() -> None:
    part: dict[str, object] = dict.fromkeys(_COUNTS, 0)
    report = {
        "mode": "full",
        "resources": [
            part | {"resource": "jobs", "status": "completed", "error": ""},
            part | {"resource": "calls", "status": "failed", "error": "ServiceTitan is away"},
        ],
    }
    lines = sync.describe(report).splitlines()
    assert lines[-1] == "full sync: 1 of 2 failed"
    assert lines[-2] == "calls: ServiceTitan is away"
    assert sync.describe({"mode": "full", "resources": []}).startswith("nothing to do")


def test_gaps_are_shown_with_what_to_do_about_them() -> None:
    gap = {
        "resource": "jobs", "upstream": 5, "stored": 3, "missing_count": 2, "differing_count": 0,
        "gone_count": 1, "missing": [7, 8], "is_closed": False,
    }  # fmt: skip
    assert gaps.describe({"gaps": [gap]}).endswith("7, 8\ngaps in 1 of 1; `pcd backfill` closes them")
    assert gaps.describe({"gaps": [gap | {"is_closed": True}]}).endswith("no gaps")


def test_lines_are_cut_to_the_screen_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "6")
    assert cut("abcdef\nabcdefg\n", width=screen()) == "abcdef\nabcde…\n"
    monkeypatch.delenv("COLUMNS")
    assert cut("abcdefg", width=screen()) == "abcdefg"


def test_counts_that_are_rarely_anything_but_zero_are_left_out_then() -> None:
    part = dict.fromkeys(_COUNTS, 0) | {"resource": "jobs", "status": "completed", "error": ""}
    heads = sync.describe({"mode": "full", "resources": [part, part | {"stale": 1}]}).splitlines()[0]
    assert "stale" in heads
    assert "quarantined" not in heads


@pytest.mark.parametrize(
    ("loaded", "order", "said"),
    [
        pytest.param(True, None, "5 s ago", id="loaded"),
        pytest.param(False, None, "not loaded yet", id="not begun"),
        pytest.param(False, {"resources": {}, "expected": {"jobs": 9}}, "not loaded yet", id="waits"),
        pytest.param(
            False,
            {"resources": {"jobs": {"fetched": 3}}, "expected": {"jobs": 4}},
            "loading, 75%",
            id="loads",
        ),
        pytest.param(False, {"resources": {"jobs": {"fetched": 3}}, "expected": {}}, "loading", id="unsized"),
    ],
)
def test_resource_is_as_old_as_its_last_comparison(loaded: bool, order: dict[str, Any], said: str) -> None:
    resource = {"name": "jobs", "first_load_completed_at": NOW if loaded else None, "age_seconds": 5}
    assert compared(resource, order) == said
