"""Reading a page's records before they are written."""

from __future__ import annotations

import msgspec
import pytest

from pcd.sync.batch import Batch, Reader, draft, gather
from pcd.sync.reconciler import is_believable
from pcd.sync.surprise import Expectation, Surprise
from pcd.tables.spec import Resource, col

READER = Reader(Resource(name="x", table="st_x", scope="s", columns=()))


def page(*records: bytes) -> Batch:
    """Return *records* as a batch."""
    return gather(*READER.read(map(msgspec.Raw, records)))


def test_items_come_in_ascending_order_of_id() -> None:
    """Rows are locked in one order, whoever writes."""
    batch = page(b'{"id":3}', b'{"id":1}', b'{"id":2}')
    assert [item.st_id for item in batch.items] == [1, 2, 3]


def test_newest_of_two_states_in_one_page_stays() -> None:
    """An export with recent changes repeats itself."""
    new = b'{"id":1,"modifiedOn":"2026-01-01T00:00:00.2Z"}'
    old = b'{"id":1,"modifiedOn":"2026-01-01T00:00:00.19Z"}'
    batch = page(new, old)
    assert [bytes(item.record) for item in batch.items] == [new]
    assert batch.fetched == len((new, old))


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(b'{"name":"no id"}', id="no id"),
        pytest.param(b'{"id":"7"}', id="an id that is text"),
        pytest.param(b'{"id":9223372036854775808}', id="an id past 64 bits"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b"null", id="null"),
    ],
)
def test_record_without_a_usable_id_is_a_misfit(record: bytes) -> None:
    """It is kept with the reason; the rest of its page goes on."""
    batch = page(record, b'{"id":1}')
    assert [item.st_id for item in batch.items] == [1]
    assert [misfit.raw for misfit in batch.misfits] == [record.decode()]


def test_bytes_that_are_no_json_text_are_a_misfit() -> None:
    """They are kept in a readable form; the second is what separates records in a statement."""
    batch = page(b'{"id":1,"name":"\xff"}', b'{"id":2,"name":"\x1e"}', b'{"id":3}')
    drafts, misfits = draft(batch.items)
    assert [each.item.st_id for each in drafts] == [3]
    assert [misfit.raw for misfit in batch.misfits] == ['{"id":2,"name":"\x1e"}']
    assert [misfit.raw for misfit in misfits] == ['{"id":1,"name":"\\xff"}']


def test_digest_depends_on_the_declaration() -> None:
    """A declaration that gains a column makes every row differ, so that the column is filled."""
    before = Resource(name="x", table="st_x", scope="s", columns=(col("name", "text", "name"),))
    after = Resource(
        name="x", table="st_x", scope="s", columns=(*before.columns, col("city", "text", "address.city"))
    )
    record = msgspec.Raw(b'{"id":1}')
    digests = {Reader(resource).read([record])[0][0].digest for resource in (before, after)}
    assert len(digests) == len((before, after))


def test_unknown_field_and_value_are_counted() -> None:
    """What upstream adds between releases is met with curiosity, never with an error."""
    resource = Resource(
        name="x",
        table="st_x",
        scope="s",
        columns=(col("status", "text", "status.name", known="Open Sold"),),
        documented=frozenset({"id"}),
    )
    records = [
        '{"id":1,"status":{"name":"Sold"}}',
        '{"id":2,"status":{"name":"Pondered"},"mood":"blue"}',
        '{"id":3,"status":null}',
        '{"id":4,"mood":"red"}',
    ]
    assert Expectation(resource).surprises(records) == {
        Surprise("field", "mood"): 2,
        Surprise("value", "status.name", "Pondered"): 1,
    }


@pytest.mark.parametrize(
    ("missing", "stored", "expected"),
    [
        pytest.param(1, 2, True, id="one row"),
        pytest.param(5, 100, True, id="a twentieth"),
        pytest.param(6, 100, False, id="more than a twentieth"),
        pytest.param(100, 100, False, id="all of them"),
    ],
)
def test_many_missing_rows_are_not_believed(*, missing: int, stored: int, expected: bool) -> None:
    """An upstream that answers with a part of its data must not empty the mirror."""
    assert is_believable(missing=missing, stored=stored) is expected
