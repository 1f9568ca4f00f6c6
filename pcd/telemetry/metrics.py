"""The numbers that ``/metrics`` serves, each declared once below."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from pcd.telemetry.series import Numbers, Spreads

if TYPE_CHECKING:
    from collections.abc import Callable

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ROUND_TRIP = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
_MINUTES = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
_SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Kind(Enum):
    """What a number does: only grow, move either way, or spread over buckets."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One declared metric. The name carries its unit; a counter's ends in ``_total``."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = _SECONDS


ALERTS_OPEN = Metric("pcd_alerts_open", Kind.GAUGE, "Alerts that this process has raised or taken over.")
BUILD_INFO = Metric(
    "pcd_build_info", Kind.GAUGE, "Always 1; the labels say what runs.", ("version", "python")
)
CHANGE_LATENCY = Metric(
    "pcd_change_latency_seconds",
    Kind.HISTOGRAM,
    "How long after a row was written its change was judged; of a batch the oldest.",
)
CHANGES_WAITING = Metric(
    "pcd_changes_waiting", Kind.GAUGE, "Row changes in the outbox, counted up to 100,001."
)
CHANGES_CONSUMED = Metric("pcd_changes_total", Kind.COUNTER, "Row changes taken from the outbox.")
DATABASE_CONNECTIONS = Metric(
    "pcd_database_connections",
    Kind.GAUGE,
    "Connections to PostgreSQL by pool: at work, waiting for work, and how many there may be.",
    ("pool", "state"),
)
DATABASE_PING = Metric(
    "pcd_database_ping_seconds", Kind.HISTOGRAM, "How long PostgreSQL takes to answer a trivial statement."
)
DATABASE_UP = Metric("pcd_database_up", Kind.GAUGE, "1 while PostgreSQL answers.")
EVENTS_RECORDED = Metric(
    "pcd_events_total",
    Kind.COUNTER,
    "Events recorded, and why some were told to nobody.",
    ("type", "suppressed"),
)
EVENT_LATENCY = Metric(
    "pcd_event_latency_seconds",
    Kind.HISTOGRAM,
    "How long after something happened, as ServiceTitan has it, its event was recorded.",
    buckets=_MINUTES,
)
EVENT_RULES_HALTED = Metric("pcd_event_rules_halted", Kind.GAUGE, "Rules that raised and stand still.")
EVENT_ROWS_PARKED = Metric("pcd_event_rows_parked", Kind.GAUGE, "Rows that a rule cannot judge.")
GHL_CALLS = Metric(
    "pcd_ghl_calls_total",
    Kind.COUNTER,
    "Tries of calls that we owe to GoHighLevel, by what came of them.",
    ("kind", "outcome"),
)
GHL_CALL_LATENCY = Metric(
    "pcd_ghl_call_latency_seconds",
    Kind.HISTOGRAM,
    "How long after a call was owed GoHighLevel had carried it out.",
    buckets=_MINUTES,
)
GHL_CALLS_FORECAST = Metric(
    "pcd_ghl_daily_calls_forecast", Kind.GAUGE, "Calls to GoHighLevel at the day's end, at the present rate."
)
GHL_CALLS_LEFT = Metric("pcd_ghl_daily_calls_left", Kind.GAUGE, "Calls that GoHighLevel still allows today.")
GHL_CALLS_LIMIT = Metric("pcd_ghl_daily_calls_limit", Kind.GAUGE, "Calls that GoHighLevel allows in a day.")
GHL_CONTACT_IDS = Metric(
    "pcd_ghl_contact_ids_total",
    Kind.COUNTER,
    "Look-ups of contacts' ids in Redis: hit, miss, or stale (kept, and found to be wrong).",
    ("outcome",),
)
GHL_REQUESTS = Metric(
    "pcd_ghl_requests_total", Kind.COUNTER, "Requests to GoHighLevel, by what came of them.", ("outcome",)
)
GHL_WAIT = Metric(
    "pcd_ghl_limiter_wait_seconds_total", Kind.COUNTER, "Time that calls waited for GoHighLevel's limits."
)
HEALTH = Metric(
    "pcd_health_level", Kind.GAUGE, "What a check found: 0 ok, 1 a warning, 2 a failure.", ("check",)
)
LEASE_HELD = Metric("pcd_lease_held", Kind.GAUGE, "1 while this daemon holds the lease.", ("lease",))
LISTENING = Metric(
    "pcd_listening",
    Kind.GAUGE,
    "1 while PostgreSQL's notifications arrive, 0 while it is polled every second.",
)
LOOP_LAG = Metric(
    "pcd_loop_lag_seconds",
    Kind.HISTOGRAM,
    "How late the event loop wakes a sleeper.",
    buckets=_ROUND_TRIP,
)
NOTIFICATIONS_LOST = Metric(
    "pcd_notifications_lost_total", Kind.COUNTER, "Canary notifications that did not come back."
)
NOTIFICATION_ROUND_TRIP = Metric(
    "pcd_notification_round_trip_seconds",
    Kind.HISTOGRAM,
    "How long a canary notification takes to PostgreSQL and back.",
    buckets=_ROUND_TRIP,
)
QUARANTINED = Metric(
    "pcd_quarantined_records", Kind.GAUGE, "Records that do not fit and are kept aside.", ("resource",)
)
RATE_LIMITED = Metric(
    "pcd_servicetitan_rate_limited_total",
    Kind.COUNTER,
    "Answers of ServiceTitan that said: too many requests.",
)
REMEDIES = Metric(
    "pcd_remedies_total", Kind.COUNTER, "Remedies tried, by what came of them.", ("remedy", "result")
)
REQUESTS = Metric(
    "pcd_servicetitan_requests_total",
    Kind.COUNTER,
    "Requests to ServiceTitan, by what came of them.",
    ("outcome",),
)
REQUEST_WAIT = Metric(
    "pcd_servicetitan_limiter_wait_seconds_total",
    Kind.COUNTER,
    "Time that requests waited for our own rate limit.",
)
SERVICE_STATE = Metric(
    "pcd_service_state", Kind.GAUGE, "1 for the state that a service is in.", ("service", "state")
)
SERVICE_FAILURES = Metric(
    "pcd_service_failures", Kind.GAUGE, "Failures of a service since it last worked.", ("service",)
)
SYNC_FRESHNESS = Metric(
    "pcd_sync_freshness_seconds",
    Kind.GAUGE,
    "Time since a resource was last compared with ServiceTitan.",
    ("resource",),
)
SYNC_PAUSED = Metric(
    "pcd_sync_paused",
    Kind.GAUGE,
    "Whether a person has paused a resource, or the sync as a whole.",
    ("resource",),
)
SYNC_LAG = Metric(
    "pcd_sync_lag_seconds",
    Kind.GAUGE,
    "How long after ServiceTitan's own stamp the newest change was in its table.",
    ("resource",),
)
SYNC_PASSES = Metric(
    "pcd_sync_passes_total", Kind.COUNTER, "Passes over a resource.", ("resource", "mode", "status")
)
SYNC_RECORDS = Metric(
    "pcd_sync_records_total", Kind.COUNTER, "Records read, by what came of them.", ("resource", "outcome")
)
SYNC_SECONDS = Metric("pcd_sync_pass_seconds", Kind.HISTOGRAM, "How long a pass takes.", ("mode",))
TASKS = Metric("pcd_tasks", Kind.GAUGE, "Tasks of the event loop, those that wait included.")
UPTIME = Metric("pcd_uptime_seconds", Kind.GAUGE, "Time since the daemon started.")
WAKES = Metric(
    "pcd_wakes_total",
    Kind.COUNTER,
    "Times that the outbox was looked at, by what gave the reason.",
    ("reason",),
)
WORK_OLDEST = Metric(
    "pcd_work_oldest_seconds", Kind.GAUGE, "How long the first in a queue has been due.", ("queue",)
)
WORK_WAITING = Metric(
    "pcd_work_waiting", Kind.GAUGE, "What is due and not being done, counted up to 10,001.", ("queue",)
)
WORKFLOW_LATENESS = Metric(
    "pcd_workflow_step_lateness_seconds", Kind.HISTOGRAM, "How long after it was due a step was taken."
)
WORKFLOW_RESCUES = Metric(
    "pcd_workflow_rescues_total", Kind.COUNTER, "Steps that were returned from processes that died."
)
WORKFLOW_STEPS = Metric(
    "pcd_workflow_steps_total",
    Kind.COUNTER,
    "Tries of steps, by what became of them.",
    ("workflow", "action", "status"),
)
WORKFLOW_STEP_SECONDS = Metric(
    "pcd_workflow_step_seconds", Kind.HISTOGRAM, "How long a step takes.", ("action",)
)
WORKFLOWS_STARTED = Metric(
    "pcd_workflows_started_total", Kind.COUNTER, "Instances that events started.", ("workflow", "status")
)

