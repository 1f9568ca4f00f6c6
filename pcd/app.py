"""The composition root: everything is built here, on one screen, and nowhere else."""

from __future__ import annotations

import logging
import os
import socket
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import anyio

from pcd.automation import Automation
from pcd.changes import keeper
from pcd.clock import Clock
from pcd.control import signals
from pcd.control.automation import AutomationMethods
from pcd.control.desk import Desk
from pcd.control.detecting import EventMethods
from pcd.control.meter import Meter
from pcd.control.methods import Errand, Methods, Outcome, describe_order, key
from pcd.control.reloading import Reloader
from pcd.control.selling import SellingMethods
from pcd.control.server import ControlServer, claimed
from pcd.control.status import About, StatusReader, read_pauses, why_away
from pcd.control.wellbeing import WellbeingMethods
from pcd.db.backup import dump_nightly
from pcd.db.embedded import Embedded
from pcd.db.leases import Leaser
from pcd.db.migrate import migrate
from pcd.db.pool import Database
from pcd.detection import Detection
from pcd.errors import ConfigError, StoreError, Unauthorized
from pcd.keepers import AccessKeeper, DatabaseKeeper, LeaseKeeper
from pcd.mirroring import Mirror, mirror_of, mirrored, upstream
from pcd.schedule.due import Schedule
from pcd.schedule.scheduler import Scheduler
from pcd.selling import Selling
from pcd.servicetitan.checker import check
from pcd.servicetitan.decode import SERVICE
from pcd.servicetitan.vet import vet
from pcd.supervisor import Built, State, Supervisor
from pcd.sync.freshener import Freshener
from pcd.sync.request import Mode, Report, Request
from pcd.tables import RESOURCES
from pcd.telemetry.heartbeat import Heartbeat
from pcd.telemetry.metrics import Metrics
from pcd.telemetry.notify import Systemd
from pcd.web.server import WebServer
from pcd.wellbeing import Around, Wellbeing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Collection

    from pcd.config import Config
    from pcd.control.progress import Progress
    from pcd.db.leases import Lease
    from pcd.redis.link import Link
    from pcd.servicetitan.client import ServiceTitan

_log = logging.getLogger(__name__)

STAGES: Final = ("sync", "events", "ghl", "workflows", "health", "web")
"""What ``pcd run --only`` can name; the control socket, the database and the heartbeat always run."""

_LEASE = "sync"
_BACKUP_CRON = "30 3 * * *"
_COMMAND_WAITS = timedelta(seconds=10)
# An embedded server writes everything to disk before it ends.
_DATABASE_ENDS_WITHIN = timedelta(seconds=6)


