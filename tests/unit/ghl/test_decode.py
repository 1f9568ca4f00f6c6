from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcd.errors import Malformed
from pcd.ghl import decode

if TYPE_CHECKING:
    from collections.abc import Callable

    from pcd.ghl.shapes import CustomValue

AT = datetime(2021, 7, 8, 12, 2, 11, 285000, tzinfo=UTC)

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = (
    "firstName", "email", "tags", "customFields", "dnd", "dndSettings", "dateAdded", "dateUpdated", "contact",
    "monetaryValue", "stages", "settings", "picklistOptions", "messageType", "dueDate", "completed", "total",
)  # fmt: skip
RECORDS = st.dictionaries(st.sampled_from(NAMES), ANYTHING).map(lambda record: {**record, "id": "x"})
CONVERTERS: tuple[Callable[[bytes], Any], ...] = (
    decode.contact, decode.opportunity, decode.pipeline, decode.custom_field, decode.user, decode.subaccount,
    decode.note, decode.task, decode.workflow, decode.message,
)  # fmt: skip


def raw(**record: object) -> bytes:
    return json.dumps({"id": "x", **record}).encode()


def test_contact_is_read_as_it_was_received() -> None:
    body = raw(
        firstName="Otter",
        phone="+13055550100",
        tags=["vip"],
        dnd=True,
        dndSettings={"SMS": {"status": "active", "message": "", "code": "1"}, "Email": {}},
        customFields=[{"id": "f1", "value": "3001"}, {"id": "f2", "value": 12.50}, {"id": "f3", "value": ""}],
        dateAdded="2021-07-08T12:02:11.285Z",
        whatever={"new": 1},
    )
    contact = decode.contact(body)
    assert (contact.id, contact.first_name, contact.last_name) == ("x", "Otter", "")
    assert contact.tags == ("vip",)
    assert contact.custom_fields == {"f1": "3001", "f2": "12.5"}
    assert contact.dnd_settings == {"SMS": "active"}
    assert contact.dnd
    assert contact.date_added == AT
    assert contact.date_updated is None
    assert contact.raw == body


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param(500, Decimal(500), id="number"),
        pytest.param(1234.56, Decimal("1234.56"), id="fraction"),
        pytest.param("1,200.50", Decimal("1200.50"), id="text"),
        pytest.param(0, Decimal(0), id="nought"),
        pytest.param("", None, id="empty"),
        pytest.param(None, None, id="null"),
        pytest.param("a lot", None, id="words"),
        pytest.param("1e999999", None, id="absurd"),
        pytest.param({}, None, id="object"),
    ],
)
def test_value_of_an_opportunity_is_exact_or_absent(sent: object, expected: Decimal | None) -> None:
    assert decode.opportunity(raw(monetaryValue=sent)).monetary_value == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        pytest.param({"fieldValue": "a"}, "a", id="documented"),
        pytest.param({"type": "string", "fieldValueString": "a"}, "a", id="string"),
        pytest.param({"type": "number", "fieldValueNumber": 7}, "7", id="number"),
        pytest.param({"fieldValueArray": ["a", "b"]}, ("a", "b"), id="options"),
        pytest.param({"fieldValueString": "", "fieldValueArray": ["a"]}, ("a",), id="the one that is filled"),
        pytest.param({"field_value": True}, "true", id="flag"),
        pytest.param({"value": {"b": 1, "a": 2}}, '{"a": 2, "b": 1}', id="object"),
        pytest.param({"fieldValue": None}, None, id="null"),
        pytest.param({}, None, id="nothing"),
    ],
)
def test_custom_field_is_found_under_any_of_its_names(
    field: dict[str, object], expected: CustomValue | None
) -> None:
    found = decode.opportunity(raw(customFields=[{"id": "f", **field}])).custom_fields
    assert found.get("f") == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param("2021-07-08T12:02:11.285Z", AT, id="UTC"),
        pytest.param("2021-07-08T08:02:11.285-04:00", AT, id="another zone"),
        pytest.param("2021-07-08T12:02:11.285", AT, id="no zone"),
        pytest.param(1625745731285, AT, id="milliseconds"),
        pytest.param(10**30, None, id="beyond all years"),
        pytest.param("yesterday", None, id="words"),
        pytest.param(None, None, id="null"),
    ],
)
def test_instant_is_aware_or_absent(sent: object, expected: datetime | None) -> None:
    assert decode.contact(raw(dateUpdated=sent)).date_updated == expected


def test_stages_come_in_their_order() -> None:
    stages = [{"id": "b", "name": "B", "position": "2"}, {"id": "a", "name": "A", "position": 1}]
    assert [stage.id for stage in decode.pipeline(raw(stages=stages)).stages] == ["a", "b"]
    bare = [{"id": "b"}, {"id": "a"}]
    assert [stage.id for stage in decode.pipeline(raw(stages=bare)).stages] == ["b", "a"]


