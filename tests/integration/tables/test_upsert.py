from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from support.contracts import SERVICETITAN, if_published

from pcd.errors import DataRejected
from pcd.tables import RESOURCES, derived, statements

if TYPE_CHECKING:
    from support.rows import Rows

    from pcd.tables.spec import Resource

pytestmark = pytest.mark.asyncio

INVOICE = {
    "id": 700,
    "referenceNumber": "1200847",
    "syncStatus": "Posted",
    "invoiceDate": "2026-03-04T00:00:00Z",
    "dueDate": "2026-04-03T00:00:00",
    "subTotal": "189.00",
    "total": "201.3450",
    "balance": "",
    "job": {"id": 600, "number": "1200847"},
    "customer": {"id": 500, "name": "Heron Court HOA"},
    "businessUnit": None,
    "items": [{"id": 1}, {"id": 2}],
    "customFields": None,
    "paidOn": "2026-03-05T18:00:00Z",
    "active": True,
    "createdOn": "2026-03-02T15:04:11.3820417Z",
    "modifiedOn": None,
}


@if_published
async def test_documented_example_of_every_resource_becomes_a_row(rows: Rows) -> None:
    """One database for all: making one costs more than the rows."""
    for name, resource in RESOURCES.items():
        record = _example(resource)
        answer = await rows.put(name, record)
        row = await rows.row(resource.table, record["id"])

        assert (name, {key: answer[key] for key in ("written", "is_filled")}) == (
            name,
            {"written": 1, "is_filled": False},
        )
        assert (name, json.loads(row["full_data"])) == (name, record)
        assert row["tenant_id"] == 1000
        assert row["st_modified_on"] == datetime(2026, 3, 4, 22, 41, 7, 910539, tzinfo=UTC)
        assert all(row[column] == value for column, value in resource.constants.items())
        filled = [it.name for it in resource.projected if it.path and _at(record, it.path) is not None]
        assert (name, [column for column in filled if row[column] is None]) == (name, [])


async def test_values_take_the_types_of_their_columns(rows: Rows) -> None:
    await rows.put("invoices", INVOICE)
    row = await rows.row("st_invoices", 700)

    assert (row["job_id"], row["customer_id"], row["business_unit_id"]) == (600, 500, None)
    assert (row["invoice_date"], row["due_date"]) == (date(2026, 3, 4), date(2026, 4, 3))
    assert row["total"] == Decimal("201.345")
    assert row["balance"] == 0
    assert row["item_count"] == 2
    assert row["custom_fields"] == "{}"
    assert row["paid_on"] == datetime(2026, 3, 5, 18)  # noqa: DTZ001 - the old column has no zone
    assert row["st_modified_on"] is None
    assert row["invoice_number"] == "1200847"


async def test_numbers_with_a_needless_fraction_are_whole_all_the_same(rows: Rows) -> None:
    record = '{"id": 1.000, "customerId": 7.0000, "tagTypeIds": [3.0, "4"], "appointmentCount": "2"}'
    async with rows.db.transaction() as connection:
        sql = statements.upsert(RESOURCES["jobs"], rows.tables["st_jobs"])
        await connection.fetchrow(sql, record, "00" * 16, "", datetime(2026, 1, 1, tzinfo=UTC), 1000)
    row = await rows.row("st_jobs", 1)

    assert (row["customer_id"], row["tag_type_ids"], row["appointment_count"]) == (7, [3, 4], 2)
    assert row["job_number"] == "1.000"


async def test_second_write_replaces_the_first_and_revives_the_row(rows: Rows) -> None:
    await rows.put("jobs", {"id": 1, "jobNumber": "A1", "customerId": 5, "jobStatus": "Scheduled"})
    await rows.db.execute(
        "UPDATE servicetitan.st_jobs SET st_deleted_at = now(), ghl_opportunity_id = 'kept'"
    )

    await rows.put("jobs", {"id": 1, "jobNumber": "A1", "customerId": 6, "jobStatus": None})
    row = await rows.row("st_jobs", 1)

    assert (row["customer_id"], row["job_status"], row["st_deleted_at"]) == (6, None, None)
    assert row["ghl_opportunity_id"] == "kept"


