"""Takes orders for long work, from commands and from the clock, and carries them out one after the other."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio

from pcd.control.progress import Progress
from pcd.errors import ControlError, LeaseLost, PcdError
from pcd.supervisor import root_cause

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from anyio.abc import TaskStatus

_log = logging.getLogger(__name__)
_WAITING_AT_MOST = 16

Errand = TypeVar("Errand")
Outcome = TypeVar("Outcome")


@dataclass(slots=True, eq=False)
class Order(Generic[Errand, Outcome]):
    """One errand and how far it is; *progress* grows while it runs."""

    errand: Errand
    progress: Progress = field(default_factory=Progress)
    has_begun: bool = False
    _outcome: Outcome | None = None
    _error: PcdError | None = None
    _done: anyio.Event = field(default_factory=anyio.Event)

    @property
    def is_done(self) -> bool:
        """Whether the outcome is known."""
        return self._done.is_set()

    async def wait(self) -> Outcome:
        """Return the outcome once there is one; raises what ended the work."""
        await self._done.wait()
        if self._error is not None:
            raise self._error
        assert self._outcome is not None
        return self._outcome

    async def follow(self, *, every: float = 0.2) -> AsyncGenerator[None]:
        """Yield every so many seconds until the outcome is known, for whoever shows *progress*."""
        while not self.is_done:
            yield
            with anyio.move_on_after(every):
                await self._done.wait()

    def succeed(self, outcome: Outcome) -> None:
        """End the order with *outcome*."""
        self._outcome = outcome
        self._done.set()

    def fail(self, error: PcdError) -> None:
        """End the order with *error*; a second end changes nothing."""
        if not self.is_done:
            self._error = error
            self._done.set()


class Desk(Generic[Errand, Outcome]):
    """A service: carries out orders with *perform*, first come, first served.

    An order whose errand has the same *key* as one that waits or runs joins it, so nothing is done twice
    for two people who ask at the same time. Nobody's leaving cancels an order. *why_closed* says why the
    desk takes none at the moment.
    """

    name = "sync"

    def __init__(
        self,
        perform: Callable[[Errand, Progress], Awaitable[Outcome]],
        *,
        key: Callable[[Errand], object],
        why_closed: Callable[[], str],
    ) -> None:
        self._perform = perform
        self._key = key
        self._why_closed = why_closed
        self._orders: deque[Order[Errand, Outcome]] = deque()
        self._is_open = False
        self._is_leaving = False
        self._news = anyio.Event()

    @property
    def under_way(self) -> Order[Errand, Outcome] | None:
        """The order that is being carried out."""
        return self._orders[0] if self._orders and self._orders[0].has_begun else None

    @property
    def is_open(self) -> bool:
        """Whether orders are taken."""
        return self._is_open and not self._is_leaving

    def submit(self, errand: Errand) -> Order[Errand, Outcome]:
        """Return the order for *errand*, already waiting; raises ControlError while the desk is closed."""
        if self._is_leaving:
            raise ControlError("the daemon is stopping", code="stopping")
        if not self._is_open:
            raise ControlError(f"the sync does not run here: {self._why_closed()}", code="closed")
        for order in self._orders:
            if self._key(order.errand) == self._key(errand):
                return order
        if len(self._orders) >= _WAITING_AT_MOST:
            raise ControlError(f"{_WAITING_AT_MOST} syncs are waiting already", code="busy")
        self._orders.append(Order(errand))
        self._wake()
        return self._orders[-1]

    async def wait_open(self) -> None:
        """Return once orders are taken."""
        while not self._is_open:
            await self._news.wait()

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Carry out orders until cancelled; those that are left then fail."""
        self._is_open = True
        self._wake()
        task_status.started()
        try:
            while True:
                while not self._orders:
                    await self._news.wait()
                await self._carry_out(self._orders[0])
                self._orders.popleft()
                self._wake()
        finally:
            self._is_open = False
            while self._orders:
                interrupted = (
                    "interrupted: the daemon stopped it; what was stored stays, the next sync goes on"
                )
                self._orders.popleft().fail(ControlError(interrupted, code="interrupted"))

    async def drain(self) -> None:
        """Take no more orders and return when the one under way has ended."""
        self._is_leaving = True
        if self.under_way is not None:
            _log.info("sync: finishing what is under way")
        while self.under_way is not None:
            await self._news.wait()

    async def _carry_out(self, order: Order[Errand, Outcome]) -> None:
        order.has_begun = True
        order.progress.begin()
        try:
            order.succeed(await self._perform(order.errand, order.progress))
        except (PcdError, ExceptionGroup) as error:
            cause = root_cause(error)
            if isinstance(cause, LeaseLost) or not isinstance(cause, PcdError):
                raise
            order.fail(cause)

    def _wake(self) -> None:
        self._news.set()
        self._news = anyio.Event()
