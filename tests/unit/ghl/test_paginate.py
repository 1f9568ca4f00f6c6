from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from pcd.errors import Malformed
from pcd.ghl.decode import ContactPage, OpportunityPage
from pcd.ghl.paginate import (
    CHANGED_CONTACTS,
    MOST_CONTACTS,
    MOST_OPPORTUNITIES,
    contact_search,
    next_contacts,
    next_opportunities,
    since,
    stamp,
)
from pcd.ghl.shapes import Contact, Opportunity

AT = datetime(2026, 11, 23, 10, tzinfo=UTC)


def contacts(count: int, *, cursor: list[object] | None = None, total: int | None = None) -> ContactPage:
    return ContactPage(tuple(Contact(id=str(n)) for n in range(count)), cursor, total)


def opportunities(count: int, *, cursor: dict[str, str], total: int | None = None) -> OpportunityPage:
    return OpportunityPage(tuple(Opportunity(id=str(n)) for n in range(count)), cursor, total)


def test_search_of_all_keeps_its_order_while_contacts_change() -> None:
    body = contact_search("loc", updated_since=None, after=None)
    assert body == {
        "locationId": "loc",
        "pageLimit": MOST_CONTACTS,
        "sort": [{"field": "dateAdded", "direction": "asc"}],
    }


def test_search_of_the_changed_begins_with_the_latest_and_is_continued() -> None:
    body = contact_search("loc", updated_since=AT, after=[1, "a"])
    assert body["sort"] == [{"field": "dateUpdated", "direction": "desc"}]
    assert body["pageLimit"] == CHANGED_CONTACTS
    assert body["searchAfter"] == [1, "a"]
    assert "page" not in body, "never together with a cursor"


@pytest.mark.parametrize(
    ("page", "seen", "expected"),
    [
        pytest.param(contacts(0), 0, None, id="empty"),
        pytest.param(contacts(3, cursor=[3], total=3), 3, None, id="short, and all seen"),
        pytest.param(contacts(3, cursor=[3]), 3, None, id="short, total unknown"),
        pytest.param(contacts(3, cursor=[3], total=9), 3, [3], id="short, but there are more"),
        pytest.param(contacts(MOST_CONTACTS, cursor=[5], total=10), 9, [5], id="full, whatever the total"),
    ],
)
def test_search_of_contacts_ends_when_there_are_no_more(
    page: ContactPage, seen: int, expected: list[object] | None
) -> None:
    assert next_contacts(page, None, seen=seen, size=MOST_CONTACTS) == expected


@pytest.mark.parametrize("cursor", [None, [4]])
def test_search_that_would_never_end_is_malformed(cursor: list[object] | None) -> None:
    with pytest.raises(Malformed, match="more but not from where"):
        next_contacts(contacts(MOST_CONTACTS, cursor=cursor), [4], seen=MOST_CONTACTS, size=MOST_CONTACTS)


AFTER = {"startAfter": "1", "startAfterId": "a"}


@pytest.mark.parametrize(
    ("page", "seen", "total", "expected"),
    [
        pytest.param(opportunities(100, cursor=AFTER), 100, None, AFTER, id="full"),
        pytest.param(opportunities(100, cursor=AFTER), 100, 100, AFTER, id="full, whatever the total"),
        pytest.param(opportunities(2, cursor=AFTER), 102, 102, None, id="short, and all seen"),
        pytest.param(opportunities(100, cursor={}), 200, 200, None, id="the last, and full"),
        pytest.param(opportunities(2, cursor={}, total=104), 102, 102, None, id="some came meanwhile"),
    ],
)
def test_search_of_opportunities_ends_when_there_are_no_more(
    page: OpportunityPage, seen: int, total: int | None, expected: dict[str, str] | None
) -> None:
    assert next_opportunities(page, {}, seen=seen, total=total) == expected


@pytest.mark.parametrize("cursor", [{}, AFTER])
def test_search_of_opportunities_that_would_never_end_is_malformed(cursor: dict[str, str]) -> None:
    with pytest.raises(Malformed, match="more but not from where"):
        next_opportunities(opportunities(MOST_OPPORTUNITIES, cursor=cursor), AFTER, seen=100, total=None)


def test_records_that_do_not_say_when_they_changed_are_kept() -> None:
    records = [
        Contact(id="new", date_updated=AT),
        Contact(id="old", date_updated=AT - timedelta(seconds=1)),
        Contact(id="?"),
    ]
    assert [contact.id for contact in since(records, AT)] == ["new", "?"]
    assert since(records, None) == records


def test_instant_is_written_as_they_write_it() -> None:
    there = datetime(2026, 11, 23, 5, 0, 0, 123456, tzinfo=timezone(timedelta(hours=-5)))
    assert stamp(there) == "2026-11-23T10:00:00.123Z"
    with pytest.raises(ValueError, match="zone"):
        stamp(AT.replace(tzinfo=None))
