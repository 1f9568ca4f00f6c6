"""The webhooks of a simulated sub-account: kept when something changes, delivered when told to."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from pcd.sim.ghl import wire
from pcd.sim.ghl.announce import announcements

if TYPE_CHECKING:
    from collections.abc import Callable

    from pcd.clock import Clock
    from pcd.sim.ghl.identity import Identities
    from pcd.sim.ghl.store import Record

_KEPT = 10_000
_SECONDS = 10.0


class Courier:
    """Keeps the latest 10,000 webhooks in `pending`, the oldest first.

    The real one delivers at once; this one when told, so that a test decides what is seen first.
    """

    def __init__(self, location_id: str, *, clock: Clock, ids: Identities) -> None:
        """Start with nothing to deliver."""
        self.pending: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self._location_id = location_id
        self._clock = clock
        self._ids = ids

    def note(self, former: Record | None, current: Record | None) -> None:
        """Keep what the change from *former* to *current* sets off."""
        for payload in announcements(former, current, location_id=self._location_id):
            envelope = {"timestamp": wire.instant(self._clock.now()), "webhookId": self._ids.trace()}
            self.pending.append(payload | envelope)

    async def deliver(
        self, url: str, *, secret: str = "", sign: Callable[[bytes], str] | None = None
    ) -> list[int]:
        """Post what is pending to *url*, and return the statuses of the answers.

        With a *secret* as a workflow's own webhook does, with *sign* as a marketplace app's. What is not
        answered by 429 is not delivered again; the rest stays pending.

        Source: "Webhook retries", help.gohighlevel.com, 2025-11-29.
        """
        statuses = []
        limit = aiohttp.ClientTimeout(total=_SECONDS)
        async with aiohttp.ClientSession(timeout=limit) as session:
            for _ in range(len(self.pending)):
                payload = self.pending.popleft()
                body = orjson.dumps(payload)
                headers = {"Content-Type": "application/json"}
                if secret:
                    headers["Authorization"] = f"Bearer {secret}"
                if sign is not None:
                    headers["X-GHL-Signature"] = sign(body)
                async with session.post(url, data=body, headers=headers) as answer:
                    statuses.append(answer.status)
                if answer.status == 429:
                    self.pending.append(payload)
        return statuses
