"""Which of two states of a record is the newer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcd.sync.weigh import is_stale, normalise_modified

EARLY = datetime(2026, 3, 1, tzinfo=UTC)
LATE = EARLY + timedelta(minutes=5)
OLDER = "2026-03-01T00:00:00.1234567Z"
NEWER = "2026-03-01T00:00:00.1234568Z"


@pytest.mark.parametrize(
    ("modified", "as_of", "stored_modified", "stored_as_of", "expected"),
    [
        pytest.param(OLDER, LATE, NEWER, EARLY, True, id="an older state arrives later"),
        pytest.param(NEWER, EARLY, OLDER, LATE, False, id="a newer state in an older answer"),
        pytest.param(OLDER, EARLY, OLDER, LATE, True, id="a tie goes to the later request"),
        pytest.param(OLDER, LATE, OLDER, EARLY, False, id="a tie, and ours is the later request"),
        pytest.param(None, EARLY, NEWER, LATE, True, id="no instant in the older answer"),
        pytest.param(None, LATE, NEWER, EARLY, False, id="no instant in the newer answer"),
        pytest.param(OLDER, EARLY, None, None, False, id="the stored row is somebody else's"),
    ],
)
def test_older_state_is_stale(
    *,
    modified: str | None,
    as_of: datetime,
    stored_modified: str | None,
    stored_as_of: datetime | None,
    expected: bool,
) -> None:
    """One ten-millionth of a second decides, as upstream counts."""
    found = is_stale(
        modified=modified, as_of=as_of, stored_modified=stored_modified, stored_as_of=stored_as_of
    )
    assert found is expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        pytest.param("2021-07-19T20:35:38.2876004Z", "2021-07-19T20:35:38.2876004Z", id="seven digits"),
        pytest.param("2021-07-19T20:35:38.28Z", "2021-07-19T20:35:38.2800000Z", id="trimmed zeros"),
        pytest.param("2021-07-19T20:35:38Z", "2021-07-19T20:35:38.0000000Z", id="whole second"),
        pytest.param("2025-10-13T00:00:00", "2025-10-13T00:00:00.0000000Z", id="no zone"),
        pytest.param("2021-07-19T20:35:38+00:00", "2021-07-19T20:35:38.0000000Z", id="offset zero"),
        pytest.param("yesterday", None, id="unreadable"),
        pytest.param("", None, id="empty"),
        pytest.param(None, None, id="absent"),
    ],
)
def test_instant_is_written_with_seven_digits(written: str | None, expected: str | None) -> None:
    """So that instants sort as text at full upstream precision."""
    assert normalise_modified(written) == expected


@given(st.integers(0, 10**7 - 1), st.integers(0, 10**7 - 1))
def test_text_order_is_time_order(first: int, second: int) -> None:
    """Trimmed fractions compare as numbers after normalisation."""
    texts = [
        normalise_modified(f"2026-01-01T00:00:00.{fraction:07d}".rstrip("0").rstrip(".") + "Z")
        for fraction in (first, second)
    ]
    assert (texts[0] < texts[1]) == (first < second)  # type: ignore[operator]
