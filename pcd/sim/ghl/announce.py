"""The webhooks that a change sets off: several for one change, flat, and as little in them as there is.

Source: the schemas of highlevel-api-docs of 2026-06-19, ``docs/webhook events`` (an opportunity's carry
no custom fields), and its issues 27 (one change fires several events) and 332 (no contact in TaskCreate).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pcd.sim.ghl import wire
from pcd.sim.ghl.records import Contact, Message, Note, Opportunity, Task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pcd.sim.ghl.store import Record

Payload = dict[str, Any]
_NOT_IN_CONTACTS = frozenset(
    {"type", "emailLowerCase", "firstNameLowerCase", "lastNameLowerCase", "dateUpdated", "timezone", "gender"}
    | {"dndSettings", "inboundDndSettings"}
)
_NOTE = frozenset({"locationId", "id", "body", "contactId", "dateAdded"})
_TASK = frozenset({"locationId", "id", "assignedTo", "body", "title", "dueDate"})


def announcements(former: Record | None, current: Record | None, *, location_id: str) -> list[Payload]:
    """Return what is announced when *former* becomes *current*; None is before or after its life."""
    told = current if current is not None else former
    match told:
        case Contact():
            was = former if isinstance(former, Contact) else None
            kinds = _contact(was, told if current is not None else None)
            body = _contact_body(told, location_id=location_id)
        case Opportunity():
            card = former if isinstance(former, Opportunity) else None
            kinds = _opportunity(card, told if current is not None else None)
            body = _opportunity_body(told, location_id=location_id)
        case Note():
            kinds = iter([f"Note{_verb(former, current)}"])
            body = _only(_NOTE, wire.note(told) | {"locationId": location_id})
        case Task():
            kinds = _task(former if isinstance(former, Task) else None, told if current is not None else None)
            body = _only(_TASK, wire.task(told) | {"locationId": location_id})
        case Message():
            kinds = iter([f"{told.direction.capitalize()}Message"] if former is None else [])
            body = _message_body(told, location_id=location_id)
        case _:
            return []
    return [{"type": kind, **body, **_beside(kind, told)} for kind in kinds]


def _beside(kind: str, record: Record) -> Payload:
    """Return what this kind alone carries."""
    if kind == "ContactDndUpdate" and isinstance(record, Contact):
        return {"dndSettings": record.dnd_settings}
    return {}


def _verb(former: object, current: object) -> str:
    if former is None:
        return "Create"
    return "Delete" if current is None else "Update"


def _contact(former: Contact | None, current: Contact | None) -> Iterator[str]:
    if former is None or current is None:
        yield f"Contact{_verb(former, current)}"
    else:
        if former.tags != current.tags:
            yield "ContactTagUpdate"
        if (former.dnd, former.dnd_settings) != (current.dnd, current.dnd_settings):
            yield "ContactDndUpdate"
    yield "ContactUpdate"


def _task(former: Task | None, current: Task | None) -> Iterator[str]:
    if former is None or current is None:
        yield f"Task{_verb(former, current)}"
    elif current.completed and not former.completed:
        yield "TaskComplete"


def _opportunity(former: Opportunity | None, current: Opportunity | None) -> Iterator[str]:
    if former is None or current is None:
        yield f"Opportunity{_verb(former, current)}"
    else:
        for attribute, kind in (
            ("stage_id", "StageUpdate"),
            ("status", "StatusUpdate"),
            ("monetary_value", "MonetaryValueUpdate"),
            ("assigned_to", "AssignedToUpdate"),
        ):
            if getattr(former, attribute) != getattr(current, attribute):
                yield f"Opportunity{kind}"
    yield "OpportunityUpdate"


def _only(names: frozenset[str], body: Payload) -> Payload:
    return {name: value for name, value in body.items() if name in names}


def _contact_body(contact: Contact, *, location_id: str) -> Payload:
    body = wire.contact(contact, location_id=location_id)
    kept = {name: value for name, value in body.items() if name not in _NOT_IN_CONTACTS}
    return kept | {"attachments": []}


def _opportunity_body(card: Opportunity, *, location_id: str) -> Payload:
    body = {
        "locationId": location_id,
        "id": card.id,
        "assignedTo": card.assigned_to,
        "contactId": card.contact_id,
        "monetaryValue": card.monetary_value,
        "name": card.name,
        "pipelineId": card.pipeline_id,
        "pipelineStageId": card.stage_id,
        "status": card.status,
        "dateAdded": wire.instant(card.added_at),
    }
    return {name: value for name, value in body.items() if value != ""}


def _message_body(message: Message, *, location_id: str) -> Payload:
    return {
        "locationId": location_id,
        "attachments": [],
        "body": message.body,
        "contactId": message.contact_id,
        "contentType": "text/html" if message.kind == "Email" else "text/plain",
        "conversationId": message.conversation_id,
        "dateAdded": wire.instant(message.added_at),
        "direction": message.direction,
        "messageType": message.kind,
        "status": message.status,
    }
