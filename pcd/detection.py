"""Detection in a daemon: the lease for it, what records, what listens. Each is a service of its own."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from pcd.changes.listener import Listener
from pcd.events.channels import Channels
from pcd.events.detector import CONNECTIONS, Detector, recording, settings_of
from pcd.events.publisher import Publisher
from pcd.events.recorder import SESSION
from pcd.keepers import LeaseKeeper
from pcd.supervisor import Built
from pcd.telemetry import metrics as m
from pcd.telemetry import tracing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence

    from pcd.changes.change import Change
    from pcd.changes.listener import Hearing
    from pcd.clock import Clock
    from pcd.config import Config
    from pcd.db.leases import Lease, Leaser
    from pcd.db.pool import Database
    from pcd.events.event import Follower, Recorded
    from pcd.events.recorder import Recorder
    from pcd.keepers import DatabaseKeeper
    from pcd.redis.link import Link
    from pcd.supervisor import Gate, Supervisor
    from pcd.telemetry.metrics import Metrics

LEASE = "events"


@asynccontextmanager
async def recorder(
    config: Config, db: Database, *, leaser: Leaser, clock: Clock, follower: Follower | None = None
) -> AsyncGenerator[Recorder]:
    """Hold the right to record events in this process, for a command while no daemon does.

    Raises ControlError when somebody else holds it.
    """
    settings = settings_of(config)
    async with (
        leaser.hold(LEASE, wait=timedelta()) as lease,
        recording(db.url, lease=lease, settings=settings, clock=clock, follower=follower) as ready,
    ):
        yield ready


class Detection:
    """Whoever holds the lease records; the listener wakes it. *follower* does what follows from events."""

    def __init__(  # noqa: PLR0913 - everything that detection stands on comes in from outside
        self,
        config: Config,
        *,
        database: DatabaseKeeper,
        leaser: Callable[[], Leaser],
        clock: Clock,
        metrics: Metrics,
        follower: Follower | None = None,
        link: Link | None = None,
    ) -> None:
        self.channels = Channels()
        self._config = config
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._ears: Listener | None = None
        self._follower = follower
        self._link = link
        self._lease = LeaseKeeper(
            LEASE, name="events lease", leaser=leaser, furnish=self._furnish, metrics=metrics
        )

    def detector(self) -> Detector:
        """Return what records; raises StoreError while another daemon does."""
        return self._lease.work

    def hearing(self) -> Hearing | None:
        """Return how the listener is; None while there is none."""
        return self._ears.describe() if self._ears is not None and self._lease.gate.is_open else None

    def add_to(self, supervisor: Supervisor, *, gates: tuple[Gate, ...] = ()) -> None:
        """Have *supervisor* look after it while the database is there, and *gates* are open."""
        up, ours = self._database.gate, self._lease.gate
        supervisor.add(self._lease, gates=(up,))
        supervisor.add(Built("events", self.detector), gates=(up, ours, *gates))
        supervisor.add(Built("listener", self._listener), gates=(up, ours))
        if self._link is not None:
            publisher = Publisher(self._link, db=lambda: self._database.spare, channels=self.channels)
            supervisor.add(publisher, gates=(up, ours))

    def _furnish(self, lease: Lease) -> Detector:
        return Detector(
            partial(self._database.pool, "events", size=CONNECTIONS, settings=SESSION),
            lease=lease,
            settings=settings_of(self._config),
            channels=self.channels,
            clock=self._clock,
            observe=self._observe,
            follower=self._follower,
        )

    def _listener(self) -> Listener:
        self._ears = Listener(
            self._database.db.url,
            poll_interval=self._config.events.poll_interval,
            clock=self._clock,
            on_wake=self.detector().wake,
            metrics=self._metrics,
        )
        return self._ears

    def _observe(self, events: Sequence[Recorded], changes: Sequence[Change]) -> None:
        if changes:
            self._metrics.add(m.CHANGES_CONSUMED, len(changes))
            oldest = min(change.changed_at for change in changes)
            self._metrics.observe(m.CHANGE_LATENCY, (self._clock.now() - oldest).total_seconds())
        for change in {change.resource: change for change in changes}.values():
            if (lag := lag_of(change)) is not None:
                self._metrics.set(m.SYNC_LAG, lag.total_seconds(), resource=change.resource)
        for event in events:
            reason = event.suppressed_reason or "none"
            self._metrics.add(m.EVENTS_RECORDED, type=event.type, suppressed=reason)
            if event.suppressed_reason is None:
                latency = (event.detected_at - event.occurred_at).total_seconds()
                self._metrics.observe(m.EVENT_LATENCY, latency)
        if tracing.is_on():
            known = {change.id: change for change in changes}
            for event in events:
                if event.suppressed_reason is None:
                    tracing.tell(*spans_of(event, known, now=self._clock.now()))


def spans_of(event: Recorded, changes: Mapping[int, Change], *, now: datetime) -> Iterator[tracing.Span]:
    """Yield how *event* came about: from the row's stamp to its table, from there to the event."""
    parent = ""
    if event.change_id is not None and (change := changes.get(event.change_id)):
        about: dict[str, str | int] = {
            "resource": change.resource,
            "origin": change.origin or "",
            "id": change.st_id,
        }
        written_at = change.changed_at
        stamp = modified_at(change) or written_at
        steps = (
            (tracing.SYNC, min(stamp, written_at), written_at),
            (tracing.CHANGE, written_at, event.detected_at),
        )
        for key, began_at, ended_at in steps:
            yield tracing.Span(
                event_id=event.id,
                name=f"{key} {change.resource}",
                key=key,
                parent=parent,
                began_at=began_at,
                ended_at=ended_at,
                about=about,
            )
            parent = key
    yield tracing.Span(
        event_id=event.id,
        name=f"event {event.type}",
        key=tracing.EVENT,
        parent=parent,
        began_at=event.detected_at,
        ended_at=now,
        about={"type": event.type, event.entity_type: event.entity_id},
    )


def modified_at(change: Change) -> datetime | None:
    """Return when the row was modified in ServiceTitan, None where that is not known."""
    stamp = (change.after or {}).get("st_modified_on")
    return datetime.fromisoformat(stamp) if isinstance(stamp, str) else None


def lag_of(change: Change) -> timedelta | None:
    """Return how long after ServiceTitan's stamp the row was written; None where there is no stamp."""
    stamp = modified_at(change)
    return None if stamp is None else max(change.changed_at - stamp, timedelta())
