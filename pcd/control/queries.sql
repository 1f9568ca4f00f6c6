-- name: freshness
-- Where each mirrored resource stands, and about how many rows its table has.
SELECT c.resource,
       c.checked_at,
       c.first_load_completed_at,
       c.full_completed_at,
       coalesce(q.quarantined, 0) AS quarantined
FROM pcd.cursors AS c
LEFT JOIN (
    SELECT resource, count(*) AS quarantined
    FROM pcd.quarantine
    GROUP BY resource
) AS q USING (resource)
ORDER BY c.resource;

-- name: table_rows
-- About how many rows each mirrored table has.
SELECT relname AS name,
       n_live_tup AS live
FROM pg_stat_user_tables
WHERE schemaname = 'servicetitan';

-- name: custom_field_rows
-- How many custom field types there are of each kind of record: these resources share a table.
SELECT entity_type,
       count(*) AS records
FROM servicetitan.st_custom_fields
GROUP BY entity_type;

-- name: last_syncs
-- The last full and incremental passes, newest first.
SELECT module,
       sync_type,
       status,
       started_at,
       completed_at,
       records_fetched,
       records_created,
       records_updated,
       records_failed,
       error_message,
       triggered_by
FROM servicetitan.st_sync_log
ORDER BY started_at DESC
LIMIT $1;

-- name: schedules
-- When each schedule fired last and what came of it.
SELECT name,
       last_due_at,
       last_started_at,
       last_finished_at,
       last_outcome
FROM pcd.schedule
ORDER BY name;

-- name: pauses
-- What a person has paused.
SELECT name,
       paused_at,
       paused_by,
       reason
FROM pcd.pauses
ORDER BY name;

-- name: pause
-- Remember a pause.
INSERT INTO pcd.pauses (name, paused_by, reason)
VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE
SET paused_by = excluded.paused_by,
    reason = excluded.reason;

-- name: resume
-- Forget a pause.
DELETE FROM pcd.pauses
WHERE name = $1;

-- name: queues
-- What is due and not being done, by queue, counted up to 10,001, and for how many seconds the first has been.
SELECT queue,
       count(*) AS waiting,
       coalesce(extract(epoch FROM clock_timestamp() - min(since)), 0)::float8 AS oldest_seconds
FROM (
    (SELECT 'changes' AS queue, changed_at AS since FROM pcd.outbox ORDER BY id LIMIT 10001)
    UNION ALL
    (SELECT 'calls', due_at
     FROM integrations.ghl_outbox
     WHERE state = 'owed' AND due_at <= clock_timestamp()
     ORDER BY due_at
     LIMIT 10001)
    UNION ALL
    (SELECT 'steps', due_at
     FROM automation.workflow_instances
     WHERE status = 'active' AND lease_until IS NULL AND due_at <= clock_timestamp() AND rescues = 0
     ORDER BY due_at
     LIMIT 10001)
) AS due
GROUP BY queue
ORDER BY queue;