METRICS = (
    ALERTS_OPEN,
    BUILD_INFO,
    CHANGE_LATENCY,
    CHANGES_CONSUMED,
    CHANGES_WAITING,
    DATABASE_CONNECTIONS,
    DATABASE_PING,
    DATABASE_UP,
    EVENTS_RECORDED,
    EVENT_LATENCY,
    EVENT_ROWS_PARKED,
    EVENT_RULES_HALTED,
    GHL_CALLS,
    GHL_CALL_LATENCY,
    GHL_CALLS_FORECAST,
    GHL_CALLS_LEFT,
    GHL_CALLS_LIMIT,
    GHL_CONTACT_IDS,
    GHL_REQUESTS,
    GHL_WAIT,
    HEALTH,
    LEASE_HELD,
    LISTENING,
    LOOP_LAG,
    NOTIFICATIONS_LOST,
    NOTIFICATION_ROUND_TRIP,
    QUARANTINED,
    RATE_LIMITED,
    REMEDIES,
    REQUESTS,
    REQUEST_WAIT,
    SERVICE_STATE,
    SERVICE_FAILURES,
    SYNC_FRESHNESS,
    SYNC_LAG,
    SYNC_PASSES,
    SYNC_PAUSED,
    SYNC_RECORDS,
    SYNC_SECONDS,
    TASKS,
    UPTIME,
    WAKES,
    WORK_OLDEST,
    WORK_WAITING,
    WORKFLOW_LATENESS,
    WORKFLOW_RESCUES,
    WORKFLOW_STEPS,
    WORKFLOW_STEP_SECONDS,
    WORKFLOWS_STARTED,
)


