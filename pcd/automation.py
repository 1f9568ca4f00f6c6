"""Workflows in a daemon: what starts them, runs them, and returns what was lost. Daemons share the work."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import anyio

from pcd.actions import CATALOGUE, build
from pcd.errors import StoreError
from pcd.messages.keeper import Keeper
from pcd.messages.stop_reader import StopReader
from pcd.rehearsal.known import known
from pcd.rehearsal.rehearser import business_of
from pcd.supervisor import Built, Gate
from pcd.telemetry import metrics as m
from pcd.telemetry import tracing
from pcd.workflows.facts.reader import FactReader
from pcd.workflows.instance import StepStatus
from pcd.workflows.keeper import DefinitionKeeper
from pcd.workflows.performer import Performer
from pcd.workflows.pruner import Pruner
from pcd.workflows.rescuer import Rescuer
from pcd.workflows.runner import SESSION, Runner
from pcd.workflows.starter import Starter
from pcd.workflows.store import Store
from pcd.workflows.waker import Waker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anyio.abc import TaskStatus

    from pcd.clock import Clock
    from pcd.config import Config
    from pcd.db.pool import Database
    from pcd.events.channels import Channels
    from pcd.ghl.client import GoHighLevel
    from pcd.keepers import DatabaseKeeper
    from pcd.selling import Selling
    from pcd.supervisor import Supervisor
    from pcd.telemetry.metrics import Metrics
    from pcd.workflows.loader import Loaded
    from pcd.workflows.store import Rescued, Settlement

_CONNECTIONS = 4
_WAIT = timedelta(seconds=10)


class Automation:
    """The workflows of one daemon. `starter` follows the recorder's events, in its transactions."""

    def __init__(self, config: Config, *, database: DatabaseKeeper, clock: Clock, metrics: Metrics) -> None:
        self._config = config
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._zone = ZoneInfo(config.daemon.timezone)
        self._holder = f"process {os.getpid()} on {socket.gethostname()}"
        self._runner: Runner | None = None
        self._keeper: DefinitionKeeper | None = None
        self.starter = Starter(zone=self._zone, observe=self._started)
        self.gate = Gate("the definitions of workflows have not been read yet")

    def add_definitions_to(self, supervisor: Supervisor, *, channels: Channels) -> None:
        """Have *supervisor* keep the definitions; `gate` opens when they are known to `starter`.

        No event may be recorded before: what it starts would never be started. *channels* tell of events,
        of which the runners of all daemons are told.
        """
        up = (self._database.gate,)
        supervisor.add(Built("definitions", self._definitions), gates=up)
        supervisor.add(Built("waker", partial(self._waker, channels)), gates=up)

    def add_to(self, supervisor: Supervisor, *, selling: Selling) -> None:
        """Have *supervisor* look after the work while the database and *selling*'s client are there."""
        up, there = (self._database.gate,), selling.client_gates
        client = selling.client if there else lambda: None
        supervisor.add(_Engine(self, client), gates=(*up, *there), drain=self.drain)
        supervisor.add(Built("rescuer", self._rescuer), gates=up)
        supervisor.add(Built("pruner", lambda: Pruner(self._store())), gates=up)
        supervisor.add(Built(Keeper.name, lambda: Keeper(self._database.db, clock=self._clock)), gates=up)
        if there:
            supervisor.add(Built(StopReader.name, partial(self._stop_reader, selling)), gates=(*up, *there))

    def wake(self) -> None:
        """Look for due steps now."""
        if self._runner is not None:
            self._runner.wake()

    async def drain(self) -> None:
        """Take no more steps, and return when those under way have been settled."""
        if self._runner is not None:
            await self._runner.drain()

    async def reload(self) -> Loaded:
        """Load the definitions anew and return them. Raises StoreError while there is no database."""
        if self._keeper is None:
            raise StoreError("definitions are not being kept just now; see `pcd status`")
        return await self._keeper.reload()

    async def reload_if_possible(self) -> dict[str, Any]:
        """Load the definitions anew if there is a database, and return what came of it as JSON values."""
        try:
            loaded = await self.reload()
        except StoreError as error:
            return {"definitions": str(error)}
        self.wake()
        return {
            "definitions": len(loaded.workflows),
            "bad_definitions": [str(one) for one in loaded.failures],
        }

    async def run_steps(self, ghl: GoHighLevel | None, *, task_status: TaskStatus[None]) -> None:
        """Take due steps until cancelled, on connections that no other work waits for."""
        own = self._database.pool("workflows", size=_CONNECTIONS, settings=SESSION, wait=_WAIT)
        async with own as db:
            self._runner = self._make_runner(db, ghl)
            try:
                await self._runner.run(task_status=task_status)
            finally:
                self._runner = None

    def _make_runner(self, db: Database, ghl: GoHighLevel | None) -> Runner:
        store, keeper = self._store(db), self._keeper or self._definitions()
        return Runner(
            store,
            Performer(
                store=store,
                versions=keeper,
                actions=build(self._config, db=self._database.db, ghl=ghl, clock=self._clock),
                reader=FactReader(db, business=business_of(self._config), zone=self._zone, clock=self._clock),
                zone=self._zone,
                clock=self._clock,
            ),
            check_interval=self._config.workflows.check_interval,
            clock=self._clock,
            observe=self._settled,
        )

    def _definitions(self) -> DefinitionKeeper:
        self._keeper = keeper_of(
            self._config, self._store(), self.starter, on_change=self.wake, on_load=self.gate.open
        )
        return self._keeper

    def _rescuer(self) -> Rescuer:
        return Rescuer(
            self._store(),
            check_interval=self._config.workflows.check_interval,
            wake=self.wake,
            observe=self._rescued,
        )

    def _waker(self, channels: Channels) -> Waker:
        return Waker(
            self._database.db.url,
            channels=channels,
            starter=self.starter,
            holder=self._holder,
            wake=self.wake,
        )

    def _stop_reader(self, selling: Selling) -> StopReader:
        return StopReader(self._database.db, selling.client(), clock=self._clock)

    def _store(self, db: Database | None = None) -> Store:
        return Store(
            db or self._database.db,
            holder=self._holder,
            lease=self._config.workflows.lease,
            clock=self._clock,
        )

    def _started(self, workflow: str, status: str) -> None:
        self._metrics.add(m.WORKFLOWS_STARTED, workflow=workflow, status=status)

    def _settled(self, settled: Sequence[Settlement]) -> None:
        for one in settled:
            if one.transition.record is not None:
                status = one.transition.record.value
                name, action = one.instance.workflow, one.action or "none"
                self._metrics.add(m.WORKFLOW_STEPS, workflow=name, action=action, status=status)
                self._metrics.observe(m.WORKFLOW_STEP_SECONDS, one.seconds, action=action)
                late = one.began_at - one.instance.due_at
                self._metrics.observe(m.WORKFLOW_LATENESS, max(late.total_seconds(), 0.0))
                if tracing.is_on():
                    tracing.tell(span_of(one, status))

    def _rescued(self, rescued: Sequence[Rescued]) -> None:
        self._metrics.add(m.WORKFLOW_RESCUES, len(rescued))


