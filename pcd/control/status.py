"""How the whole daemon is, as ``pcd status``, the status page and ``/metrics`` show it."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from datetime import timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import anyio

from pcd.control.passes import failing, passes
from pcd.db import leases, queries
from pcd.errors import StoreError, StoreUnusable
from pcd.events.status import read_status
from pcd.supervisor import State
from pcd.workflows import finder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from pcd.clock import Clock
    from pcd.config import Config
    from pcd.db.pool import Database
    from pcd.supervisor import ServiceState, Supervisor
    from pcd.tables.spec import Resource

_SQL = queries.load("pcd.control")
_WITHIN = timedelta(seconds=2)
_KEPT_SECONDS = 2.0
_LAST_SYNCS = 12
# Rows of the sync log that are looked at, one a resource, and how many syncs are told of.
_ROWS = 200
_PASSES = 5
_TROUBLES = 3
_NOTHING: Mapping[str, Any] = {
    "resources": [],
    "last_syncs": [],
    "passes": [],
    "failing": {},
    "schedules": [],
    "pauses": [],
    "leases": [],
    "quarantined": 0,
    "events": None,
    "workflows": None,
    "queues": [],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What does not change while the daemon runs."""

    version: str
    pid: int
    started_at: datetime
    database: str
    config: str

    @classmethod
    def of(cls, config: Config, *, started_at: datetime) -> About:
        """Return what is to be said of this process under *config*; the database's password is masked."""
        return cls(
            version=version("pcd"),
            pid=os.getpid(),
            started_at=started_at,
            database=str(config.database.url) if config.database.url else "embedded PostgreSQL",
            config=str(config.source or ""),
        )


