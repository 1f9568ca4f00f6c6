"""Reads everything that the checks look at, all at once, each within its own time."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import anyio

from pcd.db import queries
from pcd.errors import PcdError, StoreError
from pcd.health.check import Measurement, Reading, Unread

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from pcd.clock import Clock
    from pcd.db.pool import Database, Record
    from pcd.tables.spec import Resource

Source: TypeAlias = "Callable[[], Awaitable[Reading]]"

_SQL = queries.load("pcd.health")
_WITHIN = timedelta(seconds=3)
_LONGEST = 30.0


@dataclass(slots=True)
class Reader:
    """What is measured, by the name that the checks know it under: *sources* yields one reading each."""

    sources: Mapping[str, Source] = field(default_factory=dict)

    async def read(self) -> dict[str, Reading]:
        """Return every reading; what fails or takes too long is `Unread`, and none waits for another."""
        found: dict[str, Reading] = {}

        async def run(name: str, source: Source) -> None:
            found[name] = Unread(f"no answer within {_LONGEST:g} s")
            with anyio.move_on_after(_LONGEST):
                try:
                    found[name] = await source()
                except PcdError as error:
                    found[name] = Unread(str(error))

        async with anyio.create_task_group() as group:
            for name, source in self.sources.items():
                group.start_soon(run, name, source)
        return found


class Store:
    """What PostgreSQL knows. *db* raises StoreError while there is none."""

    def __init__(
        self,
        db: Callable[[], Database],
        *,
        resources: Mapping[str, Resource],
        stalled_after: timedelta,
        clock: Clock,
    ) -> None:
        """Measure *resources* alone; steps count as stalled when due for over *stalled_after*."""
        self._db = db
        self._resources = resources
        self._stalled_after = stalled_after
        self._clock = clock

    def sources(self) -> dict[str, Source]:
        """Return each reading by its name."""
        return {
            "database": self.database,
            "transactions": self.transactions,
            "replication": self.replication,
            "sync": partial(self.sync, reference=False),
            "reference_data": partial(self.sync, reference=True),
            "quarantine": self.quarantine,
            "backlog": self.backlog,
            "rules": self.rules,
            "workflows": self.workflows,
            "dead_letters": self.dead_letters,
        }

    async def database(self) -> Reading:
        """Return how long PostgreSQL takes to answer; endless where it does not."""
        began = self._clock.monotonic()
        try:
            await self._rows("clock")
        except StoreError as error:
            return {"": Measurement(value=float("inf"), text=str(error) or "it does not answer")}
        seconds = self._clock.monotonic() - began
        return {"": Measurement(value=seconds, text=f"answers in {seconds * 1000:.0f} ms")}

    async def clock_offset(self) -> Measurement:
        """Return by how many seconds our clock and the database's differ."""
        asked = self._clock.now()
        (row,) = await self._rows("clock")
        middle = asked + (self._clock.now() - asked) / 2
        seconds = abs((row["now"] - middle).total_seconds())
        return Measurement(value=seconds, text=f"{seconds:.1f} s from the database's")

    async def transactions(self) -> Reading:
        """Return how long the oldest transactions have been open, by session."""
        return {
            f"{row['who']} (backend {row['pid']})": Measurement(
                value=row["seconds"], text=f"a transaction open for {span(row['seconds'])}"
            )
            for row in await self._rows("transactions")
        }

    async def replication(self) -> Reading:
        """Return how far each copy of the server is behind."""
        return {
            row["name"]: Measurement(value=row["seconds"], text=f"{span(row['seconds'])} behind")
            for row in await self._rows("replication")
        }

    async def sync(self, *, reference: bool) -> Reading:
        """Return since when each loaded resource has not been compared with ServiceTitan."""
        return {
            row["resource"]: Measurement(
                value=row["seconds"],
                text=f"not compared for {span(row['seconds'])}",
                details={"minutesSince": round(row["seconds"] / 60)},
            )
            for row in await self._rows("sync")
            if (resource := self._resources.get(row["resource"])) and resource.reference is reference
        }

    async def quarantine(self) -> Reading:
        """Return how many records of each resource are kept aside."""
        return {
            row["resource"]: Measurement(
                value=row["records"],
                text=f"{row['records']:,} records kept aside",
                details={"records": row["records"]},
            )
            for row in await self._rows("quarantine")
        }

    async def backlog(self) -> Reading:
        """Return how long the first change has waited."""
        (row,) = await self._rows("backlog")
        seconds = row["seconds"] or 0.0
        text = f"the first change has waited for {span(seconds)}" if seconds else "nothing waits"
        return {"": Measurement(value=seconds, text=text)}

    async def rules(self) -> Reading:
        """Return the event rules that stand still."""
        return {
            row["type"]: Measurement(value=1, text="stands still") for row in await self._rows("halted_rules")
        }

    async def workflows(self) -> Reading:
        """Return how long the steps have waited that nobody does."""
        (row,) = await self._rows("stalled_workflows", self._stalled_after)
        count, seconds = row["instances"], row["seconds"]
        if not count:
            return {"": Measurement(value=0, text="none is stalled")}
        text = f"{count:,} stalled, the first for {span(seconds)}"
        details = {"stalled": count, "minutesSince": round(seconds / 60)}
        return {"": Measurement(value=seconds, text=text, details=details)}

    async def dead_letters(self) -> Reading:
        """Return how much was given up, by what it is."""
        return {
            row["what"]: Measurement(
                value=row["number"], text=f"{row['number']:,} given up", details={"number": row["number"]}
            )
            for row in await self._rows("dead_letters")
        }

    async def breaker(self) -> str:
        """Return why nothing is sent to GoHighLevel, "" where nothing is wrong."""
        rows = await self._rows("breaker")
        return str(rows[0]["reason"]) if rows else ""

    async def _rows(self, name: str, *args: object) -> list[Record]:
        return await self._db().fetch(_SQL[name], *args, timeout=_WITHIN)


async def disk(folder: Path) -> Reading:
    """Return how full the disk under *folder* is, in percent."""
    try:
        while not await anyio.Path(folder).exists() and folder != folder.parent:
            folder = folder.parent
        usage = await anyio.to_thread.run_sync(shutil.disk_usage, folder)
    except OSError as error:
        return Unread(f"{folder} cannot be looked at: {error.strerror}")
    percent = 100 * (usage.total - usage.free) / usage.total if usage.total else 0.0
    gigabytes = usage.free / 1e9
    details = {"percentUsed": round(percent), "gigabytesFree": round(gigabytes, 1)}
    text = f"{percent:.0f} % used, {gigabytes:.1f} GB free"
    return {"": Measurement(value=percent, text=text, details=details)}


def span(seconds: float) -> str:
    """Return a length of time in its largest unit."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
