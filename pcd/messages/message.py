"""What a message is, and what can become of one."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID


class Channel(StrEnum):
    """How a message travels, as ``messaging_log.channel`` says it."""

    SMS = "sms"
    EMAIL = "email"


class Mode(StrEnum):
    """``[messaging].mode``: nothing; everything but the call; everything."""

    OFF = "off"
    DRY_RUN = "dry_run"
    LIVE = "live"


class Status(StrEnum):
    """``messaging_log.status`` of what we send.

    CLAIMED: the call may be under way. PARKED: whether it went out is not known, a person decides.
    FAILED: it certainly did not go out and may be claimed again, as may RELEASED, by a person's word.
    DROPPED: a person said that it shall not be sent (again).
    """

    CLAIMED = "claimed"
    SENT = "sent"
    DRY_RUN = "dry_run"
    FAILED = "failed"
    PARKED = "parked"
    RELEASED = "released"
    DROPPED = "dropped"
    RECEIVED = "received"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A rendered message to one customer. *key* is what makes it one: a key is sent once at most.

    *html* is the body as HTML, for e-mail; *text* is always there. *about* says where it comes from: the
    workflow, the step. *instead_of* begins the keys of what it takes the place of, "" for nothing: it is
    not sent when one of those went out, or may have.
    """

    key: str
    channel: Channel
    customer_id: int
    text: str
    subject: str = ""
    html: str = ""
    template: str = ""
    instance_id: UUID | None = None
    job_id: int | None = None
    instead_of: str = ""
    about: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a message to a customer goes: *value* is E.164 or an e-mail address.

    *contact_id* is the GoHighLevel contact whose address it is, "" when another provider sends.
    """

    value: str
    contact_id: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The provider's answer: its id of the message and its word for the state of it."""

    provider_message_id: str
    provider_status: str = ""


@dataclass(frozen=True, slots=True)
class Sent:
    """The message went out, *at* then; *is_new* says whether just now or at an earlier try."""

    log_id: UUID
    provider_message_id: str
    at: datetime
    is_new: bool


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """Everything was done but the call, because ``[messaging].mode`` is ``dry_run``."""

    log_id: UUID


@dataclass(frozen=True, slots=True)
class Withheld:
    """The message may not go: not before *until*, or never (None)."""

    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Parked:
    """Whether the message went out is not known: a person decides, nobody tries again."""

    log_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class Unsent:
    """The message certainly did not go out. *is_final* ones would be refused again."""

    reason: str
    is_final: bool
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Unaddressed:
    """The customer has no address that the message could go to."""

    reason: str


@dataclass(frozen=True, slots=True)
class Dismissed:
    """A person said that this message shall not be sent (again)."""

    log_id: UUID


@dataclass(frozen=True, slots=True)
class Overtaken:
    """Whoever asked for the message does not want it any more; nothing was sent."""

    reason: str


@dataclass(frozen=True, slots=True)
class Possible:
    """It might go now; it was only asked."""


Result = Sent | Rehearsed | Withheld | Parked | Unsent | Unaddressed | Dismissed | Overtaken | Possible
