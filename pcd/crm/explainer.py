"""Tells everything about one customer: what was seen, decided, sent and not sent, and why. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from pcd.crm import describe, preview
from pcd.crm.outbox import count
from pcd.crm.reader import facts_of
from pcd.db import queries
from pcd.errors import ControlError

if TYPE_CHECKING:
    from pcd.crm.premises import Premises
    from pcd.crm.switch import Switch
    from pcd.db.pool import Database, Record

_SQL = queries.load("pcd.crm")
_EVENTS = 20
_CALLS = 30
_LISTED = 200


async def explain(db: Database, premises: Premises, customer_id: int) -> dict[str, Any]:
    """Return all that is known of a customer, as JSON values; raises ControlError when nothing is."""
    facts = await facts_of(db, [customer_id], install_names=premises.settings.install_names)
    participant = await db.fetchrow(_SQL["participant"], customer_id)
    if not facts and participant is None:
        raise ControlError(f"there is no customer {customer_id} in the mirror", code="unknown_name")
    events = await db.fetch(_SQL["happened_to"], customer_id, _EVENTS)
    decisions = await preview.hypothetical(db, [customer_id], premises, by="command")
    dirty = await db.fetchrow(_SQL["dirty_of"], customer_id)
    conflict = await db.fetchrow(_SQL["conflict_of"], customer_id)
    return {
        "customer_id": customer_id,
        "seen": [_plain(row) for row in events],
        "takes_part": _plain(participant) if participant is not None else None,
        "why_not": "" if participant is not None else _why_not(premises),
        "opportunities": [_plain(row) for row in await db.fetch(_SQL["cycles_of"], customer_id)],
        "decided": [line for each in decisions for line in describe.desired(each.desired)],
        "left": [line for each in decisions for line in describe.plan(each.plan, premises.settings)],
        "conflict": _plain(conflict) if conflict is not None else None,
        "waits": _plain(dirty) if dirty is not None else None,
        "calls": [_plain(row) for row in await db.fetch(_SQL["calls_of"], customer_id, _CALLS)],
    }


async def status(db: Database, premises: Premises, switch: Switch) -> dict[str, Any]:
    """Return how it stands between the two systems, as JSON values."""
    word = await switch.word(db)
    counts = await db.fetchrow(_SQL["count_customers"])
    return {
        "mode": (await switch.mode(db)).value,
        "switched": None if word is None else {"at": word.switched_at, "by": word.switched_by},
        "enabled_since": premises.baseline_at,
        "missing_stages": premises.missing,
        "breaker": await db.fetchval(_SQL["breaker"]) or "",
        "customers": dict(counts) if counts else {},
        "calls": await count(db),
        "copies": {
            name: {"full": pull.full_completed_at, "seen_until": pull.seen_until}
            for name, pull in premises.pulls.items()
        },
        "passes": [_plain(row) for row in await db.fetch(_SQL["last_passes"], 8)],
    }


async def conflicts(db: Database) -> list[dict[str, Any]]:
    """Return the customers of whom it is not certain which contact is theirs.

    ``owners`` says of a contact that is linked to another customer already whose it is.
    """
    found = [_plain(row) for row in await db.fetch(_SQL["conflicts"], _LISTED)]
    return [each | {"owners": each["owners"] or {}} for each in found]


async def units(db: Database) -> list[dict[str, Any]]:
    """Return the business units and whether their estimates take part."""
    return [dict(row) for row in await db.fetch(_SQL["units"])]


async def made_there(
    db: Database, premises: Premises, *, customer_id: int | None = None
) -> dict[str, list[dict[str, Any]]]:
    """Return the contacts and opportunities that others made for our customers since it was enabled here.

    In `Mode.SHADOW` the others are the old worker. What we count as the customer's own is left out: it is
    what we would have made.
    """
    if premises.baseline_at is None:
        return {"contacts": [], "opportunities": []}
    contacts = await db.fetch(_SQL["contacts_made_there"], premises.baseline_at)
    opportunities = await db.fetch(
        _SQL["opportunities_made_there"],
        premises.baseline_at,
        [row["ghl_id"] for row in contacts],
        [row["customer_id"] for row in contacts],
    )
    found = {"contacts": contacts, "opportunities": opportunities}
    return {
        what: [dict(row) for row in rows if customer_id is None or row["customer_id"] == customer_id]
        for what, rows in found.items()
    }


def _why_not(premises: Premises) -> str:
    if premises.baseline_at is None:
        return "GoHighLevel was never enabled here"
    return (
        f"nothing that counts has happened to this customer since {premises.baseline_at:%Y-%m-%d %H:%M} UTC, "
        "when GoHighLevel was enabled; `pcd ghl backfill` takes in everybody else"
    )


_JSON = frozenset(
    {"applied", "history", "kept", "notes", "held", "contacts", "owners", "fields", "before", "after"}
)


def _plain(row: Record) -> dict[str, Any]:
    """Return a row with its JSON decoded."""
    return {
        name: orjson.loads(value) if name in _JSON and isinstance(value, str) else value
        for name, value in row.items()
    }
