"""The calls that we owe to GoHighLevel: the truth about what is to be sent, and what came of it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from pcd.crm.calls import Entity
from pcd.crm.switch import Mode
from pcd.db import queries
from pcd.errors import LeaseLost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from pcd.crm.calls import Call, Current
    from pcd.crm.desired import Fields
    from pcd.crm.ledger import Account, Unsent
    from pcd.db.leases import Lease
    from pcd.db.pool import Connection, Database, Record

_log = logging.getLogger(__name__)
_SQL = queries.load("pcd.crm")

NORMAL, LOW = 0, 1
"""What just happened goes before a backfill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """What made us owe a call: *cause* is an event's type, ``"workflow <name> step <n>"``, ``"backfill"`` ...

    A *step_key* is owed once, however often the step is carried out.
    """

    cause: str
    event_id: UUID | None = None
    step_key: str = ""
    priority: int = NORMAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """A call that we have taken to send it. *is_doubtful*: an earlier try may have been carried out."""

    id: int
    lane: str
    customer_id: int | None
    kind: str
    cycle: int | None
    reuses: int | None
    target_id: str | None
    fields: Fields
    reason: str
    cause: str
    event_id: UUID | None
    step_key: str | None
    priority: int
    attempt: int
    is_doubtful: bool
    owed_at: datetime
    taken_at: datetime

    @property
    def is_low_priority(self) -> bool:
        """Whether everything else goes first."""
        return self.priority >= LOW

    @property
    def is_planned(self) -> bool:
        """Whether it follows from a customer's facts, so that a newer plan may replace it."""
        return self.step_key is None


async def owe(
    connection: Connection,
    call: Call,
    *,
    customer_id: int | None,
    why: Why,
    mode: Mode = Mode.LIVE,
) -> int:
    """Owe *call* when the transaction commits, and return its id; it is sent in the order of its lane.

    A lane is the customer's, or the target's where there is no customer; what makes the contact goes first
    in it. In `Mode.SHADOW` the call is
    recorded as one that would have been sent.
    """
    lane = f"customer {customer_id}" if customer_id is not None else f"{call.kind.entity} {call.target}"
    key: int = await connection.fetchval(
        _SQL["owe"],
        lane,
        customer_id,
        call.kind.value,
        call.cycle,
        call.target,
        _text(call.fields),
        call.why,
        why.cause,
        why.event_id,
        why.step_key,
        why.priority,
        "owed" if mode is Mode.LIVE else "dry_run",
    )
    return key


@dataclass(slots=True)
class Exchange:
    """Which calls take the place of which, for many customers; *calls* are rows to be stored in order."""

    outdated: list[int] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)

    def replace(
        self, account: Account, calls: Sequence[Call], *, current: Current, why: Why, mode: Mode
    ) -> bool:
        """Let *calls* take the place of what was not sent yet of a customer; return whether anything is new.

        Calls that are still the same keep their place, their tries and their death.
        """
        state = "owed" if mode is Mode.LIVE else "dry_run"
        if _is_same(account.unsent, calls, state=state):
            return False
        self.outdated += [each.id for each in account.unsent]
        first = len(self.calls)
        self.calls += [
            {
                **_row(call, why),
                "customer_id": account.customer_id,
                "before": _before(call, current),
                "state": state,
                "position": first + place,
            }
            for place, call in enumerate(calls)
        ]
        return bool(calls)


