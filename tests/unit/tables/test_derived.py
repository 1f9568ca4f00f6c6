from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pcd.tables import RESOURCES, derived
from pcd.tables.derived import DERIVED, PASSES, Derived, Pass

if TYPE_CHECKING:
    from pcd.tables.spec import Resource

LOCK_ORDER = ["appointments", "jobs", "invoices", "customers"]


def named(name: str, *, source: str) -> Derived:
    (found,) = [it for it in DERIVED if it.name == name and it.source == source]
    return found


@pytest.mark.parametrize("each", DERIVED, ids=lambda it: f"{it.name}-{it.source}")
def test_source_target_and_key_are_declared(each: Derived) -> None:
    assert each.target in RESOURCES
    assert each.key == "st_id" or each.key in {it.name for it in RESOURCES[each.source].projected}


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=lambda it: it.name)
def test_locks_are_always_taken_children_before_parents(resource: Resource) -> None:
    """Two transactions that take several can then not wait for each other."""
    targets = [each.target for each in derived.of(resource)]
    if derived.own_lock(resource):
        targets.insert(0, resource.name)
    order = [LOCK_ORDER.index(target) for target in targets]
    assert order == sorted(order)


def test_one_target_has_one_lock() -> None:
    steps: list[Derived | Pass] = [*DERIVED, *PASSES]
    locks = {(each.target, each.lock) for each in steps}
    assert len(locks) == len(dict(locks)) == len({lock for _, lock in locks})


def test_every_derived_column_has_a_full_pass() -> None:
    assert {each.name for each in DERIVED} <= {each.name for each in PASSES}


def test_targets_are_ascending_each_once_and_never_null() -> None:
    rows: list[dict[str, int | None]] = [
        {"customer_id": 7},
        {"customer_id": None},
        {"customer_id": 3},
        {"customer_id": 7},
    ]
    assert named("customers.jobs", source="jobs").targets(rows) == [3, 7]


def test_column_may_hold_several_targets() -> None:
    rows: list[dict[str, list[int] | None]] = [
        {"invoice_ids": [9, 4]},
        {"invoice_ids": None},
        {"invoice_ids": [4]},
    ]
    assert named("invoices.payments", source="payments").targets(rows) == [4, 9]


def test_own_id_is_not_fetched_as_a_key() -> None:
    assert derived.keys(RESOURCES["jobs"]) == ("customer_id",)
    assert derived.keys(RESOURCES["leads"]) == ()
