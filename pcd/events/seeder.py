"""Finds what is to come of rows that were there before anybody watched: invoices whose due date is ahead.

The first load makes no changes, so nothing else would tell of them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pcd.db import queries
from pcd.events import statements
from pcd.events.event import FallsDue
from pcd.events.judge import expect
from pcd.events.reader import state_of

if TYPE_CHECKING:
    from pcd.db.pool import Database
    from pcd.events.event import Due, EventRule, Situation
    from pcd.events.writer import Writer

_SQL = queries.load("pcd.events")
_AT_ONCE = 5000
_AROUND_A_DAY = timedelta(days=1)


async def seed(db: Database, writer: Writer, rule: EventRule, situation: Situation) -> int:
    """Remember what is to come of the rows *rule* watches, once for a baseline; return how much that is.

    Interrupted, it starts over; a moment that was told already is not told again.
    """
    when, baseline = rule.when, situation.baselines.get(rule.resource)
    if not isinstance(when, FallsDue) or baseline is None:
        return 0
    declaration = f"{when.column} in {situation.surroundings.zone.key}"
    seeds = {row["type"]: (row["baseline_at"], row["declaration"]) for row in await db.fetch(_SQL["seeds"])}
    if seeds.get(rule.type) == (baseline, declaration):
        return 0
    sql = statements.seed(rule, when.column)
    since, after, found = baseline.date() - _AROUND_A_DAY, -(2**63), 0
    while True:
        async with writer.transaction() as connection:
            rows = await connection.fetch(sql, since, after, _AT_ONCE)
            due = [one for row in rows if (one := _expected(rule, row["st_id"], row["state"], situation))]
            await writer.expect(connection, due)
            found += len(due)
            if len(rows) < _AT_ONCE:
                await connection.execute(_SQL["seeded"], rule.type, baseline, declaration)
                return found
        after = rows[-1]["st_id"]


def _expected(rule: EventRule, st_id: int, state: str, situation: Situation) -> Due | None:
    return expect(
        rule,
        st_id,
        state_of(state),
        around=situation.surroundings,
        baseline=situation.baselines[rule.resource],
    )
