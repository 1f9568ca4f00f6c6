"""Writes what can be written of a contact whose e-mail or phone is another contact's."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pcd.crm.diff import body
from pcd.errors import Duplicate

if TYPE_CHECKING:
    from pcd.crm.outbox import Owed
    from pcd.ghl.client import GoHighLevel
    from pcd.ghl.shapes import Contact

_log = logging.getLogger(__name__)


async def update_without(client: GoHighLevel, call: Owed, contact_id: str, error: Duplicate) -> Contact:
    """Return the contact after an update that leaves out what *error* says belongs to another contact.

    What the shortened update is refused for is left out as well. Such a field is not tried again until
    ServiceTitan's value changes; `pcd ghl drift` lists the difference.
    Raises *error*, or the last one of its kind, when it names no field that was written.
    """
    rest = dict(call.fields)
    while True:
        refused = error.matching_field
        if refused not in rest:
            raise error
        del rest[refused]
        _tell(call, refused, error)
        if not rest:
            break
        try:
            return await client.update_contact(contact_id, body(rest), low_priority=call.is_low_priority)
        except Duplicate as another:
            error = another
    found = await client.get_contact(contact_id, low_priority=call.is_low_priority)
    if found is None:
        raise error
    return found


def _tell(call: Owed, refused: str, error: Duplicate) -> None:
    _log.warning(
        "ghl: the %s of customer %s is that of contact %s and is left as it was; `pcd ghl drift` lists it",
        refused,
        call.customer_id,
        error.existing_id or "somebody else",
    )
