"""Turns what happens into metrics."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from pcd.supervisor import State
from pcd.telemetry import metrics as m

if TYPE_CHECKING:
    from pcd.control.status import StatusReader
    from pcd.servicetitan.client import ServiceTitan
    from pcd.supervisor import Supervisor
    from pcd.sync.request import Report, Tally
    from pcd.telemetry.metrics import Metric, Metrics

QUEUES = ("changes", "calls", "steps")
"""What waits to be done, in the order in which one becomes the other."""

_OUTCOMES = ("created", "updated", "unchanged", "stale", "failed", "cut", "gone")


class Meter:
    """Counts reports as they come, and looks up the gauges whenever the metrics are read."""

    def __init__(
        self, metrics: Metrics, *, supervisor: Supervisor, status: StatusReader, st: ServiceTitan
    ) -> None:
        self._metrics = metrics
        self._supervisor = supervisor
        self._status = status
        self._st = st
        self._counted: dict[tuple[Metric, str], float] = {}
        version = status.about.version
        metrics.set(m.BUILD_INFO, 1, version=version, python=platform.python_version())
        metrics.refresh_with(self.refresh)

    def observe(self, report: Report) -> None:
        """Count what a sync did."""
        mode = report.request.mode.value
        for part in report.resources:
            self._metrics.add(m.SYNC_PASSES, resource=part.resource, mode=mode, status=part.status)
            self._metrics.observe(m.SYNC_SECONDS, part.duration.total_seconds(), mode=mode)
            self._count_records(part.resource, part.tally)

    def refresh(self) -> None:
        """Look up every gauge, and what the client counts itself."""
        for service in self._supervisor.snapshot():
            for state in State:
                is_it = float(service.state is state)
                self._metrics.set(m.SERVICE_STATE, is_it, service=service.name, state=state.value)
            self._metrics.set(m.SERVICE_FAILURES, service.failures, service=service.name)
        stored = self._status.stored
        self._metrics.set(m.UPTIME, self._status.uptime_seconds)
        paused = {pause["name"] for pause in stored["pauses"]}
        for resource in stored["resources"]:
            if resource["age_seconds"] is not None:
                self._metrics.set(m.SYNC_FRESHNESS, resource["age_seconds"], resource=resource["name"])
            is_paused = not paused.isdisjoint((resource["name"], "sync"))
            self._metrics.set(m.SYNC_PAUSED, float(is_paused), resource=resource["name"])
            self._metrics.set(m.QUARANTINED, resource["quarantined"], resource=resource["name"])
        if events := stored["events"]:
            self._metrics.set(m.CHANGES_WAITING, events["backlog"])
            self._metrics.set(m.EVENT_ROWS_PARKED, sum(each["rows"] for each in events["parked"]))
            self._metrics.set(m.EVENT_RULES_HALTED, len(events["halted"]))
        waiting = {each["queue"]: each for each in stored["queues"]}
        for queue in QUEUES:
            found = waiting.get(queue, {"waiting": 0, "oldest_seconds": 0.0})
            self._metrics.set(m.WORK_WAITING, found["waiting"], queue=queue)
            self._metrics.set(m.WORK_OLDEST, found["oldest_seconds"], queue=queue)
        tally, limiter = self._st.tally, self._st.limiter
        failed = sum(tally.failures.values())
        self._catch_up(m.REQUESTS, tally.requests - failed, outcome="ok")
        for kind, count in tally.failures.items():
            self._catch_up(m.REQUESTS, count, outcome=kind.lower())
        self._catch_up(m.RATE_LIMITED, tally.failures["RateLimited"])
        self._catch_up(m.REQUEST_WAIT, limiter.waited_seconds)

    def _count_records(self, resource: str, tally: Tally) -> None:
        for outcome in _OUTCOMES:
            if count := getattr(tally, outcome):
                self._metrics.add(m.SYNC_RECORDS, count, resource=resource, outcome=outcome)

    def _catch_up(self, metric: Metric, total: float, **labels: str) -> None:
        """Let a counter stand at *total*, which somebody else counts."""
        key = (metric, ",".join(labels.values()))
        self._metrics.add(metric, max(total - self._counted.get(key, 0.0), 0.0), **labels)
        self._counted[key] = max(total, self._counted.get(key, 0.0))
