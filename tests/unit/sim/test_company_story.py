from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from pcd.sim import dialect, trade
from pcd.sim.clock import SimClock
from pcd.sim.company import bulk, found
from pcd.sim.store import Store

NOW = datetime(2026, 6, 18, 16, 30, 12, 345678, tzinfo=UTC)
CUSTOMERS = 150


def company(*, seed: int = 11, customers: int = CUSTOMERS) -> Store:
    store = Store(clock=SimClock(NOW, speed=0.0))
    found(store, seed=seed, customers=customers, now=NOW)
    return store


@pytest.fixture(scope="module")
def store() -> Store:
    return company()


def records(store: Store, resource: str) -> list[dict[str, Any]]:
    return [dialect.decode(row.body) for row in store[resource].rows()]


def by_id(store: Store, resource: str) -> dict[int, dict[str, Any]]:
    return {record["id"]: record for record in records(store, resource)}


def bodies(store: Store) -> dict[str, list[bytes]]:
    return {name: [row.body for row in shelf.rows()] for name, shelf in store.shelves.items()}


def test_same_seed_makes_the_same_bytes() -> None:
    assert bodies(company(seed=5, customers=25)) == bodies(company(seed=5, customers=25))


def test_another_seed_makes_another_company() -> None:
    assert bodies(company(seed=5, customers=25)) != bodies(company(seed=6, customers=25))


def test_a_customer_has_about_seventy_records(store: Store) -> None:
    assert 45 * CUSTOMERS < len(store) < 100 * CUSTOMERS


def test_jobs_estimates_and_invoices_are_as_large_as_real_ones(store: Store) -> None:
    for resource in ("jobs", "estimates", "invoices"):
        sizes = [len(row.body) for row in store[resource].rows()]
        assert 900 < sum(sizes) / len(sizes) < 5_000, resource


def test_nothing_happened_after_now(store: Store) -> None:
    for name, shelf in store.shelves.items():
        for row in shelf.rows():
            assert row.created <= row.modified <= dialect.ticks(NOW), (name, row.id)


def test_ids_grow_with_time(store: Store) -> None:
    created = [row.created for row in store["jobs"].rows()]
    assert created == sorted(created, reverse=True)


@pytest.mark.parametrize(
    ("resource", "field", "target"),
    [
        ("customer_contacts", "customerId", "customers"),
        ("locations", "customerId", "customers"),
        ("customers", "mergedToId", "customers"),
        ("jobs", "customerId", "customers"),
        ("jobs", "locationId", "locations"),
        ("jobs", "businessUnitId", "business_units"),
        ("jobs", "jobTypeId", "job_types"),
        ("jobs", "campaignId", "campaigns"),
        ("jobs", "invoiceId", "invoices"),
        ("jobs", "firstAppointmentId", "appointments"),
        ("jobs", "lastAppointmentId", "appointments"),
        ("jobs", "leadCallId", "calls"),
        ("jobs", "bookingId", "bookings"),
        ("jobs", "membershipId", "memberships"),
        ("jobs", "soldById", "technicians"),
        ("jobs", "createdFromEstimateId", "estimates"),
        ("appointments", "jobId", "jobs"),
        ("appointment_assignments", "appointmentId", "appointments"),
        ("appointment_assignments", "technicianId", "technicians"),
        ("estimates", "jobId", "jobs"),
        ("estimates", "soldBy", "technicians"),
        ("invoice_items", "invoiceId", "invoices"),
        ("invoice_items", "estimateItemId", "estimate_items"),
        ("installed_equipment", "locationId", "locations"),
        ("installed_equipment", "invoiceItemId", "invoice_items"),
        ("memberships", "customerId", "customers"),
        ("leads", "callId", "calls"),
        ("bookings", "jobId", "jobs"),
    ],
)
def test_references_resolve(store: Store, resource: str, field: str, target: str) -> None:
    named = {record[field] for record in records(store, resource)} - {None}
    assert named, "the company is large enough for an example"
    assert named <= set(store[target].ids())


def test_the_job_and_its_customer_own_the_location(store: Store) -> None:
    locations = by_id(store, "locations")
    assert all(
        locations[job["locationId"]]["customerId"] == job["customerId"] for job in records(store, "jobs")
    )


def test_an_invoice_is_the_sum_of_its_items_and_the_tax(store: Store) -> None:
    items: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for item in records(store, "invoice_items"):
        items[item["invoiceId"]].append(item)
    for invoice in records(store, "invoices"):
        subtotal = sum((Decimal(item["total"]) for item in items[invoice["id"]]), Decimal())
        assert Decimal(invoice["subTotal"]) == subtotal
        assert Decimal(invoice["total"]) == subtotal + Decimal(invoice["salesTax"])
        assert {item["id"] for item in invoice["items"]} == {item["id"] for item in items[invoice["id"]]}


