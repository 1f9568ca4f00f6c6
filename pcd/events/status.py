"""How detection is: what waits, what cannot be judged, what is stopped."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pcd.db import queries

if TYPE_CHECKING:
    from pcd.db.pool import Database

_SQL = queries.load("pcd.events")
_WITHIN = timedelta(seconds=2)


async def read_status(db: Database) -> dict[str, Any]:
    """Return the backlog, parked rows by reason, halted rules and suppressed events, as JSON values.

    *backlog* is counted up to 100,001; *oldest_seconds* is how long its first change has waited.
    """
    row = await db.fetchrow(_SQL["status"], timeout=_WITHIN)
    assert row is not None

    async def rows(name: str) -> list[dict[str, Any]]:
        return [dict(each) for each in await db.fetch(_SQL[name], timeout=_WITHIN)]

    return {
        **dict(row),
        "parked": await rows("status_parked"),
        "halted": await rows("halted"),
        "suppressed": await rows("status_suppressed"),
    }