class Outbox:
    """The outbox of one database, for whoever sends under *lease*."""

    def __init__(self, db: Database, *, lease: Lease, is_durable: bool = True) -> None:
        """*is_durable*: a commit waits for the disk."""
        self._db = db
        self._is_durable = is_durable
        self._lease = lease

    async def rescue(self, *, after: timedelta) -> int:
        """Take over what an ended process had sent without storing an answer; return how many it were.

        They become due *after* a while: what was sent last may be carried out only now.
        """
        async with self._db.transaction() as connection:
            await self._lease.fence(connection)
            rows = await connection.fetch(_SQL["rescue_calls"], after)
        if rows:
            _log.info("ghl: %d calls were under way when the last process ended; looking first", len(rows))
        return len(rows)

    async def claim(self, limit: int, *, reserved: Sequence[int], dry_run: bool) -> list[Owed]:
        """Take up to *limit* calls that are due, at most one of each lane, and none of *reserved* customers.

        None is taken while a person's switch, or else *dry_run*, says so. Another process that took the
        lease over is noticed when the answer is stored, or by the renewal.
        """
        if self._lease.lost:
            raise LeaseLost(self._lease.lost)
        rows = await self._db.fetch(
            _SQL["claim_calls"], limit, reserved, dry_run, self._lease.name, self._lease.term
        )
        calls = [_owed(row) for row in rows]
        # What is made there must be known to have been begun, whatever becomes of the server.
        if not self._is_durable and any(call.kind.startswith("create") for call in calls):
            await self._db.execute(_SQL["flush"])
        return calls

    async def until_next(self) -> float | None:
        """Return how many seconds until a call is due, None when none is owed."""
        seconds: float | None = await self._db.fetchval(_SQL["until_next_call"])
        return seconds

    async def postpone(
        self, call: Owed, *, by: timedelta, error: str, is_doubtful: bool = False, is_free: bool = False
    ) -> None:
        """Try *call* again later; a *free* try was none."""
        async with self._db.transaction() as connection:
            await self._lease.fence(connection)
            await connection.execute(
                _SQL["postpone_call"], call.id, call.attempt, by, error[:1000], is_doubtful, is_free
            )

    async def bury(self, call: Owed, *, error: str) -> None:
        """Give *call* up until a person or a newer plan decides otherwise."""
        async with self._db.transaction() as connection:
            await self._lease.fence(connection)
            await connection.execute(_SQL["bury_call"], call.id, call.attempt, error[:1000])


async def answer(
    connection: Connection,
    call: Owed,
    *,
    target_id: str,
    after: Fields,
) -> None:
    """Record that *call* was answered by the record *target_id*, whose written fields are now *after*."""
    await connection.execute(
        _SQL["answer_call"],
        call.id,
        call.attempt,
        target_id,
        _text(after),
    )


async def drop(connection: Connection, call: Owed, *, reason: str) -> None:
    """Record that *call*, and what else was planned behind it, is not owed any more."""
    await connection.execute(_SQL["drop_call"], call.id, call.attempt, reason)
    await connection.execute(_SQL["drop_planned"], call.lane, reason)


async def retry(db: Database, ids: Sequence[int] | None) -> list[int]:
    """Let dead calls be sent again, all of them or *ids*; return which."""
    return [row["id"] for row in await db.fetch(_SQL["retry_calls"], ids)]


async def count(db: Database) -> dict[str, Any]:
    """Return how many calls there are in each state, and how long the oldest has been due."""
    row = await db.fetchrow(_SQL["count_calls"])
    return dict(row) if row else {}


async def dead(db: Database, *, limit: int = 50) -> list[dict[str, Any]]:
    """Return the calls that were given up, the oldest first."""
    return [dict(row) for row in await db.fetch(_SQL["dead_calls"], limit)]


def _is_same(unsent: Sequence[Unsent], calls: Sequence[Call], *, state: str) -> bool:
    if len(unsent) != len(calls) or any((each.state == "dry_run") != (state == "dry_run") for each in unsent):
        return False
    return all(
        (old.kind, old.cycle, old.reuses, old.target_id)
        == (new.kind.value, new.cycle, new.reuses, new.target)
        and orjson.loads(_text(new.fields)) == old.fields
        for old, new in zip(unsent, calls, strict=True)
    )


def _row(call: Call, why: Why) -> dict[str, Any]:
    return {
        "kind": call.kind.value,
        "cycle": call.cycle,
        "reuses": call.reuses,
        "target_id": call.target,
        "fields": dict(call.fields),
        "reason": call.why,
        "cause": why.cause,
        "event_id": why.event_id,
        "priority": why.priority,
    }


def _before(call: Call, current: Current) -> Fields | None:
    """Return the fields that *call* changes as they are known to be; None where nothing is."""
    is_contact = call.kind.entity is Entity.CONTACT
    shown = current.contact if is_contact else current.opportunities.get(call.target or "")
    return None if shown is None or call.target is None else {name: shown.get(name) for name in call.fields}


def _owed(row: Record) -> Owed:
    values = dict(row)
    values["fields"] = orjson.loads(values["fields"])
    values["attempt"] = values.pop("attempts")
    return Owed(**values)


def _text(fields: Mapping[str, Any]) -> str:
    return orjson.dumps(dict(fields), default=str).decode()
