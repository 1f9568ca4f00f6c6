"""Whole collections, walked to the end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from pcd.ghl.paginate import MOST_CONTACTS

if TYPE_CHECKING:
    from integration.ghl.conftest import Upstream

    from pcd.ghl.client import GoHighLevel


pytestmark = pytest.mark.asyncio


async def test_all_contacts_are_walked_to_the_end(ghl: GoHighLevel, upstream: Upstream) -> None:
    first = [{"id": f"a{n}", "searchAfter": [n]} for n in range(MOST_CONTACTS)]
    upstream.then({"contacts": first, "total": MOST_CONTACTS + 2})
    upstream.then({"contacts": [{"id": "b"}, {"id": "c", "searchAfter": [9]}], "total": MOST_CONTACTS + 2})
    pages = [[contact.id for contact in page] async for page in ghl.contacts(low_priority=True)]
    assert pages[1] == ["b", "c"]
    assert [asked.body.get("searchAfter") for asked in upstream.asked] == [None, [MOST_CONTACTS - 1]]


async def test_changed_contacts_are_walked_until_the_first_old_one(
    ghl: GoHighLevel, upstream: Upstream
) -> None:
    found = [
        {"id": f"a{n}", "searchAfter": [n], "dateUpdated": f"2026-11-2{9 - n}T00:00:00Z"} for n in range(9)
    ]
    upstream.then({"contacts": found, "total": 5000})
    since = datetime(2026, 11, 25, tzinfo=UTC)
    pages = [[contact.id for contact in page] async for page in ghl.contacts(updated_since=since)]
    assert pages == [["a0", "a1", "a2", "a3", "a4"]]
    assert len(upstream.asked) == 1


async def test_all_opportunities_are_walked_to_the_end(ghl: GoHighLevel, upstream: Upstream) -> None:
    meta = {"total": 102, "startAfter": 17, "startAfterId": "a99"}
    upstream.then({"opportunities": [{"id": f"a{n}"} for n in range(100)], "meta": meta})
    old = "2020-01-01T00:00:00Z"
    upstream.then({"opportunities": [{"id": "b"}, {"id": "c", "updatedAt": old}], "meta": {"total": 102}})
    since = datetime(2026, 1, 1, tzinfo=UTC)
    pages = [[one.id for one in page] async for page in ghl.opportunities(updated_since=since)]
    assert [len(page) for page in pages] == [100, 1]
    assert upstream.asked[1].query["startAfterId"] == "a99"
    assert upstream.asked[1].query["startAfter"] == "17"


async def test_messages_are_those_of_the_contacts_conversation(ghl: GoHighLevel, upstream: Upstream) -> None:
    upstream.then({"conversations": [{"id": "v1"}], "total": 1})
    upstream.then({"messages": [{"id": "m1", "messageType": "TYPE_SMS", "direction": "outbound"}]})
    found = await ghl.messages("c1", limit=5)
    assert [(message.id, message.kind) for message in found] == [("m1", "TYPE_SMS")]
    assert upstream.asked[1].path == "/conversations/v1/messages?limit=5"
    upstream.then({"conversations": []})
    assert await ghl.messages("c2") == ()
