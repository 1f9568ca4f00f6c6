"""What people ask of the record of messages, and what they decide about parked ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pcd.db import queries
from pcd.errors import ControlError
from pcd.messages.message import Status

if TYPE_CHECKING:
    from uuid import UUID

    from pcd.db.pool import Database

_SQL = queries.load("pcd.messages")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One message without its text and its address: those stay in the table."""

    id: str
    at: str
    status: str
    channel: str
    direction: str
    customer_id: int | None
    instance_id: str | None
    provider: str | None
    provider_message_id: str | None
    attempt: int
    reason: str
    about: dict[str, Any]


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """A parked message that a person decided about, and the instance that waits for it, if one does."""

    id: str
    status: str
    instance_id: str | None


async def entries(
    db: Database, *, status: Status | None = None, customer_id: int | None = None, limit: int = 50
) -> list[Entry]:
    """Return the newest messages, the newest first."""
    rows = await db.fetch(_SQL["list_messages"], status, customer_id, limit)
    return [
        Entry(
            id=str(row["id"]),
            at=row["at"].isoformat(),
            status=row["status"],
            channel=row["channel"],
            direction=row["direction"],
            customer_id=row["customer_id"],
            instance_id=_text(row["workflow_instance_id"]),
            provider=row["provider"],
            provider_message_id=row["provider_message_id"],
            attempt=row["attempt"],
            reason=row["reason"],
            about=msgspec.json.decode(row["metadata"] or "{}", type=dict[str, Any]),
        )
        for row in rows
    ]


async def release(db: Database, prefix: str, *, by: str) -> Decided:
    """Let a parked message go out again when its step is tried again: a person saw that it did not arrive."""
    return await _settle(db, prefix, Status.RELEASED, f"released by {by}")


async def drop(db: Database, prefix: str, *, by: str) -> Decided:
    """Settle a parked message without sending it again: it arrived, or it is not wanted any more."""
    return await _settle(db, prefix, Status.DROPPED, f"dropped by {by}")


async def _settle(db: Database, prefix: str, status: Status, reason: str) -> Decided:
    found = await db.fetch(_SQL["find_log"], prefix.lower())
    if len(found) != 1:
        what = (
            "no message has an id that begins" if not found else "more than one message has an id that begins"
        )
        raise ControlError(f"{what} with {prefix!r}", code="unknown_name")
    row = found[0]
    if await db.fetchval(_SQL["settle"], row["id"], status, reason) is None:
        raise ControlError(f"message {str(row['id'])[:8]} is {row['status']}, not parked")
    return Decided(id=str(row["id"]), status=status.value, instance_id=_text(row["workflow_instance_id"]))


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)
