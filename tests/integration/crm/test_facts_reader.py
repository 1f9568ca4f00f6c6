"""The facts of customers as they are read from the mirror."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from pcd.crm.facts import AppointmentFacts, CustomerFacts, EstimateFacts, JobFacts
from pcd.crm.reader import facts_of
from pcd.db import queries

if TYPE_CHECKING:
    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

SQL = queries.load("pcd.crm")
AT = datetime(2026, 3, 5, 14, tzinfo=UTC)
LATER = datetime(2026, 3, 6, 9, 30, tzinfo=UTC)
FILL = """
INSERT INTO servicetitan.st_customers (st_id, tenant_id, name, full_data)
SELECT i, 1, 'x', '{}' FROM generate_series(1, 5000) AS i;
INSERT INTO servicetitan.st_jobs (st_id, tenant_id, customer_id, full_data)
SELECT i, 1, i % 5000, '{}' FROM generate_series(1, 20000) AS i;
INSERT INTO servicetitan.st_appointments (st_id, tenant_id, job_id, full_data)
SELECT i, 1, i, '{}' FROM generate_series(1, 20000) AS i;
INSERT INTO servicetitan.st_estimates (st_id, tenant_id, customer_id, job_id, full_data)
SELECT i, 1, i % 5000, i, '{}' FROM generate_series(1, 20000) AS i;
INSERT INTO servicetitan.job_technicians (job_id, technician_id, appointment_id)
SELECT i, 1, i FROM generate_series(1, 20000) AS i;
ANALYZE servicetitan.st_customers, servicetitan.st_jobs, servicetitan.st_appointments,
        servicetitan.st_estimates, servicetitan.job_technicians;
