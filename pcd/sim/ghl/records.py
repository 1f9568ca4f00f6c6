"""What a simulated sub-account stores. Frozen: a change is another record under the same id."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

FieldValue: TypeAlias = str | float | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A person or household. *phone* is E.164, *tags* are lower case, *custom_fields* go by field id."""

    id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    phone: str = ""
    company_name: str = ""
    address1: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = ""
    website: str = ""
    timezone: str = ""
    gender: str = ""
    date_of_birth: str = ""
    source: str = ""
    assigned_to: str = ""
    tags: tuple[str, ...] = ()
    custom_fields: Mapping[str, FieldValue] = field(default_factory=dict)
    dnd: bool = False
    dnd_settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    inbound_dnd_settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    added_at: datetime
    updated_at: datetime

    @property
    def name(self) -> str:
        """First and last name, as far as they are known."""
        return f"{self.first_name} {self.last_name}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opportunity:
    """A card on a pipeline's board. *monetary_value* is what JSON carries: a number."""

    id: str
    name: str
    contact_id: str
    pipeline_id: str
    stage_id: str
    status: str = "open"
    monetary_value: float = 0
    assigned_to: str = ""
    lost_reason_id: str = ""
    custom_fields: Mapping[str, FieldValue] = field(default_factory=dict)
    added_at: datetime
    updated_at: datetime
    status_changed_at: datetime
    stage_changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A note at a contact."""

    id: str
    contact_id: str
    body: str
    user_id: str = ""
    title: str = ""
    color: str = ""
    pinned: bool = False
    added_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Something that somebody has to do for a contact. *due_date* is as it was sent."""

    id: str
    contact_id: str
    title: str
    due_date: str
    body: str = ""
    assigned_to: str = ""
    completed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A text message or an e-mail, *direction* ``outbound`` or ``inbound``, *kind* ``SMS`` or ``Email``."""

    id: str
    conversation_id: str
    contact_id: str
    kind: str
    direction: str
    body: str
    subject: str = ""
    html: str = ""
    status: str = "delivered"
    to: str = ""
    added_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """All messages with one contact."""

    id: str
    contact_id: str
    added_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """A contact was sent into a workflow. *ran* is False where the API said 200 and nothing happened."""

    contact_id: str
    workflow_id: str
    ran: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A column of a pipeline's board."""

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A board; *stages* from left to right."""

    id: str
    name: str
    stages: tuple[Stage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomField:
    """A field that the sub-account added; *model* is ``contact`` or ``opportunity``."""

    id: str
    key: str
    name: str
    model: str
    data_type: str = "TEXT"
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who works in the sub-account."""

    id: str
    first_name: str
    last_name: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteWorkflow:
    """An automation on their side; only a *published* one runs."""

    id: str
    name: str
    status: str = "published"
