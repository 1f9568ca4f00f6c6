"""Watching and healing in a daemon: what measures, what heals, what tells people. Each is a service."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from pcd.changes.listener import ListenState
from pcd.crm.premises import Premises
from pcd.health import describe, digester, ledger
from pcd.health.alerts import Alerts
from pcd.health.channels import channels_of
from pcd.health.check import Level, Measurement, Scope, Thresholds, Unread
from pcd.health.checks import CHECKS
from pcd.health.crier import Crier
from pcd.health.deeds import Deeds, SyncHands
from pcd.health.diagnose import facts
from pcd.health.doctor import Doctor
from pcd.health.healer import Healer
from pcd.health.monitor import Monitor
from pcd.health.pacer import Pacer
from pcd.health.prober import Prober
from pcd.health.reader import Reader, Store, disk, span
from pcd.health.remedy import Mode
from pcd.keepers import LeaseKeeper
from pcd.schedule.due import Schedule
from pcd.schedule.scheduler import Scheduler
from pcd.supervisor import Built, State
from pcd.sync.request import Mode as SyncMode
from pcd.sync.request import Report, Request
from pcd.telemetry import log
from pcd.telemetry import metrics as m
from pcd.workflows.store import Store as Workflows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pcd.clock import Clock
    from pcd.config import Config
    from pcd.control.desk import Desk
    from pcd.control.methods import Errand, Outcome
    from pcd.db.leases import Lease, Leaser
    from pcd.detection import Detection
    from pcd.ghl.shapes import Budget
    from pcd.health.check import Reading, Verdict
    from pcd.health.diagnose import Diagnosis
    from pcd.health.ledger import Ledger
    from pcd.keepers import AccessKeeper, DatabaseKeeper
    from pcd.redis.link import Link
    from pcd.supervisor import Supervisor
    from pcd.tables.spec import Resource
    from pcd.telemetry.metrics import Metrics

LEASE = "healer"
_ENOUGH = 5.0
_SICK = {State.WAITING: 1.0, State.DEGRADED: 2.0}
_BUDGET_LOW = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What of the daemon is looked at and healed. *budget* is GoHighLevel's."""

    supervisor: Supervisor
    database: DatabaseKeeper
    access: AccessKeeper
    detection: Detection
    desk: Desk[Errand, Outcome]
    resources: Mapping[str, Resource]
    leaser: Callable[[], Leaser]
    budget: Callable[[], Budget]
    clock: Clock
    metrics: Metrics
    link: Link | None = None


