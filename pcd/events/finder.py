"""Finds recorded events, and the way that each of them went. Reads only, and needs no lease."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from pcd.db import queries
from pcd.errors import ControlError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from pcd.db.pool import Database, Record

_SQL = queries.load("pcd.events")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which events: all that fit every given field. *suppressed* None means either."""

    types: tuple[str, ...] = ()
    entity: tuple[str, int] | None = None
    customer_id: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    suppressed: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One recorded event."""

    id: UUID
    sequence: int
    type: str
    entity_type: str
    entity_id: int
    customer_id: int | None
    ordinal: int
    occurred_at: datetime
    detected_at: datetime
    suppressed_reason: str | None
    change_id: int | None
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One station on an event's way: *what* happened *at* which instant, *detail* for people."""

    what: str
    at: datetime | None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """An event and the stations from the upstream record to it and to what it caused, in order."""

    event: Event
    hops: tuple[Hop, ...]


async def newest(db: Database, query: Query, *, limit: int) -> list[Event]:
    """Return the newest *limit* events that fit, the oldest of them first."""
    entity_type, entity_id = query.entity or (None, None)
    rows = await db.fetch(
        _SQL["newest"],
        list(query.types) or None,
        entity_type,
        entity_id,
        query.customer_id,
        query.since,
        query.until,
        query.suppressed,
        limit,
    )
    return [_event(row) for row in reversed(rows)]


async def after(db: Database, query: Query, sequence: int) -> list[Event]:
    """Return the events recorded after *sequence* that fit, in order, at most a thousand."""
    entity_type, entity_id = query.entity or (None, None)
    rows = await db.fetch(
        _SQL["after"], sequence, list(query.types) or None, entity_type, entity_id, query.customer_id
    )
    return [_event(row) for row in rows]


async def last_sequence(db: Database) -> int:
    """Return the sequence of the newest event, 0 when there is none."""
    found: int | None = await db.fetchval(_SQL["last_sequence"])
    return found or 0


async def trace(db: Database, id_text: str) -> Way:
    """Return the event whose id is or begins with *id_text*, and its way; raises ControlError."""
    event = await _one(db, id_text)
    recorded = Hop(what="recorded", at=event.detected_at, detail=f"event {event.id}, no. {event.sequence}")
    caused = await db.fetch(
        _SQL["consequences"], event.id, event.customer_id, event.entity_type, event.entity_id
    )
    hops = (*await _to(db, event), recorded, *(Hop(**dict(row)) for row in caused))
    return Way(event=event, hops=hops)


async def _to(db: Database, event: Event) -> list[Hop]:
    """Return the stations from the upstream record to the event."""
    if event.change_id is None:
        return [Hop(what="occurred", at=event.occurred_at)]
    change = await db.fetchrow(_SQL["change"], event.change_id)
    if change is None:
        told = f"change {event.change_id} is no longer in the log"
        return [Hop(what="occurred", at=event.occurred_at, detail=told)]
    hops = [
        *await _before(db, change),
        Hop(what="row written and captured", at=change["changed_at"], detail=_describe(change)),
        Hop(what="consumed", at=change["moved_at"], detail="taken from the outbox"),
    ]
    if event.occurred_at > change["changed_at"]:
        hops.append(Hop(what="fell due", at=event.occurred_at, detail="the moment that it waited for"))
    return hops


async def _before(db: Database, change: Record) -> list[Hop]:
    """Return what happened before the row was written: upstream, and the pass that fetched it."""
    state = orjson.loads(change["after"] or "{}")
    hops = []
    if modified := state.get("st_modified_on"):
        at = await db.fetchval(_SQL["instant"], modified)
        hops.append(Hop(what="changed upstream", at=at, detail=f"{change['resource']} {change['st_id']}"))
    origin = change["origin"]
    if not origin:
        return [*hops, Hop(what="written by somebody else", at=None, detail="not by a sync of ours")]
    word, _, key = origin.rpartition(" ")
    if word == "fresh pass":
        at = await db.fetchval(_SQL["instant"], key)
        return [*hops, Hop(what="fresh pass began", at=at)]
    if word == "sync":
        row = await db.fetchrow(_SQL["sync"], UUID(key))
        if row is not None:
            kind = f"{row['sync_type']} sync of {row['module']}, by {row['triggered_by']}, log {key}"
            return [*hops, Hop(what="sync began", at=row["started_at"], detail=kind)]
    return [*hops, Hop(what="written", at=None, detail=origin)]


async def _one(db: Database, id_text: str) -> Event:
    digits = id_text.replace("-", "").lower()
    if not 6 <= len(digits) <= 32 or set(digits) - set("0123456789abcdef"):
        raise ControlError(f"{id_text!r} is no event id, nor its first six characters", code="bad_params")
    low, high = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    rows = await db.fetch(_SQL["by_id"], low, high)
    if not rows:
        raise ControlError(f"there is no event {id_text}", code="unknown_event")
    if len(rows) > 1:
        raise ControlError(f"several events begin with {id_text}; give more of it", code="ambiguous")
    return _event(rows[0])


def _describe(change: Record) -> str:
    before, after_ = (orjson.loads(change[name] or "{}") for name in ("before", "after"))
    stamps = {"st_created_on", "st_modified_on"}
    moved = sorted(name for name in after_ if name not in stamps and after_[name] != before.get(name))
    words = {"I": "inserted", "U": "updated", "D": "deleted"}
    what = f"change {change['id']}: {change['resource']} {change['st_id']} {words[change['op']]}"
    return f"{what} ({_differences(before, after_, moved)})" if change["op"] == "U" and moved else what


def _differences(before: Mapping[str, Any], after_: Mapping[str, Any], names: Sequence[str]) -> str:
    return ", ".join(f"{name}: {before.get(name)} → {after_.get(name)}" for name in names)


def _event(row: Record) -> Event:
    return Event(**{**dict(row), "payload": orjson.loads(row["payload"])})
