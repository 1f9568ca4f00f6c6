"""Looks at the most recent changes every few seconds, so that a change upstream is here at once."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING

import anyio

from pcd.sync.request import Mode, Request

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from anyio.abc import TaskStatus

    from pcd.db.leases import Lease
    from pcd.sync.request import Report
    from pcd.sync.syncer import Syncer

log = logging.getLogger(__name__)

_JITTER = 0.1


class Freshener:
    """A service: one fresh pass every *interval*, under the sync's lease."""

    name = "fresh"

    def __init__(
        self,
        syncer: Syncer,
        *,
        lease: Lease,
        interval: timedelta,
        observe: Callable[[Report], None],
    ) -> None:
        """Let *syncer* look every *interval* (plus or minus a tenth) and tell *observe* what came."""
        self._syncer = syncer
        self._lease = lease
        self._interval = interval.total_seconds()
        self._observe = observe

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Look for ever; ends by cancellation. A failing upstream is reported once, until it is back."""
        task_status.started()
        failing = False
        while True:
            report = await self._syncer.run(
                Request(mode=Mode.FRESH, triggered_by="fresh pass"), lease=self._lease
            )
            self._observe(report)
            if not report.is_complete and not failing:
                first = next(each for each in report.resources if each.error)
                log.warning(
                    "fresh passes fail, first %s: %s; asking again every %.0f s",
                    first.resource,
                    first.error,
                    self._interval,
                )
            if report.is_complete and failing:
                log.info("fresh passes work again")
            failing = not report.is_complete
            spread = self._interval * _JITTER
            await anyio.sleep(self._interval + random.uniform(-spread, spread))  # noqa: S311 - jitter only
