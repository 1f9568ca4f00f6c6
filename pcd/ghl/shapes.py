"""What GoHighLevel holds, as far as we look at it.

Nothing is certain to be there: an answer leaves out what is empty, and writes a number as a text. So
every field but the id has an empty value, and *raw* is the record exactly as it was received.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal

CustomValue = str | tuple[str, ...]
"""The value of a custom field: a text, a number as a text, or the options of a multi-select."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A person or company. *phone* is E.164, *tags* are lower case, *custom_fields* go by the field's id.

    *dnd* blocks every channel; *dnd_settings* say ``active`` (blocked), ``inactive`` or ``permanent``
    (blocked) by channel: ``Call``, ``Email``, ``SMS`` ...
    """

    id: str
    first_name: str = ""
    last_name: str = ""
    name: str = ""
    email: str = ""
    phone: str = ""
    company_name: str = ""
    address1: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = ""
    timezone: str = ""
    source: str = ""
    assigned_to: str = ""
    tags: tuple[str, ...] = ()
    custom_fields: Mapping[str, CustomValue] = field(default_factory=dict)
    dnd: bool = False
    dnd_settings: Mapping[str, str] = field(default_factory=dict)
    date_added: datetime | None = None
    date_updated: datetime | None = None
    raw: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opportunity:
    """A deal on a pipeline. *status* is ``open``, ``won``, ``lost`` or ``abandoned``."""

    id: str
    name: str = ""
    contact_id: str = ""
    pipeline_id: str = ""
    stage_id: str = ""
    status: str = ""
    monetary_value: Decimal | None = None
    assigned_to: str = ""
    source: str = ""
    custom_fields: Mapping[str, CustomValue] = field(default_factory=dict)
    date_added: datetime | None = None
    date_updated: datetime | None = None
    date_status_changed: datetime | None = None
    raw: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One column of a pipeline; *position* counts from 0."""

    id: str
    name: str = ""
    position: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A pipeline with its stages in their order."""

    id: str
    name: str = ""
    stages: tuple[Stage, ...] = ()
    raw: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomField:
    """A field that somebody added. *key* is ``contact.some_name``, *options* those of a pick list."""

    id: str
    key: str = ""
    name: str = ""
    data_type: str = ""
    model: str = ""
    options: tuple[str, ...] = ()
    raw: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who works with the subaccount; opportunities and tasks are assigned by this id."""

    id: str
    name: str = ""
    email: str = ""
    raw: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subaccount:
    """The business as GoHighLevel knows it, theirs is "location". *timezone* may be ""."""

    id: str
    name: str = ""
    timezone: str = ""
    country: str = ""
    allow_duplicate_contact: bool = False
    allow_duplicate_opportunity: bool = False
    raw: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A note on a contact."""

    id: str
    body: str = ""
    date_added: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task on a contact."""

    id: str
    title: str = ""
    body: str = ""
    due_at: datetime | None = None
    assigned_to: str = ""


MessageKind = Literal["SMS", "Email"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a contact's conversation. *kind* is theirs: ``TYPE_SMS``, ``TYPE_EMAIL`` ...

    *direction* is ``inbound`` or ``outbound``, *source* who caused it: ``api``, ``workflow``, ``app`` ...
    """

    id: str
    kind: str = ""
    direction: str = ""
    status: str = ""
    text: str = ""
    source: str = ""
    date_added: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How many calls of today are used up, and what is left of the present window.

    *used* and *remaining* are GoHighLevel's own numbers as of its last answer, and until there is one
    our count against the documented limit. *forecast* is how many the day will have used at its end at
    the present rate, of which our low-priority calls stop in time; more than *limit* means that it runs
    out. *window_free* is how many calls may begin right now.
    """

    limit: int
    used: int
    remaining: int
    forecast: int
    window_free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteWorkflow:
    """An automation of theirs. Only one whose *status* is ``published`` does anything."""

    id: str
    name: str = ""
    status: str = ""
