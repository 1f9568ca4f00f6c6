"""Turns what the client did and may still do into metrics."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pcd.errors import StoreError
from pcd.telemetry import metrics as m

if TYPE_CHECKING:
    from collections.abc import Callable

    from pcd.ghl.client import GoHighLevel
    from pcd.telemetry.metrics import Metrics


class Meter:
    """Looks the client up whenever the metrics are read; *client* raises StoreError while there is none.

    The counters go on from one client to the next.
    """

    def __init__(self, metrics: Metrics, client: Callable[[], GoHighLevel]) -> None:
        """Have *metrics* ask this meter before they are read."""
        self._metrics, self._find = metrics, client
        self._counted: Counter[str] = Counter()
        self._client: GoHighLevel | None = None
        self._waited = 0.0
        metrics.refresh_with(self.refresh)

    def refresh(self) -> None:
        """Look up the counters and the day's budget."""
        try:
            client = self._find()
        except StoreError:
            return
        if client is not self._client:
            self._client, self._counted, self._waited = client, Counter(), 0.0
        tally, limiter, budget = client.caller.tally, client.caller.limiter, client.budget
        self._count("ok", tally.requests - sum(tally.failures.values()))
        for kind, count in tally.failures.items():
            self._count(kind.lower(), count)
        self._metrics.add(m.GHL_WAIT, limiter.waited_seconds - self._waited)
        self._waited = limiter.waited_seconds
        self._metrics.set(m.GHL_CALLS_LEFT, budget.remaining)
        self._metrics.set(m.GHL_CALLS_FORECAST, budget.forecast)
        self._metrics.set(m.GHL_CALLS_LIMIT, budget.limit)

    def _count(self, outcome: str, total: int) -> None:
        more = max(total - self._counted[outcome], 0)
        self._metrics.add(m.GHL_REQUESTS, more, outcome=outcome)
        self._counted[outcome] += more
