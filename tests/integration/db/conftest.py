"""A database as the old system left it, written from the list of its tables and columns.

In a column list ``!`` means NOT NULL and ``=`` gives the default, as in the description it comes from.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from support.embedding import servers

from pcd.db.pool import Database

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

IN_PUBLIC, IN_SCHEMAS = "in public", "in its schemas"

_NOW = "timestamptz=now()"
_BOTH = f"st_created_on timestamptz, st_modified_on timestamptz, local_synced_at {_NOW}, full_data jsonb!"
_KEY = "st_id bigint!, tenant_id bigint!"

MIRRORED = {
    "st_customers": f"""{_KEY}, name varchar(500)!, type varchar(50), email varchar(255), phone varchar(50),
        phone_numbers jsonb='[]', email_addresses jsonb='[]', address_line1 varchar(500),
        address_line2 varchar(500), city varchar(255), state varchar(100), zip varchar(20),
        country varchar(100),
        addresses jsonb='[]', balance decimal(18,4)=0, active boolean=true, do_not_service boolean=false,
        do_not_mail boolean=false, tag_type_ids bigint[], tags jsonb='[]', custom_fields jsonb='{{}}',
        {_BOTH},
        local_created_at {_NOW}, total_jobs integer=0, completed_jobs integer=0,
        lifetime_value decimal(12,2)=0,
        last_job_date timestamp, first_job_date timestamp, aggregates_updated_at timestamp,
        last_synced_at timestamp, first_name varchar(100), last_name varchar(100), location_id bigint,
        postal_code varchar(20)""",
    "st_locations": f"{_KEY}, customer_id bigint, name varchar(255), {_BOTH}",
    "st_business_units": f"""{_KEY}, name varchar(255)!, official_name varchar(255), active boolean=true,
        ghl_pipeline_id varchar(255), ghl_location_id varchar(255), {_BOTH}, total_jobs integer=0,
        active_jobs integer=0, last_synced_at timestamp, code varchar(50), email varchar(255),
        phone varchar(50),
        address text""",
    "st_technicians": f"""{_KEY}, name varchar(255)!, employee_id varchar(100), email varchar(255),
        phone varchar(50), business_unit_id bigint, active boolean=true, {_BOTH}, total_jobs integer=0,
        completed_jobs integer=0, total_revenue decimal(12,2)=0, skills jsonb='[]', hire_date date,
        last_synced_at timestamp, first_name varchar(100), last_name varchar(100), role varchar(100),
        is_technician boolean=true""",
    "st_job_types": f"""{_KEY}, name varchar(255)!, active boolean=true, local_synced_at {_NOW},
        full_data jsonb!, last_synced_at timestamp, code varchar(50), business_unit_id bigint""",
    "st_tag_types": f"""{_KEY}, name varchar(255)!, active boolean=true, local_synced_at {_NOW},
        full_data jsonb!, last_synced_at timestamp, code varchar(50), color varchar(50),
        entity_type varchar(50)""",
    "st_custom_fields": f"""{_KEY}, name varchar(255)!, data_type varchar(50), entity_type varchar(50),
        active boolean=true, local_synced_at {_NOW}, full_data jsonb!""",
    "st_jobs": f"""{_KEY}, job_number varchar(100)!, customer_id bigint!, location_id bigint,
        business_unit_id bigint!, job_type_id bigint, campaign_id bigint, summary text,
        job_status varchar(50),
        job_completion_time timestamptz, invoice_total decimal(18,4)=0, balance decimal(18,4)=0,
        total_cost decimal(18,4)=0, tag_type_ids bigint[], tags jsonb='[]', custom_fields jsonb='{{}}',
        ghl_synced_at timestamptz, ghl_opportunity_id varchar(255), ghl_sync_status varchar(50),
        ghl_sync_error text, {_BOTH}, technician_name varchar(200), priority varchar(50)='Normal',
        last_synced_at timestamp, scheduled_start timestamp, scheduled_end timestamp, completed_on timestamp,
        technician_id bigint""",
    "st_estimates": f"""{_KEY}, job_id bigint!, customer_id bigint!, location_id bigint,
        estimate_number varchar(100)!, name varchar(500), status varchar(50), sold_by bigint,
        sold_on timestamptz, subtotal decimal(18,4)=0, total decimal(18,4)=0, items jsonb='[]',
        custom_fields jsonb='{{}}', {_BOTH}, item_count integer=0, sold_by_id bigint,
        last_synced_at timestamp,
        tax decimal(12,2)=0, business_unit_id bigint""",
    "st_appointments": f"""{_KEY}, job_id bigint!, status varchar(50), start_on timestamptz!,
        end_on timestamptz, arrival_window_start timestamptz, arrival_window_end timestamptz,
        technician_ids bigint[], custom_fields jsonb='{{}}', {_BOTH}, actual_arrival timestamp,
        actual_departure timestamp, technician_name varchar(200), last_synced_at timestamp,
        appointment_number varchar(100), type varchar(100), start_time timestamp, end_time timestamp,
        duration_minutes integer=60, notes text, customer_id bigint, location_id bigint,
        technician_id bigint""",
    "st_invoices": f"""{_KEY}, job_id bigint!, customer_id bigint!, location_id bigint,
        business_unit_id bigint!, invoice_number varchar(100)!, status varchar(50), invoice_date date,
        due_date date, subtotal decimal(18,4)=0, total decimal(18,4)=0, balance decimal(18,4)=0,
        items jsonb='[]', custom_fields jsonb='{{}}', {_BOTH}, paid_amount decimal(12,2)=0,
        payment_count integer=0, paid_on timestamp, last_synced_at timestamp, payments text,
        item_count integer=0, tax decimal(12,2)=0""",
}
PLAIN = {
    "servicetitan": {
        "st_sync_log": f"""module varchar(100)!, sync_type varchar(50)!, status varchar(50)!,
            records_fetched integer=0, records_created integer=0, records_updated integer=0,
            records_failed integer=0, started_at {_NOW}, completed_at timestamptz, duration_ms integer,
            error_message text, error_details jsonb, triggered_by varchar(100), parameters jsonb='{{}}'""",
        "job_technicians": """job_id bigint!, appointment_id bigint, technician_id bigint!,
            technician_name varchar(255)!, position varchar(20), is_primary boolean=false,
            assigned_on timestamptz, st_assignment_id bigint, updated_at timestamptz=now()""",
    },
    "integrations": {
        "ghl_contacts": """ghl_id varchar(255)!, st_customer_id bigint, email varchar(255),
            full_data jsonb!, synced_to_st boolean=false""",
        "ghl_sync_log": f"""sync_type varchar(50)!, direction varchar(20)!, status varchar(50)!,
            started_at {_NOW}, completed_at timestamptz""",
    },
    "automation": {
        "workflow_definitions": """name varchar(255)!, trigger_event varchar(100)!,
            trigger_conditions jsonb='{}', stop_conditions jsonb!='[]', steps jsonb!='[]',
            enabled boolean=true""",
        "workflow_instances": """workflow_id uuid!, entity_type varchar(50)!, entity_id bigint!,
            customer_id bigint!, status varchar(50)!='active', next_action_at timestamptz""",
    },
}

# As migration 002 had them; production had lost them by hand.
_STRICT = """
ALTER TABLE {servicetitan}st_jobs
    ADD CONSTRAINT fk_job_customer FOREIGN KEY (customer_id) REFERENCES {servicetitan}st_customers (st_id)
        ON DELETE CASCADE,
    ADD CONSTRAINT fk_job_location FOREIGN KEY (location_id) REFERENCES {servicetitan}st_locations (st_id)
        ON DELETE SET NULL;
