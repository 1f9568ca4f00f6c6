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

    from pcd.db.pool import Connection
    from pcd.events.event import EventRule, Parked, Recorded
    from pcd.events.reader import Reader
    from pcd.events.writer import Write, Writer

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
    last, is_at_end = change_id - 1, False

    async def apply(connection: Connection, write: Write) -> tuple[list[Recorded], str]:
        nonlocal last, is_at_end
        rows = await connection.fetch(_SQL["log_after"], last, [rule.resource], _AT_ONCE)
        changes = [change_of(row) for row in rows]
        situation = await reader.situation(connection, changes)
        situation = replace(situation, halted=frozenset())
        verdict = classify(changes, situation, {rule.type: rule})
        events = await write(connection, verdict)
        if verdict.halts:
            # What PostgreSQL refuses lies before what the rule raises on.
            halt = verdict.halts[-1]
            await connection.execute(_SQL["advance_halt"], rule.type, halt.change_id, halt.error)
            return events, halt.error
        if is_at_end := len(rows) < _AT_ONCE:
            await connection.execute(_SQL["unhalt"], rule.type)
        else:
            last = rows[-1]["id"]
            await connection.execute(_SQL["advance_halt"], rule.type, last + 1, None)
        return events, ""

    while not is_at_end:
        events, error = await writer.step(apply)
        result.events += events
        if error:
            result.still_halted[rule.type] = error
            return
    result.caught_up.append(rule.type)


async def _reconsider(
    writer: Writer, reader: Reader, rules: Mapping[str, EventRule], result: Retried
) -> None:
    place: tuple[int, str, int] = (0, "", 0)

    async def judge(connection: Connection, write: Write) -> tuple[list[Recorded], list[Parked], int]:
        await reader.refresh(connection)
        rows = await connection.fetch(_SQL["parked_after"], *place, _AT_ONCE)
        parked = [parked_of(row) for row in rows]
        verdict = reconsider(parked, reader.fixed, rules)
        events = await write(connection, verdict)
        return events, parked, sum(one is None for one in verdict.parked.values())

    while True:
        events, parked, released = await writer.step(judge)
        result.events += events
        result.judged += released
        result.still_parked += len(parked) - released
        if len(parked) < _AT_ONCE:
            return
        place = (parked[-1].change_id, parked[-1].type, parked[-1].st_id)
