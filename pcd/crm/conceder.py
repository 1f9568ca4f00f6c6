"""Writes what can be written of a contact whose e-mail or phone is another contact's."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pcd.crm.diff import body

if TYPE_CHECKING:
    from pcd.crm.outbox import Owed
    from pcd.errors import Duplicate
    from pcd.ghl.client import GoHighLevel
    from pcd.ghl.shapes import Contact

_log = logging.getLogger(__name__)


async def update_without(client: GoHighLevel, call: Owed, contact_id: str, error: Duplicate) -> Contact:
    """Return the contact after an update that leaves out what *error* says belongs to another contact.

    The field is not tried again until ServiceTitan's value changes; `pcd ghl drift` lists the difference.
    Raises *error* when it names no field that was written.
    """
    refused = error.matching_field
    if refused not in call.fields:
        raise error
    rest = {name: value for name, value in call.fields.items() if name != refused}
    _log.warning(
        "ghl: the %s of customer %s is that of contact %s and is left as it was; `pcd ghl drift` lists it",
        refused,
        call.customer_id,
        error.existing_id or "somebody else",
    )
    if rest:
        return await client.update_contact(contact_id, body(rest), low_priority=call.is_low_priority)
    found = await client.get_contact(contact_id, low_priority=call.is_low_priority)
    if found is None:
        raise error
    return found
