from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from pcd.tables import derived
from pcd.tables.assignments import ROLES_SETTING

if TYPE_CHECKING:
    from support.rows import Rows

pytestmark = pytest.mark.asyncio


def contact(st_id: int, *, customer: int, kind: str, value: str, active: bool = True) -> dict[str, Any]:
    return {"id": st_id, "customerId": customer, "type": kind, "value": value, "active": active}


def assignment(
    st_id: int, *, technician: int, job: int = 60, appointment: int = 61, at: int = 1, active: bool = True
) -> dict[str, Any]:
    return {
        "id": st_id,
        "jobId": job,
        "appointmentId": appointment,
        "technicianId": technician,
        "technicianName": f"Technician {technician}",
        "assignedOn": f"2026-03-0{at}T12:00:00Z",
        "active": active,
    }


async def reach(rows: Rows, customer: int) -> tuple[str | None, str | None]:
    row = await rows.row("st_customers", customer)
    return row["email"], row["phone"]


async def primary(rows: Rows, job: int = 60) -> list[int]:
    found = await rows.db.fetch(
        "SELECT technician_id FROM servicetitan.job_technicians WHERE job_id = $1 AND is_primary", job
    )
    return [row["technician_id"] for row in found]


async def test_customer_shows_its_first_email_and_its_mobile_before_its_phone(rows: Rows) -> None:
    await rows.put("customers", {"id": 1, "name": "Maple & Finch Household"})
    await rows.put(
        "customer_contacts",
        contact(14, customer=1, kind="Email", value="second@example.com"),
        contact(13, customer=1, kind="Email", value=" first@example.com "),
        contact(11, customer=1, kind="Phone", value="6025550142"),
        contact(12, customer=1, kind="MobilePhone", value="+1 (602) 555-0177"),
    )
    row = await rows.row("st_customers", 1)

    assert (row["email"], row["phone"]) == ("first@example.com", "(602) 555-0177")
    assert [it["value"] for it in json.loads(row["phone_numbers"])] == ["(602) 555-0142", "(602) 555-0177"]
    assert [it["id"] for it in json.loads(row["email_addresses"])] == [13, 14]


async def test_phone_that_is_not_ten_digits_stays_as_it_is(rows: Rows) -> None:
    await rows.put("customers", {"id": 1})
    await rows.put("customer_contacts", contact(11, customer=1, kind="Phone", value="602-555-0142 ext. 7"))
    assert await reach(rows, 1) == (None, "602-555-0142 ext. 7")


async def test_contact_that_arrived_before_its_customer_is_not_forgotten(rows: Rows) -> None:
    await rows.put("customer_contacts", contact(11, customer=1, kind="Email", value="a@example.com"))
    await rows.put("customers", {"id": 1})
    assert await reach(rows, 1) == ("a@example.com", None)


async def test_contact_that_moved_changes_both_customers(rows: Rows) -> None:
    await rows.put("customers", {"id": 1}, {"id": 2})
    await rows.put("customer_contacts", contact(11, customer=1, kind="Email", value="a@example.com"))
    await rows.put("customer_contacts", contact(11, customer=2, kind="Email", value="a@example.com"))
    assert (await reach(rows, 1), await reach(rows, 2)) == ((None, None), ("a@example.com", None))


async def test_deactivated_contact_gives_way_to_the_next(rows: Rows) -> None:
    await rows.put("customers", {"id": 1})
    await rows.put(
        "customer_contacts",
        contact(11, customer=1, kind="Email", value="old@example.com"),
        contact(12, customer=1, kind="Email", value="new@example.com"),
    )
    await rows.put(
        "customer_contacts", contact(11, customer=1, kind="Email", value="old@example.com", active=False)
    )
    assert await reach(rows, 1) == ("new@example.com", None)


async def test_two_contacts_written_at_once_both_reach_the_customer(rows: Rows) -> None:
    """Each transaction alone would compute the customer without the other's contact."""
    await rows.put("customers", {"id": 1})
    async with anyio.create_task_group() as tasks, rows.db.transaction() as connection:
        await rows.put_in(
            connection, "customer_contacts", contact(11, customer=1, kind="Email", value="a@example.com")
        )
        tasks.start_soon(
            rows.put, "customer_contacts", contact(12, customer=1, kind="Phone", value="6025550142")
        )
        while not await rows.db.fetchval(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        ):
            await anyio.lowlevel.checkpoint()
    assert await reach(rows, 1) == ("a@example.com", "(602) 555-0142")


async def test_customer_of_an_adopted_database_keeps_its_email_until_its_contacts_arrive(rows: Rows) -> None:
    await rows.put("customers", {"id": 1, "name": "Heron Court HOA"})
    await rows.db.execute("UPDATE servicetitan.st_customers SET email = 'adopted@example.com'")
    await rows.put("customers", {"id": 1, "name": "Heron Court"})
    assert await reach(rows, 1) == ("adopted@example.com", None)