class Daemon:
    """All services of one daemon, ready to `run`."""

    def __init__(
        self, config: Config, *, st: ServiceTitan, systemd: Systemd, only: Collection[str], link: Link | None
    ) -> None:
        for name in only:
            if name not in STAGES:
                raise ConfigError(f"--only: there is no {name!r}; there are: {', '.join(STAGES)}")
        self._config = config
        self._mirrored = mirrored(config)
        self._st = st
        self._clock = clock = Clock()
        self._only = only or STAGES
        metrics = Metrics()
        self.supervisor = Supervisor(clock)
        self._database = DatabaseKeeper(
            partial(_server, config, owner=True),
            pool_size=config.database.pool_size,
            prepare=self._prepare,
            clock=clock,
            metrics=metrics,
        )
        self._access = AccessKeeper(st)
        self._lease = LeaseKeeper(
            _LEASE,
            leaser=lambda: leaser_of(config, self._database.spare, clock),
            furnish=self._furnish,
            metrics=metrics,
        )
        self._desk = Desk(self._perform, key=key, why_closed=self._why_closed)
        self.status = StatusReader(
            self.supervisor,
            about=About.of(config, started_at=clock.now()),
            db=lambda: self._database.spare,
            live=self._live,
            resources=RESOURCES,
            clock=clock,
        )
        self._automation = Automation(config, database=self._database, clock=clock, metrics=metrics)
        self._detection = Detection(
            config,
            database=self._database,
            leaser=lambda: leaser_of(config, self._database.spare, clock),
            clock=clock,
            metrics=metrics,
            follower=self._automation.starter,
            link=link,
        )
        self._selling = Selling(
            config,
            database=self._database,
            leaser=lambda: leaser_of(config, self._database.spare, clock),
            channels=self._detection.channels,
            clock=clock,
            metrics=metrics,
            link=link,
        )
        self._wellbeing = Wellbeing(
            config,
            Around(
                supervisor=self.supervisor,
                database=self._database,
                access=self._access,
                detection=self._detection,
                desk=self._desk,
                resources=self._mirrored,
                leaser=lambda: leaser_of(config, self._database.spare, clock),
                budget=lambda: self._selling.client().budget,
                link=link,
                clock=clock,
                metrics=metrics,
            ),
        )
        self._reloader = Reloader(config, apply=self._wellbeing.reconfigure)
        self._watch = self._wellbeing if "health" in self._only else None
        self._web = WebServer(
            config.daemon.http_host,
            config.daemon.http_port,
            token=config.daemon.http_token,
            status=self.status,
            metrics=metrics,
            watch=self._watch,
            hooks=self._selling.hooks(),
        )
        self._meter = Meter(metrics, supervisor=self.supervisor, status=self.status, st=st)
        self._add_base(systemd, metrics)
        if "sync" in self._only:
            self._add_sync()
        if {"events", "workflows"}.intersection(self._only):
            self._automation.add_definitions_to(self.supervisor, channels=self._detection.channels)
        if "events" in self._only:
            self._detection.add_to(self.supervisor, gates=(self._automation.gate,))
        self._selling.add_client_to(self.supervisor)
        if "ghl" in self._only:
            self._selling.add_to(self.supervisor)
        if "workflows" in self._only:
            self._automation.add_to(self.supervisor, selling=self._selling)
        if self._watch is not None:
            self._watch.add_to(self.supervisor)

    async def run(self, stop: anyio.Event) -> None:
        """Run until *stop* is set, and a few seconds more."""
        await self.supervisor.run(stop)

    async def reload(self) -> dict[str, Any]:
        """Read the configuration and the definitions of workflows again, and return what came of it.

        Raises ConfigError, and changes nothing, when the configuration is wrong by now.
        """
        found = await self._reloader.reload()
        return found | await self._automation.reload_if_possible()

    async def reload_and_tell(self) -> None:
        """Do so, and log what came of it."""
        try:
            _log.info("reloaded: %s", await self.reload())
        except (ConfigError, StoreError) as error:
            _log.error("not reloaded: %s", error)

    def _add_base(self, systemd: Systemd, metrics: Metrics) -> None:
        """Add what works without the database, so that ``pcd status`` can say that it is missing."""
        daemon = self._config.daemon
        methods = Methods(
            self.supervisor,
            desk=self._desk,
            status=self.status,
            db=lambda: self._database.spare,
            resources=RESOURCES,
        )
        table = (
            methods.table()
            | EventMethods(self._detection.detector).table()
            | SellingMethods(self._selling.clerk).table()
            | AutomationMethods(self._automation).table()
            | WellbeingMethods(self._watch, reload=self.reload).table()
        )
        self.supervisor.add(
            ControlServer(daemon.control_socket, methods=table, version=self.status.about.version)
        )
        if "web" in self._only:
            self.supervisor.add(self._web)
        self.supervisor.add(
            Heartbeat(
                daemon.heartbeat_file,
                interval=daemon.heartbeat_interval,
                pulse=self._database,
                systemd=systemd,
                clock=self._clock,
                metrics=metrics,
            )
        )
        self.supervisor.add(self._database, ends_within=_DATABASE_ENDS_WITHIN)

    def _add_sync(self) -> None:
        """Add the mirror: whoever holds the lease syncs, by the clock, on demand, and every few seconds."""
        up, allowed, ours = self._database.gate, self._access.gate, self._lease.gate
        self.supervisor.add(self._access)
        self.supervisor.add(self._lease, gates=(up, allowed))
        self.supervisor.add(self._desk, gates=(up, allowed, ours), drain=self._desk.drain)
        self.supervisor.add(Built("schedule", self._scheduler), gates=(up, allowed, ours))
        if self._config.sync.fresh_interval is not None:
            self.supervisor.add(Built("fresh", self._freshener), gates=(up, allowed, ours))

    def _furnish(self, lease: Lease) -> Mirror:
        return mirror_of(
            self._config, self._database.db, self._st, lease, clock=self._clock, observe=self._observe
        )

    async def _perform(self, errand: Errand, progress: Progress) -> Outcome:
        return await self._lease.work.perform(errand, progress)

    def _scheduler(self) -> Scheduler:
        sync, zone = self._config.sync, ZoneInfo(self._config.daemon.timezone)

        async def run(mode: Mode) -> str:
            await self._desk.wait_open()
            report = await self._desk.submit(Request(mode=mode, triggered_by="schedule")).wait()
            return "completed" if isinstance(report, Report) and report.is_complete else "failed"

        async def back_up() -> str:
            folder = self._config.daemon.data_dir / "backups"
            path = await dump_nightly(self._database.db.url, folder=folder, now=datetime.now(zone))
            _log.info("backup: written to %s", path)
            return "completed"

        jobs: dict[Schedule, Callable[[], Awaitable[str]]] = {
            Schedule(
                name="incremental", cron=sync.incremental_cron, key="sync.incremental_cron", at_first=True
            ): lambda: run(Mode.INCREMENTAL),
            Schedule(name="full", cron=sync.full_cron, key="sync.full_cron"): lambda: run(Mode.FULL),
        }
        if not self._config.database.url:
            jobs[Schedule(name="backup", cron=_BACKUP_CRON, key="backup")] = back_up
        return Scheduler(self._database.spare, jobs=jobs, zone=zone, clock=self._clock)

    def _freshener(self) -> Freshener:
        interval = self._config.sync.fresh_interval
        assert interval is not None
        work = self._lease.work
        return Freshener(work.syncer, lease=work.lease, interval=interval, observe=self._observe)

    def _observe(self, report: Report) -> None:
        self._meter.observe(report)
        if report.resources and all(part.error for part in report.resources):
            self._access.doubt()

    async def _prepare(self, db: Database) -> None:
        await keeper.prepare(db, self._mirrored.values())
        await self._apply_pauses(db)

    async def _apply_pauses(self, db: Database) -> None:
        for name, reason in (await read_pauses(db)).items():
            if name in self.supervisor.names:
                self.supervisor.pause(name, reason=reason)

    def _why_closed(self) -> str:
        if "sync" not in self._only:
            return "the daemon runs without it (--only)"
        return why_away("sync", self.supervisor.snapshot())

    def _live(self) -> dict[str, Any]:
        order = self._desk.under_way
        return {
            "http": self._web.address,
            "under_way": describe_order(order) if order else None,
            "upstream_trouble": self._access.trouble,
        }


