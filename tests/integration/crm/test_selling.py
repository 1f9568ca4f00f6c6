"""From a row of ServiceTitan's to a card in GoHighLevel, end to end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from support.selling import LIMITLESS, selling

from pcd.crm.reconciler import Considered
from pcd.crm.watcher import Watcher

if TYPE_CHECKING:
    from pathlib import Path

    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

LONG_AGO = datetime.now(UTC) - timedelta(days=400)
OLD_CUSTOMERS = 2000
_MANY_CUSTOMERS = """
INSERT INTO servicetitan.st_customers (st_id, tenant_id, name, email, active, st_created_on, full_data)
SELECT n, c.tenant_id, c.name, n || '@example.com', true, c.st_created_on, c.full_data
FROM servicetitan.st_customers AS c, generate_series(2, $1::bigint) AS n
"""
_MANY_JOBS = """
INSERT INTO servicetitan.st_jobs (
    st_id, tenant_id, customer_id, job_number, business_unit_id, job_status, active, st_created_on, full_data
)
SELECT n, j.tenant_id, n, n, j.business_unit_id, j.job_status, true, j.st_created_on, j.full_data
FROM servicetitan.st_jobs AS j, generate_series(2, $1::bigint) AS n
"""
EMAIL = "c7@example.com"
_DOUBLING = replace(LIMITLESS, allow_duplicate_contact=True, allow_duplicate_opportunity=True)


async def test_new_customer_becomes_contact_and_opportunity(db: Database, tmp_path: Path) -> None:
    async with selling(db, tmp_path) as company:
        await company.customer(7)
        await company.settle()
        assert company.writes() == ["POST /contacts/", "POST /opportunities/"]
        assert company.cards() == [(EMAIL, "Contacted", "open", "0")]


async def test_card_follows_a_sale_to_the_installation(db: Database, tmp_path: Path) -> None:
    """Each step is one call, and a pass that finds nothing new makes none."""
    async with selling(db, tmp_path) as company:
        await company.customer(7)
        await company.settle()
        await company.job(1, 7)
        await company.appointment(1, 1)
        await company.settle()
        assert company.cards() == [(EMAIL, "Appointment Scheduled", "open", "0")]
        await company.estimate(1, 7, job_id=1, total=1200)
        await company.settle()
        assert company.cards() == [(EMAIL, "Appointment Completed - Proposal Sent", "open", "1200")]
        await company.estimate(1, 7, job_id=1, total=1200, status="Sold", sold_on=datetime.now(UTC))
        await company.settle()
        assert company.cards() == [(EMAIL, "Job Sold", "won", "1200")]
        await company.job(2, 7, business_unit_id=2)
        await company.settle()
        assert [card[1] for card in company.cards()] == ["Estimate Approved / Job Created"]
        before = len(company.sim.calls)
        await company.catch_up()
        await company.catch_up()
        assert len(company.sim.calls) == before


async def test_dismissed_estimate_is_lost_unless_another_is_open(db: Database, tmp_path: Path) -> None:
    async with selling(db, tmp_path) as company:
        await company.customer(7)
        await company.job(1, 7)
        await company.estimate(1, 7, job_id=1, total=900)
        await company.estimate(2, 7, job_id=1, total=500)
        await company.settle()
        await company.estimate(1, 7, job_id=1, total=900, status="Dismissed")
        await company.settle()
        assert company.cards() == [(EMAIL, "Appointment Completed - Proposal Sent", "open", "500")]
        await company.estimate(2, 7, job_id=1, total=500, status="Dismissed")
        await company.settle()
        assert [card[1:3] for card in company.cards()] == [("Estimate Lost", "lost")]


async def test_job_on_hold_is_found_by_the_pass(db: Database, tmp_path: Path) -> None:
    """No event tells of it; the change log does."""
    async with selling(db, tmp_path) as company:
        await company.customer(7)
        await company.job(2, 7, business_unit_id=2, job_status="InProgress")
        await company.settle()
        assert [card[1] for card in company.cards()] == ["In Progress / On Site"]
        await company.job(2, 7, business_unit_id=2, job_status="Hold")
        await company.settle()
        assert [card[1] for card in company.cards()] == ["In Progress / On Site"]
        await company.patroller.check_installs()
        await company.settle()
        assert [card[1] for card in company.cards()] == ["On Hold / Return Visit Needed"]


async def test_enabling_with_old_customers_writes_nothing_until_something_happens(
    db: Database, tmp_path: Path
) -> None:
    async with selling(db, tmp_path, begun=False) as company:
        await company.customer(1, created=LONG_AGO)
        await company.job(1, 1, job_status="Completed", st_created_on=LONG_AGO)
        await db.execute(_MANY_CUSTOMERS, OLD_CUSTOMERS)
        await db.execute(_MANY_JOBS, OLD_CUSTOMERS)
        await company.detection.events()
        await company.works.marker.begin()
        await company.works.premises.refresh(db)
        await company.catch_up()
        assert company.writes() == []
        await company.customer(3, created=LONG_AGO, city="Tampa")
        await company.catch_up()
        assert company.writes() == []
        await company.job(OLD_CUSTOMERS + 1, 3)
        await company.catch_up()
        assert company.writes() == ["POST /contacts/", "POST /opportunities/"]


async def test_dry_run_records_what_it_would_send(db: Database, tmp_path: Path) -> None:
    async with selling(db, tmp_path, dry_run=True) as company:
        await company.customer(7)
        await company.settle()
        await company.catch_up()
        assert company.writes() == []
        rows = await db.fetch("SELECT kind, state FROM integrations.ghl_outbox ORDER BY id")
        assert [tuple(row) for row in rows] == [
            ("create_contact", "dry_run"),
            ("create_opportunity", "dry_run"),
        ]
        logged = await db.fetch(
            "SELECT DISTINCT sync_type FROM integrations.ghl_sync_log WHERE direction = 'st_to_ghl'"
        )
        assert [row["sync_type"] for row in logged] == ["shadow_incremental"]


async def test_disabled_does_nothing(db: Database, tmp_path: Path) -> None:
    async with selling(db, tmp_path, enabled=False) as company:
        await company.customer(7)
        await company.catch_up()
        assert company.writes() == []
        assert await db.fetchval("SELECT count(*) FROM integrations.ghl_outbox") == 0


@pytest.mark.parametrize(
    ("off", "stage"),
    [
        pytest.param("auto_sync_jobs", "Appointment Completed - Proposal Sent", id="jobs"),
        pytest.param("auto_sync_estimates", "Appointment Scheduled", id="estimates"),
    ],
)
async def test_each_switch_keeps_its_rows_out(db: Database, tmp_path: Path, off: str, stage: str) -> None:
    keys: dict[str, Any] = {off: False}
    async with selling(db, tmp_path, **keys) as company:
        await company.customer(7)
        await company.job(1, 7)
        await company.appointment(1, 1)
        await company.estimate(1, 7, job_id=1)
        await company.catch_up()
        assert [card[1] for card in company.cards()] == [stage]


async def test_switching_a_business_unit_moves_the_cards_that_wait_for_it(
    db: Database, tmp_path: Path
) -> None:
    """What was shown before stays; nothing else has to happen to the customer."""
    async with selling(db, tmp_path) as company:
        await company.customer(6)
        await company.estimate(1, 6, status="Sold")
        await company.settle()
        await company.clerk.set_unit(2, "p")
        await company.customer(7)
        await company.estimate(2, 7)
        await company.settle()
        assert [card[1] for card in company.cards()] == ["Job Sold", "Contacted"]
        await company.clerk.set_unit(1, "p")
        await company.settle()
        assert [card[1] for card in company.cards()] == ["Job Sold", "Appointment Completed - Proposal Sent"]


async def test_customers_are_not_pushed_for_themselves_when_switched_off(
    db: Database, tmp_path: Path
) -> None:
    async with selling(db, tmp_path, auto_sync_customers=False) as company:
        await company.customer(7)
        await company.catch_up()
        assert company.writes() == []


async def test_address_of_another_contact_is_left_out_and_the_rest_is_written(
    db: Database, tmp_path: Path
) -> None:
    """Their account refuses the whole update; it is no dead letter, and is not tried again for ever."""
    async with selling(db, tmp_path) as company:
        await company.customer(7)
        await company.customer(8)
        await company.settle()
        await company.customer(8, email="c7@example.com", city="Heron Bay")
        await company.catch_up()
        written = len(company.writes())
        await company.catch_up()
        assert len(company.writes()) == written
        contacts = company.sim.store.contacts
        shown = {(contacts[one].email, contacts[one].city) for one in contacts}
        assert shown == {("c7@example.com", ""), ("c8@example.com", "Heron Bay")}
        dead = "SELECT count(*) FROM integrations.ghl_outbox WHERE state = 'dead'"
        assert await db.fetchval(dead) == 0


async def test_first_push_costs_two_writes_and_two_lookups_at_most(db: Database, tmp_path: Path) -> None:
    """With a complete copy of their contacts it costs the writes alone, unchanged nothing."""
    async with selling(db, tmp_path, pulled=False) as company:
        await company.works.puller.account()
        await company.works.premises.refresh(db)
        before = len(company.sim.calls)
        await company.customer(7)
        await company.settle()
        assert len(company.sim.calls) - before == 4
        await company.works.puller.pull(full=True, by="test")
        await company.works.premises.refresh(db)
        before = len(company.sim.calls)
        await company.customer(8)
        await company.settle()
        assert len(company.sim.calls) - before == 2
        await company.customer(8)
        await company.catch_up()
        assert len(company.sim.calls) - before == 2


async def test_one_contact_is_made_where_duplicates_are_allowed(db: Database, tmp_path: Path) -> None:
    async with selling(db, tmp_path, settings=_DOUBLING) as company:
        await company.customer(7)
        await company.settle()
        await company.catch_up()
        assert len(company.sim.store.contacts) == len(company.sim.store.opportunities) == 1


async def test_pass_and_event_at_the_same_time_make_one_card(db: Database, tmp_path: Path) -> None:
    """Whoever considers a customer at once with another sees what that one owes, and does it once."""
    long_ago = datetime.now(UTC) - timedelta(days=1)
    async with selling(db, tmp_path, settings=_DOUBLING) as company:
        for customer_id in range(1, 6):
            await company.customer(customer_id)
            await company.job(customer_id, customer_id, job_status="Completed", job_completion_time=long_ago)
            await company.estimate(
                customer_id, customer_id, job_id=customer_id, status="Sold", sold_on=long_ago
            )
        await company.settle()
        for customer_id in range(1, 6):
            await company.job(10 + customer_id, customer_id)
        await company.detection.events()
        await company.works.marker.look_at_events()
        considered = Considered()

        async def consider() -> None:
            considered.add(await company.works.reconciler.drain())

        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(consider)
        assert considered.customers == 5
        await company.settle()
        assert [card[1:3] for card in company.cards()] == [("Contacted", "open"), ("Job Sold", "won")] * 5


async def test_what_just_happened_does_not_wait_for_all_who_are_to_be_considered(
    db: Database, tmp_path: Path
) -> None:
    async with selling(db, tmp_path) as company:
        works = company.works
        await company.customer(1)
        await db.execute(_MANY_CUSTOMERS, OLD_CUSTOMERS)
        await company.detection.events()
        await works.marker.take_in(range(1, OLD_CUSTOMERS + 1), cause="command")
        watcher = Watcher(marker=works.marker, reconciler=works.reconciler, lanes=works.lanes)
        async with anyio.create_task_group() as group:
            group.start_soon(watcher.run)
            await _until(db, "SELECT EXISTS (SELECT FROM pcd.crm_customers WHERE considered_at IS NOT NULL)")
            await company.customer(7777)
            await company.detection.events()
            await _until(db, "SELECT EXISTS (SELECT FROM integrations.ghl_outbox WHERE customer_id = 7777)")
            assert await db.fetchval("SELECT count(*) FROM pcd.crm_dirty") > OLD_CUSTOMERS / 4
            group.cancel_scope.cancel()


async def _until(db: Database, question: str) -> None:
    with anyio.fail_after(20):
        while not await db.fetchval(question):  # noqa: ASYNC110 - no event tells
            await anyio.sleep(0.001)