def test_payments_explain_what_is_still_open(store: Store) -> None:
    paid: Counter[int] = Counter()
    for payment in records(store, "payments"):
        applied = [(part["appliedTo"], Decimal(part["appliedAmount"])) for part in payment["appliedTo"]]
        assert sum(amount for _, amount in applied) == (Decimal(payment["total"]) if payment["active"] else 0)
        for invoice_id, amount in applied:
            paid[invoice_id] += int(amount * 100)
    for invoice in records(store, "invoices"):
        assert Decimal(invoice["balance"]) == Decimal(invoice["total"]) - Decimal(paid[invoice["id"]]) / 100
        assert Decimal(invoice["balance"]) >= 0


def test_a_balance_is_what_the_invoices_leave_open(store: Store) -> None:
    still_open: dict[int, Decimal] = defaultdict(Decimal)
    for invoice in records(store, "invoices"):
        still_open[invoice["customer"]["id"]] += Decimal(invoice["balance"])
    for customer in records(store, "customers"):
        assert customer["balance"] == still_open[customer["id"]]
    assert any(still_open.values())


def test_install_jobs_come_from_sold_estimates(store: Store) -> None:
    estimates = by_id(store, "estimates")
    installs = [
        job for job in records(store, "jobs") if "Install" in trade.job_type(job["jobTypeId"]).unit.name
    ]
    assert installs
    for job in installs:
        estimate = estimates[job["createdFromEstimateId"]]
        assert estimate["status"] == {"value": 1, "name": "Sold"}
        assert estimate["soldOn"] < job["createdOn"]
        assert estimate["customerId"] == job["customerId"]
        assert job["total"] == 0 or Decimal(8_000) <= job["total"] <= Decimal(110_000)


def test_service_jobs_cost_what_service_costs(store: Store) -> None:
    totals = [
        job["total"]
        for job in records(store, "jobs")
        if trade.job_type(job["jobTypeId"]).unit.name.endswith(("Service", "Plumbing")) and job["total"]
    ]
    assert min(totals) >= 120
    assert max(totals) <= 950


def test_an_estimate_is_the_sum_of_its_items(store: Store) -> None:
    names = Counter(estimate["status"]["name"] for estimate in records(store, "estimates"))
    assert set(names) == {"Open", "Sold", "Dismissed"}
    for estimate in records(store, "estimates"):
        assert estimate["subtotal"] == sum(item["total"] for item in estimate["items"])
        assert (estimate["soldOn"] is None) == (estimate["status"]["name"] != "Sold")
        assert all(item["id"] in store["estimate_items"] for item in estimate["items"])


def test_a_job_is_completed_when_its_appointments_are_over(store: Store) -> None:
    statuses: dict[int, set[str]] = defaultdict(set)
    for appointment in records(store, "appointments"):
        statuses[appointment["jobId"]].add(appointment["status"])
    for job in records(store, "jobs"):
        assert (job["jobStatus"] == "Completed") == (job["completedOn"] is not None)
        if job["jobStatus"] == "Completed":
            assert statuses[job["id"]] == {"Done"}
        if job["jobStatus"] == "Canceled":
            assert statuses[job["id"]] == {"Canceled"}


def test_work_is_under_way_and_some_lies_ahead(store: Store) -> None:
    statuses = Counter(appointment["status"] for appointment in records(store, "appointments"))
    assert statuses["Scheduled"] > 3
    assert statuses["Canceled"] > 10


def test_merged_customers_are_inactive_and_own_nothing() -> None:
    store = company(seed=2, customers=300)
    merged = {customer["id"]: customer for customer in records(store, "customers") if customer["mergedToId"]}
    assert merged
    assert not any(customer["active"] for customer in merged.values())
    assert all(customer["mergedToId"] not in merged for customer in merged.values())
    for resource in ("jobs", "locations", "customer_contacts", "installed_equipment"):
        assert not {record["customerId"] for record in records(store, resource)} & set(merged), resource


def test_there_is_something_inactive_of_each_kind_that_can_be(store: Store) -> None:
    for resource in ("customers", "jobs", "invoices", "payments", "appointment_assignments", "technicians"):
        assert not all(row.active for row in store[resource].rows()), resource


def test_summer_is_busier_than_winter(store: Store) -> None:
    months = Counter(job["createdOn"][5:7] for job in records(store, "jobs"))
    assert months["05"] + months["06"] > 1.5 * (months["12"] + months["01"])


def test_bulk_makes_many_records_of_one_resource() -> None:
    store = Store(clock=SimClock(NOW, speed=0.0))
    bulk(store, "jobs", 500, seed=1, now=NOW)
    assert len(store["jobs"]) == len(store) == 500
    assert {job["jobNumber"] for job in records(store, "jobs")} == {
        str(number) for number in store["jobs"].ids()
    }
    rows = list(store["jobs"].rows())
    assert rows[0].modified < dialect.ticks(NOW)
    assert rows[0].modified - rows[1].modified > timedelta(seconds=30) // timedelta(microseconds=1)
