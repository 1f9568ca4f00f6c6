"""Starts instances in the transaction that records their event: with it, once, or not at all."""

from __future__ import annotations

import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg
import orjson

from pcd.db import queries
from pcd.db.errors import message, refuses_data
from pcd.triggers.match import Watch, match
from pcd.workflows.advance import allowed, first_due
from pcd.workflows.store import start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from pcd.db.pool import Connection
    from pcd.events.event import Recorded
    from pcd.workflows.workflow import Workflow

_log = logging.getLogger(__name__)
_SQL = queries.load("pcd.workflows")


class _Happened(NamedTuple):
    """A recorded event with what it carries, as matching wants it."""

    type: str
    payload: Mapping[str, Any]
    suppressed_reason: str | None = None


class Starter:
    """A follower of events: starts what they match, and wakes what waits for them.

    *observe* hears each started workflow's name and the status of the new instance.
    """

    def __init__(
        self, *, zone: ZoneInfo, observe: Callable[[str, str], None] = lambda _workflow, _status: None
    ) -> None:
        self._zone = zone
        self._observe = observe
        self._watch = Watch(())
        self._awaited: frozenset[str] = frozenset()

    def learn(self, workflows: Iterable[Workflow], *, awaited: Iterable[str]) -> None:
        """Start what *workflows* say from now on; *awaited* are types of events that instances wait for."""
        workflows = list(workflows)
        waits = {step.wait_for.event for one in workflows for step in one.steps if step.wait_for}
        self._watch, self._awaited = Watch(workflows), frozenset(awaited) | waits

    def wants(self, types: Iterable[str]) -> bool:
        """Return whether events of one of *types* start a workflow, or an instance waits for one."""
        return not self._watch.types.union(self._awaited).isdisjoint(types)

    async def follow(self, connection: Connection, events: Sequence[Recorded]) -> None:
        """Start and wake what *events* mean, in the transaction of *connection*."""
        if watched := [event for event in events if event.type in self._watch.types]:
            await self._start(connection, await self._matches(connection, watched))
        if awaited := [event for event in events if event.type in self._awaited]:
            await connection.execute(
                _SQL["wake"],
                [event.type for event in awaited],
                [event.entity_type for event in awaited],
                [event.entity_id for event in awaited],
                [event.customer_id for event in awaited],
            )

    async def _matches(
        self, connection: Connection, events: Sequence[Recorded]
    ) -> list[tuple[Recorded, Workflow]]:
        rows = await connection.fetch(
            _SQL["payloads"],
            [event.id for event in events],
            min(event.detected_at for event in events),
            max(event.detected_at for event in events),
        )
        payloads = {row["id"]: orjson.loads(row["payload"]) for row in rows}
        found = []
        for event in events:
            happened = _Happened(event.type, payloads.get(event.id, MappingProxyType({})))
            matches = match(happened, self._watch)
            found += [(event, workflow) for workflow in matches.starts]
            for one in matches.others:
                if one.is_doubt:
                    _log.warning(
                        "workflow %s: event %s starts nothing: %s", one.workflow.name, event.id, one.reason
                    )
        return found

    async def _start(self, connection: Connection, found: Sequence[tuple[Recorded, Workflow]]) -> None:
        starts = [_start_of(event, workflow, self._zone) for event, workflow in found]
        if not starts or await self._is_started(connection, starts):
            return
        # Detection goes on whatever a definition says, and so do the other workflows.
        for one in starts:
            if not await self._is_started(connection, [one]):
                _log.error("workflow %s: event %s cannot start it", one["name"], one["event_id"])

    async def _is_started(self, connection: Connection, starts: Sequence[dict[str, Any]]) -> bool:
        """Return whether *starts* were started; where PostgreSQL refuses one, none of them was."""
        try:
            async with connection.transaction():
                rows = await start(connection, starts)
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if not refuses_data(error):
                raise
            _log.warning("workflows: PostgreSQL refuses to start instances: %s", message(error))
            return False
        for row in rows:
            self._observe(row["workflow_name"], row["status"])
        return True


def _start_of(event: Recorded, workflow: Workflow, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "name": workflow.name,
        "version": workflow.version,
        "workflow_id": workflow.row_id,
        "event_id": event.id,
        "event_type": event.type,
        "entity_type": event.entity_type,
        "entity_id": event.entity_id,
        "customer_id": event.customer_id,
        "priority": workflow.priority,
        "due_at": first_due(workflow, started_at=event.detected_at, zone=zone),
        "starts_allowed": allowed(workflow.steps[0]),
        "most": workflow.max_concurrent_per_customer,
    }
