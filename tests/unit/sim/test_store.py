"""What the shelves of a simulated tenant promise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest

from pcd.sim.clock import SimClock
from pcd.sim.store import Store

NOW = datetime(2026, 9, 4, 12, tzinfo=UTC)


@pytest.fixture
def store() -> Store:
    return Store(clock=SimClock(NOW, speed=0))


def test_record_comes_back_with_its_decimals_and_its_stamps(store: Store) -> None:
    store["jobs"].put({"id": 5, "total": Decimal("25.1"), "active": True})
    assert store["jobs"].get(5) == {
        "id": 5,
        "total": Decimal("25.1000"),
        "modifiedOn": "2026-09-04T12:00:00Z",
        "createdOn": "2026-09-04T12:00:00Z",
        "active": True,
    }


def test_change_keeps_the_creation_date_and_moves_the_modification_date(store: Store) -> None:
    store["jobs"].put({"id": 5, "active": True}, modified_at=NOW - timedelta(days=1))
    store["jobs"].change(5, jobStatus="Completed")
    record = store["jobs"].get(5)
    assert (record["createdOn"], record["modifiedOn"]) == ("2026-09-03T12:00:00Z", "2026-09-04T12:00:00Z")
    assert record["jobStatus"] == "Completed"


def test_replaced_version_stays_in_the_log_for_an_hour(store: Store) -> None:
    shelf = store["jobs"]
    shelf.put({"id": 5, "active": True})
    for _ in range(1001):
        shelf.change(5, jobStatus="Hold")
    assert len(list(shelf.changes(after=0))) == 1002
    store.clock.advance(timedelta(hours=2))
    for _ in range(1001):
        shelf.change(5, jobStatus="Hold")
    assert len(list(shelf.changes(after=0))) < 1200
    assert [row.id for row in shelf.changes(after=shelf.end - 1)] == [5]


def test_settling_orders_the_log_by_modification_but_for_the_wanted_disorder(store: Store) -> None:
    shelf = store["jobs"]
    for number in Random(1).sample(range(200), 200):
        shelf.put({"id": number, "active": True}, modified_at=NOW - timedelta(days=200 - number))
    store.settle()
    assert [row.id for row in shelf.changes(after=0)] == list(range(200))
    store.settle(disorder=0.05, random=Random(2))
    ids = [row.id for row in shelf.changes(after=0)]
    assert ids != sorted(ids)
    assert sorted(ids) == list(range(200))
    assert [row.sequence for row in shelf.changes(after=0)] == list(range(1, 201))


def test_ids_grow_through_all_resources_and_lists_begin_with_the_highest(store: Store) -> None:
    first, second = store.next_id(), store.next_id()
    assert second == first + 1
    store["jobs"].put({"id": second})
    store["jobs"].put({"id": first})
    assert store["jobs"].ids() == [first, second]
    assert [row.id for row in store["jobs"].rows()] == [second, first]


def test_deleted_record_can_be_put_again(store: Store) -> None:
    shelf = store["jobs"]
    shelf.put({"id": 5, "active": True})
    shelf.delete(5)
    assert (5 in shelf, len(shelf)) == (False, 0)
    with pytest.raises(KeyError):
        shelf.get(5)
    shelf.put({"id": 5, "active": True})
    assert (5 in shelf, len(shelf), shelf.row(5).active) == (True, 1, True)


def test_record_without_the_field_can_be_inactive_all_the_same(store: Store) -> None:
    store["estimate_items"].put({"id": 5})
    store["estimate_items"].deactivate(5)
    assert store["estimate_items"].row(5).active is False
    assert "active" not in store["estimate_items"].get(5)


def test_name_that_no_resource_has_is_refused(store: Store) -> None:
    with pytest.raises(KeyError, match="job_types"):
        store["job-types"]
