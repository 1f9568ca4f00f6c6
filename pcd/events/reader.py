"""Reads what is known before a batch of changes, and keeps in memory what seldom changes.

Only the holder of the lease writes these tables, so what it has read stays true until it writes itself.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from pcd.db import queries
from pcd.events.event import Due, FallsDue, Parked, Situation, Surroundings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pcd.changes.change import Change, State
    from pcd.clock import Clock
    from pcd.db.pool import Connection, Database, Record
    from pcd.events.event import EventRule, Verdict

_SQL = queries.load("pcd.events")
_DECODER = msgspec.json.Decoder(dict[str, object], float_hook=Decimal)


Source: TypeAlias = "Connection | Database"


class Reader:
    """Knows the situation under *rules*."""

    def __init__(self, rules: Mapping[str, EventRule], *, surroundings: Surroundings, clock: Clock) -> None:
        """Look up the business units of *surroundings*; the rest of it stays."""
        self._clock = clock
        self._due_types: defaultdict[str, list[str]] = defaultdict(list)
        for rule in rules.values():
            if isinstance(rule.when, FallsDue):
                self._due_types[rule.resource].append(rule.type)
        self._fixed = Situation(surroundings=surroundings)
        self.any_parked = True
        self._next_due = float("inf")

    @property
    def fixed(self) -> Situation:
        """What seldom changes: surroundings, baselines, halted rules."""
        return self._fixed

    @property
    def due_types(self) -> list[str]:
        """The types whose facts fall due and whose rules are not halted."""
        return [
            each for types in self._due_types.values() for each in types if each not in self._fixed.halted
        ]

    def until_due(self) -> float:
        """Return how many seconds it is until something falls due, infinity when nothing does."""
        return self._next_due - self._clock.monotonic()

    async def refresh(self, source: Source) -> None:
        """Read all of it anew."""
        units = {row["st_id"]: row["name"] for row in await source.fetch(_SQL["units"])}
        halted = frozenset(row["type"] for row in await source.fetch(_SQL["halted"]))
        around = replace(self._fixed.surroundings, units=units)
        self._fixed = replace(self._fixed, surroundings=around, halted=halted)
        await self.refresh_baselines(source)
        self.any_parked = await source.fetchval(_SQL["any_parked"])
        await self.refresh_due(source)

    async def refresh_baselines(self, source: Source) -> None:
        """Read since when each table is watched."""
        rows = await source.fetch(_SQL["baselines"])
        self._fixed = replace(self._fixed, baselines={row["resource"]: row["baseline_at"] for row in rows})

    async def refresh_due(self, source: Source) -> None:
        """Read when the next fact falls due, by the database's clock."""
        seconds = await source.fetchval(_SQL["next_due"], self.due_types)
        self._next_due = float("inf") if seconds is None else self._clock.monotonic() + seconds

    def needs_no_look(self, changes: Sequence[Change]) -> bool:
        """Whether `fixed` is the whole situation before *changes*, and recording all that may follow."""
        resources = {change.resource for change in changes}
        return (
            bool(changes)
            and not self.any_parked
            and "customers" not in resources
            and resources.isdisjoint(self._due_types)
            and resources <= self._fixed.baselines.keys()
        )

    def knows(self, changes: Sequence[Change]) -> bool:
        """Whether it is known since when the tables of *changes* are watched."""
        return all(change.resource in self._fixed.baselines for change in changes)

    async def situation(self, connection: Connection, changes: Sequence[Change]) -> Situation:
        """Return what is known before *changes*."""
        situation = self._fixed
        if self.any_parked and changes:
            rows = await connection.fetch(
                _SQL["parked_of"],
                [change.resource for change in changes],
                [change.st_id for change in changes],
            )
            parked = [parked_of(row) for row in rows]
            situation = replace(situation, parked={(one.type, one.st_id): one for one in parked})
        keys = [
            (type_, change.st_id) for change in changes for type_ in self._due_types.get(change.resource, ())
        ]
        if keys:
            rows = await connection.fetch(
                _SQL["due_of"], [type_ for type_, _ in keys], [st_id for _, st_id in keys]
            )
            due = [due_of(row) for row in rows]
            situation = replace(situation, due={(one.type, one.st_id): one for one in due})
        return situation

    def learn(self, verdict: Verdict) -> None:
        """Take in what was committed."""
        around = self._fixed.surroundings
        if verdict.units:
            around = replace(around, units={**around.units, **verdict.units})
        halted = self._fixed.halted | {halt.type for halt in verdict.halts}
        self._fixed = replace(self._fixed, surroundings=around, halted=halted)
        self.any_parked = self.any_parked or any(verdict.parked.values())


def parked_of(row: Record) -> Parked:
    """Return a row of ``pcd.parked``."""
    awaited = (row["waits_for_resource"], row["waits_for_id"])
    return Parked(
        type=row["type"],
        resource=row["resource"],
        st_id=row["st_id"],
        reason=row["reason"],
        before=None if row["before"] is None else state_of(row["before"]),
        state=None if row["state"] is None else state_of(row["state"]),
        change_id=row["change_id"],
        changed_at=row["changed_at"],
        waits_for=awaited if awaited[1] is not None else None,
    )


def due_of(row: Record) -> Due:
    """Return a row of ``pcd.due``."""
    return Due(
        type=row["type"],
        st_id=row["st_id"],
        due_at=row["due_at"],
        identity=row["identity"],
        state=state_of(row["state"]),
        change_id=row["change_id"],
    )


def state_of(text: str) -> State:
    """Return a row's tracked columns from JSON, fractions as Decimal."""
    return _DECODER.decode(text)
