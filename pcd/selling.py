"""Keeping GoHighLevel in step, in a daemon: the client, the lease, what decides and what sends."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import anyio

from pcd.crm.clerk import Clerk
from pcd.crm.finder import LASTING
from pcd.crm.grants import StoredGrant
from pcd.crm.hearer import Hearer
from pcd.crm.patroller import Patroller
from pcd.crm.premises import Premises
from pcd.crm.sender import DONE
from pcd.crm.watcher import Watcher
from pcd.crm.works import SESSION, Works
from pcd.errors import StoreError
from pcd.ghl.authenticator import token_path
from pcd.ghl.client import connect
from pcd.ghl.limiter import PERIOD
from pcd.ghl.meter import Meter
from pcd.keepers import LeaseKeeper
from pcd.redis import link as redis_link
from pcd.redis.budget import SharedBudget
from pcd.redis.cache import Cache
from pcd.supervisor import Built, Gate
from pcd.telemetry import metrics as m
from pcd.telemetry import tracing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping
    from datetime import datetime

    from anyio.abc import TaskStatus

    from pcd.clock import Clock
    from pcd.config import Config
    from pcd.crm.outbox import Owed
    from pcd.crm.sender import Sender
    from pcd.db.leases import Lease, Leaser
    from pcd.db.pool import Database
    from pcd.events.channels import Channels
    from pcd.ghl.client import GoHighLevel
    from pcd.ghl.limiter import Claim
    from pcd.keepers import DatabaseKeeper
    from pcd.redis.link import Link
    from pcd.supervisor import Supervisor
    from pcd.telemetry.metrics import Metrics
    from pcd.web.server import Hook

LEASE = "ghl"
_CONNECTIONS = 8
HOOK = "/hooks/ghl"
"""Where GoHighLevel's webhooks go."""


def is_configured(config: Config) -> bool:
    """Whether there is a subaccount to speak to."""
    ghl = config.ghl
    return bool(ghl.location_id and (ghl.token or ghl.oauth.client_id))


def _shared(config: Config, link: Link | None) -> Claim | None:
    """Return what holds all processes together to what the subaccount allows, where there is Redis."""
    if link is None:
        return None
    per_second = config.ghl.requests_per_10s / PERIOD.total_seconds()
    name = f"ghl:{config.ghl.location_id}"
    return SharedBudget(link, name, per_second=per_second, seconds=PERIOD.total_seconds()).claim


def contact_ids(
    config: Config, link: Link | None, *, observe: Callable[[str], None] = lambda _outcome: None
) -> Cache | None:
    """Return where processes keep the ids of contacts for each other, where there is Redis."""
    secret = config.ghl.token or config.ghl.oauth.client_secret
    if link is None or not secret:
        return None
    name = f"contact:{config.ghl.location_id}"
    return Cache(link, name, secret=secret.reveal(), lasting=LASTING, observe=observe)


@asynccontextmanager
async def clerk(
    config: Config, db: Database, *, leaser: Leaser, clock: Clock, wait: timedelta = timedelta()
) -> AsyncGenerator[Clerk]:
    """Hold the right to write to GoHighLevel in this process, for a command while no daemon does.

    Raises ControlError when somebody else holds it.
    """
    store = StoredGrant(lambda: db)
    async with (
        redis_link.connect(config.redis.url, clock=clock) as link,
        connect(
            config.ghl,
            clock=clock,
            token_path=token_path(config),
            store=store,
            shared=_shared(config, link),
        ) as client,
        leaser.hold(LEASE, wait=wait) as lease,
    ):
        premises = Premises(config, clock=clock)
        cache = contact_ids(config, link)
        works = Works(config, db, client, lease=lease, premises=premises, clock=clock, cache=cache)
        zone = ZoneInfo(config.daemon.timezone)
        patroller = Patroller(works, config=config.ghl, zone=zone, clock=clock)
        await patroller.open()
        yield Clerk(works, patroller)