ALTER TABLE {servicetitan}st_estimates
    ADD CONSTRAINT fk_estimate_job FOREIGN KEY (job_id) REFERENCES {servicetitan}st_jobs (st_id)
        ON DELETE CASCADE;
ALTER TABLE {servicetitan}job_technicians
    ADD CONSTRAINT fk_technician_job FOREIGN KEY (job_id) REFERENCES {servicetitan}st_jobs (st_id),
    ADD CONSTRAINT job_technicians_key UNIQUE (job_id, technician_id, appointment_id);
"""
_REST = """
ALTER TABLE {servicetitan}st_customers
    ADD COLUMN display_name varchar(500) GENERATED ALWAYS AS (
        CASE WHEN first_name IS NOT NULL AND last_name IS NOT NULL
             THEN first_name::text || ' ' || last_name::text ELSE name::text END) STORED,
    ADD COLUMN has_contact boolean GENERATED ALWAYS AS (phone IS NOT NULL OR email IS NOT NULL) STORED;
CREATE INDEX ON {servicetitan}st_customers (display_name);
CREATE VIEW public.v_customer_jobs AS
    SELECT c.st_id, c.display_name, c.has_contact, count(j.st_id) AS jobs
    FROM {servicetitan}st_customers AS c
    LEFT JOIN {servicetitan}st_jobs AS j ON j.customer_id = c.st_id
    GROUP BY c.st_id, c.display_name, c.has_contact;
