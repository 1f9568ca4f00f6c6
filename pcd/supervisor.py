"""Keeps services running, each on its own: a broken one is started again, and none takes another down.

A service has one method, ``async run(*, task_status)``. It calls ``task_status.started()`` when it is
truly ready, works until it is cancelled, and raises when it cannot go on. There is no start and no stop.
Its life::

    standby ──gates open──▶ starting ──started()──▶ running ──cancelled──▶ stopped
       ▲                       │                      │
       └──a gate closes────────┴───────raises─────────┤
                               waiting ◀──a few times─┤   started again after a growing pause
                               degraded ◀──too often──┘   started again every few minutes

A service stands by while one of its gates is closed (the database is away, another daemon holds the
lease) and is *paused* while an operator says so. Shutting down has phases, each with a deadline: work is
no longer taken and what is under way may end; then the services are cancelled, the last one added first.
"""

from __future__ import annotations

import logging
import random
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

import anyio

from pcd.errors import ConfigError, ControlError, LeaseLost, PcdError, Unauthorized
from pcd.restart import Breakage, RestartPolicy, after_failure
from pcd.telemetry import log

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from datetime import datetime

    from anyio.abc import TaskStatus

    from pcd.clock import Clock

_log = logging.getLogger(__name__)
_BRIEF = 0.1  # what the last ones get when those before them took all the time
_FOR_A_PERSON = (Unauthorized, ConfigError)


class Service(Protocol):
    """Something that runs until it is cancelled."""

    @property
    def name(self) -> str:
        """The word for it on the command line, in logs and in metrics."""

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Work until cancelled; call ``task_status.started()`` once ready. Raises when it cannot go on."""


class Built:
    """A service that is made anew for each run, from what is there by then."""

    def __init__(self, name: str, build: Callable[[], Service]) -> None:
        self.name = name
        self._build = build

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Make the service and run it."""
        await self._build().run(task_status=task_status)


class State(StrEnum):
    """What a service is doing, as ``pcd status`` says it."""

    STANDBY = "standby"
    PAUSED = "paused"
    STARTING = "starting"
    RUNNING = "running"
    WAITING = "waiting"
    DEGRADED = "degraded"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceState:
    """One service as it is now. *detail* says why, *needs_person* that no restart mends it (a key)."""

    name: str
    state: State
    since: datetime
    detail: str
    failures: int
    next_try_at: datetime | None
    needs_person: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownPlan:
    """How long shutting down waits: for all that drains, for each service to end, for all of them to.

    A service that was added with a deadline of its own has that one instead.
    """

    drain: timedelta = timedelta(seconds=2)
    cancel: timedelta = timedelta(seconds=0.5)
    cancel_all: timedelta = timedelta(seconds=1.5)