async def test_customer_counts_its_jobs_and_what_it_paid(rows: Rows) -> None:
    await rows.put("customers", {"id": 1})
    await rows.put(
        "jobs",
        {"id": 60, "customerId": 1, "jobStatus": "Completed", "completedOn": "2026-03-04T18:00:00Z"},
        {"id": 62, "customerId": 1, "jobStatus": "Scheduled", "createdOn": "2026-02-01T00:00:00Z"},
        {"id": 64, "customerId": 1, "jobStatus": "Completed", "active": False},
    )
    await rows.put(
        "invoices",
        {"id": 70, "customer": {"id": 1}, "total": "189.50", "balance": "39.50", "active": True},
        {"id": 71, "customer": {"id": 1}, "total": "1000.00", "balance": "0.00", "active": False},
    )
    row = await rows.row("st_customers", 1)

    assert (row["total_jobs"], row["completed_jobs"], row["lifetime_value"]) == (2, 1, Decimal(150))
    assert row["first_job_date"] == datetime(2026, 2, 1)  # noqa: DTZ001 - the old column has no zone
    assert row["last_job_date"] == datetime(2026, 3, 4, 18)  # noqa: DTZ001 - the same


async def test_job_that_moved_is_counted_by_its_new_customer(rows: Rows) -> None:
    await rows.put("customers", {"id": 1}, {"id": 2})
    await rows.put("jobs", {"id": 60, "customerId": 1})
    await rows.put("jobs", {"id": 60, "customerId": 2})
    assert (await rows.row("st_customers", 1))["total_jobs"] == 0
    assert (await rows.row("st_customers", 2))["total_jobs"] == 1


async def test_appointment_lists_its_technicians_and_the_job_its_primary(rows: Rows) -> None:
    await rows.put("jobs", {"id": 60})
    await rows.put("appointments", {"id": 61, "jobId": 60})
    await rows.put(
        "appointment_assignments", assignment(81, technician=9, at=2), assignment(82, technician=5)
    )
    row = await rows.row("st_appointments", 61)
    job = await rows.row("st_jobs", 60)

    assert (row["technician_ids"], row["technician_id"]) == ([5, 9], 5)
    assert (job["technician_id"], job["technician_name"]) == (5, "Technician 5")
    assert await primary(rows) == [5]


async def test_technician_taken_off_leaves_the_appointment_and_the_job(rows: Rows) -> None:
    await rows.put("jobs", {"id": 60})
    await rows.put("appointments", {"id": 61, "jobId": 60})
    await rows.put("appointment_assignments", assignment(81, technician=9))
    await rows.put("appointment_assignments", assignment(81, technician=9, active=False))

    assert (await rows.row("st_appointments", 61))["technician_ids"] is None
    assert (await rows.row("st_jobs", 60))["technician_id"] is None
    assert await rows.db.fetchval("SELECT count(*) FROM servicetitan.job_technicians") == 0


async def test_lead_comes_before_helper_and_who_sold_the_job_before_other_leads(rows: Rows) -> None:
    await rows.put("technicians", {"id": 3, "positions": ["Helper"]}, {"id": 4, "positions": ["Service"]})
    await rows.put("jobs", {"id": 60})
    await rows.put(
        "appointment_assignments",
        assignment(81, technician=3, at=1),
        assignment(82, technician=4, at=2),
        assignment(83, technician=5, at=3),
        assignment(84, technician=5, at=4, appointment=65),
    )
    assert await primary(rows) == [4]

    await rows.put("jobs", {"id": 60, "soldById": 5})
    assert await primary(rows) == [5]
    assert (await rows.row("st_jobs", 60))["technician_id"] == 5


async def test_roles_of_the_setting_overrule_servicetitans_positions(rows: Rows) -> None:
    await rows.put("jobs", {"id": 60})
    await rows.put(
        "appointment_assignments", assignment(81, technician=3), assignment(82, technician=4, at=2)
    )
    async with rows.db.transaction() as connection:
        await connection.execute("SELECT set_config($1, $2, true)", ROLES_SETTING, '{"3": "helper"}')
        for each in derived.PASSES:
            await connection.execute(each.sql, None)
    assert await primary(rows) == [4]


