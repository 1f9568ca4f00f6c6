"""What a replay says of itself."""

from __future__ import annotations

from typing import Any

import pytest

from pcd.cli import event_words as words


@pytest.mark.parametrize(
    ("reasons", "said"),
    [
        pytest.param([None], "1 event would be recorded; 3 logged changes and 0 rows were read.", id="told"),
        pytest.param(
            ["baseline", None],
            "2 events would be recorded; 3 logged changes and 0 rows were read.\n"
            "1 of them would be told to nobody (`events list --suppressed`).",
            id="one is told to nobody",
        ),
    ],
)
def test_replay_says_how_many_events_are_told_to_nobody(reasons: list[str | None], said: str) -> None:
    found: dict[str, Any] = {
        "new": {"job_created": len(reasons)},
        "events": [{"suppressed_reason": reason} for reason in reasons],
        "changes_read": 3,
        "rows_read": 0,
        "released": 0,
    }
    assert words.replayed(found, done=False).split("\n\n")[0] == said
