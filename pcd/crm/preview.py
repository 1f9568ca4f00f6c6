"""Says what would be written, and writes nothing: the dry run of a backfill, a push, the drift."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from pcd.crm import ledger
from pcd.crm.calls import Applied, Current, Entity
from pcd.crm.describe import TITLES
from pcd.crm.ledger import Account
from pcd.crm.reader import facts_of
from pcd.crm.reconciler import BACKFILL, decide, decide_for
from pcd.db import queries

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
    from datetime import datetime

    from pcd.crm.calls import Call
    from pcd.crm.premises import Premises
    from pcd.crm.reconciler import Decision
    from pcd.crm.settings import CrmSettings
    from pcd.crm.works import Works
    from pcd.db.pool import Database

_SQL = queries.load("pcd.crm")
_AT_ONCE = 200
_LOOKUPS = 2
_WINDOW_SECONDS = 10


@dataclass(slots=True)
class Cost:
    """What a backfill comes to: customers, what becomes of them, calls."""

    customers: int = 0
    adopted: int = 0
    conflicts: int = 0
    without_contact: int = 0
    lookups: int = 0
    calls: Counter[str] = field(default_factory=Counter)

    def add(self, other: Cost) -> None:
        """Take another part in."""
        self.customers += other.customers
        self.adopted += other.adopted
        self.conflicts += other.conflicts
        self.without_contact += other.without_contact
        self.lookups += other.lookups
        self.calls += other.calls

    def describe(self, works: Works) -> dict[str, Any]:
        """Return it as JSON values, with the time that it takes at the configured rate."""
        writes = self.calls.total()
        budget = works.client.budget
        rate = works.client.settings.requests_per_10s / _WINDOW_SECONDS
        return {
            "customers": self.customers,
            "adopted": self.adopted,
            "conflicts": self.conflicts,
            "without_contact": self.without_contact,
            "calls": dict(self.calls),
            "writes": writes,
            "lookups": self.lookups,
            "minutes": round((writes + self.lookups) / rate / 60, 1),
            "daily_budget": budget.limit,
            "daily_remaining": budget.remaining,
        }


async def backfill(works: Works, ids: Sequence[int], *, since: datetime) -> Cost:
    """Return what a backfill of *ids*, who do not take part, would do."""
    cost = Cost(customers=len(ids))
    for decision in await hypothetical(works.db, ids, works.premises, by=BACKFILL, backfill_since=since):
        cost.adopted += decision.found is not None
        cost.conflicts += decision.conflict is not None
        if decision.desired.contact is None:
            cost.without_contact += 1
        creations = sum(call.kind == "create_contact" for call in decision.plan.calls)
        cost.lookups += 0 if works.premises.is_settled else _LOOKUPS * creations
        cost.calls.update(call.kind.value for call in decision.plan.calls)
    return cost


async def hypothetical(
    db: Database,
    ids: Sequence[int],
    premises: Premises,
    *,
    by: str,
    backfill_since: datetime | None = None,
) -> list[Decision]:
    """Return what would follow for *ids* if they took part because of *by*."""
    accounts = dict(await ledger.read_accounts(db, ids))
    for customer_id in ids:
        accounts.setdefault(
            customer_id,
            Account(
                customer_id=customer_id,
                admitted_by=by,
                backfill_since=backfill_since,
                applied=Applied(),
                current=Current(),
            ),
        )
    settings = premises.settings
    facts = await facts_of(db, ids, install_names=settings.install_names)
    now = await db.fetchval(_SQL["now"])
    return await decide_for(db, accounts, facts, settings=settings, now=now)


async def differences(
    db: Database, premises: Premises, *, customer_id: int | None = None
) -> AsyncGenerator[dict[str, Any]]:
    """Yield every difference between the two systems as our copies have it, by customer.

    Each says what would mend it (``call``), that somebody changed it there and it is kept (``kept``), that a
    person has to act first (``held``), that somebody deleted it there (``deleted``), or that it is not
    certain whose contact it is (``conflict``).
    """
    last, names = 0 if customer_id is None else customer_id - 1, _names(premises.settings)
    while True:
        limit = _AT_ONCE if customer_id is None else 1
        ids = [row["customer_id"] for row in await db.fetch(_SQL["participants"], last, limit)]
        if not ids or (customer_id is not None and ids != [customer_id]):
            return
        now = await db.fetchval(_SQL["now"])
        decided = await decide(db, ids, settings=premises.settings, now=now)
        decisions = sorted(decided, key=lambda each: each.account.customer_id)
        known = [each for decision in decisions for each in _standing(decision)]
        rows = await db.fetch(_SQL["gone_there"], known)
        gone = {row["ghl_id"] for row in rows}
        for decision in decisions:
            for each in (*_deleted(decision, gone), *_differences(decision, names)):
                yield each
        if customer_id is not None:
            return
        last = ids[-1]


def _standing(decision: Decision) -> dict[str, tuple[Entity, int | None]]:
    """Return the ids of what should stand there and has stood there: what each is, and its cycle."""
    desired, applied = decision.desired, decision.account.applied
    ids: dict[str, tuple[Entity, int | None]] = {}
    if desired.contact is not None and applied.contact_id is not None:
        ids[applied.contact_id] = (Entity.CONTACT, None)
    for one in desired.opportunities:
        mine = applied.opportunities.get(one.cycle)
        if mine is not None and mine.id is not None:
            ids[mine.id] = (Entity.OPPORTUNITY, one.cycle)
    return ids


def _deleted(decision: Decision, gone: Collection[str]) -> list[dict[str, Any]]:
    """Return what is *gone* there of what should stand there."""
    return [
        {
            "customer_id": decision.account.customer_id,
            "what": "deleted",
            "rule": "made anew when the facts change, by no command before",
            "entity": entity.value,
            "target": id_,
            "cycle": cycle,
        }
        for id_, (entity, cycle) in _standing(decision).items()
        if id_ in gone
    ]


def _names(settings: CrmSettings) -> dict[str, str]:
    """Return the name of each configured stage by its id."""
    return {ids.stage_id: TITLES[stage] for stage, ids in settings.stages.items()}


def _differences(decision: Decision, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what differs; *names* are those of stages, by id."""
    customer_id = decision.account.customer_id
    if decision.conflict is not None:
        return [{"customer_id": customer_id, "what": "conflict", "rule": decision.conflict.reason}]
    calls = [
        {
            "customer_id": customer_id,
            "what": "call",
            "rule": call.why,
            "call": call.kind.value,
            "ours": dict(call.fields),
            "theirs": (theirs := _shown(decision, call)),
            "stages": {
                side["pipelineStageId"]: names.get(side["pipelineStageId"])
                for side in (call.fields, theirs or {})
                if side.get("pipelineStageId")
            },
        }
        for call in decision.plan.calls
    ]
    kept = [
        {
            "customer_id": customer_id,
            "what": "kept",
            **asdict(each),
            "stages": {
                side: names[side]
                for side in (each.theirs, each.ours)
                if isinstance(side, str) and side in names
            },
        }
        for each in decision.plan.kept
    ]
    held = [{"customer_id": customer_id, "what": "held", "rule": each} for each in decision.plan.held]
    return [*calls, *kept, *held]


def _shown(decision: Decision, call: Call) -> dict[str, Any] | None:
    is_contact = call.kind.entity == "contact"
    current = decision.current
    shown = current.contact if is_contact else current.opportunities.get(call.target or "")
    return None if shown is None else {name: shown.get(name) for name in call.fields}


async def push(db: Database, premises: Premises, *, since: datetime) -> list[dict[str, Any]]:
    """Return the calls that follow for whoever had an estimate made or changed *since*."""
    ids = [row["customer_id"] for row in await db.fetch(_SQL["sellers"], since)]
    found: list[dict[str, Any]] = []
    names = _names(premises.settings)
    for start in range(0, len(ids), _AT_ONCE):
        part = ids[start : start + _AT_ONCE]
        decisions = await hypothetical(db, part, premises, by="command", backfill_since=since)
        found += [
            each for decision in decisions for each in _differences(decision, names) if each["what"] == "call"
        ]
    return found
