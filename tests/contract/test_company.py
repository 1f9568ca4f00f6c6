from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from support.contracts import SERVICETITAN, if_published

from pcd.sim.clock import SimClock
from pcd.sim.company import bulk, found
from pcd.sim.life import Life
from pcd.sim.store import Store

NOW = datetime(2026, 6, 18, 16, 30, 12, 345678, tzinfo=UTC)

pytestmark = if_published


@pytest.fixture(scope="module")
def company() -> Store:
    store = Store(clock=SimClock(NOW, speed=0.0))
    found(store, seed=3, customers=30, now=NOW)
    return store


def schema(resource: str) -> dict[str, Any]:
    """Return what the contract says about a record of *resource*: the export's schema where there is one."""
    file = resource.replace("custom_fields_", "custom-field-types-").replace("_", "-")
    endpoints = json.loads((SERVICETITAN / f"{file}.json").read_text())["endpoints"]
    item: dict[str, Any] = (endpoints.get("export") or endpoints["list"])["item_schema"]
    return item


def complaints(store: Store, resource: str) -> list[str]:
    validator = Draft202012Validator(schema(resource), format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [
        f"{row.id}: {'.'.join(map(str, error.absolute_path))}: {error.message}"
        for row in store[resource].rows()
        for error in validator.iter_errors(json.loads(row.body))
    ]


def test_every_record_of_a_company_is_what_the_contract_says(company: Store) -> None:
    wrong = {name: complaints(company, name)[:5] for name in company.shelves}
    assert {name: some for name, some in wrong.items() if some} == {}


def test_every_record_that_life_adds_is_what_the_contract_says() -> None:
    clock = SimClock(NOW, speed=0.0)
    store = Store(clock=clock)
    found(store, seed=3, customers=10, now=NOW)
    Life(store, clock, seed=3).tick(NOW + timedelta(minutes=5))
    wrong = {name: complaints(store, name)[:5] for name in store.shelves}
    assert {name: some for name, some in wrong.items() if some} == {}


@pytest.mark.parametrize("resource", ["customers", "jobs", "invoices", "estimate_items"])
def test_bulk_records_are_what_the_contract_says(resource: str) -> None:
    store = Store(clock=SimClock(NOW, speed=0.0))
    bulk(store, resource, 100, seed=1, now=NOW)
    assert complaints(store, resource) == []
