"""Writes what a batch of changes came to: the events, and what has to be remembered."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import asyncpg
import msgspec

from pcd.db import queries
from pcd.db.errors import message, refuses_data
from pcd.errors import DataRejected, LeaseLost
from pcd.events.event import Halt, Nobody, Recorded

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence

    from pcd.changes.change import Change
    from pcd.db.leases import Lease
    from pcd.db.pool import Connection, Database, Record
    from pcd.events.event import Due, Fact, Follower, Parked, RowKey, Verdict
    from pcd.events.reader import Source
    from pcd.events.statements import Statements

log = logging.getLogger(__name__)

_SQL = queries.load("pcd.events")
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_WITHIN = timedelta(minutes=1)

T = TypeVar("T")
Write: TypeAlias = "Callable[[Connection, Verdict], Awaitable[list[Recorded]]]"


class Writer:
    """Writes under *lease*; *statements* are those of `pcd.events.statements.record`.

    *follower* does what follows from the events, in the same transaction.
    """

    def __init__(
        self,
        db: Database,
        lease: Lease | None,
        statements: Statements,
        *,
        max_age: timedelta | None,
        follower: Follower | None = None,
    ) -> None:
        """Suppress facts that occurred longer than *max_age* ago; None suppresses none for that.

        Without a lease it can only write into transactions that others make.
        """
        self._db = db
        self._lease = lease
        self._statements = statements
        self._max_age = max_age
        self._follower = follower or Nobody()

    def with_max_age(self, max_age: timedelta | None) -> Writer:
        """Return a writer that suppresses by another age."""
        return Writer(self._db, self._lease, self._statements, max_age=max_age, follower=self._follower)

    @asynccontextmanager
    async def transaction(self, *, timeout: timedelta = _WITHIN) -> AsyncGenerator[Connection]:  # noqa: ASYNC109 - the transaction's
        """Hold a transaction that can only commit under the lease."""
        async with self._db.transaction(timeout=timeout) as connection:
            assert self._lease is not None
            await self._lease.fence(connection)
            yield connection

    async def step(self, work: Callable[[Connection, Write], Awaitable[T]]) -> T:
        """Do *work* in one fenced transaction; if PostgreSQL refuses one of a batch, again fact by fact."""
        try:
            async with self.transaction() as connection:
                return await work(connection, self.write)
        except DataRejected as error:
            log.warning("events: PostgreSQL refuses one of a batch (%s); recording one by one", error)
            async with self.transaction() as connection:
                return await work(connection, self.write_singly)

    async def write(self, connection: Connection, verdict: Verdict) -> list[Recorded]:
        """Record the facts that are news, remember the rest, and return the events in order."""
        events = await self.record(connection, verdict.facts)
        await self.remember(connection, verdict)
        return events

    async def write_singly(self, connection: Connection, verdict: Verdict) -> list[Recorded]:
        """Do the same fact by fact; a rule whose fact PostgreSQL refuses is halted at that fact."""
        events: list[Recorded] = []
        halts: dict[str, Halt] = {}
        for fact in verdict.facts:
            if fact.rule.type in halts:
                continue
            try:
                async with connection.transaction():
                    events += await self.record(connection, [fact])
            except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                if not refuses_data(error):
                    raise
                text = f"PostgreSQL refuses its event: {message(error)}"
                halts[fact.rule.type] = Halt(type=fact.rule.type, change_id=fact.change_id or 0, error=text)
        verdict.halts += halts.values()
        for key in [key for key in verdict.due if key[0] in halts]:
            del verdict.due[key]
        await self.remember(connection, verdict)
        return events

    async def record(self, connection: Connection, facts: Sequence[Fact]) -> list[Recorded]:
        """Record those of *facts* that are news, and return their events in order."""
        if not facts:
            return []
        statement = self._statements.in_transaction[_resource(facts)]
        rows = await connection.fetch(statement, *_columns(facts), self._max_age)
        events = [recorded(row) for row in rows]
        await self.follow(connection, events)
        return events

    async def follow(self, connection: Connection, events: Sequence[Recorded]) -> None:
        """Do what follows from those of *events* that may be told."""
        told = [event for event in events if event.suppressed_reason is None]
        if told and self._follower.wants({event.type for event in told}):
            await self._follower.follow(connection, told)

    def is_followed(self, facts: Sequence[Fact]) -> bool:
        """Return whether anything may follow from *facts*, so that a transaction is needed."""
        return self._follower.wants({fact.rule.type for fact in facts})

    async def record_at_once(
        self, line: Source, facts: Sequence[Fact], changes: Sequence[Change]
    ) -> list[Recorded]:
        """Record *facts* and consume *changes* in one statement that commits under the lease, or not at all.

        Raises LeaseLost.
        """
        lease = self._lease
        assert lease is not None
        if lease.lost:
            raise LeaseLost(lease.lost)
        ids = [change.id for change in changes]
        statement = self._statements.at_once[_resource(facts)]
        rows = await line.fetch(statement, *_columns(facts), self._max_age, lease.name, lease.term, ids)
        if rows[0]["size"] != len(ids):
            lease.lose(f"lease {lease.name}: another process has taken it over")
            raise LeaseLost(lease.lost)
        return [recorded(row) for row in rows if row["id"] is not None]

    async def remember(self, connection: Connection, verdict: Verdict) -> None:
        """Store which rows are parked, what is to come, and which rules are halted."""
        await self._park(connection, [one for one in verdict.parked.values() if one is not None])
        await _for_keys(connection, "unpark", _gone(verdict.parked))
        await self.expect(connection, [one for one in verdict.due.values() if one is not None])
        await _for_keys(connection, "forget_due", _gone(verdict.due))
        for halt in verdict.halts:
            log.error("events: rule %s is halted at change %d: %s", halt.type, halt.change_id, halt.error)
            await connection.execute(_SQL["halt"], halt.type, halt.change_id, halt.error[:2000])

    async def expect(self, connection: Connection, due: Sequence[Due]) -> None:
        """Remember what is to come."""
        if due:
            await connection.execute(
                _SQL["expect"],
                [one.type for one in due],
                [one.st_id for one in due],
                [one.due_at for one in due],
                [one.identity for one in due],
                [encode(one.state) for one in due],
                [one.change_id for one in due],
            )

    async def _park(self, connection: Connection, parked: Sequence[Parked]) -> None:
        if parked:
            await connection.execute(
                _SQL["park"],
                [one.type for one in parked],
                [one.resource for one in parked],
                [one.st_id for one in parked],
                [one.reason for one in parked],
                [None if one.before is None else encode(one.before) for one in parked],
                [None if one.state is None else encode(one.state) for one in parked],
                [one.change_id for one in parked],
                [one.changed_at for one in parked],
                [one.waits_for and one.waits_for[0] for one in parked],
                [one.waits_for and one.waits_for[1] for one in parked],
            )


def encode(value: object) -> str:
    """Return *value* as JSON, fractions as numbers."""
    return _ENCODER.encode(value).decode()


def _resource(facts: Sequence[Fact]) -> str:
    resources = {fact.rule.resource for fact in facts}
    return resources.pop() if len(resources) == 1 else ""


def recorded(row: Record) -> Recorded:
    """Return a recorded event as its row tells it."""
    return Recorded(
        row["sequence"],
        row["id"],
        row["type"],
        row["entity_type"],
        row["entity_id"],
        row["customer_id"],
        row["ordinal"],
        row["occurred_at"],
        row["detected_at"],
        row["suppressed_reason"],
        row["change_id"],
    )


def _gone(remembered: Mapping[RowKey, object]) -> list[RowKey]:
    return [key for key, one in remembered.items() if one is None]


async def _for_keys(connection: Connection, query: str, keys: Iterable[RowKey]) -> None:
    if found := list(keys):
        await connection.execute(_SQL[query], [type_ for type_, _ in found], [st_id for _, st_id in found])


def _columns(facts: Sequence[Fact]) -> tuple[list[object], ...]:
    return (
        [fact.rule.type for fact in facts],
        [fact.rule.entity for fact in facts],
        [fact.entity_id for fact in facts],
        [fact.st_id for fact in facts],
        [fact.identity for fact in facts],
        [fact.first for fact in facts],
        [fact.scope for fact in facts],
        [fact.occurred_at for fact in facts],
        [fact.change_id for fact in facts],
        [encode(fact.state) for fact in facts],
        [encode(fact.head) for fact in facts],
        [fact.rule.row for fact in facts],
        [fact.suppressed for fact in facts],
        [fact.customer_id for fact in facts],
        [fact.job_id for fact in facts],
    )