"""


async def put(db: Database, table: str, st_id: int, **columns: object) -> None:
    """Write one row of ``servicetitan.<table>``."""
    names = ["st_id", "tenant_id", "full_data", *columns]
    places = ", ".join(f"${n}" for n in range(1, len(names) + 1))
    sql = f"INSERT INTO servicetitan.{table} ({', '.join(names)}) VALUES ({places})"
    await db.execute(sql, st_id, 1, "{}", *columns.values())


async def read(db: Database, *ids: int) -> dict[int, CustomerFacts]:
    """Return the facts of some customers, "Install" and "Remodel" being installs."""
    return dict(await facts_of(db, ids, install_names=("install", "Remodel")))


@pytest.mark.every_server
async def test_everything_about_a_customer_is_read(db: Database) -> None:
    await put(
        db,
        "st_customers",
        7,
        name="Rosa Field",
        type="Residential",
        email="rosa@example.com",
        phone="(239) 555-0142",
        address_line1="1 Reef Road",
        address_line2="Unit 2",
        city="Naples",
        state="FL",
        zip="34102",
        country="USA",
        st_created_on=AT,
    )
    await put(db, "st_business_units", 2, name="Pool - INSTALL")
    await put(
        db,
        "st_jobs",
        70,
        customer_id=7,
        job_number="J-70",
        job_status="Scheduled",
        business_unit_id=2,
        st_created_on=AT,
        st_modified_on=LATER,
        job_completion_time=LATER,
        project_id=5,
        created_from_estimate_id=701,
    )
    await put(db, "st_appointments", 700, job_id=70, status="Scheduled", start_on=LATER, st_modified_on=AT)
    for technician in (4, 3):
        await db.execute(
            "INSERT INTO servicetitan.job_technicians (job_id, technician_id, appointment_id)"
            " VALUES (70, $1, 700)",
            technician,
        )
    await put(
        db,
        "st_estimates",
        701,
        customer_id=7,
        job_id=70,
        name="Pump",
        status="Sold",
        total=Decimal("1250.5"),
        st_created_on=AT,
        st_modified_on=LATER,
        sold_on=LATER,
        business_unit_id=2,
    )
    assert await read(db, 7, 8) == {
        7: CustomerFacts(
            id=7,
            name="Rosa Field",
            type="Residential",
            email="rosa@example.com",
            phone="(239) 555-0142",
            street="1 Reef Road, Unit 2",
            city="Naples",
            state="FL",
            zip="34102",
            country="USA",
            created_at=AT,
            jobs=(
                JobFacts(
                    id=70,
                    number="J-70",
                    status="Scheduled",
                    business_unit_id=2,
                    is_install=True,
                    created_at=AT,
                    modified_at=LATER,
                    completed_at=LATER,
                    project_id=5,
                    created_from_estimate_id=701,
                    appointments=(
                        AppointmentFacts(id=700, status="Scheduled", start_at=LATER, modified_at=AT),
                    ),
                    technician_ids=(3, 4),
                ),
            ),
            estimates=(
                EstimateFacts(
                    id=701,
                    job_id=70,
                    name="Pump",
                    status="Sold",
                    total=Decimal("1250.5000"),
                    created_at=AT,
                    modified_at=LATER,
                    sold_at=LATER,
                    business_unit_id=2,
                ),
            ),
        )
    }


async def test_what_does_not_count_is_left_out(db: Database) -> None:
    await put(db, "st_customers", 7, name="Rosa Field")
    await put(db, "st_jobs", 70, customer_id=7)
    await put(db, "st_jobs", 71, customer_id=7, active=False)
    await put(db, "st_jobs", 72, customer_id=7, st_deleted_at=AT)
    await put(db, "st_jobs", 73, customer_id=8)
    await put(db, "st_appointments", 700, job_id=70)
    await put(db, "st_appointments", 701, job_id=70, unused=True)
    await put(db, "st_appointments", 702, job_id=70, active=False)
    await put(db, "st_appointments", 703, job_id=70, st_deleted_at=AT)
    await put(db, "st_estimates", 710, customer_id=7)
    await put(db, "st_estimates", 711, customer_id=7, active=False)
    await put(db, "st_estimates", 712, customer_id=7, st_deleted_at=AT)
    facts = (await read(db, 7))[7]
    assert [job.id for job in facts.jobs] == [70]
    assert [visit.id for visit in facts.jobs[0].appointments] == [700]
    assert [one.id for one in facts.estimates] == [710]


async def test_old_rows_with_nulls_are_read(db: Database) -> None:
    await put(db, "st_customers", 7, name="x", active=None, do_not_service=None, city=None)
    await put(db, "st_jobs", 70, customer_id=7, technician_id=4)
    await put(db, "st_estimates", 700, customer_id=7, total=Decimal("NaN"))
    facts = (await read(db, 7))[7]
    assert facts.is_active
    assert not facts.do_not_service
    assert facts.jobs[0].technician_ids == (4,)
    assert facts.jobs[0].number == "70"
    assert facts.estimates[0].total is None


@pytest.mark.parametrize(
    ("columns", "attribute", "value"),
    [
        pytest.param({"active": False}, "is_active", False, id="inactive"),
        pytest.param({"st_deleted_at": AT}, "is_active", False, id="gone upstream"),
        pytest.param({"merged_to_id": 8}, "merged_into", 8, id="merged"),
        pytest.param({"do_not_service": True}, "do_not_service", True, id="not to be served"),
    ],
)
async def test_state_of_a_customer_is_read(
    db: Database, columns: dict[str, object], attribute: str, value: object
) -> None:
    await put(db, "st_customers", 7, name="x", **columns)
    assert getattr((await read(db, 7))[7], attribute) == value


async def test_wish_not_to_be_contacted_is_read(db: Database) -> None:
    await put(db, "st_customers", 7, name="x")
    await db.execute(
        "INSERT INTO public.customer_communication_preferences (customer_id, do_not_contact) VALUES (7, true)"
    )
    assert (await read(db, 7))[7].do_not_contact


@pytest.mark.parametrize(
    ("pipelines", "pushed"),
    [
        pytest.param({1: None, 2: None}, {700, 701, 702, 703}, id="no unit has one: all take part"),
        pytest.param({1: "p", 2: None}, {700, 703}, id="one has: the others do not"),
        pytest.param({1: "p", 2: ""}, {700, 703}, id="an empty one is none"),
        pytest.param({1: "p", 2: "q"}, {700, 701, 702, 703}, id="both have"),
    ],
)
async def test_pipeline_of_a_unit_is_its_switch(
    db: Database, pipelines: dict[int, str | None], pushed: set[int]
) -> None:
    """An estimate without a unit has its job's; one without any is nobody's to switch off."""
    for unit, pipeline in pipelines.items():
        await put(db, "st_business_units", unit, name=f"unit {unit}", ghl_pipeline_id=pipeline)
    await put(db, "st_customers", 7, name="x")
    await put(db, "st_jobs", 70, customer_id=7, business_unit_id=2)
    await put(db, "st_estimates", 700, customer_id=7, business_unit_id=1)
    await put(db, "st_estimates", 701, customer_id=7, business_unit_id=2)
    await put(db, "st_estimates", 702, customer_id=7, job_id=70)
    await put(db, "st_estimates", 703, customer_id=7)
    facts = (await read(db, 7))[7]
    assert {one.id for one in facts.estimates if one.is_pushed} == pushed


@pytest.mark.every_server
async def test_customers_are_read_by_index(db: Database) -> None:
    """However large the tables grow; none of them is read from end to end."""
    await db.execute(FILL)
    async with db.transaction() as connection:
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE facts AS {SQL['facts']}")
        rows = await connection.fetch("EXPLAIN (COSTS OFF) EXECUTE facts (ARRAY[7, 8, 9])")
    plan = "\n".join(row[0] for row in rows)
    for table in ("st_customers", "st_jobs", "st_appointments", "st_estimates", "job_technicians"):
        assert f"Seq Scan on {table}" not in plan, plan
    facts = await read(db, *range(1, 200))
    assert len(facts) == 199
    assert all(len(one.jobs) == 4 and len(one.estimates) == 4 for one in facts.values())
