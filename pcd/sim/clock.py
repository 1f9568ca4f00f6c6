"""The simulated tenant's time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pcd.clock import Clock


class SimClock(Clock):
    """A clock that runs at *speed* times real time from *start* on; 0 stands still until told.

    Only `now` is simulated. `monotonic` stays real: token lifetimes and rate limits are promises to
    a client that lives outside of the simulation.
    """

    def __init__(self, start: datetime | None = None, *, speed: float = 1.0) -> None:
        """Start at *start*, or at the real time."""
        self._base = (start or super().now()).astimezone(UTC)
        self._since = self.monotonic()
        self._speed = speed

    @property
    def speed(self) -> float:
        """How many simulated seconds pass in a real one."""
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._base, self._since = self.now(), self.monotonic()
        self._speed = speed

    def now(self) -> datetime:
        """Return the simulated instant, aware, in UTC."""
        return self._base + timedelta(seconds=(self.monotonic() - self._since) * self._speed)

    def set(self, instant: datetime) -> None:
        """Jump to *instant*, in either direction."""
        self._base, self._since = instant.astimezone(UTC), self.monotonic()

    def advance(self, duration: timedelta) -> None:
        """Let *duration* pass at once."""
        self.set(self.now() + duration)