class Wellbeing:
    """The watch over one daemon. Anybody may tell *alerts*."""

    def __init__(self, config: Config, around: Around) -> None:
        self.alerts = Alerts(around.clock)
        self._config = config
        self._around = around
        self._host = socket.gethostname()
        # Stable over a restart, and another one for another daemon on this machine.
        self._place = f"{self._host}:{config.daemon.control_socket}"
        self._pacer = Pacer(around.clock)
        self._stillness = _Stillness(around)
        self._store = Store(
            lambda: around.database.spare,
            resources=around.resources,
            stalled_after=config.health.workflow_stalled_after,
            clock=around.clock,
        )
        self.monitor = Monitor(
            CHECKS,
            reader=Reader(self._sources()),
            thresholds=thresholds_of(config),
            interval=config.health.interval,
            clock=around.clock,
            observe=self._observe,
        )
        self._crier = Crier(
            self.alerts,
            db=lambda: around.database.spare,
            channels=channels_of(config, around.clock),
            sender=config.business.name or "pcd",
            place=self._place,
        )
        self._doctor = Doctor(lambda: self._config.ai, db=lambda: around.database.spare)
        self._lease = LeaseKeeper(
            LEASE, name="healer lease", leaser=around.leaser, furnish=self._ledger, metrics=around.metrics
        )
        self._day = digester.LastDay(config, db=lambda: around.database.spare, clock=around.clock)
        around.metrics.refresh_with(lambda: around.metrics.set(m.ALERTS_OPEN, len(self.alerts.open)))

    def add_to(self, supervisor: Supervisor) -> None:
        """Have *supervisor* look after it; what needs no database works without one."""
        up, ours = self._around.database.gate, self._lease.gate
        supervisor.add(self._pacer)
        supervisor.add(self._crier)
        supervisor.add(self.monitor)
        supervisor.add(Built("caretaker", self._caretaker))
        supervisor.add(self._lease, gates=(up,))
        supervisor.add(Built("healer", self._healer), gates=(up, ours))
        if self._config.alerts.digest_at:
            supervisor.add(Built("digest", self._digest), gates=(up, ours))

    def reconfigure(self, config: Config) -> None:
        """Go on with *config*'s thresholds, interval, remedies' mode and model from now on."""
        self._config = config
        self.monitor.thresholds = thresholds_of(config)
        self.monitor.interval = config.health.interval

    async def health(self) -> dict[str, Any]:
        """Return how everything is, measured within the last seconds, as JSON values."""
        found = await self.monitor.look(not_older_than=_ENOUGH)
        return await self._told(found)

    async def last(self) -> dict[str, Any]:
        """Return how everything was when it was last measured."""
        return await self._told(self.monitor.verdicts)

    async def day(self) -> dict[str, Any] | None:
        """Return what came of the last day and what is switched on; None while the database is away."""
        return await self._day.read()

    def troubles(self, level: Level) -> list[str]:
        """Return one line for each check that stands at *level*, as last measured."""
        return [
            f"{name}: {verdict.text}"
            for name, verdict in self.monitor.verdicts.items()
            if verdict.level is level
        ]

    async def _told(self, found: Mapping[str, Verdict]) -> dict[str, Any]:
        levels = {verdict.level for verdict in found.values()}
        worst = max(levels, key=lambda level: level.rank, default=Level.OK)
        remedies = []
        if self._around.database.gate.is_open:
            remedies = await ledger.recent(self._around.database.spare)
        return {
            "level": worst.value,
            "looked_at": self.monitor.looked_at,
            "checks": describe.verdicts(found.values()),
            "remedies": remedies,
            "alerts": [
                {"key": alert.key, "level": alert.level.value, "title": alert.title, "since": alert.raised_at}
                for alert in self.alerts.open
            ],
            "channels": list(self._crier.channels),
        }

    def _sources(self) -> dict[str, Any]:
        return {
            **self._store.sources(),
            "sync": self._sync,
            "disk": partial(disk, self._config.daemon.data_dir),
            "services": self._services,
            "servicetitan": self._servicetitan,
            "listener": self._listener,
            "event_loop": self._event_loop,
            "clock": self._clocks,
            "gohighlevel": self._gohighlevel,
            "redis": self._redis,
            "probes": Prober(self._config.health.probes, self._around.clock).look,
        }

    async def _sync(self) -> Reading:
        """What is being read at this moment does not stand still, however long ago it was compared."""
        found = await self._store.sync(reference=False)
        still = self._stillness.seconds()
        if still is None or isinstance(found, Unread):
            return found
        return {
            name: Measurement(value=min(each.value, still), text=each.text, details=each.details)
            for name, each in found.items()
        }

    async def _services(self) -> Reading:
        return {
            each.name: Measurement(
                value=_SICK.get(each.state, 0.0),
                text=f"{each.state.value}: {each.detail}" if each.detail else each.state.value,
                details={"failures": each.failures},
                needs_person=each.needs_person,
            )
            for each in self._around.supervisor.snapshot()
            if each.state is not State.PAUSED
        }

    async def _servicetitan(self) -> Reading:
        seconds = self._around.access.away_seconds
        text = f"no good answer for {span(seconds)}" if seconds else "answers"
        return {"": Measurement(value=seconds, text=text)}

    async def _listener(self) -> Reading:
        hearing = self._around.detection.hearing()
        if hearing is None:
            return {}
        if hearing.state is ListenState.LISTENING:
            return {"": Measurement(value=0, text="notifications arrive")}
        seconds = self._around.clock.monotonic() - hearing.since
        return {"": Measurement(value=seconds, text=f"no notifications for {span(seconds)}")}

    async def _event_loop(self) -> Reading:
        return {"": self._pacer.take_lag()}

    async def _clocks(self) -> Reading:
        return {"step": self._pacer.take_step(), "offset": await self._store.clock_offset()}

    async def _gohighlevel(self) -> Reading:
        if not self._config.ghl.enabled:
            return {}
        if reason := await self._store.breaker():
            return {"": Measurement(value=2, text=reason)}
        budget = self._around.budget()
        text = f"{budget.used:,} of {budget.limit:,} calls of today are used up"
        is_short = budget.forecast > budget.limit or budget.remaining < _BUDGET_LOW * budget.limit
        details = {"used": budget.used, "limit": budget.limit, "forecast": budget.forecast}
        premises = Premises(self._config, clock=self._around.clock)
        await premises.refresh(self._around.database.spare)
        missing = premises.missing
        stages = f"the account has no stage for {', '.join(missing)}" if missing else "all stages are there"
        return {
            "": Measurement(value=float(is_short), text=text, details=details),
            "stages": Measurement(value=float(bool(missing)), text=stages),
        }

    async def _redis(self) -> Reading:
        link = self._around.link
        if link is None:
            return {}
        text = "does not answer" if link.is_gone else "answers"
        return {"": Measurement(value=float(link.is_gone), text=text)}

    def _observe(self, verdicts: Mapping[str, Verdict]) -> None:
        for name, verdict in verdicts.items():
            self._around.metrics.set(m.HEALTH, verdict.level.rank, check=name)

    def _ledger(self, lease: Lease | None) -> Ledger:
        return ledger.Ledger(
            lambda: self._around.database.spare, clock=self._around.clock, holder=self._place, lease=lease
        )

    def _caretaker(self) -> Healer:
        return self._make_healer("caretaker", Scope.DAEMON, self._ledger(None), place=self._place)

    def _healer(self) -> Healer:
        return self._make_healer("healer", Scope.DATABASE, self._lease.work, place="")

    def _make_healer(self, name: str, scope: Scope, entries: Ledger, *, place: str) -> Healer:
        around = self._around
        deeds = Deeds(
            supervisor=around.supervisor,
            db=lambda: around.database.spare,
            workflows=lambda: Workflows(
                around.database.spare,
                holder=self._host,
                lease=self._config.workflows.lease,
                clock=around.clock,
            ),
            sync=self._stillness.hands(),
            holder=f"taken away by {self._host}",
            stalled_after=lambda: self._config.health.sync_stalled_after,
        )
        return Healer(
            name,
            self.monitor,
            scope=scope,
            checks=CHECKS,
            alerts=self.alerts,
            ledger=entries,
            deeds=deeds.table(),
            ask=partial(self._ask, entries),
            mode=lambda: Mode(self._config.health.remedies),
            clock=around.clock,
            place=place,
            observe=lambda remedy, result: around.metrics.add(m.REMEDIES, remedy=remedy, result=result),
        )

    async def _ask(self, entries: Ledger, verdict: Verdict, tried: str) -> Diagnosis | None:
        states = self._around.supervisor.snapshot()
        told = facts(
            verdict,
            others=self.monitor.verdicts,
            services=[{"name": each.name, "state": each.state, "detail": each.detail} for each in states],
            history=await entries.history(),
            log=log.warnings(),
            tried=tried,
        )
        return await self._doctor.ask(told, services=tuple(each.name for each in states))

    def _digest(self) -> Scheduler:
        hour, _, minute = self._config.alerts.digest_at.partition(":")
        zone = ZoneInfo(self._config.daemon.timezone)
        line = Schedule(name="digest", cron=f"{int(minute)} {int(hour)} * * *", key="alerts.digest_at")

        async def send() -> str:
            told = await digester.gather(self._around.database.db, until=self._around.clock.now())
            name = self._config.business.name or "pcd"
            self._crier.say(describe.digest(told, name=name, zone=zone))
            return "completed"

        return Scheduler(self._around.database.spare, jobs={line: send}, zone=zone, clock=self._around.clock)