class ClientKeeper:
    """A service: holds the connection to GoHighLevel, and opens *gate* while there is one."""

    name = "ghl"

    def __init__(
        self, config: Config, *, database: DatabaseKeeper, clock: Clock, link: Link | None = None
    ) -> None:
        self.gate = Gate("there is no connection to GoHighLevel yet")
        self._config = config
        self._shared = _shared(config, link)
        self._store = StoredGrant(lambda: database.db)
        self._clock = clock
        self._database = database
        self._client: GoHighLevel | None = None
        self._db: Database | None = None

    @property
    def db(self) -> Database:
        """A database whose commits do not wait for the disk; raises StoreError while there is none."""
        if self._db is None:
            raise StoreError(self.gate.reason)
        return self._db

    @property
    def client(self) -> GoHighLevel:
        """The client; raises StoreError while there is none."""
        if self._client is None:
            raise StoreError(self.gate.reason)
        return self._client

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Hold it until cancelled."""
        path = token_path(self._config)
        async with (
            self._database.pool("ghl", size=_CONNECTIONS, settings=SESSION) as db,
            connect(
                self._config.ghl,
                clock=self._clock,
                token_path=path,
                store=self._store,
                shared=self._shared,
            ) as client,
        ):
            self._client, self._db = client, db
            try:
                self.gate.open()
                task_status.started()
                await anyio.sleep_forever()
            finally:
                self._client = self._db = None
                self.gate.close("there is no connection to GoHighLevel")


class Selling:
    """Whoever holds the lease decides and sends; others only have the client."""

    def __init__(  # noqa: PLR0913 - everything it depends on comes in from outside
        self,
        config: Config,
        *,
        database: DatabaseKeeper,
        leaser: Callable[[], Leaser],
        channels: Channels,
        clock: Clock,
        metrics: Metrics,
        link: Link | None = None,
    ) -> None:
        self._config = config
        self._database = database
        self._channels = channels
        self._clock = clock
        self._metrics = metrics
        self._client = ClientKeeper(config, database=database, clock=clock, link=link)
        self._meter = Meter(metrics, self.client)
        self._cache = contact_ids(
            config, link, observe=lambda outcome: metrics.add(m.GHL_CONTACT_IDS, outcome=outcome)
        )
        self._hearer: Hearer | None = None
        if config.ghl.enabled and config.ghl.webhooks.enabled and is_configured(config):
            self._hearer = Hearer(config, db=lambda: database.db, client=self.client, clock=clock)
        self._opened = Gate("what stands in GoHighLevel is being copied")
        self._lease = LeaseKeeper(
            LEASE, name="ghl lease", leaser=leaser, furnish=self._furnish, metrics=metrics
        )
        if not is_configured(config):
            self._lease.gate.reason = "ghl.token and ghl.location_id are not set"
        elif not config.ghl.enabled:
            self._lease.gate.reason = "ghl.enabled is false"

    def client(self) -> GoHighLevel:
        """Return what speaks to GoHighLevel; raises StoreError while there is none."""
        return self._client.client

    def hooks(self) -> Mapping[str, Hook]:
        """Return what takes in webhooks, by its path; nothing unless they are switched on."""
        return {} if self._hearer is None else {HOOK: self._hearer.take}

    def works(self) -> Works:
        """Return what decides and sends; raises StoreError while another daemon does, or nobody."""
        return self._lease.work

    def clerk(self) -> Clerk:
        """Return what does as a person asks; raises StoreError while another daemon does."""
        return Clerk(self._lease.work, self._patroller())

    @property
    def client_gates(self) -> tuple[Gate, ...]:
        """What whoever uses the client stands behind; nothing where there is no subaccount."""
        return (self._client.gate,) if is_configured(self._config) else ()

    def add_client_to(self, supervisor: Supervisor) -> None:
        """Have *supervisor* hold the client alone, if there is a subaccount."""
        if is_configured(self._config):
            supervisor.add(self._client, gates=(self._database.gate,))

    def add_to(self, supervisor: Supervisor) -> None:
        """Have *supervisor* look after what decides and sends, if it is switched on."""
        if not is_configured(self._config) or not self._config.ghl.enabled:
            return
        up, there, ours, known = self._database.gate, self._client.gate, self._lease.gate, self._opened
        if self._hearer is not None:
            supervisor.add(self._hearer, gates=(up, there))
        supervisor.add(self._lease, gates=(up, there))
        supervisor.add(Built("ghl passes", self._patroller), gates=(up, there, ours))
        supervisor.add(Built("ghl reconciler", self._watcher), gates=(up, there, ours, known))
        supervisor.add(Built("ghl sender", self._sender), gates=(up, there, ours, known), drain=self._drain)

    def _furnish(self, lease: Lease) -> Works:
        return Works(
            self._config,
            self._client.db,
            self._client.client,
            lease=lease,
            premises=Premises(self._config, clock=self._clock),
            clock=self._clock,
            gate=self._opened,
            is_durable=False,
            cache=self._cache,
            observe=self._observe,
        )

    def _observe(self, call: Owed, outcome: str, seconds: float) -> None:
        ended_at = call.taken_at + timedelta(seconds=seconds)
        self._metrics.add(m.GHL_CALLS, kind=call.kind, outcome=outcome)
        if outcome == DONE:
            self._metrics.observe(m.GHL_CALL_LATENCY, (ended_at - call.owed_at).total_seconds())
        if tracing.is_on() and call.event_id is not None:
            tracing.tell(span_of(call, outcome, ended_at=ended_at))

    def _patroller(self) -> Patroller:
        return Patroller(
            self._lease.work,
            config=self._config.ghl,
            zone=ZoneInfo(self._config.daemon.timezone),
            clock=self._clock,
        )

    def _watcher(self) -> Watcher:
        works = self._lease.work
        return Watcher(
            marker=works.marker,
            reconciler=works.reconciler,
            lanes=works.lanes,
            channels=self._channels,
        )

    def _sender(self) -> Sender:
        return self._lease.work.sender

    async def _drain(self) -> None:
        if self._lease.gate.is_open:
            await self._lease.work.sender.drain()


def span_of(call: Owed, outcome: str, *, ended_at: datetime) -> tracing.Span:
    """Return the part of a call's try in the trace of its event: under the step that owes it, if one does."""
    assert call.event_id is not None
    instance, step, *_ = (call.step_key or ":").split(":")
    return tracing.Span(
        event_id=call.event_id,
        name=f"call {call.kind}",
        key=f"call {call.id} attempt {call.attempt}",
        parent=f"step {instance}:{step}" if call.step_key else tracing.EVENT,
        began_at=call.taken_at,
        ended_at=ended_at,
        about={"call": call.id, "cause": call.cause, "outcome": outcome},
    )
