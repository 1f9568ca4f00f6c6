from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcd.errors import Clamped, Malformed
from pcd.servicetitan.decode import export_page, head, leading_id, list_page

if TYPE_CHECKING:
    import msgspec

EXPORT = b'{"hasMore":true,"continueFrom":"t/+=","data":[{"id":1,"cost":25.1700000000},{"id":2}]}'
LIST = b'{"page":2,"pageSize":50,"hasMore":false,"totalCount":null,"data":[{"id":7, "x":[1,{}]}]}'


def texts(records: list[msgspec.Raw]) -> list[bytes]:
    return [bytes(record) for record in records]


def test_export_records_are_the_bytes_that_came() -> None:
    page = export_page(EXPORT)
    assert (page.has_more, page.continue_from) == (True, "t/+=")
    assert texts(page.records) == [b'{"id":1,"cost":25.1700000000}', b'{"id":2}']


def test_token_at_the_end_of_an_export_is_kept() -> None:
    assert export_page(b'{"hasMore":false,"continueFrom":"end","data":[]}').continue_from == "end"


def test_export_without_a_token_at_its_end_is_tolerated() -> None:
    assert export_page(b'{"hasMore":false,"continueFrom":null,"data":[]}').continue_from == ""


def test_empty_export_page_may_have_more() -> None:
    page = export_page(b'{"hasMore":true,"continueFrom":"t","data":[]}')
    assert page.has_more
    assert page.records == []


def test_list_page_is_read_in_either_order_of_keys() -> None:
    """Calls and materials markup put the data first."""
    swapped = b'{"data":[{"id":7}],"totalCount":1,"hasMore":false,"pageSize":50,"page":2,"new":1}'
    assert list_page(LIST, page=2, page_size=50).total_count is None
    assert list_page(swapped, page=2, page_size=50).total_count == 1
    assert texts(list_page(LIST, page=2, page_size=50).records) == [b'{"id":7, "x":[1,{}]}']


def test_byte_order_mark_is_ignored() -> None:
    assert export_page(b"\xef\xbb\xbf" + EXPORT).has_more


@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param(b"", "Not JSON", id="empty"),
        pytest.param(EXPORT[:-20], "Not JSON", id="cut short"),
        pytest.param(b"<html></html>", "Not JSON", id="HTML"),
        pytest.param(b"[]", "expected answer", id="bare array"),
        pytest.param(b'{"hasMore":true,"continueFrom":"t"}', "`data`", id="no data"),
        pytest.param(b'{"hasMore":true,"continueFrom":"t","data":null}', "data", id="null data"),
        pytest.param(b'{"hasMore":true,"continueFrom":"","data":[]}', "from where", id="more, but no token"),
        pytest.param(b'{"hasMore":"yes","continueFrom":"t","data":[]}', "hasMore", id="wrong type"),
        pytest.param(EXPORT + b"{}", "Not JSON", id="trailing text"),
        pytest.param(b'{"hasMore":true,"data":[' + b"[" * 5000, "Not JSON", id="nested too deep"),
    ],
)
def test_what_is_no_export_answer_is_malformed(body: bytes, says: str) -> None:
    with pytest.raises(Malformed, match=says):
        export_page(body)


@given(st.integers(0, len(EXPORT) - 1))
def test_every_torso_of_an_answer_is_malformed(length: int) -> None:
    with pytest.raises(Malformed):
        export_page(EXPORT[:length])


def test_another_page_than_asked_for_is_malformed() -> None:
    with pytest.raises(Malformed, match="Asked for page 3, was sent page 2"):
        list_page(LIST, page=3, page_size=50)


def test_smaller_page_says_which_size_is_allowed() -> None:
    with pytest.raises(Clamped, match="Asked for pages of 5000, was sent one of 50: start over") as caught:
        list_page(LIST, page=2, page_size=5000)
    assert caught.value.page_size == 50