class _Stillness:
    """For how long the sync that is under way here has read nothing."""

    def __init__(self, around: Around) -> None:
        self._around = around
        self._seen: object = None
        self._since = 0.0

    def seconds(self) -> float | None:
        """Return it; None where none is under way."""
        order = self._around.desk.under_way
        if order is None:
            self._seen = None
            return None
        seen = (id(order), order.progress.describe()["fetched"])
        now = self._around.clock.monotonic()
        if seen != self._seen:
            self._seen, self._since = seen, now
        return now - self._since

    def hands(self) -> SyncHands:
        """Return what healing a sync takes."""
        return SyncHands(
            still_for=self.seconds,
            is_open=lambda: self._around.desk.is_open,
            wait_open=self._around.desk.wait_open,
            sync=self._sync,
        )

    async def _sync(self) -> str:
        request = Request(mode=SyncMode.INCREMENTAL, triggered_by="healer")
        outcome = await self._around.desk.submit(request).wait()
        return "completed" if isinstance(outcome, Report) and outcome.is_complete else "failed"


def thresholds_of(config: Config) -> Thresholds:
    """Return what *config* says about how bad is bad."""
    return Thresholds(
        sync_stalled_after=config.health.sync_stalled_after,
        workflow_stalled_after=config.health.workflow_stalled_after,
    )
