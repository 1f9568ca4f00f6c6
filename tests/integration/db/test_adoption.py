from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pcd.db.migrate import migrate
from pcd.errors import DataRejected

if TYPE_CHECKING:
    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

COLUMNS = r"""
SELECT table_name, column_name, data_type, character_maximum_length, numeric_precision, is_generated,
       column_default
FROM information_schema.columns
WHERE table_schema = ANY($1) AND table_name LIKE 'st\_%'
ORDER BY 1, 2
"""
# As the old worker writes: unqualified, one row at a time.
UPSERT = """
INSERT INTO st_customers (st_id, tenant_id, name, phone, full_data)
VALUES ($1, 1000, $2, NULL, '{}')
ON CONFLICT (st_id) DO UPDATE SET name = excluded.name, full_data = excluded.full_data
RETURNING id
"""


async def shape(db: Database, *schemas: str) -> dict[tuple[str, str], tuple[object, ...]]:
    rows = await db.fetch(COLUMNS, list(schemas))
    return {(row[0], row[1]): tuple(row)[2:] for row in rows}


async def test_nothing_is_dropped_or_retyped(old: Database) -> None:
    before = await shape(old, "public", "servicetitan")
    await migrate(old)
    after = await shape(old, "servicetitan")
    assert {key: after.get(key) for key in before} == before
    assert ("st_customers", "pcd_hash") in after
    assert ("st_customers", "display_name") in after


async def test_rows_views_and_functions_go_on_working(old: Database) -> None:
    await migrate(old)
    assert await old.fetchval("SELECT count(*) FROM servicetitan.st_customers") == 50
    assert await old.fetchval("SELECT count(*) FROM servicetitan.st_jobs") == 40
    assert await old.fetchval("SELECT sum(jobs) FROM v_customer_jobs WHERE has_contact") == 40
    assert await old.fetchval("SELECT jobs_of(7)") == 1
    assert await old.fetchval("SELECT name FROM automation.workflow_definitions") == "Follow up"
    assert await old.fetchval("SELECT count(*) FROM servicetitan.st_sync_log") == 1


async def test_a_second_migration_finds_nothing_to_do(old: Database) -> None:
    assert await migrate(old) > 0
    assert await migrate(old) == 0


async def test_the_old_worker_goes_on_writing(old: Database, in_public: bool) -> None:
    """With its own unqualified names, through a view where the table has moved."""
    await migrate(old)
    path = "public" if in_public else "servicetitan, automation, public"
    async with old.transaction() as connection:
        await connection.execute(f"SET LOCAL search_path = {path}")
        first = await connection.fetchval(UPSERT, 7, "Renamed")
        again = await connection.fetchval(UPSERT, 7, "Renamed again")
        assert first == again
        await connection.fetchval(UPSERT, 700, "New")
        await connection.execute("UPDATE st_jobs SET job_status = 'Completed' WHERE st_id = 201")
        log = await connection.fetchval(
            "INSERT INTO st_sync_log (module, sync_type, status) "
            "VALUES ('jobs', 'full', 'started') RETURNING id"
        )
        await connection.execute("UPDATE st_sync_log SET status = 'completed' WHERE id = $1", log)
        await connection.execute(
            "INSERT INTO workflow_instances (workflow_id, entity_type, entity_id, customer_id) "
            "SELECT id, 'estimate', 1, 7 FROM workflow_definitions"
        )
        await connection.execute("DELETE FROM st_customers WHERE st_id = 700")
    row = await old.fetchrow(
        "SELECT name, display_name, has_contact, last_synced_at "
        "FROM servicetitan.st_customers WHERE st_id = 7"
    )
    assert row is not None
    assert (row["name"], row["display_name"], row["has_contact"]) == ("Renamed again", "Renamed again", True)
    assert row["last_synced_at"] is not None, "the old table's own trigger still fires"
    assert await old.fetchval("SELECT count(*) FROM automation.workflow_instances") == 1


async def test_records_that_the_old_constraints_refused_are_accepted(old: Database) -> None:
    await migrate(old)
    await old.execute(
        "INSERT INTO servicetitan.st_jobs (st_id, tenant_id, customer_id, location_id, full_data) "
        "VALUES (900, 1000, 99999, 99999, '{}')"
    )
    await old.execute(
        "INSERT INTO servicetitan.st_estimates (st_id, tenant_id, full_data) VALUES (901, 1000, '{}')"
    )
    await old.execute(
        "INSERT INTO servicetitan.job_technicians (job_id, technician_id, appointment_id) "
        "VALUES (99999, 1, 2)"
    )


async def test_what_was_relaxed_can_be_restored(old: Database, in_public: bool) -> None:
    await migrate(old)
    rows = await old.fetch("SELECT relation, item, restore FROM pcd.relaxed")
    items = {(row["relation"], row["item"]) for row in rows}
    assert ("servicetitan.st_estimates", "not null job_id") in items
    assert ("servicetitan.job_technicians", "not null technician_name") in items
    assert (("servicetitan.st_jobs", "constraint fk_job_location") in items) is in_public
    async with old.transaction() as connection:
        for row in rows:
            await connection.execute(row["restore"])
    with pytest.raises(DataRejected, match="violates not-null constraint"):
        await old.execute(
            "INSERT INTO servicetitan.st_estimates (st_id, tenant_id, full_data) VALUES (901, 1000, '{}')"
        )


async def test_who_could_read_before_can_read_after(old: Database, in_public: bool) -> None:
    role = "pcd_test_reader"
    place = "public" if in_public else "servicetitan"
    await old.execute(f"DROP ROLE IF EXISTS {role}")
    await old.execute(f"CREATE ROLE {role}")
    await old.execute(f"GRANT USAGE ON SCHEMA {place} TO {role}")
    await old.execute(f"GRANT SELECT, UPDATE ON {place}.st_customers TO {role}")
    await migrate(old)
    async with old.transaction() as connection:
        await connection.execute(f"SET LOCAL ROLE {role}")
        assert await connection.fetchval(f"SELECT count(*) FROM {place}.st_customers") == 50
        await connection.execute(f"UPDATE {place}.st_customers SET name = 'Other' WHERE st_id = 1")
    await old.execute(f"DROP OWNED BY {role}")
    await old.execute(f"DROP ROLE {role}")


async def test_a_table_in_both_places_is_left_alone(db: Database) -> None:
    told: list[str] = []
    await db.execute("CREATE TABLE public.st_jobs (st_id bigint)")
    assert await migrate(db, on_step=told.append) == 0
    assert told == ["public.st_jobs is left alone: servicetitan.st_jobs exists too"]
    assert await db.fetchval("SELECT count(*) FROM public.st_jobs") == 0