async def run(config: Config, *, only: Collection[str] = ()) -> int:
    """Run the daemon until a signal asks it to end, and return that signal's number.

    It is gone ten seconds after the signal, whatever hangs; a second signal does not wait.
    """
    stop = anyio.Event()
    systemd = Systemd.from_environment(os.environ)
    caught: list[int] = []
    daemons: list[Daemon] = []

    def reload() -> None:
        for daemon in daemons:
            group.start_soon(daemon.reload_and_tell)

    signals.tell_stray_errors()
    async with anyio.create_task_group() as group:
        await group.start(partial(signals.listen, on_hangup=reload), stop, systemd, caught)
        with claimed(config.daemon.control_socket):
            async with upstream(config, clock=Clock()) as (st, link):
                daemon = Daemon(config, st=st, systemd=systemd, only=only, link=link)
                group.start_soon(_tell_ready, daemon.supervisor, systemd)
                daemons.append(daemon)
                _log.info("pcd %s starts, process %d", daemon.status.about.version, os.getpid())
                await daemon.run(stop)
        _log.info("stopped")
        group.cancel_scope.cancel()
    return caught[0] if caught else 0


@asynccontextmanager
async def mirror(config: Config, *, tell: Callable[[str], None]) -> AsyncGenerator[Mirror]:
    """Hold the right to sync in this process, for a command while no daemon runs.

    Raises ControlError when somebody else holds it, ConfigError when there are no credentials, Unauthorized
    when ServiceTitan refuses them.
    """
    mirrored(config)  # says what is wrong before anything is started
    if faults := vet(config.servicetitan):
        raise ConfigError("; ".join(faults))
    clock = Clock()
    async with (
        upstream(config, clock=clock) as (st, _),
        opened(config, tell=tell) as db,
        opened(config, tell=tell) as spare,
    ):
        await migrate(db)
        verdict = await check(st)
        if verdict.is_certain and not verdict.is_good:
            raise Unauthorized(verdict.text, service=SERVICE)
        if not verdict.is_good:
            tell(f"{verdict.text}; it is tried on for minutes, Ctrl-C ends that")
        # Long enough for the lease of a process that was killed to run out.
        patience = config.leases.ttl + timedelta(seconds=5)
        async with leaser_of(config, spare, clock).hold(_LEASE, wait=patience, on_wait=tell) as lease:
            yield mirror_of(config, db, st, lease, clock=clock, observe=lambda _: None)


@asynccontextmanager
async def opened(config: Config, *, tell: Callable[[str], None]) -> AsyncGenerator[Database]:
    """Hold a connection to the database for a command; an embedded server runs meanwhile."""
    async with _server(config, tell, owner=False) as url:
        db = await Database.connect(
            url,
            pool_size=config.database.pool_size,
            application_name="pcd command",
            on_wait=tell,
            wait=_COMMAND_WAITS,
        )
        try:
            yield db
        finally:
            await db.close()


@asynccontextmanager
async def _server(config: Config, tell: Callable[[str], None], *, owner: bool) -> AsyncGenerator[str]:
    if config.database.url:
        yield config.database.url.reveal()
        return
    async with Embedded(config.daemon.data_dir, on_wait=tell).use(owner=owner) as url:
        yield url


def leaser_of(config: Config, db: Database, clock: Clock) -> Leaser:
    """Return what takes leases for this process."""
    holder = f"process {os.getpid()} on {socket.gethostname()}"
    return Leaser(db, holder=holder, ttl=config.leases.ttl, clock=clock)


async def _tell_ready(supervisor: Supervisor, systemd: Systemd) -> None:
    # Not the database: a service manager that waits for it would restart us again and again.
    await supervisor.wait_for("control", State.RUNNING, State.DEGRADED)
    systemd.tell(READY=1)
