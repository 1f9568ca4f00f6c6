"""Derives events again: from the change log first, and from the rows as they are where the log has nothing.

Identities make it harmless: what was told already is not told again. Rows alone only show that something
happened, not how often, so from them come first occurrences only.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pcd.changes.change import Change
from pcd.db import queries
from pcd.errors import ControlError
from pcd.events import statements
from pcd.events.classify import classify, come_due
from pcd.events.reader import state_of
from pcd.events.writer import recorded

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping

    from pcd.db.pool import Connection, Database, Record
    from pcd.events.event import EventRule, Fact, Recorded, Situation, Verdict
    from pcd.events.writer import Writer

_SQL = queries.load("pcd.events")
_AT_ONCE = 5000
_WITHIN = timedelta(minutes=10)
_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to derive again: the events of one *entity* (``("estimate", 123)``), or all between two instants.

    No *types* means all. *release* lets those be told that are suppressed.
    """

    entity: tuple[str, int] | None = None
    since: datetime | None = None
    until: datetime | None = None
    types: tuple[str, ...] = ()
    release: bool = False


@dataclass(slots=True, kw_only=True)
class Replay:
    """What a replay came to, or would come to: *events* that are new, of them the first few hundred.

    *changes* logged changes were read, and *rows*, which only tell of first occurrences. *log_since* is how
    far back the log goes. *released* events had been suppressed.
    """

    events: list[Recorded] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    changes: int = 0
    rows: int = 0
    released: int = 0
    log_since: datetime | None = None


class _Preview(Exception):
    """Ends a transaction that must not commit."""


