"""A database of the old system, as it may look: narrow, with foreign keys, views and columns of its own."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from support.rows import digest

from pcd.db.migrate import migrate
from pcd.db.pool import Database
from pcd.tables import RESOURCES, catalogue, ddl, statements

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from pcd.db.pool import Record

pytestmark = pytest.mark.asyncio

_OLD = """
CREATE SCHEMA servicetitan;
CREATE TABLE servicetitan.st_customers (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    st_id bigint NOT NULL UNIQUE,
    tenant_id bigint NOT NULL,
    name varchar(12) NOT NULL,
    first_name varchar(100),
    last_name varchar(100),
    display_name text GENERATED ALWAYS AS (coalesce(first_name || ' ' || last_name, name)) STORED,
    balance text,
    do_not_mail boolean NOT NULL DEFAULT false,
    house_colour varchar(20) DEFAULT 'blue',
    st_created_on timestamp,
    local_synced_at timestamptz DEFAULT now(),
    full_data json NOT NULL
);
CREATE INDEX old_customers_st_id ON servicetitan.st_customers (st_id);
CREATE INDEX old_customers_name ON servicetitan.st_customers (name, tenant_id);
CREATE INDEX old_customers_debt ON servicetitan.st_customers (balance) WHERE (balance > '0'::text);
CREATE TABLE servicetitan.st_jobs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    st_id bigint NOT NULL UNIQUE,
    tenant_id bigint NOT NULL,
    job_number varchar(100) NOT NULL,
    customer_id bigint NOT NULL CONSTRAINT fk_job_customer
        REFERENCES servicetitan.st_customers (st_id) ON DELETE CASCADE,
    full_data jsonb NOT NULL
);
CREATE VIEW servicetitan.debtors AS SELECT name, balance FROM servicetitan.st_customers;
INSERT INTO servicetitan.st_customers (st_id, tenant_id, name, full_data)
VALUES (1, 1000, 'Heron Court', '{"id": 1}');
"""


@pytest_asyncio.fixture
async def old(empty_database_url: str) -> AsyncGenerator[Database]:
    """Yield an adopted database of the old system."""
    database = await Database.connect(empty_database_url, pool_size=3, wait=timedelta(seconds=10))
    try:
        async with database.transaction() as connection:
            await connection.execute(_OLD)
        await migrate(database)
        yield database
    finally:
        await database.close()


async def shape(old: Database) -> catalogue.Catalogue:
    async with old.transaction() as connection:
        return await catalogue.read(connection)


async def put(old: Database, name: str, record: dict[str, Any]) -> Record:
    table = (await shape(old)).tables[RESOURCES[name].table]
    sql = statements.upsert(RESOURCES[name], table)
    raw = json.dumps(record)
    row = await old.fetchrow(sql, raw, digest(raw), "", datetime(2026, 3, 5, tzinfo=UTC), 1000)
    assert row is not None
    return row


async def test_second_migration_finds_nothing_to_do(old: Database) -> None:
    assert ddl.plan(await shape(old), RESOURCES.values()) == []
    assert await migrate(old) == 0


async def test_old_types_columns_and_rows_stay(old: Database) -> None:
    columns = (await shape(old)).tables["st_customers"].columns
    assert columns["name"].width == 12
    assert columns["balance"].type == "text"
    assert columns["full_data"].type == "json"
    assert columns["display_name"].generated
    assert columns["do_not_service"].type == "boolean"
    assert await old.fetchval("SELECT name FROM servicetitan.debtors") == "Heron Court"
    assert await old.fetchval("SELECT local_created_at FROM servicetitan.st_customers") is None


async def test_record_is_projected_onto_the_old_types(old: Database) -> None:
    answer = await put(
        old,
        "customers",
        {
            "id": 1,
            "name": "Maple & Finch Household",
            "balance": 12.50,
            "createdOn": "2026-03-02T15:04:11.3820417Z",
        },
    )
    row = await old.fetchrow("SELECT * FROM servicetitan.st_customers")
    assert row is not None

    assert answer["is_filled"]
    assert (row["name"], row["display_name"], row["balance"]) == ("Maple & Finc", "Maple & Finc", "12.5")
    assert row["st_created_on"] == datetime(2026, 3, 2, 15, 4, 11, 382042)  # noqa: DTZ001 - the old column
    assert json.loads(row["full_data"])["name"] == "Maple & Finch Household"
    assert row["house_colour"] == "blue"


async def test_record_that_the_old_constraints_refused_is_stored(old: Database) -> None:
    """No job number, and a customer that is not there yet."""
    await put(old, "jobs", {"id": 60, "customerId": 99})
    await put(old, "jobs", {"id": 61, "customerId": None})
    assert await old.fetchval("SELECT count(*) FROM servicetitan.st_jobs") == 2


async def test_key_of_some_rows_only_gets_a_whole_one_beside_it(old: Database) -> None:
    """No upsert can lean on it, and it may have the name that ours would get."""
    await old.execute("ALTER TABLE servicetitan.st_jobs DROP CONSTRAINT st_jobs_st_id_key")
    some = "CREATE UNIQUE INDEX st_jobs_st_id_key ON servicetitan.st_jobs (st_id) WHERE tenant_id > 5"
    await old.execute(some)
    assert await migrate(old) == 1
    for number in ("A", "B"):
        await put(old, "jobs", {"id": 60, "jobNumber": number})
    assert await old.fetchval("SELECT job_number FROM servicetitan.st_jobs") == "B"
    assert await migrate(old) == 0


async def test_what_was_relaxed_is_listed_with_what_restores_it(old: Database) -> None:
    rows = await old.fetch(
        "SELECT item, restore FROM pcd.relaxed WHERE relation = 'servicetitan.st_jobs' ORDER BY item"
    )
    assert [row["item"] for row in rows] == [
        "constraint fk_job_customer",
        "not null customer_id",
        "not null job_number",
    ]
    for row in rows:
        await old.execute(row["restore"])
    assert (await shape(old)).tables["st_jobs"].foreign_keys[0].name == "fk_job_customer"


async def test_indexes_that_exist_in_other_words_are_not_made_again(old: Database) -> None:
    names = {index.name for index in (await shape(old)).tables["st_customers"].indexes}
    assert "st_customers_name_idx" not in names
    assert "st_customers_city_idx" in names


async def test_foreign_write_is_noticed_on_an_adopted_table_too(old: Database) -> None:
    await put(old, "customers", {"id": 1, "name": "Heron Court"})
    update = "UPDATE servicetitan.st_customers SET {} RETURNING pcd_hash IS NULL"
    assert await old.fetchval(update.format("house_colour = 'red'")) is False
    assert await old.fetchval(update.format("name = 'Wren Court'")) is True