CREATE FUNCTION public.jobs_of(customer bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT count(*) FROM {servicetitan}st_jobs WHERE customer_id = customer);
END
$$;
CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.last_synced_at := now();
    RETURN NEW;
END
$$;
CREATE TRIGGER touch BEFORE UPDATE ON {servicetitan}st_customers
    FOR EACH ROW EXECUTE FUNCTION public.touch();
"""
_ROWS = """
INSERT INTO {servicetitan}st_customers (st_id, tenant_id, name, phone, full_data)
    SELECT n, 1000, 'Customer ' || n, '555-01' || lpad(n::text, 2, '0'), '{{"id": 1}}'
    FROM generate_series(1, 50) AS n;
INSERT INTO {servicetitan}st_locations (st_id, tenant_id, customer_id, full_data)
    SELECT 100 + n, 1000, n, '{{}}' FROM generate_series(1, 50) AS n;
INSERT INTO {servicetitan}st_jobs
    (st_id, tenant_id, job_number, customer_id, location_id, business_unit_id, full_data)
    SELECT 200 + n, 1000, 'J' || n, n, 100 + n, 1, '{{}}' FROM generate_series(1, 40) AS n;
INSERT INTO {servicetitan}st_sync_log (module, sync_type, status) VALUES ('customers', 'full', 'completed');
INSERT INTO {automation}workflow_definitions (name, trigger_event) VALUES ('Follow up', 'estimate_created');
"""

_COLUMN = re.compile(
    r"\s*(?P<name>\w+) (?P<type>[\w\[\]]+(?:\(\d+(?:,\d+)?\))?)(?P<null>!?)(?:=(?P<default>.+))?"
)


@pytest_asyncio.fixture(params=[IN_PUBLIC, IN_SCHEMAS])
async def old(request: pytest.FixtureRequest, empty_database_url: str) -> AsyncGenerator[Database]:
    """Yield a database of the old system, with rows in it."""
    database = await Database.connect(empty_database_url, pool_size=4, wait=timedelta(seconds=10))
    async with database.session() as connection:
        await connection.execute(old_database(in_public=request.param == IN_PUBLIC))
    yield database
    await database.close()


@pytest.fixture
def in_public(request: pytest.FixtureRequest) -> bool:
    """Tell where the old database of this test has its tables."""
    return IN_PUBLIC in request.node.name


def old_database(*, in_public: bool) -> str:
    """Return the SQL of an old database: all in public with foreign keys, or in the schemas without."""
    schemas = ("servicetitan", "integrations", "automation")
    places = {schema: "public." if in_public else f"{schema}." for schema in schemas}
    parts = [f"CREATE SCHEMA {schema};" for schema in schemas if not in_public]
    # The embedded server has no uuid-ossp.
    parts.append(
        "CREATE FUNCTION public.uuid_generate_v4() RETURNS uuid LANGUAGE sql AS 'SELECT gen_random_uuid()';"
    )
    for schema, tables in {**PLAIN, "servicetitan": {**MIRRORED, **PLAIN["servicetitan"]}}.items():
        parts += [_table(places[schema], name, columns) for name, columns in tables.items()]
    parts += [f"ALTER TABLE {places['servicetitan']}{name} ADD UNIQUE (st_id);" for name in MIRRORED]
    parts += [template.format(**places) for template in (*([_STRICT] if in_public else []), _REST, _ROWS)]
    return "\n".join(parts)


def _table(place: str, name: str, columns: str) -> str:
    lines = ["id uuid PRIMARY KEY DEFAULT public.uuid_generate_v4()"]
    for text in re.split(r",(?![^(]*\))", " ".join(columns.split())):
        column = _COLUMN.fullmatch(text)
        assert column is not None, text
        default = f" DEFAULT {column['default']}" if column["default"] else ""
        lines.append(f"{column['name']} {column['type']}{' NOT NULL' if column['null'] else ''}{default}")
    return f"CREATE TABLE {place}{name} ({', '.join(lines)});"


@pytest.fixture
def data_dir(short_dir: Path) -> Generator[Path]:
    """Yield the path of a data directory that does not exist yet, in a folder of its own."""
    folder = Path(tempfile.mkdtemp(dir=short_dir))
    folder.chmod(0o755)
    yield folder / "data"
    assert servers(folder / "data") == []
    shutil.rmtree(folder)
