"""How far long work is, and how long it still takes."""

from __future__ import annotations

import pytest

from pcd.control.progress import Progress, seconds_left
from pcd.sync.request import Tally


@pytest.mark.parametrize(
    ("done", "total", "seconds", "left"),
    [
        pytest.param(0, 0, 5, None, id="nothing is known"),
        pytest.param(10, 1000, 5, None, id="too soon"),
        pytest.param(250, 1000, 5, 15, id="a quarter"),
        pytest.param(1000, 1000, 5, None, id="what is left was not counted"),
    ],
)
def test_time_left_is_told_only_where_it_is_no_guess(
    done: int, total: int, seconds: float, left: float | None
) -> None:
    assert seconds_left(done, total, seconds) == left


def test_resource_of_unknown_size_counts_with_what_it_brought() -> None:
    progress = Progress()
    progress.expect("jobs", 100)
    progress.expect("customers", 10)
    progress.hear("jobs", Tally(fetched=20))
    progress.hear("calls", Tally(fetched=7))
    progress.hear("customers", Tally(fetched=12))
    told = progress.describe()
    assert (told["fetched"], told["total"]) == (39, 119)
    assert told["expected"] == {"jobs": 100, "customers": 10}
    assert told["resources"]["calls"]["fetched"] == 7


def test_unknown_sizes_give_no_total() -> None:
    progress = Progress()
    progress.hear("calls", Tally(fetched=7))
    assert (progress.describe()["total"], progress.describe()["seconds_left"]) == (None, None)
