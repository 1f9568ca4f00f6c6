-- The change feed: what capture triggers write, what has been consumed, since when a table is watched.

ALTER TABLE pcd.cursors ADD COLUMN first_load_started_at timestamptz;
UPDATE pcd.cursors SET first_load_started_at = first_load_completed_at;

-- Rows live here between a writer's commit and the consumer's. Filled and emptied all the time: vacuum it
-- by number of rows, at full speed, and never take the exclusive lock that giving back its end would need.
-- json and not jsonb: the writer waits while it is made, and jsonb takes a third longer. Ids must not be
-- cached by sessions: of two changes of one row the later one has the higher id.
CREATE TABLE pcd.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    resource text NOT NULL,
    st_id bigint NOT NULL,
    op "char" NOT NULL CHECK (op IN ('I', 'U', 'D')),
    before json,
    after json,
    -- When upstream created and changed the row, where the statement brought that; no part of before and
    -- after, for it alone is no change.
    stamps json,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Which pass of ours wrote it; a foreign writer's session does not know the setting.
    origin text DEFAULT nullif(current_setting('pcd.origin', true), '')
) WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_insert_threshold = -1,
    autovacuum_vacuum_cost_delay = 0,
    vacuum_truncate = false
);

CREATE TABLE pcd.change_log (
    id bigint NOT NULL,
    resource text NOT NULL,
    st_id bigint NOT NULL,
    op "char" NOT NULL CHECK (op IN ('I', 'U', 'D')),
    before json,
    after json,
    stamps json,
    xid xid8 NOT NULL,
    changed_at timestamptz NOT NULL,
    origin text,
    moved_at timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (changed_at);
CREATE INDEX ON pcd.change_log (resource, st_id, id);
CREATE INDEX ON pcd.change_log (id);

-- For days that nobody has made a partition for; pcd.db.partitions moves its rows when somebody does.
CREATE TABLE pcd.change_log_default PARTITION OF pcd.change_log DEFAULT;

-- The changes that were consumed, as they were told; the log itself is written in the form that costs least.
CREATE VIEW pcd.changes AS
SELECT
    id,
    resource,
    st_id,
    op,
    CASE WHEN op = 'D' AND stamps IS NOT NULL THEN before::jsonb || stamps::jsonb ELSE before::jsonb END AS before,
    CASE WHEN stamps IS NOT NULL THEN after::jsonb || stamps::jsonb ELSE after::jsonb END AS after,
    xid,
    changed_at,
    origin,
    moved_at
FROM pcd.change_log;

-- A row: the table's capture triggers are on. Nothing that happened before baseline_at is news.
CREATE TABLE pcd.baselines (
    resource text PRIMARY KEY,
    baseline_at timestamptz NOT NULL,
    armed_at timestamptz NOT NULL DEFAULT now()
);

-- Whether tables may be watched at all, and since when: `pcd db detach` and `pcd db attach`.
CREATE TABLE pcd.capture_switch (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    is_on boolean NOT NULL,
    changed_at timestamptz NOT NULL
);
INSERT INTO pcd.capture_switch (is_on, changed_at) VALUES (true, '-infinity');

-- The last tracked state of rows that were deleted, so that one which comes back is no new one.
CREATE TABLE pcd.departed (
    resource text NOT NULL,
    st_id bigint NOT NULL,
    state jsonb NOT NULL,
    gone_at timestamptz NOT NULL,
    PRIMARY KEY (resource, st_id)
);
