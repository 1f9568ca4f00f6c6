"""Records as they are answered: empty properties are left out, instants have milliseconds."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

from pcd.sim.ghl.settings import FieldForm

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pcd.sim.ghl.records import (
        Contact,
        CustomField,
        FieldValue,
        Message,
        Note,
        Opportunity,
        Pipeline,
        Task,
        User,
    )

Body = dict[str, Any]

CONTACT_TEXTS: Final[Mapping[str, str]] = {
    "firstName": "first_name",
    "lastName": "last_name",
    "email": "email",
    "phone": "phone",
    "companyName": "company_name",
    "address1": "address1",
    "city": "city",
    "state": "state",
    "postalCode": "postal_code",
    "country": "country",
    "website": "website",
    "timezone": "timezone",
    "gender": "gender",
    "dateOfBirth": "date_of_birth",
    "source": "source",
    "assignedTo": "assigned_to",
}
"""The plain properties of a contact and what they are called in `records.Contact`."""


def instant(value: datetime) -> str:
    """Return an instant as the API writes it."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"


def milliseconds(value: datetime) -> int:
    """Return an instant as cursors carry it."""
    return int(value.timestamp() * 1000)


def contact(record: Contact, *, location_id: str) -> Body:
    """Return a contact."""
    body: Body = {"id": record.id, "locationId": location_id, "type": "lead"}
    for name, attribute in CONTACT_TEXTS.items():
        body[name] = getattr(record, attribute)
    body |= {
        "name": record.name,
        "emailLowerCase": record.email.lower(),
        "firstNameLowerCase": record.first_name.lower(),
        "lastNameLowerCase": record.last_name.lower(),
        "dndSettings": record.dnd_settings,
        "inboundDndSettings": record.inbound_dnd_settings,
    }
    body = {name: value for name, value in body.items() if value not in ("", {})}
    return body | {
        "dnd": record.dnd,
        "tags": list(record.tags),
        "customFields": [{"id": key, "value": _plain(one)} for key, one in record.custom_fields.items()],
        "dateAdded": instant(record.added_at),
        "dateUpdated": instant(record.updated_at),
    }


def opportunity(record: Opportunity, *, owner: Contact | None, location_id: str, form: FieldForm) -> Body:
    """Return an opportunity with a summary of its contact."""
    body: Body = {
        "id": record.id,
        "name": record.name,
        "monetaryValue": _number(record.monetary_value),
        "pipelineId": record.pipeline_id,
        "pipelineStageId": record.stage_id,
        "status": record.status,
        "contactId": record.contact_id,
        "locationId": location_id,
        "createdAt": instant(record.added_at),
        "updatedAt": instant(record.updated_at),
        "lastStatusChangeAt": instant(record.status_changed_at),
        "lastStageChangeAt": instant(record.stage_changed_at),
        "customFields": [field_value(key, one, form=form) for key, one in record.custom_fields.items()],
        "notes": [],
        "tasks": [],
        "calendarEvents": [],
        "followers": [],
    }
    if record.assigned_to:
        body["assignedTo"] = record.assigned_to
    if record.lost_reason_id:
        body["lostReasonId"] = record.lost_reason_id
    if owner is not None:
        summary = {"id": owner.id, "name": owner.name, "email": owner.email, "phone": owner.phone}
        body["contact"] = {name: text for name, text in summary.items() if text} | {"tags": list(owner.tags)}
    return body


def field_value(field_id: str, value: FieldValue, *, form: FieldForm) -> Body:
    """Return the value of an opportunity's custom field in one of its forms."""
    if form is FieldForm.DOCUMENTED:
        return {"id": field_id, "fieldValue": _plain(value)}
    if isinstance(value, tuple):
        return {"id": field_id, "type": "array", "fieldValueArray": list(value)}
    if isinstance(value, str):
        return {"id": field_id, "type": "string", "fieldValueString": value}
    return {"id": field_id, "type": "number", "fieldValueNumber": _number(value)}


def note(record: Note) -> Body:
    """Return a note."""
    body = {
        "id": record.id,
        "contactId": record.contact_id,
        "body": record.body,
        "userId": record.user_id,
        "title": record.title,
        "color": record.color,
        "dateAdded": instant(record.added_at),
    }
    return {name: value for name, value in body.items() if value} | {"pinned": record.pinned}


def task(record: Task) -> Body:
    """Return a task."""
    body = {
        "id": record.id,
        "contactId": record.contact_id,
        "title": record.title,
        "body": record.body,
        "dueDate": record.due_date,
        "assignedTo": record.assigned_to,
    }
    return {name: value for name, value in body.items() if value} | {"completed": record.completed}


def message(record: Message, *, location_id: str) -> Body:
    """Return a message of a conversation."""
    is_email = record.kind == "Email"
    return {
        "id": record.id,
        "type": 3 if is_email else 2,
        "messageType": "TYPE_EMAIL" if is_email else "TYPE_SMS",
        "locationId": location_id,
        "contactId": record.contact_id,
        "conversationId": record.conversation_id,
        "dateAdded": instant(record.added_at),
        "body": record.body,
        "direction": record.direction,
        "status": record.status,
        "contentType": "text/html" if is_email else "text/plain",
        "source": "api" if record.direction == "outbound" else "app",
    }


def pipeline(record: Pipeline, *, location_id: str) -> Body:
    """Return a pipeline with its stages."""
    stages = [
        {"id": stage.id, "name": stage.name, "position": position}
        for position, stage in enumerate(record.stages)
    ]
    return {"id": record.id, "name": record.name, "stages": stages, "locationId": location_id}


def custom_field(record: CustomField, *, position: int, location_id: str) -> Body:
    """Return the declaration of a custom field."""
    body: Body = {
        "id": record.id,
        "name": record.name,
        "fieldKey": record.key,
        "dataType": record.data_type,
        "position": position,
        "model": record.model,
        "locationId": location_id,
    }
    return body | ({"picklistOptions": list(record.options)} if record.options else {})


def user(record: User, *, location_id: str) -> Body:
    """Return somebody who works in the sub-account."""
    return {
        "id": record.id,
        "name": f"{record.first_name} {record.last_name}",
        "firstName": record.first_name,
        "lastName": record.last_name,
        "email": record.email,
        "roles": {"type": "account", "role": "user", "locationIds": [location_id]},
        "deleted": False,
    }


def _plain(value: FieldValue) -> FieldValue | list[str]:
    if isinstance(value, tuple):
        return list(value)
    return value if isinstance(value, str) else _number(value)


def _number(value: float) -> float:
    return int(value) if float(value).is_integer() else value
