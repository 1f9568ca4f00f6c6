"""Finds workflows, their instances and every try of every step, for people. Reads only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from pcd.db import queries
from pcd.db.pool import STATEMENT
from pcd.errors import ControlError

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from pcd.db.pool import Database
    from pcd.workflows.loader import Loaded
    from pcd.workflows.workflow import Workflow

_SQL = queries.load("pcd.workflows")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One instance; *status* is ``"paused"`` for one that the old engine started and nobody adopted."""

    id: UUID
    workflow: str
    version: str | None
    status: str
    is_old: bool
    entity_type: str
    entity_id: int
    customer_id: int | None
    step: int
    messages: int
    starts: int
    event_id: UUID | None
    event_type: str | None
    priority: int
    started_at: datetime
    completed_at: datetime | None
    due_at: datetime | None
    holder: str | None
    lease_until: datetime | None
    awaited_event: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One recorded try of a step."""

    step_number: int
    step_name: str | None
    action: str | None
    status: str
    error: str | None
    retry_count: int | None
    attempt: int | None
    scheduled_for: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    duration_ms: int | None
    holder: str | None
    input: Any
    output: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One workflow and its instances by status, ended ones of the last month; *failure* where it is bad."""

    name: str
    source: str
    event: str
    version: str
    is_enabled: bool
    is_paused: bool
    instances: dict[str, int]
    next_due_at: datetime | None
    failure: str = ""


async def instances(
    db: Database, *, workflow: str = "", status: str = "", customer_id: int | None = None, limit: int = 50
) -> list[Found]:
    """Return the newest instances that fit."""
    rows = await db.fetch(
        _SQL["list_instances"], workflow or None, status or None, customer_id, None, None, limit
    )
    return [Found(**dict(row)) for row in rows]


async def instance(db: Database, id_text: str) -> Found:
    """Return the instance whose id is or begins with *id_text*; raises ControlError."""
    digits = id_text.replace("-", "").lower()
    if not 6 <= len(digits) <= 32 or set(digits) - set("0123456789abcdef"):
        raise ControlError(f"{id_text!r} is no instance id, nor its first six characters", code="bad_params")
    low, high = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    rows = await db.fetch(_SQL["list_instances"], None, None, None, low, high, 2)
    if not rows:
        raise ControlError(f"there is no instance {id_text}", code="unknown_instance")
    if len(rows) > 1:
        raise ControlError(f"several instances begin with {id_text}; give more of it", code="ambiguous")
    return Found(**dict(rows[0]))


async def tries(db: Database, id_: UUID) -> list[Tried]:
    """Return every recorded try of an instance's steps, in order."""
    return [
        Tried(**{**dict(row), "input": _json(row["input"]), "output": _json(row["output"])})
        for row in await db.fetch(_SQL["steps_of"], id_)
    ]


async def standings(db: Database, loaded: Loaded) -> list[Standing]:
    """Return every workflow that is defined or has instances, by name."""
    counts: dict[str, dict[str, int]] = {}
    due: dict[str, datetime] = {}
    for row in await db.fetch(_SQL["counts"]):
        counts.setdefault(row["workflow"], {})[row["status"]] = row["instances"]
        if row["status"] == "active" and row["next_due_at"] is not None:
            due[row["workflow"]] = row["next_due_at"]
    found = {one.name: _standing(one) for one in loaded.workflows}
    for name in counts:
        found.setdefault(name, _gone(name))
    return [
        replace(
            one,
            is_paused=loaded.switch(name).is_paused,
            instances=counts.get(name, {}),
            next_due_at=due.get(name),
        )
        for name, one in sorted(found.items())
    ]


async def status(db: Database, *, timeout: timedelta = STATEMENT) -> dict[str, Any]:  # noqa: ASYNC109 - the statement's
    """Return how the engine is, as JSON values."""
    row = await db.fetchrow(_SQL["status"], timeout=timeout)
    assert row is not None
    return dict(row)


def _standing(one: Workflow) -> Standing:
    return Standing(
        name=one.name,
        source=one.source,
        event=one.trigger.event,
        version=one.version,
        is_enabled=one.is_enabled,
        is_paused=False,
        instances={},
        next_due_at=None,
    )


def _gone(name: str) -> Standing:
    return Standing(
        name=name,
        source="",
        event="",
        version="",
        is_enabled=False,
        is_paused=False,
        instances={},
        next_due_at=None,
        failure="its definition is gone or bad",
    )


def _json(text: str | None) -> Any:  # noqa: ANN401 - JSON
    return None if text is None else orjson.loads(text)
