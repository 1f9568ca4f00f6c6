"""Read what GoHighLevel's bodies hold. Pure.

Nothing is certain but the id: fields are left out when they are empty, numbers come as texts, the same
field has several names. What is not as expected counts as absent, and the record keeps its raw bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from pcd.errors import Malformed
from pcd.ghl.interpret import (
    amount,
    as_text,
    custom_fields,
    dnd_settings,
    instant,
    items,
    text,
    texts,
    whole,
)
from pcd.ghl.shapes import (
    Contact,
    CustomField,
    Message,
    Note,
    Opportunity,
    Pipeline,
    RemoteWorkflow,
    Stage,
    Subaccount,
    Task,
    User,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SERVICE = "GoHighLevel"

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding JSON raises: it is none, a text in it is not valid UTF-8, or it is nested too deep."""

T = TypeVar("T")

_RECORD = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_ENVELOPE = msgspec.json.Decoder(dict[str, msgspec.Raw])
_MANY = msgspec.json.Decoder(list[msgspec.Raw])
_NULL = b"null"
# Half a character outside of the first plane, of which JavaScript cuts one in two, or NUL.
_SUSPECT = re.compile(rb"\\u(?:0000|d[89a-f])", re.IGNORECASE)
_ESCAPE = re.compile(
    rb"\\(?:u(?:d[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|(?P<broken>0000|d[89a-f][0-9a-f]{2}))|.)",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class ContactPage:
    """One page of a search. *cursor* continues it, None where they gave none; *total* may be unknown."""

    contacts: tuple[Contact, ...]
    cursor: Sequence[Any] | None
    total: int | None


@dataclass(frozen=True, slots=True)
class OpportunityPage:
    """One page of a search. *cursor* holds the parameters that continue it, {} where they gave none."""

    opportunities: tuple[Opportunity, ...]
    cursor: Mapping[str, str]
    total: int | None


def legible(body: bytes) -> bytes:
    """Return *body* with U+FFFD for what JSON may write but neither a reader nor PostgreSQL takes.

    That is half a character, and NUL: one of them in one record would keep a whole page from being read.
    """
    if not _SUSPECT.search(body):
        return body
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found["broken"] else found[0], body)


def one(body: bytes, key: str, convert: Callable[[bytes], T]) -> T:
    """Return the record that the answer holds under *key*. Raises Malformed when there is none."""
    found = one_or_none(body, key, convert)
    if found is None:
        raise Malformed(f"The answer holds no {key}", service=SERVICE)
    return found


def one_or_none(body: bytes, key: str, convert: Callable[[bytes], T]) -> T | None:
    """Return the record that the answer holds under *key*, None where that is absent or null."""
    raw = bytes(_envelope(body).get(key, _NULL))
    return None if raw == _NULL else convert(raw)


def many(body: bytes, key: str, convert: Callable[[bytes], T]) -> tuple[T, ...]:
    """Return the records that the answer holds under *key*, in their order; none where it is absent."""
    return tuple(convert(raw) for raw in _records(_envelope(body), key))


def done(body: bytes) -> None:
    """Accept any answer: that it was a good one says it all."""


def identity(raw: bytes) -> str:
    """Return the id of a record."""
    return _identity(_record(raw))


def contact(raw: bytes) -> Contact:
    """Return the contact in *raw*."""
    record = _record(raw)
    return Contact(
        id=_identity(record),
        first_name=text(record, "firstName"),
        last_name=text(record, "lastName"),
        name=text(record, "name", "contactName", "fullName"),
        email=text(record, "email"),
        phone=text(record, "phone"),
        company_name=text(record, "companyName"),
        address1=text(record, "address1", "address"),
        city=text(record, "city"),
        state=text(record, "state"),
        postal_code=text(record, "postalCode"),
        country=text(record, "country"),
        timezone=text(record, "timezone"),
        source=text(record, "source"),
        assigned_to=text(record, "assignedTo"),
        tags=texts(record.get("tags")),
        custom_fields=custom_fields(record),
        dnd=record.get("dnd") is True,
        dnd_settings=dnd_settings(record.get("dndSettings")),
        date_added=instant(record, "dateAdded", "createdAt"),
        date_updated=instant(record, "dateUpdated", "updatedAt"),
        raw=raw,
    )


def opportunity(raw: bytes) -> Opportunity:
    """Return the opportunity in *raw*."""
    record = _record(raw)
    owner = record.get("contact")
    return Opportunity(
        id=_identity(record),
        name=text(record, "name"),
        contact_id=text(record, "contactId") or (text(owner, "id") if isinstance(owner, dict) else ""),
        pipeline_id=text(record, "pipelineId"),
        stage_id=text(record, "pipelineStageId", "stageId"),
        status=text(record, "status"),
        monetary_value=amount(record.get("monetaryValue")),
        assigned_to=text(record, "assignedTo"),
        source=text(record, "source"),
        custom_fields=custom_fields(record),
        date_added=instant(record, "createdAt", "dateAdded"),
        date_updated=instant(record, "updatedAt", "dateUpdated"),
        date_status_changed=instant(record, "lastStatusChangeAt"),
        raw=raw,
    )


def pipeline(raw: bytes) -> Pipeline:
    """Return the pipeline in *raw*, its stages by position, where they have one."""
    record = _record(raw)
    found = [stage for stage in items(record.get("stages")) if isinstance(stage, dict)]
    stages = [
        Stage(id=_identity(stage), name=text(stage, "name"), position=whole(stage.get("position"), index))
        for index, stage in enumerate(found)
    ]
    return Pipeline(
        id=_identity(record),
        name=text(record, "name"),
        stages=tuple(sorted(stages, key=lambda stage: stage.position)),
        raw=raw,
    )