async def test_overlong_values_are_cut_and_counted_but_kept_whole_in_full_data(rows: Rows) -> None:
    long = "é" * 40
    records = (
        {"id": 1, "name": "Birch Lane 4", "address": {"zip": long, "city": "Linden"}},
        {"id": 2, "name": "Birch Lane 6", "address": {"zip": long, "city": "Linden"}},
    )
    answer = await rows.put("locations", *records)
    row = await rows.row("st_locations", 1)
    count = statements.cut(RESOURCES["locations"], rows.tables["st_locations"])

    assert answer["is_filled"]
    cut = await rows.db.fetchval(count, statements.pack(json.dumps(record) for record in records))
    assert json.loads(cut) == {"zip": 2}
    assert row["zip"] == long[:20]
    assert json.loads(row["full_data"])["address"]["zip"] == long


async def test_record_that_does_not_fit_is_refused_as_data(rows: Rows) -> None:
    with pytest.raises(DataRejected):
        await rows.put("jobs", {"id": 1, "customerId": "Heron Court"})


async def test_prefilter_finds_what_is_missing_different_or_gone(rows: Rows) -> None:
    for st_id in (1, 2, 3):
        await rows.put("jobs", {"id": st_id, "customerId": 5, "modifiedOn": "2026-01-01T00:00:00.0000000Z"})
    await rows.db.execute("UPDATE servicetitan.st_jobs SET st_deleted_at = now() WHERE st_id = 3")
    hashes = {
        row["st_id"]: row["pcd_hash"]
        for row in await rows.db.fetch("SELECT st_id, pcd_hash FROM servicetitan.st_jobs")
    }
    resource = RESOURCES["jobs"]
    sql = statements.prefilter(resource, keys=derived.keys(resource))
    ids, digests = ("1", "2", "3", "4"), (hashes[1].hex(), "aa", hashes[3].hex(), "bb")

    found = {
        row["st_id"]: dict(row)
        for row in await rows.db.fetch(sql, statements.pack(ids), statements.pack(digests))
    }

    assert found.keys() == {2, 3, 4}
    assert found[2] == {
        "st_id": 2,
        "is_stored": True,
        "pcd_modified": "2026-01-01T00:00:00.0000000Z",
        "pcd_as_of": datetime(2026, 3, 5, tzinfo=UTC),
        "customer_id": 5,
    }
    assert found[4]["is_stored"] is False


async def test_foreign_write_forgets_the_hash_and_ours_does_not(rows: Rows) -> None:
    await rows.put("jobs", {"id": 1, "jobNumber": "A1", "customerId": 5})
    update = "UPDATE servicetitan.st_jobs SET {} RETURNING pcd_hash IS NULL"

    assert await rows.db.fetchval(update.format("ghl_sync_status = 'synced'")) is False
    assert await rows.db.fetchval(update.format("technician_id = 9")) is False
    assert await rows.db.fetchval(update.format("st_deleted_at = now()")) is False
    assert await rows.db.fetchval(update.format("customer_id = 5")) is False
    assert await rows.db.fetchval(update.format("customer_id = 6")) is True


async def test_foreign_write_to_the_record_itself_is_noticed(rows: Rows) -> None:
    await rows.put("jobs", {"id": 1, "jobNumber": "A1", "customerId": 5})
    await rows.db.execute("""UPDATE servicetitan.st_jobs SET full_data = full_data || '{"x": 1}'""")
    assert (await rows.row("st_jobs", 1))["pcd_hash"] is None


async def test_every_statement_is_understood_by_the_real_tables(rows: Rows) -> None:
    async with rows.db.transaction() as connection:
        for resource in RESOURCES.values():
            table = rows.tables[resource.table]
            keys = derived.keys(resource)
            await connection.prepare(statements.insert(resource, table, keys=keys))
            await connection.prepare(statements.upsert(resource, table, keys=keys))
            await connection.prepare(statements.cut(resource, table))
            await connection.prepare(statements.prefilter(resource, keys=keys))


def _example(resource: Resource) -> dict[str, Any]:
    file = resource.name.replace("custom_fields", "custom_field_types").replace("_", "-")
    contract = json.loads((SERVICETITAN / f"{file}.json").read_text(encoding="utf-8"))
    record: dict[str, Any] = contract["endpoints"]["export" if resource.export else "list"]["example_record"]
    return record


def _at(record: object, path: tuple[str, ...]) -> object:
    for step in path:
        record = record.get(step) if isinstance(record, dict) else None
    return record