def test_options_may_be_texts_or_objects() -> None:
    field = decode.custom_field(raw(picklistOptions=["One", {"label": "Two"}, 3, None]))
    assert field.options == ("One", "Two", "3")


def test_owner_of_an_opportunity_is_found_in_it() -> None:
    assert decode.opportunity(raw(contact={"id": "c1"})).contact_id == "c1"


def test_missing_setting_counts_as_off() -> None:
    there = decode.subaccount(raw(settings={"allowDuplicateOpportunity": True}))
    assert there.allow_duplicate_opportunity
    assert not there.allow_duplicate_contact
    assert not decode.subaccount(raw()).allow_duplicate_opportunity


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"messages": [{"id": "m", "body": "a"}]}, id="as documented"),
        pytest.param({"messages": {"nextPage": False, "messages": [{"id": "m", "body": "a"}]}}, id="as seen"),
    ],
)
def test_messages_are_found_at_either_depth(body: dict[str, object]) -> None:
    assert [message.text for message in decode.messages(json.dumps(body).encode())] == ["a"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param({"messageId": "m1", "emailMessageId": "e1"}, "m1", id="SMS"),
        pytest.param({"emailMessageId": "e1"}, "e1", id="e-mail"),
        pytest.param({"messageIds": ["m2"]}, "m2", id="several"),
    ],
)
def test_message_that_was_sent_has_an_id(body: dict[str, object], expected: str) -> None:
    assert decode.message_id(json.dumps(body).encode()) == expected


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b'{"contact": 1}', b'{"contact": {}}', b"\xff"])
def test_answer_without_the_record_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        decode.one(body, "contact", decode.contact)


@pytest.mark.parametrize("body", [b'{"contact": null}', b"{}"])
def test_nobody_is_an_answer_too(body: bytes) -> None:
    assert decode.one_or_none(body, "contact", decode.contact) is None


def test_page_of_contacts_is_continued_after_its_last() -> None:
    body = b'{"contacts":[{"id":"a","searchAfter":[1,"a"]},{"id":"b","searchAfter":[2,"b"]}],"total":9}'
    page = decode.contact_page(body)
    assert [contact.id for contact in page.contacts] == ["a", "b"]
    assert (page.cursor, page.total) == ([2, "b"], 9)
    assert decode.contact_page(b'{"contacts":[]}').cursor is None


def test_page_of_opportunities_is_continued_by_its_meta() -> None:
    body = b'{"opportunities":[{"id":"a"}],"meta":{"total":7,"startAfter":1625203104328,"startAfterId":"a"}}'
    page = decode.opportunity_page(body)
    assert page.cursor == {"startAfter": "1625203104328", "startAfterId": "a"}
    assert page.total == 7
    assert decode.opportunity_page(b'{"opportunities":[],"meta":{"startAfter":null}}').cursor == {}


@given(RECORDS, st.sampled_from(CONVERTERS))
def test_record_of_any_content_can_be_read(
    record: dict[str, object], convert: Callable[[bytes], Any]
) -> None:
    try:
        assert convert(json.dumps(record).encode()).id == "x"
    except Malformed:
        assert "stages" in record, "one of them has no id"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        pytest.param(r"Otter \ud83d", "Otter \ufffd", id="first half of a character"),
        pytest.param(r"\uDE00 Otter", "\ufffd Otter", id="second half"),
        pytest.param(r"\ud83d\ud83d\ude00", "\ufffd\N{GRINNING FACE}", id="half before a whole one"),
        pytest.param(r"\ud83d\ude00\ude00", "\N{GRINNING FACE}\ufffd", id="half behind a whole one"),
        pytest.param(r"Ot\u0000ter", "Ot\ufffdter", id="NUL"),
        pytest.param(r"\\u0000 \\ud83d", r"\u0000 \ud83d", id="backslashes that were meant"),
        pytest.param(r"\\\u0000", "\\\ufffd", id="NUL behind a backslash"),
    ],
)
def test_text_that_cannot_be_stored_does_not_keep_the_rest_from_being_read(written: str, read: str) -> None:
    body = b'{"contact": {"id": "x", "firstName": "%s"}}' % written.encode()
    assert decode.one(decode.legible(body), "contact", decode.contact).first_name == read


@given(st.text(), st.booleans())
def test_every_other_text_is_read_as_it_was_written(written: str, is_ascii: bool) -> None:
    body = json.dumps(written, ensure_ascii=is_ascii).encode()
    assert json.loads(decode.legible(body)) == written.replace("\0", "\ufffd")
