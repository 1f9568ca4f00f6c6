from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import anyio
import pytest

from pcd.sim import dialect, trade
from pcd.sim.business import Business
from pcd.sim.clock import SimClock
from pcd.sim.company import found
from pcd.sim.life import Life
from pcd.sim.store import Store

NOW = datetime(2026, 6, 18, 16, 30, 12, 345678, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


def company(*, seed: int = 4, customers: int = 60) -> tuple[Store, SimClock]:
    clock = SimClock(NOW, speed=0.0)
    store = Store(clock=clock)
    found(store, seed=seed, customers=customers, now=NOW)
    return store, clock


def snapshot(store: Store, resource: str) -> dict[int, dict[str, Any]]:
    return {row.id: dialect.decode(row.body) for row in store[resource].rows()}


def bodies(store: Store) -> dict[str, list[bytes]]:
    return {name: [row.body for row in shelf.changes(after=0)] for name, shelf in store.shelves.items()}


def live(*, seed: int, steps: int, minutes: int = 3) -> Store:
    store, clock = company(customers=30)
    life = Life(store, clock, seed=seed)
    for step in range(1, steps + 1):
        life.tick(NOW + timedelta(minutes=minutes) * step / steps)
    return store


def changes(store: Store, resource: str, *, after: int) -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Return the versions put since, each with the version of an earlier instant, None if it is new."""
    known: dict[int, dict[str, Any]] = {}
    told = []
    for row in store[resource].changes(after=0):
        record = dialect.decode(row.body)
        if row.sequence > after:
            former = known.get(row.id)
            is_same_instant = former is not None and former["modifiedOn"] == record["modifiedOn"]
            told.append((record, record if is_same_instant else former))
        known[row.id] = record
    return told


def situations(store: Store, *, ends: dict[str, int]) -> set[str]:
    """Return which of the nine situations arose since the shelves' logs had those *ends*."""
    today = LATER.astimezone(trade.ZONE).date()
    names = set()
    for resource in ("estimates", "jobs", "invoices", "appointments"):
        for record, former in changes(store, resource, after=ends[resource]):
            if former is None:
                names.add(f"{resource[:-1]}_created")
            if resource == "estimates" and former and former["status"] != record["status"]:
                names.add(f"estimate_{record['status']['name']}")
            if (
                resource == "jobs"
                and "Install" in trade.job_type(record["jobTypeId"]).unit.name
                and not former
            ):
                names.add("install_job_created")
            if resource == "jobs" and former and former["jobStatus"] != record["jobStatus"] == "Completed":
                names.add("job_completed")
            if resource == "invoices" and Decimal(record["balance"]) > 0:
                is_overdue = date.fromisoformat(record["dueDate"][:10]) < today
                names |= {"invoice_overdue"} if is_overdue else set()
    return names


@pytest.mark.parametrize("seed", range(5))
def test_all_nine_situations_arise_within_a_minute(seed: int) -> None:
    store, clock = company(seed=seed)
    ends = {name: shelf.end for name, shelf in store.shelves.items()}
    Life(store, clock, seed=seed).tick(LATER)
    assert situations(store, ends=ends) >= {
        "estimate_created",
        "estimate_Sold",
        "estimate_Dismissed",
        "job_created",
        "job_completed",
        "install_job_created",
        "invoice_created",
        "invoice_overdue",
        "appointment_created",
    }


def test_same_seed_lives_the_same_life_in_any_steps() -> None:
    assert bodies(live(seed=1, steps=1)) == bodies(live(seed=1, steps=40))


def test_another_seed_lives_another_life() -> None:
    assert bodies(live(seed=1, steps=1)) != bodies(live(seed=2, steps=1))


def test_books_balance_after_an_hour() -> None:
    store = live(seed=3, steps=1, minutes=60)
    still_open: dict[int, Decimal] = defaultdict(Decimal)
    for invoice in snapshot(store, "invoices").values():
        items = sum((Decimal(item["total"]) for item in invoice["items"]), Decimal())
        assert Decimal(invoice["total"]) == items + Decimal(invoice["salesTax"])
        assert Decimal(invoice["balance"]) >= 0
        still_open[invoice["customer"]["id"]] += Decimal(invoice["balance"])
    for customer in snapshot(store, "customers").values():
        assert customer["balance"] == still_open[customer["id"]]


def test_jobs_are_completed_after_their_appointments_and_stay_so() -> None:
    store = live(seed=3, steps=1, minutes=30)
    jobs = snapshot(store, "jobs")
    for appointment in snapshot(store, "appointments").values():
        if jobs[appointment["jobId"]]["jobStatus"] == "Canceled":
            assert appointment["status"] == "Canceled"
    assert all((job["completedOn"] is None) == (job["jobStatus"] != "Completed") for job in jobs.values())


def test_some_sale_is_taken_back() -> None:
    store = live(seed=3, steps=1, minutes=10)
    told: dict[int, list[str]] = defaultdict(list)
    for row in store["estimates"].changes(after=0):
        told[row.id].append(dialect.decode(row.body)["status"]["name"])
    assert any("Sold,Open" in ",".join(names) for names in told.values())


def test_a_changed_contact_does_not_modify_its_customer() -> None:
    store, _ = company()
    before = store["customers"].end, store["customer_contacts"].end
    Business(store, Random(1)).change_contact(at=NOW)
    assert (store["customers"].end, store["customer_contacts"].end) == (before[0], before[1] + 1)


def test_a_payment_modifies_the_customer_whose_balance_falls() -> None:
    store, _ = company()
    invoice = next(
        i for i in snapshot(store, "invoices").values() if Decimal(i["balance"]) > 0 and i["active"]
    )
    customer_id = invoice["customer"]["id"]
    owed = store["customers"].get(customer_id)["balance"]
    Business(store, Random(1)).pay(invoice["id"], at=NOW)
    customer = store["customers"].get(customer_id)
    assert customer["balance"] == owed - Decimal(invoice["balance"])
    assert customer["modifiedOn"] == dialect.instant(NOW)
    assert store["invoices"].get(invoice["id"])["paidOn"] == dialect.instant(NOW)


@pytest.mark.parametrize("bumps", [True, False])
def test_a_merge_deactivates_the_loser_and_gives_the_rest_to_the_survivor(bumps: bool) -> None:
    store, _ = company()
    business = Business(store, Random(1), merge_bumps_children=bumps)
    loser_id, into_id = sorted({job["customerId"] for job in snapshot(store, "jobs").values()})[:2]
    children = [row for row in store["jobs"].rows() if dialect.decode(row.body)["customerId"] == loser_id]
    owed = sum(store["customers"].get(customer_id)["balance"] for customer_id in (loser_id, into_id))
    business.merge(loser_id, into_id=into_id, at=NOW)
    loser = store["customers"].get(loser_id)
    assert (loser["active"], loser["mergedToId"], loser["balance"]) == (False, into_id, 0)
    assert store["customers"].get(into_id)["balance"] == owed
    assert loser_id not in {record["customerId"] for record in snapshot(store, "jobs").values()}
    assert loser_id not in {record["customer"]["id"] for record in snapshot(store, "invoices").values()}
    for former in children:
        row = store["jobs"].row(former.id)
        assert (row.modified == dialect.ticks(NOW)) if bumps else (row.modified == former.modified)


@pytest.mark.asyncio
async def test_life_follows_the_clock_until_it_is_cancelled() -> None:
    store, clock = company(customers=10)
    life, end = Life(store, clock, seed=1), store["jobs"].end
    clock.advance(timedelta(minutes=1))
    async with anyio.create_task_group() as group:
        await group.start(life.run)
        await anyio.wait_all_tasks_blocked()
        assert store["jobs"].end > end
        group.cancel_scope.cancel()