class Gate:
    """A condition that services run under: whatever is inside is cancelled when it closes."""

    def __init__(self, reason: str) -> None:
        """Make a closed gate; *reason* says what it waits for."""
        self.reason = reason
        self.is_open = False
        self._changed = anyio.Event()
        self._inside: set[anyio.CancelScope] = set()

    def open(self) -> None:
        """Let services run."""
        self.is_open = True
        self._tell()

    def close(self, reason: str) -> None:
        """Cancel what is inside and keep it out; *reason* says what for."""
        self.is_open, self.reason = False, reason
        for scope in self._inside:
            scope.cancel()
        self._tell()

    async def change(self) -> None:
        """Return once the gate opened or closed, or is closed for another reason."""
        await self._changed.wait()

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Leave the body, quietly, as soon as the gate closes."""
        with anyio.CancelScope() as scope:
            self._inside.add(scope)
            try:
                yield
            finally:
                self._inside.discard(scope)

    def _tell(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


@dataclass(slots=True, kw_only=True)
class _Child:
    service: Service
    gates: tuple[Gate, ...]
    drain: Callable[[], Coroutine[Any, Any, object]] | None
    ends_within: timedelta | None
    since: datetime
    state: State = State.STANDBY
    detail: str = ""
    error: str = ""
    next_try_at: datetime | None = None
    breakage: Breakage = field(default_factory=Breakage)
    unpaused: Gate = field(default_factory=lambda: Gate("paused"))
    life: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)

    @property
    def name(self) -> str:
        return self.service.name

    def closed_gate(self) -> Gate | None:
        return next((gate for gate in (self.unpaused, *self.gates) if not gate.is_open), None)


class _Readiness:
    """The task_status that a service gets."""

    def __init__(self, on_started: Callable[[], None]) -> None:
        self._on_started = on_started

    def started(self, value: None = None) -> None:  # noqa: ARG002 - anyio's signature
        self._on_started()


class Supervisor:
    """Runs the services that were added to it until it is told to stop."""

    def __init__(
        self,
        clock: Clock,
        *,
        policy: RestartPolicy | None = None,
        shutdown: ShutdownPlan | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """*jitter* yields numbers in [0, 1)."""
        self._clock = clock
        self._policy = policy or RestartPolicy()
        self._plan = shutdown or ShutdownPlan()
        self._jitter = jitter
        self._children: dict[str, _Child] = {}
        self._changed = anyio.Event()

    def add(
        self,
        service: Service,
        *,
        gates: tuple[Gate, ...] = (),
        drain: Callable[[], Coroutine[Any, Any, object]] | None = None,
        ends_within: timedelta | None = None,
    ) -> None:
        """Look after *service* from the start of `run` on, while all *gates* are open.

        *drain* is awaited first when the daemon stops: it takes no more work and returns when what is
        under way has ended. Services are stopped in the reverse order of their addition; *ends_within*
        is how long that may take where it takes longer than the plan's.
        """
        child = _Child(
            service=service, gates=gates, drain=drain, ends_within=ends_within, since=self._clock.now()
        )
        child.unpaused.open()
        self._children[service.name] = child

    @property
    def names(self) -> tuple[str, ...]:
        """The services' names in the order of their addition."""
        return tuple(self._children)

    def snapshot(self) -> tuple[ServiceState, ...]:
        """Return every service as it is now, in the order of addition."""
        return tuple(
            ServiceState(
                name=child.name,
                state=child.state,
                since=child.since,
                detail=child.detail,
                failures=child.breakage.attempt,
                next_try_at=child.next_try_at,
                needs_person=child.breakage.needs_person,
            )
            for child in self._children.values()
        )

    def state(self, name: str) -> State:
        """Return the state of one service."""
        return self._child(name).state

    async def wait_for(self, name: str, *states: State) -> None:
        """Return once the service is in one of *states*."""
        while self._child(name).state not in states:
            await self._changed.wait()

    def pause(self, name: str, *, reason: str = "") -> None:
        """Stop the service until `resume`; on a paused one this changes the reason only."""
        child = self._child(name)
        child.unpaused.close(reason or "paused")
        _log.info("%s: paused%s", name, f" ({reason})" if reason else "")

    def resume(self, name: str) -> None:
        """Let a paused service run, its failures forgotten. Does nothing to one that is not paused."""
        child = self._child(name)
        if child.unpaused.is_open:
            return
        child.breakage = Breakage()
        child.unpaused.open()
        _log.info("%s: resumed", name)

    async def run(self, stop: anyio.Event) -> None:
        """Run all services until *stop* is set, then shut them down within the plan's deadlines."""
        async with anyio.create_task_group() as group:
            for child in self._children.values():
                group.start_soon(self._look_after, child, name=f"service {child.name}")
            await stop.wait()
            await self._shut_down()

    async def _shut_down(self) -> None:
        with anyio.move_on_after(self._plan.drain.total_seconds()):
            async with anyio.create_task_group() as group:
                for child in self._children.values():
                    if child.drain is not None:
                        group.start_soon(child.drain)
        latest = anyio.current_time() + self._plan.cancel_all.total_seconds()
        for child in reversed(self._children.values()):
            child.life.cancel()
            left = timedelta(seconds=max(_BRIEF, latest - anyio.current_time()))
            deadline = child.ends_within or min(self._plan.cancel, left)
            with anyio.move_on_after(deadline.total_seconds()) as patience:
                await child.ended.wait()
            if patience.cancelled_caught:
                _log.warning("%s: does not stop; going on without it", child.name)

    async def _look_after(self, child: _Child) -> None:
        try:
            with child.life, log.context(service=child.name):
                while True:
                    await self._wait_for_gates(child)
                    failure = await self._run_once(child)
                    if failure is not None:
                        await self._hold_back(child, failure)
        finally:
            self._enter(child, State.STOPPED)
            child.ended.set()

    async def _wait_for_gates(self, child: _Child) -> None:
        while (gate := child.closed_gate()) is not None:
            state = State.PAUSED if gate is child.unpaused else State.STANDBY
            self._enter(child, state, detail=gate.reason)
            await gate.change()

    async def _run_once(self, child: _Child) -> BaseException | None:
        """Run the service; return why it broke, or None when a gate closed."""
        degraded = child.breakage.is_degraded
        self._enter(
            child, State.DEGRADED if degraded else State.STARTING, detail=child.error if degraded else ""
        )
        try:
            with ExitStack() as gates:
                for gate in (child.unpaused, *child.gates):
                    gates.enter_context(gate.inside())
                async with anyio.create_task_group() as group:
                    await child.service.run(task_status=_Readiness(lambda: self._ready(child, group)))
                    raise PcdError("ended although nobody asked it to")  # noqa: TRY301
        except Exception as error:  # noqa: BLE001 - a service may break in any way; this is where that ends
            cause = root_cause(error)
            if isinstance(cause, LeaseLost):
                _log.warning("%s: %s; standing by", child.name, cause)
                self._enter(child, State.STANDBY, detail=str(cause))
                await anyio.sleep(self._policy.first.total_seconds())
                return None
            return cause
        return None

    def _ready(self, child: _Child, group: anyio.abc.TaskGroup) -> None:
        if not child.breakage.is_degraded:
            self._enter(child, State.RUNNING)
        if child.breakage.attempt:
            group.start_soon(self._settle, child)

    async def _settle(self, child: _Child) -> None:
        await anyio.sleep(self._policy.settle.total_seconds())
        if not child.breakage.attempt:
            return  # it was ready more than once
        _log.info("%s: works again after %d failed starts", child.name, child.breakage.attempt)
        child.breakage, child.error = Breakage(), ""
        self._enter(child, State.RUNNING)

    async def _hold_back(self, child: _Child, failure: BaseException) -> None:
        restart = after_failure(
            child.breakage,
            policy=self._policy,
            at=self._clock.monotonic(),
            jitter=self._jitter(),
            needs_person=isinstance(failure, _FOR_A_PERSON),
        )
        self._tell(child, failure, became_degraded=restart.breakage.is_degraded > child.breakage.is_degraded)
        child.breakage, child.error = restart.breakage, describe(failure)
        state = State.DEGRADED if restart.breakage.is_degraded else State.WAITING
        self._enter(child, state, detail=child.error)
        child.next_try_at = self._clock.now() + restart.delay
        with child.unpaused.inside():
            await anyio.sleep(restart.delay.total_seconds())

    def _tell(self, child: _Child, failure: BaseException, *, became_degraded: bool) -> None:
        """Log a service that breaks, once, and once more when it is given up for minutes."""
        text = describe(failure)
        minutes = self._policy.humane.total_seconds() / 60
        trace = None if isinstance(failure, PcdError) else failure
        if became_degraded:
            _log.error("%s: %s; trying again every %.3g minutes", child.name, text, minutes, exc_info=trace)
        elif text != child.error:
            _log.warning("%s: %s; trying again", child.name, text, exc_info=trace)

    def _enter(self, child: _Child, state: State, *, detail: str = "") -> None:
        if (child.state, child.detail) == (state, detail):
            return
        if child.state is not state:
            child.since = self._clock.now()
        child.state, child.detail, child.next_try_at = state, detail, None
        self._changed.set()
        self._changed = anyio.Event()

    def _child(self, name: str) -> _Child:
        try:
            return self._children[name]
        except KeyError:
            known = ", ".join(self._children)
            message = f"there is no service {name!r} here; there are: {known}"
            raise ControlError(message, code="unknown_service") from None


def root_cause(error: BaseException) -> BaseException:
    """Return the first real error inside *error*, which a task group may have wrapped."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def describe(error: BaseException) -> str:
    """Return one line that says what happened; our own errors speak for themselves."""
    text = " ".join(str(error).split())
    if isinstance(error, PcdError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
