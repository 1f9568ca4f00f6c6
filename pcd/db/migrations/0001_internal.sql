-- The schemas, the tables that pcd keeps for itself, and the two old tables that the sync writes.

CREATE SCHEMA IF NOT EXISTS servicetitan;
CREATE SCHEMA IF NOT EXISTS integrations;
CREATE SCHEMA IF NOT EXISTS automation;
CREATE SCHEMA IF NOT EXISTS pricebook;

CREATE SEQUENCE pcd.lease_terms;

-- UNIQUE (name, term) makes term part of a key: a takeover, which changes it, waits for transactions
-- that hold FOR KEY SHARE on the row; a renewal, which changes expires_at only, does not.
CREATE TABLE pcd.leases (
    name text PRIMARY KEY,
    holder text NOT NULL,
    term bigint NOT NULL,
    acquired_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    UNIQUE (name, term)
);

CREATE TABLE pcd.cursors (
    resource text PRIMARY KEY,
    token text,
    window_end timestamptz,
    first_load_completed_at timestamptz,
    full_completed_at timestamptz,
    plain_pass_at timestamptz,
    checked_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Which records a full sync has met so far. Worthless after a crash: the sync starts over.
CREATE UNLOGGED TABLE pcd.seen (
    resource text NOT NULL,
    st_id bigint NOT NULL,
    PRIMARY KEY (resource, st_id)
);

-- record is text, not jsonb: jsonb may be what refuses it.
CREATE TABLE pcd.quarantine (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    resource text NOT NULL,
    st_id bigint,
    record text NOT NULL,
    record_hash bytea NOT NULL,
    reason text NOT NULL,
    attempts integer NOT NULL DEFAULT 1,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (resource, record_hash)
);

CREATE TABLE pcd.surprises (
    resource text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('field', 'value', 'cut')),
    name text NOT NULL,
    value text NOT NULL DEFAULT '',
    count bigint NOT NULL DEFAULT 1,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (resource, kind, name, value)
);

CREATE TABLE pcd.fresh_passes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    resource text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz,
    status text NOT NULL CHECK (status IN ('started', 'completed', 'failed')),
    records_fetched integer NOT NULL DEFAULT 0,
    records_created integer NOT NULL DEFAULT 0,
    records_updated integer NOT NULL DEFAULT 0,
    records_failed integer NOT NULL DEFAULT 0,
    error_message text
);
CREATE INDEX ON pcd.fresh_passes (started_at);
CREATE INDEX ON pcd.fresh_passes (resource, started_at DESC);

CREATE TABLE pcd.schedule (
    name text PRIMARY KEY,
    last_due_at timestamptz,
    last_started_at timestamptz,
    last_finished_at timestamptz,
    last_outcome text
);

CREATE TABLE pcd.pauses (
    name text PRIMARY KEY,
    paused_at timestamptz NOT NULL DEFAULT now(),
    paused_by text NOT NULL DEFAULT '',
    reason text NOT NULL DEFAULT ''
);

-- pcd.relaxed: what of an adopted table was relaxed, and the statement that restores it.
CREATE TABLE IF NOT EXISTS pcd.relaxed (
    relation text NOT NULL,
    item text NOT NULL,
    restore text NOT NULL,
    relaxed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (relation, item)
);

-- The two old tables may exist: columns that must not be null stand in CREATE TABLE, a table that exists
-- has them; the others are added where they are missing.
CREATE TABLE IF NOT EXISTS servicetitan.st_sync_log (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    module varchar(100) NOT NULL,
    sync_type varchar(50) NOT NULL,
    status varchar(50) NOT NULL
);
ALTER TABLE servicetitan.st_sync_log
    ADD COLUMN IF NOT EXISTS records_fetched integer DEFAULT 0,
    ADD COLUMN IF NOT EXISTS records_created integer DEFAULT 0,
    ADD COLUMN IF NOT EXISTS records_updated integer DEFAULT 0,
    ADD COLUMN IF NOT EXISTS records_failed integer DEFAULT 0,
    ADD COLUMN IF NOT EXISTS started_at timestamptz DEFAULT now(),
    ADD COLUMN IF NOT EXISTS completed_at timestamptz,
    ADD COLUMN IF NOT EXISTS duration_ms integer,
    ADD COLUMN IF NOT EXISTS error_message text,
    ADD COLUMN IF NOT EXISTS error_details jsonb,
    ADD COLUMN IF NOT EXISTS triggered_by varchar(100),
    ADD COLUMN IF NOT EXISTS parameters jsonb DEFAULT '{}';

CREATE TABLE IF NOT EXISTS servicetitan.job_technicians (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    job_id bigint NOT NULL,
    appointment_id bigint,
    technician_id bigint NOT NULL,
    UNIQUE (job_id, technician_id, appointment_id)
);
ALTER TABLE servicetitan.job_technicians
    ADD COLUMN IF NOT EXISTS technician_name varchar(255),
    ADD COLUMN IF NOT EXISTS position varchar(20),
    ADD COLUMN IF NOT EXISTS is_primary boolean DEFAULT false,
    ADD COLUMN IF NOT EXISTS assigned_on timestamptz,
    ADD COLUMN IF NOT EXISTS st_assignment_id bigint,
    ADD COLUMN IF NOT EXISTS updated_at timestamptz DEFAULT now();

-- Only where no index answers it already.
DO $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN VALUES
        ('servicetitan.st_sync_log'::regclass, '', 'btree (module)'),
        ('servicetitan.st_sync_log', '', 'btree (status)'),
        ('servicetitan.st_sync_log', '', 'btree (started_at DESC)'),
        ('servicetitan.job_technicians', '', 'btree (job_id, is_primary)'),
        ('servicetitan.job_technicians', 'UNIQUE', 'btree (job_id, technician_id, appointment_id)')
    LOOP
        IF NOT EXISTS (
            SELECT FROM pg_index AS i
            WHERE i.indrelid = wanted.column1
              AND (i.indisunique OR wanted.column2 = '')
              AND right(pg_get_indexdef(i.indexrelid), length(wanted.column3) + 7) = ' USING ' || wanted.column3
        ) THEN
            EXECUTE format('CREATE %s INDEX ON %s USING %s', wanted.column2, wanted.column1, wanted.column3);
        END IF;
    END LOOP;
END
$$;
