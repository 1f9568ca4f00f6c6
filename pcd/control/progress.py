"""How far long work is."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import anyio

from pcd.sync.request import Tally

_TOO_SOON = 0.02


@dataclass(slots=True)
class Progress:
    """How far a sync is: what it read, and how many records it is going to read, by resource.

    *expected* holds only the resources whose size somebody knows.
    """

    tallies: dict[str, Tally] = field(default_factory=dict)
    expected: dict[str, int] = field(default_factory=dict)
    began_at: float | None = None

    def begin(self) -> None:
        """Let the time run from now on."""
        self.began_at = anyio.current_time()

    def hear(self, resource: str, part: Tally) -> None:
        """Add what a page brought."""
        self.tallies.setdefault(resource, Tally()).add(part)

    def expect(self, resource: str, records: int) -> None:
        """Remember how many *records* of *resource* there are to read."""
        self.expected[resource] = records

    def describe(self) -> dict[str, Any]:
        """Return it as JSON values; *total* and *seconds_left* are None where nothing is known of them."""
        seconds = 0.0 if self.began_at is None else anyio.current_time() - self.began_at
        fetched = {name: tally.fetched for name, tally in self.tallies.items()}
        known = sum(self.expected.values())
        left = seconds_left(
            sum(min(fetched.get(name, 0), size) for name, size in self.expected.items()), known, seconds
        )
        everywhere = fetched.keys() | self.expected.keys()
        total = sum(max(fetched.get(name, 0), self.expected.get(name, 0)) for name in everywhere)
        return {
            "resources": {name: asdict(tally) for name, tally in self.tallies.items()},
            "expected": dict(self.expected),
            "fetched": sum(fetched.values()),
            "total": total if known else None,
            "seconds": round(seconds, 1),
            "seconds_left": None if left is None else round(left, 1),
        }


def seconds_left(done: int, total: int, seconds: float) -> float | None:
    """Return how much longer it takes to get from *done* to *total* at the pace of the first *seconds*.

    None while that would be a guess, and at the end, when what is left was not counted.
    """
    share = done / total if total else 0.0
    return seconds * (1 - share) / share if _TOO_SOON <= share < 1 else None
