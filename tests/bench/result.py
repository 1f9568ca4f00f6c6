"""What a measurement yields."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One line of the table. *holds* is None where there is no goal, only something to know."""

    what: str
    ours: str
    against: str
    ratio: str
    goal: str = ""
    holds: bool | None = None


def rate(count: int, seconds: Sequence[float]) -> float:
    """Return how many a second, by the median round."""
    return count / median(seconds)
