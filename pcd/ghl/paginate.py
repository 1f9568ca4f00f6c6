"""Write the parts of a request that select and continue. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pcd.errors import Malformed
from pcd.ghl.decode import SERVICE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pcd.ghl.decode import ContactPage, OpportunityPage

MOST_CONTACTS = 500
"""Source: "Search Contacts", help.hoopai.com (a mirror of HighLevel's page), read 2026-11-23."""

CHANGED_CONTACTS = 100
"""How many are asked for at a time where only the latest ones matter."""

MOST_OPPORTUNITIES = 100
"""Source: HighLevel API documents of 2026-06-19, ``apps/opportunities.json``."""


class Dated(Protocol):
    """A record that knows when it was changed."""

    @property
    def date_updated(self) -> datetime | None:
        """When it was changed; None when they did not say."""


D = TypeVar("D", bound=Dated)


def stamp(instant: datetime) -> str:
    """Return *instant* as GoHighLevel writes it: UTC, milliseconds, marked ``Z``."""
    if instant.tzinfo is None:
        raise ValueError("an instant without a zone cannot be sent")
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def contact_search(
    subaccount_id: str, *, updated_since: datetime | None, after: Sequence[Any] | None
) -> dict[str, Any]:
    """Return the body that searches all contacts, or those *updated_since*, continued *after* a cursor.

    Nothing is filtered by date: two forms of that filter are described and neither is confirmed. All
    come in the order in which they were added, so that none is passed over while it changes; those
    that changed come the latest first.
    """
    by, direction = ("dateUpdated", "desc") if updated_since else ("dateAdded", "asc")
    body: dict[str, Any] = {
        "locationId": subaccount_id,
        "pageLimit": CHANGED_CONTACTS if updated_since else MOST_CONTACTS,
        "sort": [{"field": by, "direction": direction}],
    }
    return body | ({"searchAfter": list(after)} if after else {})


def since(records: Sequence[D], instant: datetime | None) -> Sequence[D]:
    """Return those of *records* that changed at or after *instant*; one that does not say when is kept."""
    if instant is None:
        return records
    return [record for record in records if record.date_updated is None or record.date_updated >= instant]


def next_contacts(
    page: ContactPage, previous: Sequence[Any] | None, *, seen: int, size: int
) -> Sequence[Any] | None:
    """Return the cursor that continues after *page*, None at the end.

    *seen* counts the records so far, *size* is how many were asked for at a time. Raises Malformed
    where there is more but they do not say from where: it would never end.
    """
    if _is_last(len(page.contacts), seen=seen, size=size, total=page.total):
        return None
    if not page.cursor or page.cursor == previous:
        raise Malformed("The search of contacts says there is more but not from where", service=SERVICE)
    return page.cursor


def next_opportunities(
    page: OpportunityPage, previous: Mapping[str, str], *, seen: int, total: int | None
) -> Mapping[str, str] | None:
    """Return the parameters that continue after *page*, None at the end. Raises as `next_contacts`.

    *total* is the least that was told since the search began: who comes meanwhile stands before the first
    page, and the last one need not say from where it would go on, full or not.
    """
    if _is_last(len(page.opportunities), seen=seen, size=MOST_OPPORTUNITIES, total=total):
        return None
    if not page.cursor and total is not None and seen >= total:
        return None
    if not page.cursor or page.cursor == previous:
        raise Malformed("The search of opportunities says there is more but not from where", service=SERVICE)
    return page.cursor


def _is_last(count: int, *, seen: int, size: int, total: int | None) -> bool:
    """Tell whether a page of *count* records is the last one.

    A short page need not be: the size that was asked for may have been reduced. A total may be capped.
    """
    return count == 0 or (count < size and (total is None or seen >= total))