class Replayer:
    """Derives under *rules*; *situation* says what is known besides the rows."""

    def __init__(
        self, db: Database, writer: Writer, *, rules: Mapping[str, EventRule], situation: Situation
    ) -> None:
        """Record with *writer*."""
        self._db = db
        self._writer = writer
        self._rules = rules
        self._situation = replace(situation, parked={}, due={})

    async def preview(self, request: Request) -> Replay:
        """Return what `replay` would do; nothing is kept. Needs no lease."""
        found = Replay()
        with suppress(_Preview):
            async with self._db.transaction(timeout=_WITHIN) as connection:
                await self._run(connection, request, found)
                raise _Preview
        return found

    async def replay(self, request: Request) -> Replay:
        """Record what is new under *request*, and return it."""
        found = Replay()
        async with self._writer.transaction(timeout=_WITHIN) as connection:
            await self._run(connection, request, found)
        return found

    async def _run(self, connection: Connection, request: Request, found: Replay) -> None:
        rules = self._chosen(request)
        if request.release:
            await self._release(connection, request, list(rules), found)
        found.log_since = await connection.fetchval(_SQL["log_since"])
        async for facts in self._from_log(connection, request, rules, found):
            await self._record(connection, request, facts, found)
        async for facts in self._from_rows(connection, request, rules, found):
            await self._record(connection, request, facts, found)

    def _chosen(self, request: Request) -> dict[str, EventRule]:
        for name in request.types:
            if name not in self._rules:
                known = ", ".join(sorted(self._rules))
                raise ControlError(f"there is no event {name!r}; there are: {known}", code="bad_params")
        entity = request.entity[0] if request.entity else ""
        chosen = {
            name: rule
            for name, rule in self._rules.items()
            if name in (request.types or self._rules) and rule.entity == (entity or rule.entity)
        }
        if not chosen:
            known = ", ".join(sorted({rule.entity for rule in self._rules.values()}))
            raise ControlError(
                f"no event is about {entity!r} and of that type; events are about: {known}", code="bad_params"
            )
        return chosen

    async def _record(
        self, connection: Connection, request: Request, facts: Iterable[Fact], found: Replay
    ) -> None:
        wanted = [fact for fact in facts if _is_asked_for(fact, request)]
        if request.release:
            wanted = [fact._replace(suppressed="") for fact in wanted]
        self._keep(found, await self._writer.record(connection, wanted))

    def _keep(self, found: Replay, recorded: Iterable[Recorded]) -> None:
        for event in recorded:
            found.counts[event.type] += 1
            if len(found.events) < _SHOWN:
                found.events.append(event)

    async def _release(
        self, connection: Connection, request: Request, types: list[str], found: Replay
    ) -> None:
        entity_type, entity_id = request.entity or (None, None)
        rows = await connection.fetch(
            _SQL["release"], types, entity_type, entity_id, request.since, request.until
        )
        found.released = len(rows)
        await self._writer.follow(connection, [recorded(row) for row in rows])

    async def _from_log(
        self, connection: Connection, request: Request, rules: Mapping[str, EventRule], found: Replay
    ) -> AsyncGenerator[list[Fact]]:
        situation, last = self._situation, 0
        while True:
            rows = await self._logged(connection, request, rules, last)
            changes = [change_of(row) for row in rows]
            verdict = classify(changes, situation, rules)
            _refuse_bugs(verdict)
            yield verdict.facts
            found.changes += len(rows)
            situation = _go_on(situation, verdict)
            if len(rows) < _AT_ONCE:
                break
            last = rows[-1]["id"]
        now = await connection.fetchval(_SQL["now"])
        until = min(request.until or now, now)
        due = [one for one in situation.due.values() if one.due_at <= until]
        yield come_due(due, situation, rules).facts

    async def _logged(
        self, connection: Connection, request: Request, rules: Mapping[str, EventRule], last: int
    ) -> list[Record]:
        own = sorted({rule.resource for rule in rules.values() if not rule.entity_column})
        by = sorted({(rule.resource, rule.entity_column) for rule in rules.values() if rule.entity_column})
        resources, columns = [resource for resource, _ in by], [column for _, column in by]
        if request.entity is None:
            all_ = sorted({*own, *resources})
            return await connection.fetch(
                _SQL["log_window"], last, all_, request.since, request.until, _AT_ONCE
            )
        return await connection.fetch(
            _SQL["log_entity"], last, own, request.entity[1], resources, columns, _AT_ONCE
        )

    async def _from_rows(
        self, connection: Connection, request: Request, rules: Mapping[str, EventRule], found: Replay
    ) -> AsyncGenerator[list[Fact]]:
        until = request.until
        if request.entity is None and found.log_since is not None:
            if request.since is not None and request.since >= found.log_since:
                return
            until = min(until, found.log_since) if until else found.log_since
        now = await connection.fetchval(_SQL["now"])
        for resource in sorted({rule.resource for rule in rules.values()}):
            watching = {name: rule for name, rule in rules.items() if rule.resource == resource}
            sql, last = statements.rows(resource, request.entity, watching.values()), -(2**63)
            while True:
                args = (request.entity[1],) if request.entity else (request.since, until)
                rows = await connection.fetch(sql, last, _AT_ONCE, *args)
                changes = [_arrival(resource, row, now) for row in rows]
                verdict = classify(changes, self._situation, watching)
                _refuse_bugs(verdict)
                yield [fact._replace(change_id=None, first=not fact.identity) for fact in verdict.facts]
                found.rows += len(rows)
                if len(rows) < _AT_ONCE:
                    break
                last = rows[-1]["st_id"]


def change_of(row: Record) -> Change:
    """Return a row of the change log as the change that it was."""
    return Change(
        id=row["id"],
        resource=row["resource"],
        st_id=row["st_id"],
        op=row["op"],
        before=None if row["before"] is None else state_of(row["before"]),
        after=None if row["after"] is None else state_of(row["after"]),
        xid=row["xid"],
        changed_at=row["changed_at"],
    )


def _arrival(resource: str, row: Record, now: datetime) -> Change:
    """Return the change that would make a row appear as it is."""
    return Change(
        id=0,
        resource=resource,
        st_id=row["st_id"],
        op="I",
        before=None,
        after=state_of(row["state"]),
        xid=0,
        changed_at=now,
    )


def _go_on(situation: Situation, verdict: Verdict) -> Situation:
    parked = {key: one for key, one in {**situation.parked, **verdict.parked}.items() if one is not None}
    due = {key: one for key, one in {**situation.due, **verdict.due}.items() if one is not None}
    return replace(situation, parked=parked, due=due)


def _is_asked_for(fact: Fact, request: Request) -> bool:
    if request.entity is not None and fact.entity_id != request.entity[1]:
        return False
    is_late = request.since is None or fact.occurred_at >= request.since
    return is_late and (request.until is None or fact.occurred_at < request.until)


def _refuse_bugs(verdict: Verdict) -> None:
    if verdict.halts:
        halt = verdict.halts[0]
        raise ControlError(
            f"rule {halt.type} raises on change {halt.change_id}: {halt.error}", code="rule_raises"
        )
