"""Reads and writes what is remembered of each customer: the link, what was applied, how far cycles are."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from pcd.crm.calls import UNSURE, Applied, AppliedOpportunity, CallKind, Current
from pcd.crm.desired import CycleState, Outcome, Stage
from pcd.crm.diff import contact_shown, opportunity_shown
from pcd.db import queries
from pcd.ghl import decode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pcd.crm.calls import Plan
    from pcd.crm.desired import Desired, Fields
    from pcd.crm.outbox import Owed
    from pcd.db.pool import Connection, Database, Record

_SQL = queries.load("pcd.crm")
_UPDATES = frozenset({CallKind.UPDATE_CONTACT, CallKind.UPDATE_OPPORTUNITY, CallKind.RESET_OPPORTUNITY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsent:
    """A call that is owed, dead, or was only recorded: a newer plan may take its place."""

    id: int
    kind: str
    cycle: int | None
    reuses: int | None
    target_id: str | None
    fields: Fields
    state: str
    is_doubtful: bool = False

    @property
    def is_update(self) -> bool:
        """Whether it changes what is there already."""
        return CallKind(self.kind) in _UPDATES


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Everything that is remembered of one customer who takes part. *is_sending*: a call is under way."""

    customer_id: int
    admitted_by: str
    backfill_since: datetime | None
    applied: Applied
    current: Current
    history: tuple[CycleState, ...] = ()
    unsent: tuple[Unsent, ...] = ()
    is_sending: bool = False

    @property
    def is_linked(self) -> bool:
        """Whether a contact is known to be the customer's."""
        return self.applied.contact_id is not None


async def read_accounts(
    source: Connection | Database, customer_ids: Collection[int]
) -> Mapping[int, Account]:
    """Return those of *customer_ids* who take part."""
    rows = await source.fetch(_SQL["accounts"], list(customer_ids))
    return {row["customer_id"]: _account(row) for row in rows}


def remembered(desired: Desired, plan: Plan) -> dict[str, Any]:
    """Return what is to be remembered of a customer who was considered."""
    return {
        "customer_id": desired.customer_id,
        "history": [asdict(cycle) for cycle in desired.history],
        "kept": [asdict(each) for each in plan.kept],
        "notes": [{"oddity": note.oddity.name, "about": note.about} for note in desired.notes],
        "held": plan.held,
        "reconsider_at": desired.reconsider_at,
    }


async def link(connection: Connection, customer_id: int, contact_id: str, *, by: str) -> bool:
    """Store that a contact is the customer's; return whether it is: another customer may have it already."""
    row = await connection.fetchval(_SQL["link"], customer_id, contact_id, by)
    return row is not None


async def apply_contact(connection: Connection, customer_id: int, fields: Fields) -> None:
    """Note that *fields* of the customer's contact are as we wrote them."""
    await connection.execute(_SQL["apply_contact"], customer_id, _text(fields))


async def apply_opportunity(
    connection: Connection, customer_id: int, cycle: int, *, opportunity_id: str | None, fields: Fields | None
) -> None:
    """Note the opportunity of a cycle, and that *fields* of it are as we wrote them; None: nothing yet."""
    text = None if fields is None else _text(fields)
    await connection.execute(_SQL["apply_opportunity"], customer_id, cycle, opportunity_id, text)


async def unlink_contact(connection: Connection, customer_id: int) -> None:
    """Forget the contact, and its opportunities: GoHighLevel has it no more."""
    await connection.execute(_SQL["unlink_contact"], customer_id)
    await connection.execute(_SQL["forget_cycles"], customer_id)


async def unlink_opportunity(connection: Connection, customer_id: int, opportunity_id: str) -> None:
    """Forget an opportunity that GoHighLevel has no more."""
    await connection.execute(_SQL["unlink_opportunity"], customer_id, opportunity_id)


def _account(row: Record) -> Account:
    unsent = tuple(Unsent(**each) for each in orjson.loads(row["unsent"] or "[]"))
    applied = _without_doubtful(_applied(row), unsent)
    shown = None if row["contact"] is None else contact_shown(decode.contact(row["contact"].encode()))
    deals = [decode.opportunity(orjson.dumps(each)) for each in orjson.loads(row["opportunities"] or "[]")]
    return Account(
        customer_id=row["customer_id"],
        admitted_by=row["admitted_by"],
        backfill_since=row["backfill_since"],
        applied=applied,
        current=Current(contact=shown, opportunities={each.id: opportunity_shown(each) for each in deals}),
        history=tuple(_cycle(each) for each in orjson.loads(row["history"])),
        unsent=unsent,
        is_sending=row["is_sending"],
    )


def _applied(row: Record) -> Applied:
    cycles = orjson.loads(row["cycles"] or "[]")
    return Applied(
        contact_id=row["contact_id"],
        contact=orjson.loads(row["applied"] or "{}"),
        opportunities={
            each["cycle"]: AppliedOpportunity(id=each["id"], fields=each["applied"] or {}) for each in cycles
        },
    )


def _without_doubtful(applied: Applied, unsent: Iterable[Unsent]) -> Applied:
    """Return what is applied, `UNSURE` where a call without an answer may have written over it."""
    for call in unsent:
        if not call.is_doubtful or not call.is_update:
            continue
        lost = dict.fromkeys(call.fields, UNSURE)
        if call.cycle is None:
            applied = replace(applied, contact={**applied.contact, **lost})
            continue
        opportunities = {
            cycle: replace(mine, fields={**mine.fields, **lost})
            if cycle in {call.cycle, call.reuses}
            else mine
            for cycle, mine in applied.opportunities.items()
        }
        applied = replace(applied, opportunities=opportunities)
    return applied


def _cycle(stored: Mapping[str, Any]) -> CycleState:
    return CycleState(
        number=stored["number"],
        job_ids=tuple(stored["job_ids"]),
        estimate_ids=tuple(stored["estimate_ids"]),
        stage=Stage(stored["stage"]),
        was_sold=stored["was_sold"],
        outcome=None if stored["outcome"] is None else Outcome(stored["outcome"]),
        ended_at=None if stored["ended_at"] is None else datetime.fromisoformat(stored["ended_at"]),
        job_id=stored["job_id"],
        estimate_id=stored["estimate_id"],
        was_replaced=stored["was_replaced"],
    )


def _text(fields: Fields) -> str:
    return orjson.dumps(dict(fields), default=str).decode()


async def mark(connection: Connection, call: Owed) -> None:
    """Have the customer of *call* considered soon, for the same cause."""
    if call.customer_id is not None:
        await connection.execute(_SQL["mark"], [call.customer_id], [call.cause], [call.event_id])