async def test_job_spans_its_appointments_but_not_the_canceled(rows: Rows) -> None:
    await rows.put("jobs", {"id": 60})
    await rows.put(
        "appointments",
        {"id": 61, "jobId": 60, "start": "2026-03-04T17:00:00Z", "end": "2026-03-04T19:00:00Z"},
        {"id": 63, "jobId": 60, "start": "2026-03-06T08:00:00Z", "end": "2026-03-06T09:30:00Z"},
        {"id": 65, "jobId": 60, "start": "2026-03-01T08:00:00Z", "status": "Canceled"},
    )
    row = await rows.row("st_jobs", 60)

    assert row["scheduled_start"] == datetime(2026, 3, 4, 17)  # noqa: DTZ001 - the old column has no zone
    assert row["scheduled_end"] == datetime(2026, 3, 6, 9, 30)  # noqa: DTZ001 - the same
    assert (await rows.row("st_appointments", 63))["duration_minutes"] == 90


async def test_payment_counts_for_every_invoice_it_is_applied_to(rows: Rows) -> None:
    await rows.put("invoices", {"id": 70, "total": "100.00"}, {"id": 71, "total": "50.00"})
    applied = [{"appliedTo": 70, "appliedAmount": "60.00"}, {"appliedTo": 71, "appliedAmount": "50.00"}]
    await rows.put("payments", {"id": 90, "appliedTo": applied, "active": True})
    assert (await rows.row("st_invoices", 70))["paid_amount"] == 60

    await rows.put("payments", {"id": 90, "appliedTo": applied[1:], "active": True})
    first, second = await rows.row("st_invoices", 70), await rows.row("st_invoices", 71)
    assert (first["paid_amount"], first["payment_count"]) == (0, 0)
    assert (second["paid_amount"], second["payment_count"]) == (50, 1)


async def test_unchanged_recomputation_writes_no_row(rows: Rows) -> None:
    await fill(rows)
    await rows.recompute()
    before = await stamps(rows)
    await rows.recompute()
    assert await stamps(rows) == before


async def test_full_pass_agrees_with_what_each_batch_computed(rows: Rows) -> None:
    await fill(rows)
    before = {name: stamp for name, stamp in (await stamps(rows)).items() if name in COMPUTED_BY_BATCH}
    await rows.recompute()
    assert {name: (await stamps(rows))[name] for name in COMPUTED_BY_BATCH} == before


async def test_full_pass_heals_a_foreign_write(rows: Rows) -> None:
    await fill(rows)
    await rows.db.execute("UPDATE servicetitan.st_customers SET email = 'wrong', total_jobs = 99")
    await rows.db.execute("UPDATE servicetitan.job_technicians SET is_primary = false")
    await rows.recompute()
    row = await rows.row("st_customers", 1)
    assert (row["email"], row["total_jobs"]) == ("a@example.com", 1)
    assert await primary(rows) == [5]


async def test_full_pass_counts_the_work_of_units_and_technicians(rows: Rows) -> None:
    await fill(rows)
    await rows.recompute()
    unit, technician = await rows.row("st_business_units", 3), await rows.row("st_technicians", 5)
    assert (unit["total_jobs"], unit["active_jobs"]) == (1, 0)
    assert (technician["total_jobs"], technician["completed_jobs"]) == (1, 1)
    assert technician["total_revenue"] == 189


COMPUTED_BY_BATCH = ("st_customers", "st_jobs", "st_appointments", "st_invoices", "job_technicians")


async def fill(rows: Rows) -> None:
    """Put one of everything that derived columns read."""
    await rows.put("business_units", {"id": 3, "name": "Pool - Service"})
    await rows.put("technicians", {"id": 5, "name": "Technician 5"})
    await rows.put("customers", {"id": 1, "name": "Heron Court HOA"}, {"id": 2, "name": "No contacts"})
    await rows.put("customer_contacts", contact(11, customer=1, kind="Email", value="a@example.com"))
    job = {"id": 60, "customerId": 1, "jobStatus": "Completed", "businessUnitId": 3, "total": 189}
    await rows.put("jobs", job, {"id": 66})
    await rows.put("appointments", {"id": 61, "jobId": 60, "start": "2026-03-04T17:00:00Z"})
    await rows.put("appointment_assignments", assignment(81, technician=5))
    await rows.put("invoices", {"id": 70, "customer": {"id": 1}, "total": "189.00", "balance": "0.00"})
    applied = [{"appliedTo": 70, "appliedAmount": "189.00"}]
    await rows.put("payments", {"id": 90, "appliedTo": applied, "active": True})


async def stamps(rows: Rows) -> dict[str, list[tuple[Any, ...]]]:
    """Return the version of every row, by table."""
    tables = (*COMPUTED_BY_BATCH, "st_business_units", "st_technicians")
    return {
        table: [
            tuple(row)
            for row in await rows.db.fetch(
                f"SELECT ctid::text, xmin::text FROM servicetitan.{table} ORDER BY 1"
            )
        ]
        for table in tables
    }
