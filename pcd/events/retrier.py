"""Tries again what could not be done: rules that were halted, rows that could not be judged."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pcd.db import queries
from pcd.events.classify import classify, reconsider
from pcd.events.reader import parked_of
from pcd.events.replayer import change_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pcd.events.event import EventRule, Recorded
    from pcd.events.reader import Reader
    from pcd.events.writer import Writer

_SQL = queries.load("pcd.events")
_AT_ONCE = 5000


@dataclass(slots=True, kw_only=True)
class Retried:
    """What came of it: rules that caught up, rules that raised again with what they said, rows judged."""

    caught_up: list[str] = field(default_factory=list)
    still_halted: dict[str, str] = field(default_factory=dict)
    judged: int = 0
    still_parked: int = 0
    events: list[Recorded] = field(default_factory=list)


async def retry(writer: Writer, reader: Reader, rules: Mapping[str, EventRule]) -> Retried:
    """Apply halted rules to the changes that they missed, then judge every parked row again.

    Each step commits by itself, so what was interrupted goes on where it was.
    """
    result = Retried()
    async with writer.transaction() as connection:
        halted = {row["type"]: row["change_id"] for row in await connection.fetch(_SQL["halted"])}
    for type_, change_id in halted.items():
        if type_ in rules:
            await _catch_up(writer, reader, rules[type_], change_id, result)
    await _reconsider(writer, reader, rules, result)
    return result


async def _catch_up(writer: Writer, reader: Reader, rule: EventRule, change_id: int, result: Retried) -> None:
    last = change_id - 1
    while True:
        async with writer.transaction() as connection:
            rows = await connection.fetch(_SQL["log_after"], last, [rule.resource], _AT_ONCE)
            changes = [change_of(row) for row in rows]
            situation = await reader.situation(connection, changes)
            situation = replace(situation, halted=frozenset())
            verdict = classify(changes, situation, {rule.type: rule})
            halts, verdict.halts = verdict.halts, []
            result.events += await writer.write(connection, verdict)
            if halts:
                await connection.execute(_SQL["advance_halt"], rule.type, halts[0].change_id, halts[0].error)
                result.still_halted[rule.type] = halts[0].error
                return
            if len(rows) < _AT_ONCE:
                await connection.execute(_SQL["unhalt"], rule.type)
                result.caught_up.append(rule.type)
                return
            last = rows[-1]["id"]
            await connection.execute(_SQL["advance_halt"], rule.type, last + 1, None)


async def _reconsider(
    writer: Writer, reader: Reader, rules: Mapping[str, EventRule], result: Retried
) -> None:
    place: tuple[int, str, int] = (0, "", 0)
    while True:
        async with writer.transaction() as connection:
            await reader.refresh(connection)
            rows = await connection.fetch(_SQL["parked_after"], *place, _AT_ONCE)
            parked = [parked_of(row) for row in rows]
            verdict = reconsider(parked, reader.fixed, rules)
            result.events += await writer.write(connection, verdict)
        released = sum(one is None for one in verdict.parked.values())
        result.judged += released
        result.still_parked += len(rows) - released
        if len(rows) < _AT_ONCE:
            return
        place = (parked[-1].change_id, parked[-1].type, parked[-1].st_id)