class StatusReader:
    """Reads the state of everything; answers also while the database does not.

    *live* adds what only the daemon itself knows, also in what way ServiceTitan is away
    (``upstream_trouble``). What comes from the database is kept for two seconds, so that no number of
    onlookers is a load; `stored` is what it was when it was last asked.
    """

    def __init__(
        self,
        supervisor: Supervisor,
        *,
        about: About,
        db: Callable[[], Database],
        live: Callable[[], dict[str, Any]],
        resources: Mapping[str, Resource],
        clock: Clock,
    ) -> None:
        self.about = about
        self._supervisor = supervisor
        self._db = db
        self._live = live
        self._resources = resources
        self._clock = clock
        self._lock = anyio.Lock()
        self.stored: Mapping[str, Any] = _NOTHING
        self._trouble = ""
        self._read_at = float("-inf")

    @property
    def uptime_seconds(self) -> int:
        """For how long the daemon has been running."""
        return round((self._clock.now() - self.about.started_at).total_seconds())

    @property
    def is_ready(self) -> bool:
        """Whether the database is there and up to date."""
        return self._supervisor.state("database") is State.RUNNING

    def troubles(self) -> list[str]:
        """Return one line for each service that is broken at present, and for whatever keeps data away.

        That is an absent database, a ServiceTitan that does not answer, event rules that raised, resources
        whose last sync failed.
        """
        broken = [
            f"{service.name}: {service.detail}"
            for service in self._supervisor.snapshot()
            if service.state in {State.WAITING, State.DEGRADED}
        ]
        if not self.is_ready:
            return broken or ["database: not there yet"]
        if trouble := self._live().get("upstream_trouble"):
            broken.append(trouble)
        halted = (self.stored["events"] or {}).get("halted", ())
        broken += [f"events: rule {each['type']} is halted: {each['error']}" for each in halted]
        return broken + self._failing()

    def _failing(self) -> list[str]:
        errors: Mapping[str, str] = self.stored["failing"]
        told = [f"{name}: the last sync failed: {error}" for name, error in errors.items()]
        more = len(told) - _TROUBLES
        return [*told[:_TROUBLES], f"the last sync failed for {more} more resources"] if more > 1 else told

    async def read(self) -> dict[str, Any]:
        """Return the state as JSON values; instants are ISO 8601."""
        await self.refresh()
        live, troubles = self._live(), self.troubles()
        return {
            "daemon": asdict(self.about) | {"uptime_seconds": self.uptime_seconds},
            "health": "degraded" if troubles else "ok",
            "troubles": troubles,
            "database_trouble": self._trouble,
            "services": [asdict(service) for service in self._supervisor.snapshot()],
            **live,
            **self.stored,
            "passes": [_ended(each, is_now=bool(live["under_way"])) for each in self.stored["passes"]],
            "at": self._clock.now(),
        }

    async def refresh(self, *, not_older_than: float = _KEPT_SECONDS) -> None:
        """Ask the database, unless what it said *not_older_than* seconds ago is good enough."""
        if self._is_fresh(not_older_than):
            return
        async with self._lock:
            if self._is_fresh(not_older_than):
                return
            try:
                with anyio.fail_after(2 * _WITHIN.total_seconds()):
                    self.stored = await self._query(self._db())
                self._trouble = ""
            except (StoreError, TimeoutError) as error:
                # Tables are missing while the first migration makes them.
                is_early = isinstance(error, StoreUnusable) and not self.is_ready
                text = "it is being set up" if is_early else str(error)
                self._trouble = text or "the database does not answer in time"
            self._read_at = self._clock.monotonic()

    def expire(self) -> None:
        """Have the database asked again by the next `read`: a command has just changed it."""
        self._read_at = float("-inf")

    def _is_fresh(self, seconds: float) -> bool:
        return self._clock.monotonic() - self._read_at < seconds

    async def _query(self, db: Database) -> dict[str, Any]:
        async def rows(name: str, *args: object) -> list[dict[str, Any]]:
            return [dict(row) for row in await db.fetch(_SQL[name], *args, timeout=_WITHIN)]

        live = {row["name"]: row["live"] for row in await rows("table_rows")}
        kinds = {row["entity_type"]: row["records"] for row in await rows("custom_field_rows")}
        known = {row["resource"]: row for row in await rows("freshness")}
        resources = [
            self._describe(resource, known.get(name), live | kinds)
            for name, resource in self._resources.items()
        ]
        syncs = await rows("last_syncs", _ROWS)
        return {
            "resources": resources,
            "last_syncs": syncs[:_LAST_SYNCS],
            "passes": passes(syncs)[:_PASSES],
            "failing": failing(syncs),
            "schedules": await rows("schedules"),
            "pauses": await rows("pauses"),
            "leases": [asdict(held) for held in await leases.read(db)],
            "quarantined": sum(resource["quarantined"] for resource in resources),
            "events": await read_status(db),
            "workflows": await finder.status(db, timeout=_WITHIN),
            "queues": await rows("queues"),
        }

    def _describe(
        self, resource: Resource, row: dict[str, Any] | None, live: Mapping[str, int]
    ) -> dict[str, Any]:
        """Describe one resource; *live* are the rows by table, and by kind where a table is shared."""
        checked_at = row["checked_at"] or row["first_load_completed_at"] if row else None
        age = (self._clock.now() - checked_at).total_seconds() if checked_at else None
        return {
            "name": resource.name,
            "reference": resource.reference,
            "rows": live.get(resource.constants.get("entity_type", resource.table), 0),
            "checked_at": checked_at,
            "age_seconds": None if age is None else round(max(age, 0.0), 1),
            "first_load_completed_at": row["first_load_completed_at"] if row else None,
            "full_completed_at": row["full_completed_at"] if row else None,
            "quarantined": row["quarantined"] if row else 0,
        }


def _ended(sync: dict[str, Any], *, is_now: bool) -> dict[str, Any]:
    """Return *sync*; one that nobody carries out any more was interrupted."""
    return sync if is_now or sync["status"] != "started" else sync | {"status": "interrupted"}


def why_away(name: str, services: Sequence[ServiceState]) -> str:
    """Return why service *name* does nothing: paused by a person, or for want of what is broken."""
    (itself,) = (service for service in services if service.name == name)
    if itself.state is State.PAUSED:
        reason = f" ({itself.detail})" if itself.detail else ""
        return f"it is paused{reason}; `pcd resume {name}` lets it go on"
    broken = next((service for service in services if service.state is State.DEGRADED), itself)
    return broken.detail or broken.state.value


async def read_pauses(db: Database) -> dict[str, str]:
    """Return what a person has paused, and the reason of each."""
    return {row["name"]: row["reason"] for row in await db.fetch(_SQL["pauses"], timeout=_WITHIN)}


async def remember_pause(db: Database, name: str, *, by: str, reason: str) -> None:
    """Let the pause of *name* outlive the daemon."""
    await db.execute(_SQL["pause"], name, by, reason, timeout=_WITHIN)


async def forget_pause(db: Database, name: str) -> None:
    """Let *name* run again in the future."""
    await db.execute(_SQL["resume"], name, timeout=_WITHIN)