def custom_field(raw: bytes) -> CustomField:
    """Return the declaration of a custom field in *raw*."""
    record = _record(raw)
    return CustomField(
        id=_identity(record),
        key=text(record, "fieldKey"),
        name=text(record, "name"),
        data_type=text(record, "dataType"),
        model=text(record, "model"),
        options=texts(record.get("picklistOptions") or record.get("options")),
        raw=raw,
    )


def user(raw: bytes) -> User:
    """Return the user in *raw*."""
    record = _record(raw)
    parts = (text(record, "firstName"), text(record, "lastName"))
    name = text(record, "name") or " ".join(filter(None, parts))
    return User(id=_identity(record), name=name, email=text(record, "email"), raw=raw)


def subaccount(raw: bytes) -> Subaccount:
    """Return the subaccount in *raw*. A setting that is absent counts as off."""
    record = _record(raw)
    found = record.get("settings")
    settings = found if isinstance(found, dict) else {}
    return Subaccount(
        id=_identity(record),
        name=text(record, "name"),
        timezone=text(record, "timezone"),
        country=text(record, "country"),
        allow_duplicate_contact=settings.get("allowDuplicateContact") is True,
        allow_duplicate_opportunity=settings.get("allowDuplicateOpportunity") is True,
        raw=raw,
    )


def note(raw: bytes) -> Note:
    """Return the note in *raw*."""
    record = _record(raw)
    added_at = instant(record, "dateAdded", "createdAt")
    return Note(id=_identity(record), body=text(record, "body", "bodyText"), date_added=added_at)


def task(raw: bytes) -> Task:
    """Return the task in *raw*."""
    record = _record(raw)
    return Task(
        id=_identity(record),
        title=text(record, "title"),
        body=text(record, "body"),
        due_at=instant(record, "dueDate"),
        assigned_to=text(record, "assignedTo"),
    )


def workflow(raw: bytes) -> RemoteWorkflow:
    """Return the automation in *raw*."""
    record = _record(raw)
    return RemoteWorkflow(id=_identity(record), name=text(record, "name"), status=text(record, "status"))


def message(raw: bytes) -> Message:
    """Return the message in *raw*."""
    record = _record(raw)
    return Message(
        id=_identity(record),
        kind=text(record, "messageType", "type"),
        direction=text(record, "direction"),
        status=text(record, "status"),
        text=text(record, "body"),
        source=text(record, "source"),
        date_added=instant(record, "dateAdded"),
    )


def messages(body: bytes) -> tuple[Message, ...]:
    """Return the messages of a conversation, in their order.

    The document has them under ``messages``; they were also seen one level deeper, under the same name.
    """
    raw = bytes(_envelope(body).get("messages", b"[]"))
    return many(raw, "messages", message) if raw[:1] == b"{" else many(body, "messages", message)


def message_id(body: bytes) -> str:
    """Return the id of the message that was just sent. Raises Malformed when the answer holds none."""
    record = _record(body)
    found = text(record, "messageId", "emailMessageId") or next(iter(texts(record.get("messageIds"))), "")
    if not found:
        raise Malformed("The answer holds no id of the message", service=SERVICE)
    return found


def contact_page(body: bytes) -> ContactPage:
    """Return the page of contacts in *body*. The cursor stands in the last of them."""
    answer = _envelope(body)
    records = _records(answer, "contacts")
    after = _plain(records[-1]).get("searchAfter") if records else None
    return ContactPage(
        tuple(contact(raw) for raw in records),
        after if isinstance(after, list) and after else None,
        _total(answer),
    )


def opportunity_page(body: bytes) -> OpportunityPage:
    """Return the page of opportunities in *body*. The cursor stands beside them."""
    answer = _envelope(body)
    found = _plain(bytes(answer.get("meta", b"{}")))
    cursor = {name: as_text(found.get(name)) for name in ("startAfter", "startAfterId")}
    total = found.get("total")
    return OpportunityPage(
        tuple(opportunity(raw) for raw in _records(answer, "opportunities")),
        cursor if all(cursor.values()) else {},
        total if isinstance(total, int) else _total(answer),
    )


def _envelope(body: bytes) -> dict[str, msgspec.Raw]:
    return _decode(_ENVELOPE, body)


def _record(raw: bytes) -> dict[str, Any]:
    return _decode(_RECORD, raw)


def _plain(raw: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(raw)
    except UNREADABLE as error:
        raise Malformed(f"Not JSON: {error}", service=SERVICE) from error
    return found if isinstance(found, dict) else {}


def _records(answer: Mapping[str, msgspec.Raw], key: str) -> list[bytes]:
    raw = bytes(answer.get(key, b"[]"))
    return [] if raw == _NULL else [bytes(record) for record in _decode(_MANY, raw)]


def _decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Malformed(f"Not the expected answer: {error}", service=SERVICE) from error
    except UNREADABLE as error:
        raise Malformed(f"Not JSON: {error} ({len(body)} bytes)", service=SERVICE) from error


def _total(answer: Mapping[str, msgspec.Raw]) -> int | None:
    raw = bytes(answer.get("total", b""))
    return int(raw) if raw.isdigit() else None


def _identity(record: Mapping[str, Any]) -> str:
    found = text(record, "id", "_id")
    if not found:
        raise Malformed("A record has no id", service=SERVICE)
    return found
