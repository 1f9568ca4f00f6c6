"""Consumes the outbox: each change leaves it once, in the transaction that makes use of it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from pcd.changes.net import Entry, corrections, net, reunite
from pcd.db import queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pcd.changes.change import Change, State
    from pcd.changes.net import Key, Reunion
    from pcd.db.pool import Connection, Database, Record

_SQL = queries.load("pcd.changes")
_DECODER = msgspec.json.Decoder(dict[str, object], float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


async def take(connection: Connection, limit: int) -> list[Change]:
    """Return the next changes in ascending id, and log them; an empty list when the outbox is empty.

    For the one consumer, inside its transaction: what it does with the changes commits together with
    their leaving the outbox. Reads *limit* outbox rows at a time, and what else the same transactions did
    to the same rows; there are fewer changes than rows where some cancel each other out.
    """
    while True:
        rows = await connection.fetch(_SQL["take"], limit)
        if not rows:
            return []
        any_departed = rows[0]["any_departed"]
        if len(rows) >= limit:
            rows += await _rest(connection, rows)
        entries = [_entry(row) for row in rows]
        changes = await _reunited(connection, net(entries), any_departed=any_departed)
        wrong, missing = corrections(entries, changes)
        if wrong or missing:
            await connection.execute(_SQL["unlog"], wrong)
            await _log(connection, missing)
        if changes:
            return changes


async def glance(db: Database | Connection, limit: int) -> list[Change] | None:
    """Return what `take` would, consuming nothing; None where that takes more than a look.

    Few changes of rows that are neither deleted nor restored are a matter of one look: each entry is a
    change. Whoever uses them must see to it that they leave the outbox, and are logged.
    """
    rows = await db.fetch(_SQL["glance"], limit)
    entries = [_entry(row) for row in rows]
    is_plain = len({entry.span for entry in entries}) == len(entries) < limit
    if not is_plain or any(entry.after is None for entry in entries):
        return None
    if any(entry.before is None for entry in entries) and rows[0]["any_departed"]:
        return None
    changes = net(entries)
    return changes if len(changes) == len(entries) else None


async def _rest(connection: Connection, rows: Sequence[Record]) -> list[Record]:
    """Consume what follows a full batch of the same transactions on the same rows; mostly nothing."""
    last = max(row["id"] for row in rows)
    xids = [str(xid) for xid in {row["xid"] for row in rows}]
    unfinished = {row["xid"] for row in await connection.fetch(_SQL["unfinished"], last, xids)}
    spans = {(row["resource"], row["st_id"], row["xid"]) for row in rows if row["xid"] in unfinished}
    if not spans:
        return []
    resources, ids, transactions = zip(*spans, strict=True)
    return await connection.fetch(_SQL["take_rest"], last, resources, ids, [str(xid) for xid in transactions])


async def _reunited(connection: Connection, changes: list[Change], *, any_departed: bool) -> list[Change]:
    """Return *changes* with those of rows that come back put right, and remember who is gone now."""
    arrived = [(it.resource, it.st_id) for it in changes if it.before is None]
    departed: dict[Key, State] = {}
    if arrived and any_departed:
        rows = await connection.fetch(_SQL["departed"], *_columns(arrived))
        departed = {(row["resource"], row["st_id"]): _DECODER.decode(row["state"]) for row in rows}
    elif all(change.after is not None for change in changes):
        return changes
    reunion = reunite(changes, departed)
    if reunion.gone or reunion.back:
        await _note_departures(connection, reunion)
    return list(reunion.changes)


async def _note_departures(connection: Connection, reunion: Reunion) -> None:
    states = [_json(state) for state in reunion.gone.values()]
    await connection.execute(
        _SQL["note_departures"], *_columns(reunion.gone), states, *_columns(sorted(reunion.back))
    )


async def _log(connection: Connection, changes: Sequence[Change]) -> None:
    await connection.execute(
        _SQL["log"],
        [change.id for change in changes],
        [change.resource for change in changes],
        [change.st_id for change in changes],
        [change.op for change in changes],
        [_json(change.before) for change in changes],
        [_json(change.after) for change in changes],
        [str(change.xid) for change in changes],
        [change.changed_at for change in changes],
        [change.origin for change in changes],
    )


def _entry(row: Record) -> Entry:
    return Entry(
        id=row["id"],
        resource=row["resource"],
        st_id=row["st_id"],
        op=row["op"],
        before=_state(row["before"]),
        after=_state(row["after"]),
        stamps=_state(row["stamps"]),
        xid=row["xid"],
        changed_at=row["changed_at"],
        origin=row["origin"],
    )


def _state(text: str | None) -> State | None:
    return None if text is None else _DECODER.decode(text)


def _json(state: State | None) -> str | None:
    return None if state is None else _ENCODER.encode(state).decode()


def _columns(keys: Iterable[Key]) -> tuple[list[str], list[int]]:
    pairs = list(keys)
    return [resource for resource, _ in pairs], [st_id for _, st_id in pairs]
