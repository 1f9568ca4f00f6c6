"""What a record of GoHighLevel's looks like as a row of ``integrations.*``."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pcd.ghl.shapes import Contact, CustomValue, Opportunity

# The column holds fourteen places before the point.
_MOST = Decimal(10) ** 14 - 1


def contact_row(contact: Contact, *, customer_field: str) -> dict[str, Any]:
    """Return the columns of ``ghl_contacts``; *customer_field* is the id of the field with our own id."""
    return {
        "ghl_id": contact.id,
        "st_customer_id": customer_id_in(contact.custom_fields, customer_field),
        "first_name": contact.first_name[:255],
        "last_name": contact.last_name[:255],
        "name": contact.name[:500],
        "email": contact.email[:255],
        "phone": contact.phone[:50],
        "address_line1": contact.address1[:500],
        "city": contact.city[:255],
        "state": contact.state[:100],
        "zip": contact.postal_code[:20],
        "country": contact.country[:100],
        "tags": contact.tags,
        "source": contact.source[:255],
        "custom_fields": dict(contact.custom_fields),
        "ghl_created_at": contact.date_added,
        "ghl_updated_at": contact.date_updated,
        "full_data": orjson.loads(contact.raw or b"{}"),
    }


def opportunity_row(opportunity: Opportunity) -> dict[str, Any]:
    """Return the columns of ``ghl_opportunities``; a value that none of them holds stands in *full_data*."""
    value = opportunity.monetary_value
    return {
        "ghl_id": opportunity.id,
        "ghl_contact_id": opportunity.contact_id,
        "ghl_pipeline_id": opportunity.pipeline_id,
        "ghl_pipeline_stage_id": opportunity.stage_id,
        "name": opportunity.name[:500],
        "status": opportunity.status[:50],
        "monetary_value": str(value) if value is not None and abs(value) <= _MOST else None,
        "assigned_to": opportunity.assigned_to[:255],
        "source": opportunity.source[:255],
        "custom_fields": dict(opportunity.custom_fields),
        "ghl_created_at": opportunity.date_added,
        "ghl_updated_at": opportunity.date_updated,
        "last_status_change_at": opportunity.date_status_changed,
        "full_data": orjson.loads(opportunity.raw or b"{}"),
    }


def customer_id_in(custom_fields: Mapping[str, CustomValue], field_id: str) -> int | None:
    """Return the ServiceTitan id that a contact carries, None when it carries none, or something else."""
    text = custom_fields.get(field_id) if field_id else None
    if not isinstance(text, str) or not text.isascii() or not text.isdecimal() or len(text) > 18:
        return None
    return int(text)
