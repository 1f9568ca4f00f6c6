"""What the remedies really do, each within bounds, and never to what a person has paused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio

from pcd.db import queries
from pcd.errors import ControlError, PcdError
from pcd.supervisor import State

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from pcd.db.pool import Database
    from pcd.health.healer import Deed
    from pcd.supervisor import Supervisor
    from pcd.workflows.store import Store

_SQL = queries.load("pcd.health")
_WITHIN = timedelta(seconds=5)
_TAKEOVER = 90.0
_AT_ONCE = 500
_WORKFLOWS = ("rescuer", "workflows")
UNTOUCHABLE = frozenset({"control", "database", "health", "healer", "healer lease", "caretaker", "alerts"})
"""Services that are never restarted by a remedy: without them there is nobody to restart, or to tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncHands:
    """What healing a sync takes: *still_for* says for how many seconds the one under way has read nothing.

    It is None where none is under way. *is_open* says whether this process may sync, *wait_open* returns once
    it may, *sync* syncs and returns what came of it.
    """

    still_for: Callable[[], float | None]
    is_open: Callable[[], bool]
    wait_open: Callable[[], Awaitable[None]]
    sync: Callable[[], Awaitable[str]]


class Deeds:
    """The remedies of one process. A sync that reads nothing for *stalled_after* is cut off."""

    def __init__(
        self,
        *,
        supervisor: Supervisor,
        db: Callable[[], Database],
        workflows: Callable[[], Store],
        sync: SyncHands,
        holder: str,
        stalled_after: Callable[[], timedelta],
    ) -> None:
        self._supervisor = supervisor
        self._db = db
        self._workflows = workflows
        self._sync = sync
        self._holder = holder
        self._stalled_after = stalled_after

    def table(self) -> Mapping[str, Deed]:
        """Return each deed by its remedy's name."""
        return {
            "resync": self.resync,
            "reclaim_workflows": self.reclaim_workflows,
            "restart_services": self.restart_service,
        }

    async def resync(self, _subject: str) -> str:
        """Sync again. Whoever held the sync and did nothing is cut off first: its lease gets a new term.

        A sync that reads records is left alone. Raises ControlError where it cannot be done here.
        """
        still = self._sync.still_for()
        if still is not None and still < self._stalled_after().total_seconds():
            raise ControlError("a sync is under way and reads records", code="busy")
        was_cut = still is not None or not self._sync.is_open()
        if was_cut:
            await self._fence("sync")
            with anyio.move_on_after(_TAKEOVER):
                # Ours has to be lost before it can be had again.
                while still is not None and self._sync.still_for() is not None:  # noqa: ASYNC110 - no event tells
                    await anyio.sleep(0.2)
                await self._sync.wait_open()
        if not self._sync.is_open():
            return "the holder of the sync was cut off; another daemon goes on with it"
        outcome = await self._sync.sync()
        return f"{'the holder was cut off; ' if was_cut else ''}sync {outcome}"

    async def reclaim_workflows(self, _subject: str) -> str:
        """Take back the steps whose holders fell silent, and restart what carries steps out here."""
        store, taken = self._workflows(), 0
        while batch := await store.rescue(_AT_ONCE):
            taken += len(batch)
        restarted = [name for name in _WORKFLOWS if self._may_restart(name)]
        for name in restarted:
            self._restart(name)
        return f"{taken} steps taken back; restarted: {', '.join(restarted) or 'nothing runs here'}"

    async def restart_service(self, subject: str) -> str:
        """Restart the service *subject*, and wait for it. Raises ControlError for what is left alone."""
        if not self._may_restart(subject):
            raise ControlError(f"{subject} is not restarted by itself", code="refused")
        self._restart(subject)
        await self._supervisor.wait_for(subject, State.RUNNING, State.STANDBY)
        return f"{subject} restarted"

    async def _fence(self, lease: str) -> None:
        term = await self._db().fetchval(_SQL["fence_holder"], lease, self._holder, timeout=_WITHIN)
        if term is None and not self._sync.is_open():
            raise PcdError(f"nobody holds lease {lease}, and this daemon cannot sync; see `pcd status`")

    def _may_restart(self, name: str) -> bool:
        if name in UNTOUCHABLE or name not in self._supervisor.names:
            return False
        return self._supervisor.state(name) not in {State.PAUSED, State.STOPPED}

    def _restart(self, name: str) -> None:
        self._supervisor.pause(name, reason="being restarted")
        self._supervisor.resume(name)
