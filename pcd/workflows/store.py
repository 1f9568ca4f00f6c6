"""The instances in the database: taken, kept, settled, given back. The claim's number fences every write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from pcd.db import queries
from pcd.workflows.instance import Awaited, Instance, Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta
    from uuid import UUID

    from pcd.clock import Clock
    from pcd.db.pool import Connection, Database, Record
    from pcd.workflows.instance import Transition

_SQL = queries.load("pcd.workflows")
_ENCODER = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What became of one claim, and what its record says about the try.

    *action* and *input* are what was performed; empty where it did not come to that. *seconds* is how long
    it took since *began_at*.
    """

    instance: Instance
    transition: Transition
    began_at: datetime
    seconds: float = 0.0
    step_name: str = ""
    action: str = ""
    input: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """An instance that is ours: since when by the database, and by our monotonic clock (*asked_at*)."""

    instance: Instance
    claimed_at: datetime
    asked_at: float
    is_suspect: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescued:
    """An instance whose holder died; *is_spent* says that it became a dead letter."""

    id: UUID
    holder: str
    is_spent: bool


class Store:
    """The instances in *db* as *holder* takes them, each time for *lease*."""

    def __init__(self, db: Database, *, holder: str, lease: timedelta, clock: Clock) -> None:
        self.db = db
        self.holder = holder
        self.lease = lease
        self._clock = clock

    async def claim(self, most: int) -> list[Claimed]:
        """Take at most *most* due instances, those of the highest priority and the earliest due first."""
        asked_at = self._clock.monotonic()
        rows = await self.db.fetch(_SQL["claim"], most, self.lease, self.holder)
        rows.sort(key=lambda row: (-row["priority"], row["due_at"]))
        return [_claimed(row, asked_at) for row in rows]

    async def claim_suspect(self) -> Claimed | None:
        """Take one due instance whose last holder died with it."""
        asked_at = self._clock.monotonic()
        row = await self.db.fetchrow(_SQL["claim_suspect"], self.lease, self.holder)
        return None if row is None else _claimed(row, asked_at, is_suspect=True)

    async def next_due(self, *, with_suspects: bool) -> float | None:
        """Return in how many seconds an instance falls due, None when none is to come."""
        seconds: float | None = await self.db.fetchval(_SQL["next_due"], with_suspects)
        return seconds

    async def settle(self, settled: Sequence[Settlement]) -> set[UUID]:
        """Write what claims came to, with the records, and return those that were still ours."""
        rows = await self.db.fetch(_SQL["settle"], *_columns(settled), self.holder)
        return {row["id"] for row in rows}

    async def renew(self, instances: Sequence[Instance]) -> set[UUID]:
        """Keep *instances* for another lease, and return those that are still ours."""
        rows = await self.db.fetch(_SQL["renew"], *_claims(instances), self.lease, timeout=self.lease / 3)
        return {row["id"] for row in rows}

    async def release(self, instances: Sequence[Instance]) -> None:
        """Give *instances* back as they were."""
        await self.db.execute(_SQL["release"], *_claims(instances))

    async def still_ours(self, instance: Instance) -> bool:
        """Return whether nobody stopped, paused or took *instance* meanwhile."""
        return bool(await self.db.fetchval(_SQL["still_ours"], instance.id, instance.attempt))

    async def rescue(self, most: int) -> list[Rescued]:
        """Return what dead processes held, at most *most* of it."""
        return [
            Rescued(id=row["id"], holder=row["holder"], is_spent=row["is_spent"])
            for row in await self.db.fetch(_SQL["rescue"], most)
        ]

    async def next_expiry(self) -> float | None:
        """Return in how many seconds the first lease runs out, None when none is held."""
        seconds: float | None = await self.db.fetchval(_SQL["next_expiry"])
        return seconds

    async def prune(self, older_than: timedelta, most: int) -> int:
        """Forget instances that ended so long ago; return how many."""
        return int((await self.db.execute(_SQL["prune"], older_than, most)).split()[-1])

    async def arrivals(self, instance: Instance, awaited: Awaited) -> list[dict[str, Any]]:
        """Return what the events carried that *instance* has waited for, the earliest first."""
        rows = await self.db.fetch(
            _SQL["arrivals"],
            awaited.event,
            awaited.since,
            awaited.until,
            awaited.of,
            instance.entity_type,
            instance.entity_id,
            instance.customer_id,
        )
        return [orjson.loads(row["payload"]) for row in rows]

    async def document(self, name: str, version: str) -> dict[str, Any] | None:
        """Return one version of a definition as it was kept."""
        text = await self.db.fetchval(_SQL["version"], name, version)
        return None if text is None else orjson.loads(text)