def span_of(one: Settlement, status: str) -> tracing.Span:
    """Return the part of a step's try in the trace of its event; calls belong to the try that is settled."""
    instance = one.instance
    key = f"step {instance.id}:{instance.step}{':fallback' if instance.is_fallback else ''}"
    is_tried_again = status in {StepStatus.RETRIED, StepStatus.WAITING, StepStatus.BLOCKED}
    return tracing.Span(
        event_id=instance.event_id,
        name=f"step {instance.workflow} {instance.step}",
        key=f"{key} attempt {instance.attempt}" if is_tried_again else key,
        parent=tracing.EVENT,
        began_at=one.began_at,
        ended_at=one.began_at + timedelta(seconds=one.seconds),
        about={"instance": str(instance.id), "action": one.action, "status": status},
    )


class _Engine:
    """A service: the runner of an `Automation`, with what *client* yields where there is a subaccount."""

    name = Runner.name

    def __init__(self, automation: Automation, client: Callable[[], GoHighLevel | None]) -> None:
        self._automation = automation
        self._client = client

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Take due steps until cancelled."""
        await self._automation.run_steps(self._client(), task_status=task_status)


async def starter_of(config: Config, db: Database, *, clock: Clock) -> Starter:
    """Return what follows events that a command records while no daemon runs."""
    holder = f"process {os.getpid()} on {socket.gethostname()}"
    starter = Starter(zone=ZoneInfo(config.daemon.timezone))
    await keeper_of(
        config, Store(db, holder=holder, lease=config.workflows.lease, clock=clock), starter
    ).reload()
    return starter


def keeper_of(
    config: Config,
    store: Store,
    starter: Starter,
    *,
    on_change: Callable[[], None] = lambda: None,
    on_load: Callable[[], None] = lambda: None,
) -> DefinitionKeeper:
    """Return what keeps the definitions under *config* for *starter*."""
    return DefinitionKeeper(
        store,
        starter,
        folder=config.workflows.definitions,
        known=partial(known, store.db, CATALOGUE, config),
        on_change=on_change,
        on_load=on_load,
    )
