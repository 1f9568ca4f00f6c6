"""What happens when: things to do at an instant, done in the order of time."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


class Agenda:
    """Entries leave in the order of their instants; those of one instant in the order of arrival."""

    def __init__(self) -> None:
        """Start empty."""
        self._entries: list[tuple[datetime, int, Callable[[datetime], None]]] = []
        self._count = 0

    def add(self, at: datetime, action: Callable[[datetime], None]) -> None:
        """Have *action* called with *at* when that instant is reached."""
        self._count += 1
        heapq.heappush(self._entries, (at, self._count, action))

    @property
    def next_at(self) -> datetime | None:
        """When the next entry is due, None if there is none."""
        return self._entries[0][0] if self._entries else None

    def reach(self, until: datetime) -> int:
        """Do everything that is due at *until* or before, also what that adds; return how much it was."""
        done = 0
        while self._entries and self._entries[0][0] <= until:
            at, _, action = heapq.heappop(self._entries)
            action(at)
            done += 1
        return done
