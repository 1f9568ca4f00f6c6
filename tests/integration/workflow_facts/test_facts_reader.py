from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from support.detecting import upsert

from pcd.errors import ConditionError
from pcd.workflows.conditions import evaluate, parse
from pcd.workflows.facts import FACTS, Subject, statements
from pcd.workflows.facts.fact import Column
from pcd.workflows.facts.reader import FactReader

if TYPE_CHECKING:
    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

NOW = datetime(2026, 3, 6, 15, tzinfo=UTC)
BUSINESS = {"name": "Cool Air", "phone": "(407) 555-0100", "review_link": "", "payment_link": "https://pay"}
ESTIMATE = Subject(
    entity_type="estimate",
    entity_id=5,
    customer_id=1,
    event={"total": 1500.5, "customer": {"phone": None}},
    told={"message_count": 2, "name": "Follow-up", "started_at": NOW - timedelta(days=3)},
    context={"rows": [1, 2], "answer": {"deep": "yes"}},
)


class Still:
    """A clock that stands."""

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


def reader(db: Database) -> FactReader:
    zone = ZoneInfo("America/New_York")
    return FactReader(db, business=BUSINESS, zone=zone, clock=Still())  # type: ignore[arg-type]


async def put(db: Database, resource: str, st_id: int, **columns: object) -> None:
    await db.execute(*upsert(resource, st_id, **columns))


async def company(db: Database) -> None:
    """Write a customer with a sold visit, an estimate, an invoice and an appointment on the way."""
    await put(db, "tag_types", 70, name="VIP")
    await put(db, "job_types", 60, name="AC repair")
    await put(db, "business_units", 50, name="HVAC")
    await put(db, "technicians", 40, name="[technician]", phone="(407) 555-0140", active=True)
    await put(
        db,
        "customers",
        1,
        name="Last, First",
        type="Residential",
        active=True,
        tag_type_ids=[70],
        st_created_on=NOW - timedelta(days=30),
    )
    await put(
        db,
        "jobs",
        3,
        customer_id=1,
        job_number="J-3",
        job_status="Completed",
        job_type_id=60,
        business_unit_id=50,
        technician_id=40,
        invoice_id=6,
    )
    await put(
        db, "estimates", 5, customer_id=1, job_id=3, status="Open", total=Decimal("1500.50"), active=True
    )
    await put(db, "invoices", 6, customer_id=1, job_id=3, balance=Decimal("10.00"), due_date=date(2026, 3, 1))
    start = datetime(2026, 3, 8, 18, 30, tzinfo=UTC)
    await put(db, "appointments", 7, job_id=3, customer_id=1, status="Canceled", active=True, start_on=NOW)
    await put(db, "appointments", 8, job_id=3, customer_id=1, status="Scheduled", active=True, start_on=start)


async def test_facts_of_an_estimate_come_from_all_that_belongs_to_it(db: Database) -> None:
    await company(db)
    expected: dict[str, Any] = {
        "estimate.status": "Open",
        "estimate.total": Decimal("1500.50"),
        "estimate.sold_at": None,
        "customer.first_name": "First",
        "customer.tags": ("VIP",),
        "customer.days_since_created": 30,
        "customer.opted_out": False,
        "customer.has_membership": False,
        "job.number": "J-3",
        "job.type": "AC repair",
        "job.business_unit": "HVAC",
        "technician.name": "[technician]",
        "technician.phone": "(407) 555-0140",
        "appointment.id": 8,
        "appointment.date": date(2026, 3, 8),
        "appointment.time": "2:30 PM",
        "appointment.window": None,
        "appointment.hours_until": Decimal("51.50"),
        "invoice.balance": Decimal("10.00"),
        "invoice.is_paid": False,
        "invoice.days_past_due": 5,
        "review_received": False,
        "business.phone": "(407) 555-0100",
        "review_link": None,
        "payment.link": "https://pay",
        "deadline_date": date(2026, 3, 13),
        "next_available_date": date(2026, 3, 9),
        "today": date(2026, 3, 6),
        "now": NOW,
        "message_count": 2,
        "workflow.name": "Follow-up",
        "days_since_start": 3,
        "event.total": Decimal("1500.5"),
        "event.customer.phone": None,
        "context.rows": ("1", "2"),
        "context.answer.deep": "yes",
        "context.nothing": None,
    }
    assert await reader(db).read(ESTIMATE, expected) == expected


async def test_what_belongs_to_nothing_has_its_declared_default(db: Database) -> None:
    await put(db, "customers", 1, name="Cool Air Inc", type="Commercial")
    await put(db, "estimates", 5, customer_id=1, status="Open")
    expected = {
        "customer.first_name": "Cool Air Inc",
        "technician.name": "our team",
        "technician.phone": "(407) 555-0100",
        "job.number": None,
        "appointment.hours_until": None,
        "invoice.is_paid": None,
    }
    assert await reader(db).read(ESTIMATE, expected) == expected