class Metrics:
    """Every declared metric. What feeds them is on the event loop, all of it."""

    def __init__(self) -> None:
        self._numbers = {
            each: Numbers(each.name, each.labels) for each in METRICS if each.kind is not Kind.HISTOGRAM
        }
        self._spreads = {
            each: Spreads(each.name, each.labels, each.buckets)
            for each in METRICS
            if each.kind is Kind.HISTOGRAM
        }
        self._refreshers: list[Callable[[], None]] = []
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        GCCollector(registry=self._process)

    def add(self, metric: Metric, amount: float = 1, **labels: str) -> None:
        """Let a counter grow by *amount*."""
        _check(metric, Kind.COUNTER)
        self._numbers[metric].add(amount, *_values(metric, labels))

    def set(self, metric: Metric, value: float, **labels: str) -> None:
        """Let a gauge stand at *value*."""
        _check(metric, Kind.GAUGE)
        self._numbers[metric].set(value, *_values(metric, labels))

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        """Put *value* into a histogram."""
        _check(metric, Kind.HISTOGRAM)
        self._spreads[metric].observe(value, *_values(metric, labels))

    def refresh_with(self, refresher: Callable[[], None]) -> None:
        """Call *refresher* before each `render`, for gauges that are looked up rather than kept."""
        self._refreshers.append(refresher)

    def render(self) -> bytes:
        """Return everything in Prometheus' text format (`CONTENT_TYPE`)."""
        for refresher in self._refreshers:
            refresher()
        parts = []
        for metric, made in (self._numbers | self._spreads).items():
            parts.append(f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.kind.value}\n")
            parts += made.lines()
        return "".join(parts).encode() + generate_latest(self._process)


def _check(metric: Metric, kind: Kind) -> None:
    if metric.kind is not kind:
        raise TypeError(f"{metric.name} is no {kind.value}")


def _values(metric: Metric, labels: dict[str, str]) -> tuple[str, ...]:
    """Return the values of *labels* in the declared order. Raises ValueError for others than the declared."""
    if labels.keys() != set(metric.labels):
        raise ValueError(f"{metric.name} has the labels {metric.labels}, not {tuple(labels)}")
    return tuple(labels[name] for name in metric.labels)
