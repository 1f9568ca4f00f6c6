"""The only place that asks the time. Everything else takes a `Clock` or an instant as argument."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class Clock:
    """The system's clocks."""

    _set_forward = timedelta()

    @classmethod
    def set_forward(cls, by: timedelta) -> None:
        """Show another time from now on, everywhere in this process: somebody sets the machine's clock."""
        cls._set_forward = by

    def now(self) -> datetime:
        """Return this instant, aware, in UTC."""
        return datetime.now(UTC) + self._set_forward

    def monotonic(self) -> float:
        """Return seconds that never go back; only differences mean something."""
        return time.monotonic()
