"""What ``pcd ghl`` says to people."""

from __future__ import annotations

import pytest

from pcd.cli import ghl_words


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ([], "no call was given up"),
        ([4], "1 call is sent again"),
        ([4, 5], "2 calls are sent again"),
    ],
    ids=["none", "one", "two"],
)
def test_calls_that_are_sent_again_are_counted(ids: list[int], said: str) -> None:
    assert ghl_words.retried({"retried": ids}) == said