def test_larger_page_is_malformed_but_no_clamp() -> None:
    with pytest.raises(Malformed, match="Asked for pages of 3, was sent one of 50") as caught:
        list_page(LIST, page=2, page_size=3)
    assert not isinstance(caught.value, Clamped)


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(rb'{"name":"\ud83d"}', id="half a surrogate pair"),
        pytest.param(rb'{"name":"\ud800 and more \ud83d\ude00"}', id="half a pair, then a whole one"),
        pytest.param(b'{"total":NaN}', id="NaN"),
        pytest.param(b'{"name":"a\0b"}', id="NUL"),
        pytest.param(b'{"name":"two\nlines"}', id="line feed"),
        pytest.param(rb'{"name":"\x41"}', id="unknown escape"),
        pytest.param(rb'{"name":"]}\"[{\\","total":01}', id="brackets and quotes in a text"),
        pytest.param(b'{"id":1,}', id="trailing comma"),
        pytest.param(b"{'id':1}", id="single quotes"),
        pytest.param(b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}", id="nested too deep"),
        pytest.param(b"undefined", id="no value at all"),
    ],
)
def test_record_that_is_no_json_spoils_only_itself(record: bytes) -> None:
    good = rb'{"id":3,"name":"\\ud800 \ud83d\ude00 \u0000 [","data":[{}]}'
    body = b'{"hasMore":false,"data" : [' + good + b" ,\n" + record + b"," + good + b'],"continueFrom":"t"}'
    found = export_page(body)
    assert texts(found.records) == [good, record, good]
    assert found.continue_from == "t"


@given(st.integers(0, 100), st.binary(max_size=20))
def test_what_is_broken_around_the_records_is_malformed_or_whole(at: int, noise: bytes) -> None:
    """Never another error, and never half a page."""
    at = min(at, len(EXPORT))
    try:
        found = export_page(EXPORT[:at] + noise + EXPORT[at:])
    except Malformed:
        return
    assert len(found.records) >= 2


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        pytest.param(b' { "id" : 12 , "total":NaN}', 12, id="first"),
        pytest.param(b'{"id":12}', 12, id="alone"),
        pytest.param(b'{"name":"x","id":12}', None, id="later"),
        pytest.param(b'{"id":1.5}', None, id="fraction"),
        pytest.param(b'{"id":1e3}', None, id="power"),
        pytest.param(b'{"id":9223372036854775808}', None, id="65 bits"),
        pytest.param(b"[]", None, id="no object"),
    ],
)
def test_leading_id_is_read_whatever_follows(record: bytes, expected: int | None) -> None:
    assert leading_id(record) == expected


def test_head_reads_id_and_modification_to_the_last_digit() -> None:
    record = b'{"modifiedOn":"2021-07-19T20:35:38.2876004Z","x":{"id":9},"id":9223372036854775807}'
    found = head(record)
    assert (found.id, found.modified) == (2**63 - 1, "2021-07-19T20:35:38.2876004Z")


@pytest.mark.parametrize(
    ("record", "field", "expected"),
    [
        pytest.param({"id": 1, "modifiedOn": None}, "modifiedOn", None, id="null"),
        pytest.param({"id": 1}, "modifiedOn", None, id="absent"),
        pytest.param({"id": 1, "modified": "a", "modifiedOn": "b"}, "", None, id="resource without one"),
        pytest.param({"id": 1, "changedOn": "c"}, "changedOn", "c", id="other field"),
    ],
)
def test_head_reads_the_declared_modification_field(
    record: dict[str, object], field: str, expected: str | None
) -> None:
    assert head(json.dumps(record).encode(), modified=field).modified == expected


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(b'{"name":"x"}', id="no id"),
        pytest.param(b'{"id":null}', id="null id"),
        pytest.param(b'{"id":"6f1c"}', id="text"),
        pytest.param(b'{"id":9223372036854775808}', id="65 bits"),
        pytest.param(b'{"id":1,"modifiedOn":5}', id="number as instant"),
        pytest.param(b"[1]", id="array"),
        pytest.param(b"null", id="null"),
        pytest.param(rb'{"id":1,"name":"\ud800"}', id="half a surrogate pair"),
    ],
)
def test_record_without_a_usable_head_is_malformed(record: bytes) -> None:
    with pytest.raises(Malformed, match="cannot be read"):
        head(record)


def test_error_never_quotes_the_record() -> None:
    with pytest.raises(Malformed) as caught:
        head(b'{"id":"Heron Court HOA"}')
    assert "Heron" not in str(caught.value)
