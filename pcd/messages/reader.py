"""Reads what is known of a customer at the moment of sending: the way to it, its wishes, its limits."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from pcd.db import queries
from pcd.messages.message import Channel, Mode, Status
from pcd.messages.vet import QuietHours, Standing

if TYPE_CHECKING:
    from datetime import datetime

    from pcd.config import MessagingConfig
    from pcd.db.pool import Connection, Database, Record

_log = logging.getLogger(__name__)
_SQL = queries.load("pcd.messages")

# A week of calendar days, in any zone, and a clock change.
_COUNTED = timedelta(days=9)
_INACTIVE = "the customer is not active in ServiceTitan"
_REHEARSED = (Status.DRY_RUN,)
_GONE_OUT = (Status.CLAIMED, Status.SENT, Status.PARKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """A customer as it can be reached: *phone* and *email* as the mirror has them, the linked contact.

    *customer_id* is that of the customer it was merged into, *named_id* the one that was asked for.
    """

    customer_id: int
    named_id: int
    phone: str = ""
    email: str = ""
    contact_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One row of ``automation.messaging_templates``."""

    name: str
    channel: str
    subject: str
    body: str
    required: tuple[str, ...]
    is_active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What holds for everybody whose own row of preferences says nothing else.

    A phone number that does not say its country is one of *country*.
    """

    quiet_hours: QuietHours | None
    zone: ZoneInfo
    max_per_day: int
    max_per_week: int
    mode: Mode
    country: str = "US"

    @classmethod
    def of(cls, config: MessagingConfig, *, zone: ZoneInfo, country: str = "US") -> Policy:
        """Return what the configuration says."""
        return cls(
            quiet_hours=_hours(config.quiet_hours),
            zone=zone,
            max_per_day=config.max_per_day,
            max_per_week=config.max_per_week,
            mode=Mode(config.mode),
            country=country,
        )


async def recipient(db: Database, customer_id: int) -> Recipient | None:
    """Return how a customer can be reached, None for one that the mirror does not have."""
    row = await db.fetchrow(_SQL["recipient"], customer_id)
    if row is None:
        return None
    return Recipient(
        customer_id=row["customer_id"],
        named_id=customer_id,
        phone=row["phone"] or "",
        email=row["email"] or "",
        contact_id=row["contact_id"],
    )


async def standing(  # noqa: PLR0913 - whose, by which way, to where, judged by what
    connection: Connection,
    recipient: Recipient,
    *,
    channel: Channel,
    address: str,
    key: str,
    policy: Policy,
    now: datetime,
) -> Standing:
    """Return where the customer stands at this moment, as the open transaction sees it."""
    row = await connection.fetchrow(_SQL["standing"], recipient.customer_id, channel, address)
    assert row is not None
    objections = _objections(row)
    if recipient.named_id != recipient.customer_id:
        named = await connection.fetchrow(_SQL["standing"], recipient.named_id, channel, address)
        assert named is not None
        # One that was merged away is not active any more.
        objections += [each for each in _objections(named) if each != _INACTIVE]
    counted = _REHEARSED + _GONE_OUT if policy.mode is Mode.DRY_RUN else _GONE_OUT
    sent = await connection.fetch(
        _SQL["sent_at"], recipient.customer_id, now - _COUNTED, [status.value for status in counted], key
    )
    return Standing(
        objections=tuple(dict.fromkeys(objections)),
        quiet_hours=_own_hours(row) or policy.quiet_hours,
        zone=_zone(row["timezone"], policy.zone),
        max_per_day=_first(row["max_messages_per_day"], policy.max_per_day),
        max_per_week=_first(row["max_messages_per_week"], policy.max_per_week),
        sent_at=tuple(each["claimed_at"] for each in sent),
    )


async def template(db: Database, name: str) -> Template | None:
    """Return the template of that name, None when there is none."""
    row = await db.fetchrow(_SQL["find_template"], name)
    if row is None:
        return None
    return Template(
        name=row["name"],
        channel=row["channel"],
        subject=row["subject"],
        body=row["body"],
        required=tuple(str(one) for one in msgspec.json.decode(row["required"]) or ()),
        is_active=row["is_active"],
    )


async def template_names(db: Database) -> dict[str, str]:
    """Return the channel of every template that can be used, by the template's name."""
    return {row["name"]: row["channel"] for row in await db.fetch(_SQL["template_names"])}


def _objections(row: Record) -> list[str]:
    found = {
        "the customer does not want to be contacted": row["do_not_contact"],
        "the customer opted out": row["is_opted_out"],
        "a STOP came from this number": row["is_stopped"],
        "ServiceTitan says do not text": row["do_not_text"],
        "ServiceTitan says do not mail": row["do_not_mail"],
        "ServiceTitan says do not service": row["do_not_service"],
        _INACTIVE: not row["is_active"],
    }
    return [sentence for sentence, holds in found.items() if holds]


def _hours(text: str) -> QuietHours | None:
    start, separator, end = text.partition("-")
    return QuietHours(time.fromisoformat(start), time.fromisoformat(end)) if separator else None


def _own_hours(row: Record) -> QuietHours | None:
    start, end = row["quiet_hours_start"], row["quiet_hours_end"]
    return None if start is None or end is None else QuietHours(start, end)


def _zone(name: str | None, business: ZoneInfo) -> ZoneInfo:
    if not name:
        return business
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        _log.warning("a customer's time zone %r is unknown; the business's is used", name)
        return business


def _first(own: int | None, business: int) -> int:
    return business if own is None else own
