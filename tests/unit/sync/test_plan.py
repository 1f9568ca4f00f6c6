"""Which walks bring a resource up to date."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pcd.sync.plan import Cursor, Drain, Keep, is_complete, plan, restart_after_refused_token
from pcd.sync.request import Mode
from pcd.tables.spec import ExportEndpoint, ListEndpoint, Resource

NOW = datetime(2026, 3, 8, 12, tzinfo=UTC)
LOOKBACK = timedelta(minutes=10)
EXPORTED = Resource(name="jobs", table="st_jobs", scope="s", columns=(), export=ExportEndpoint(path="/x"))
LISTED = Resource(name="job_types", table="st_job_types", scope="s", columns=(), list=ListEndpoint(path="/l"))
UNFILTERED = Resource(
    name="payment_types", table="t", scope="s", columns=(), list=ListEndpoint(path="/l", modified=False)
)
BLANK = Cursor()
HALF_LOADED = Cursor(token="t3", reached_at=NOW)
LOADED = Cursor(
    token="t9",
    reached_at=NOW - timedelta(minutes=5),
    first_load_completed_at=NOW - timedelta(days=1),
    plain_pass_at=NOW - timedelta(minutes=5),
)
LONG_UNREAD = Cursor(
    token="t9",
    reached_at=NOW - timedelta(hours=2),
    first_load_completed_at=NOW - timedelta(days=1),
    plain_pass_at=NOW - timedelta(hours=2),
)
AHEAD = Cursor(
    token="t9",
    reached_at=NOW + timedelta(hours=7),
    first_load_completed_at=NOW - timedelta(days=1),
    plain_pass_at=NOW + timedelta(hours=7),
)
FIRST_RECENT = Drain(export=True, recent=True, continues=True)


@pytest.mark.parametrize(
    ("resource", "mode", "cursor", "expected"),
    [
        pytest.param(
            EXPORTED,
            Mode.INCREMENTAL,
            BLANK,
            (Drain(export=True, keep=Keep.EACH_PAGE), FIRST_RECENT),
            id="the first incremental pass is the first load",
        ),
        pytest.param(
            EXPORTED,
            Mode.FULL,
            HALF_LOADED,
            (Drain(export=True, token="t3", keep=Keep.EACH_PAGE), FIRST_RECENT),
            id="a first load that was killed goes on where it was",
        ),
        pytest.param(
            EXPORTED,
            Mode.INCREMENTAL,
            LOADED,
            (
                Drain(export=True, token="t9", recent=True),
                Drain(export=True, token="t9", keep=Keep.EACH_PAGE, if_found=True),
            ),
            id="the recent view comes first and spares the plain one when empty",
        ),
        pytest.param(
            EXPORTED,
            Mode.INCREMENTAL,
            LONG_UNREAD,
            (Drain(export=True, token="t9", keep=Keep.EACH_PAGE), FIRST_RECENT),
            id="the plain view is read at least every hour",
        ),
        pytest.param(
            EXPORTED,
            Mode.FULL,
            LOADED,
            (
                Drain(export=True, keep=Keep.AT_END, marks_seen=True),
                Drain(export=True, recent=True, continues=True, marks_seen=True),
            ),
            id="a full pass starts at the beginning and notes what it sees",
        ),
        pytest.param(
            EXPORTED,
            Mode.FRESH,
            LOADED,
            (Drain(export=True, token="t9", recent=True),),
            id="a fresh pass moves no cursor",
        ),
        pytest.param(EXPORTED, Mode.FRESH, HALF_LOADED, (), id="no fresh pass before the first load"),
        pytest.param(LISTED, Mode.FRESH, LOADED, (), id="no fresh pass without an export"),
        pytest.param(
            LISTED,
            Mode.INCREMENTAL,
            LOADED,
            (
                Drain(
                    export=False,
                    since=NOW - timedelta(minutes=15),
                    before=NOW,
                    keep=Keep.AT_END,
                ),
            ),
            id="a list is read in a closed window that overlaps the last one",
        ),
        pytest.param(
            LISTED,
            Mode.INCREMENTAL,
            BLANK,
            (Drain(export=False, keep=Keep.AT_END, marks_seen=True),),
            id="a list that was never read is read whole",
        ),
        pytest.param(
            UNFILTERED,
            Mode.INCREMENTAL,
            LOADED,
            (Drain(export=False, keep=Keep.AT_END, marks_seen=True),),
            id="a list without a filter is read whole",
        ),
        pytest.param(
            LISTED,
            Mode.INCREMENTAL,
            AHEAD,
            (Drain(export=False, keep=Keep.AT_END, marks_seen=True),),
            id="a list is read whole after a daemon whose clock was fast",
        ),
        pytest.param(
            EXPORTED,
            Mode.INCREMENTAL,
            AHEAD,
            (Drain(export=True, token="t9", keep=Keep.EACH_PAGE), FIRST_RECENT),
            id="the plain view is read after a daemon whose clock was fast",
        ),
    ],
)
def test_pass_takes_these_walks(
    resource: Resource, mode: Mode, cursor: Cursor, expected: tuple[Drain, ...]
) -> None:
    """Each mode and each state of the cursor has its walks."""
    assert plan(resource, mode=mode, cursor=cursor, now=NOW, lookback=LOOKBACK) == expected


def test_since_reads_again_whatever_the_cursor_says() -> None:
    """A person who says since when is not contradicted, and no cursor moves."""
    since = NOW - timedelta(days=7)
    walks = plan(EXPORTED, mode=Mode.INCREMENTAL, cursor=LOADED, now=NOW, lookback=LOOKBACK, since=since)
    assert walks == (Drain(export=True, since=since, recent=True),)


def test_refused_token_restarts_before_the_export_lag() -> None:
    """The plain export had not shown the last 15 minutes when the token was given."""
    assert restart_after_refused_token(LOADED, lookback=LOOKBACK) == NOW - timedelta(minutes=30)
    assert restart_after_refused_token(BLANK, lookback=LOOKBACK) is None


@pytest.mark.parametrize(
    ("first", "last", "seen", "expected"),
    [
        pytest.param(3, 3, 3, True, id="everything seen"),
        pytest.param(3, 4, 4, True, id="one more came"),
        pytest.param(3, 2, 2, False, id="one left, its neighbour may be skipped"),
        pytest.param(3, 3, 2, False, id="one was skipped"),
        pytest.param(None, None, 7, True, id="upstream does not count"),
    ],
)
def test_list_is_complete_when_nothing_left_and_nothing_is_missing(
    *, first: int | None, last: int | None, seen: int, expected: bool
) -> None:
    """A shrinking total means that page numbers shifted."""
    assert is_complete(first_total=first, last_total=last, seen=seen) is expected