async def test_row_that_is_not_there_makes_its_facts_unknown_and_never_false(db: Database) -> None:
    await put(db, "customers", 1, name="Cool Air Inc")
    found = await reader(db).read(
        ESTIMATE, ["estimate.status", "customer.name", "estimate.days_since_created"]
    )
    assert found == {"customer.name": "Cool Air Inc"}
    with pytest.raises(ConditionError, match=r"estimate\.status is not known"):
        evaluate(parse("estimate.status == 'Sold'"), found)


async def test_customer_who_is_not_there_is_unknown(db: Database) -> None:
    await put(db, "estimates", 5, status="Open")
    assert await reader(db).read(ESTIMATE, ["customer.opted_out", "review_received"]) == {
        "customer.opted_out": False
    }
    assert await reader(db).read(ESTIMATE, ["customer.name", "customer.tags"]) == {}


async def test_unknown_name_is_an_error_with_the_nearest_one(db: Database) -> None:
    with pytest.raises(ConditionError, match=r"did you mean estimate\.total"):
        await reader(db).read(ESTIMATE, ["estimate.totl"])


@pytest.mark.parametrize("column", ["sms_opted_out", "email_opted_out", "do_not_contact"])
async def test_opt_out_of_any_kind_is_one(db: Database, column: str) -> None:
    await company(db)
    await db.execute(
        f"INSERT INTO public.customer_communication_preferences (customer_id, {column}) VALUES (1, true)"
    )
    assert (await reader(db).read(ESTIMATE, ["customer.opted_out"]))["customer.opted_out"] is True


@pytest.mark.parametrize(
    ("tags", "received"),
    [
        ('["Review Received"]', True),
        ('["review-received", "x"]', True),
        ('["reviewed"]', False),
        ("{}", False),
    ],
)
async def test_review_is_received_when_the_contact_wears_the_tag(
    db: Database, tags: str, received: bool
) -> None:
    await company(db)
    await db.execute(
        "INSERT INTO integrations.ghl_contacts (ghl_id, st_customer_id, tags, full_data) "
        "VALUES ('c', 1, $1, '{}')",
        tags,
    )
    assert (await reader(db).read(ESTIMATE, ["review_received"]))["review_received"] is received


async def test_review_is_received_when_servicetitan_has_the_tag(db: Database) -> None:
    await company(db)
    await put(db, "tag_types", 70, name="Review received!")
    await put(db, "tag_types", 71, name="Review received")
    await put(db, "customers", 1, name="[name]", tag_type_ids=[71])
    assert (await reader(db).read(ESTIMATE, ["review_received"]))["review_received"] is True


async def test_next_available_date_passes_over_full_days_and_weekends(db: Database) -> None:
    await put(db, "technicians", 40, name="[technician]", active=True)
    monday = datetime(2026, 3, 9, 14, tzinfo=UTC)
    await put(db, "appointments", 9, status="Scheduled", active=True, start_on=monday)
    await put(db, "appointments", 10, status="Canceled", active=True, start_on=monday + timedelta(days=1))
    found = await reader(db).read(ESTIMATE, ["next_available_date"])
    assert found == {"next_available_date": date(2026, 3, 10)}


async def test_instance_owner_is_whose_facts_count(db: Database) -> None:
    """An estimate may move to another customer while its workflow runs."""
    await put(db, "customers", 1, name="One")
    await put(db, "customers", 2, name="Two")
    await put(db, "estimates", 5, customer_id=2)
    assert (await reader(db).read(ESTIMATE, ["customer.name"]))["customer.name"] == "One"


@pytest.mark.every_server
@pytest.mark.parametrize("entity", sorted(statements.ENTITIES))
async def test_every_fact_can_be_read_of_every_entity(db: Database, entity: str) -> None:
    columns = frozenset(name for name, fact in FACTS.items() if isinstance(fact.source, Column))
    statement = statements.read(entity, columns)
    row = await db.fetchrow(statement.sql, 5, 1)
    assert row is not None
    assert len(row) == len(statement.names) + 2
    assert await reader(db).read(Subject(entity_type=entity, entity_id=5, customer_id=1), FACTS) is not None


@pytest.mark.parametrize("entity", sorted(statements.ENTITIES))
async def test_facts_are_read_by_index(db: Database, entity: str) -> None:
    """Every workflow step asks; one sequential scan of a mirrored table would be felt."""
    names = frozenset(
        name for name, fact in FACTS.items() if isinstance(fact.source, Column) and name != "job.tags"
    ) - {"customer.tags", "review_received"}
    sql = statements.read(entity, names).sql.replace("$1", "5").replace("$2", "1")
    async with db.transaction() as connection:
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN (COSTS OFF) {sql}"))
    assert "Seq Scan" not in plan
