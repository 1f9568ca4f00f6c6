"""Durations as people write them."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pcd.config import durations

LONGEST = timedelta.max - timedelta.max % timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500ms", timedelta(milliseconds=500)),
        ("30s", timedelta(seconds=30)),
        ("5m", timedelta(minutes=5)),
        ("2h", timedelta(hours=2)),
        ("7d", timedelta(days=7)),
        ("2w", timedelta(weeks=2)),
        ("1h30m", timedelta(minutes=90)),
        ("1h 30m", timedelta(minutes=90)),
        ("1d2h3m4s5ms", timedelta(days=1, hours=2, minutes=3, seconds=4, milliseconds=5)),
        ("1.5h", timedelta(minutes=90)),
        ("0.1s", timedelta(milliseconds=100)),
        ("0s", timedelta()),
        ("90m", timedelta(minutes=90)),
        ("  30s\n", timedelta(seconds=30)),
        ("PT30S", timedelta(seconds=30)),
        ("PT0.5S", timedelta(milliseconds=500)),
        ("P1DT2H", timedelta(days=1, hours=2)),
        ("PT1M", timedelta(minutes=1)),
        ("P1W", timedelta(weeks=1)),
        ("P7D", timedelta(days=7)),
    ],
)
def test_duration_is_read(text: str, expected: timedelta) -> None:
    assert durations.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("30", '"30s" or "30ms"'),
        ("0.5", '"0.5s"'),
        ("0", '"0s"'),
        ("", "a duration such as"),
        ("P", "a duration such as"),
        ("PT", "a duration such as"),
        ("P1M", "a duration such as"),
        ("P1DT", "a duration such as"),
        ("-5s", "a duration such as"),
        ("5 s", "a duration such as"),
        ("5M", "a duration such as"),
        ("30sec", "a duration such as"),
        ("1m1h", "a duration such as"),
        ("1s1s", "a duration such as"),
        ("h", "a duration such as"),
        ("\u0663s", "a duration such as"),
        ("1.s", "a duration such as"),
        ("soon", "a duration such as"),
        ("0.0000001s", "whole microseconds"),
        ("999999999999999d", "at most 999999999d"),
    ],
)
def test_refused_duration_says_what_was_expected(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match="duration") as refusal:
        durations.parse(text)
    assert hint in str(refusal.value)


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        (timedelta(), "0s"),
        (timedelta(minutes=90), "1h30m"),
        (timedelta(days=7), "7d"),
        (timedelta(seconds=60), "1m"),
        (timedelta(microseconds=1500), "1.5ms"),
        (timedelta(microseconds=1), "0.001ms"),
    ],
)
def test_duration_is_written_shortest(duration: timedelta, expected: str) -> None:
    assert durations.write(duration) == expected


@given(st.timedeltas(min_value=timedelta(), max_value=LONGEST))
@example(timedelta(milliseconds=1))
@example(LONGEST)
def test_what_is_written_is_read_back(duration: timedelta) -> None:
    assert durations.parse(durations.write(duration)) == duration


@given(st.text())
def test_no_text_does_worse_than_be_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert durations.parse(text) >= timedelta()