async def start(connection: Connection, starts: Sequence[Mapping[str, Any]]) -> list[Record]:
    """Start instances in the transaction of *connection*; return each one's workflow and status.

    One that was started before is not started again, and one too many for its customer only noted.
    """
    names = (
        "name", "version", "workflow_id", "event_id", "event_type", "entity_type", "entity_id", "customer_id",
        "priority", "due_at", "starts_allowed", "most",
    )  # fmt: skip
    return await connection.fetch(_SQL["start"], *([each[name] for each in starts] for name in names))


def encode(value: object) -> str:
    """Return *value* as JSON; what has no form there becomes a text."""
    return _ENCODER.encode(msgspec.to_builtins(value, str_keys=True, enc_hook=str)).decode()


def _claimed(row: Record, asked_at: float, *, is_suspect: bool = False) -> Claimed:
    return Claimed(
        instance=_instance(row), claimed_at=row["claimed_at"], asked_at=asked_at, is_suspect=is_suspect
    )


def _claims(instances: Sequence[Instance]) -> tuple[list[UUID], list[int]]:
    return [each.id for each in instances], [each.attempt for each in instances]


def _instance(row: Record) -> Instance:
    since = row["awaited_since"]
    awaited = since and Awaited(
        event=row["awaited_event"] or "", of=row["awaited_of"], since=since, until=row["awaited_until"]
    )
    context = row["context"]
    return Instance(
        id=row["id"],
        workflow=row["workflow_name"],
        version=row["workflow_version"],
        event_id=row["event_id"],
        event_type=row["event_type"],
        entity_type=row["entity_type"],
        entity_id=row["entity_id"],
        customer_id=row["customer_id"] or None,
        step=(row["current_step"] or 0) + 1,
        starts=row["starts"],
        attempt=row["attempt"],
        message_count=row["message_count"] or 0,
        started_at=row["started_at"],
        due_at=row["due_at"],
        is_fallback=row["is_fallback"],
        awaited=awaited,
        waited_until=row["waited_until"],
        context=orjson.loads(context) if context and context != "{}" else {},
    )


def _columns(settled: Sequence[Settlement]) -> tuple[list[Any], ...]:
    """Return what ``settle`` takes, a column each."""
    rows = zip(*(_row(one) for one in settled), strict=True)
    return tuple(list(column) for column in rows)


def _row(one: Settlement) -> tuple[Any, ...]:
    instance, new, awaited = one.instance, one.transition, one.transition.awaited
    is_live = new.status in (Status.ACTIVE, Status.PAUSED)
    return (
        instance.id,
        instance.attempt,
        new.status.value,
        new.step - 1,
        new.due_at if is_live else None,
        new.starts,
        new.starts_allowed,
        new.messages,
        new.is_fallback,
        new.reason or None,
        awaited and awaited.event,
        awaited and awaited.of,
        awaited and awaited.since,
        awaited and awaited.until,
        new.waited_until,
        encode(new.context) if new.context else "{}",
        new.record and new.record.value,
        instance.step,
        one.step_name or None,
        one.action[:50] or None,
        None if one.input is None else encode(one.input),
        encode(new.output) if new.output else None,
        new.error or None,
        instance.starts - 1,
        instance.due_at,
        one.began_at,
        int(one.seconds * 1000),
    )
