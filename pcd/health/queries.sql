-- The statements of health: what is measured, alerts, remedies, the digest. All times are the database's.

-- name: clock
-- The database's clock, to compare ours with.
SELECT clock_timestamp() AS now;

-- name: transactions
-- Sessions of others that have kept a transaction open for over a minute, the oldest first.
SELECT pid,
       coalesce(nullif(application_name, ''), usename::text, 'a session') AS who,
       extract(epoch FROM clock_timestamp() - xact_start)::float8 AS seconds
FROM pg_stat_activity
WHERE datname = current_database()
  AND backend_type = 'client backend'
  AND xact_start < clock_timestamp() - interval '1 minute'
ORDER BY xact_start
LIMIT 5;

-- name: replication
-- How far each copy of this server is behind; a role without pg_monitor sees no lag.
SELECT coalesce(nullif(application_name, ''), client_addr::text, pid::text) AS name,
       extract(epoch FROM replay_lag)::float8 AS seconds
FROM pg_stat_replication
WHERE replay_lag IS NOT NULL;

-- name: sync
-- Since when each loaded resource has not been compared with ServiceTitan, paused ones left out.
SELECT c.resource,
       extract(epoch FROM clock_timestamp() - coalesce(c.checked_at, c.first_load_completed_at))::float8 AS seconds
FROM pcd.cursors AS c
WHERE c.first_load_completed_at IS NOT NULL
  AND NOT EXISTS (SELECT FROM pcd.pauses AS p WHERE p.name IN (c.resource, 'sync'));

-- name: quarantine
-- How many records of each resource are kept aside.
SELECT resource, count(*) AS records
FROM pcd.quarantine
GROUP BY resource;

-- name: backlog
-- How long the first change has waited in the outbox.
SELECT extract(epoch FROM clock_timestamp() - min(changed_at))::float8 AS seconds
FROM (SELECT changed_at FROM pcd.outbox ORDER BY id LIMIT 1) AS first;

-- name: halted_rules
-- Event rules that raised and stand still.
SELECT type
FROM pcd.halted_rules
ORDER BY type;

-- name: stalled_workflows
-- How many steps of ours have been due for over $1 and are not being done, and how long the first has.
SELECT count(*) AS instances,
       coalesce(extract(epoch FROM clock_timestamp() - min(due_at)), 0)::float8 AS seconds
FROM (
    SELECT due_at
    FROM automation.workflow_instances
    WHERE status = 'active' AND lease_until IS NULL AND due_at IS NOT NULL AND rescues = 0
      AND due_at < now() - $1::interval
    UNION ALL
    SELECT due_at
    FROM automation.workflow_instances
    WHERE status = 'active' AND lease_until IS NULL AND due_at IS NOT NULL AND rescues > 0
      AND due_at < now() - $1::interval
    UNION ALL
    SELECT due_at
    FROM automation.workflow_instances
    WHERE status = 'active' AND lease_until < now() AND due_at < now() - $1::interval
) AS stalled;

-- name: dead_letters
-- What was given up: calls and messages until somebody decides, workflows within the last day.
SELECT 'calls to GoHighLevel' AS what, count(*) AS number
FROM integrations.ghl_outbox
WHERE state = 'dead'
UNION ALL
SELECT 'messages', count(*)
FROM automation.messaging_log
WHERE status = 'parked'
UNION ALL
SELECT 'workflows', count(*)
FROM automation.workflow_instances
WHERE workflow_name IS NOT NULL
  AND status = 'failed'
  AND completed_at > now() - interval '1 day';

-- name: breaker
-- Why nothing is sent to GoHighLevel.
SELECT reason
FROM pcd.crm_breaker;

-- name: fence_holder
-- Takes lease $1 away from whoever holds it: a new term refuses every write under the old one.
UPDATE pcd.leases
SET term = nextval('pcd.lease_terms'),
    holder = $2,
    expires_at = clock_timestamp()
WHERE name = $1
RETURNING term;

-- name: raise_alert
-- Opens an alert, or brings an open one up to date; is_new: nobody had raised it.
INSERT INTO automation.alerts AS a (key, level, title, text, "group", raised_at, seen_at, count)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (key) WHERE resolved_at IS NULL DO UPDATE
SET level = excluded.level,
    title = excluded.title,
    text = excluded.text,
    seen_at = greatest(a.seen_at, excluded.seen_at),
    count = greatest(a.count, excluded.count)
RETURNING id, (xmax = 0) AS is_new;

-- name: resolve_alert
-- Closes an alert; no row where another process did.
UPDATE automation.alerts
SET resolved_at = $2,
    resolution = $3
WHERE key = $1 AND resolved_at IS NULL
RETURNING id;

-- name: open_alerts
-- What is open, the oldest first.
SELECT key, level, title, text, "group", raised_at, seen_at, count, resolved_at, resolution
FROM automation.alerts
WHERE resolved_at IS NULL
ORDER BY raised_at
LIMIT 1000;

-- name: see_alerts
-- Brings open alerts up to date that have been found again since they were written.
UPDATE automation.alerts AS a
SET level = seen.level,
    title = seen.title,
    text = seen.text,
    seen_at = seen.seen_at,
    count = greatest(a.count, seen.count)
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::bigint[])
    AS seen (key, level, title, text, seen_at, count)
WHERE a.key = seen.key AND a.resolved_at IS NULL AND a.seen_at < seen.seen_at;

-- name: vouch
-- Notes that the daemon whose alerts' keys end in $1 is alive, even while it does not look.
UPDATE automation.alerts
SET seen_at = clock_timestamp()
WHERE resolved_at IS NULL AND right(key, length($1::text)) = $1;

-- name: close_orphans
-- Closes the alerts with keys $1 that were last found at $2 and not since: their daemons are gone.
UPDATE automation.alerts AS a
SET resolved_at = clock_timestamp(),
    resolution = 'not found for six hours, the daemon that found it is gone'
FROM unnest($1::text[], $2::timestamptz[]) AS gone (key, seen_at)
WHERE a.key = gone.key AND a.seen_at = gone.seen_at AND a.resolved_at IS NULL
RETURNING a.key, a.level, a.title, a.text, a."group", a.raised_at, a.seen_at, a.count, a.resolved_at,
          a.resolution;

-- name: list_alerts
-- Alerts for people, the newest first; $1: also those that are over.
SELECT id, key, level, title, text, "group", raised_at, seen_at, count, resolved_at, resolution,
       acked_at, acked_by, told, untold
FROM automation.alerts
WHERE $1 OR resolved_at IS NULL
ORDER BY raised_at DESC
LIMIT $2;

-- name: ack_alert
-- Remembers that a person has seen it.
UPDATE automation.alerts
SET acked_at = coalesce(acked_at, clock_timestamp()),
    acked_by = $2
WHERE (id::text = $1 OR key = $1) AND resolved_at IS NULL
RETURNING id, key, title;

-- name: told
-- Remembers which channel was told, or why it could not be.
UPDATE automation.alerts
SET told = CASE WHEN $3 = '' THEN told || jsonb_build_object($2::text, to_jsonb(clock_timestamp())) ELSE told END,
    untold = CASE WHEN $3 = '' THEN untold - $2::text ELSE untold || jsonb_build_object($2::text, $3::text) END
WHERE id = (SELECT id FROM automation.alerts WHERE key = $1 ORDER BY raised_at DESC LIMIT 1);

-- name: begin_remedy
-- Remembers that a remedy is about to be tried.
INSERT INTO automation.remedies (remedy, check_name, subject, reason, result, decided_by, holder)
VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING id;

-- name: end_remedy
-- Remembers what came of it.
UPDATE automation.remedies
SET result = $2,
    detail = $3,
    ended_at = clock_timestamp()
WHERE id = $1;

-- name: remedies
-- What was tried within the last $1, by holder $2 alone where one is named, the newest first.
SELECT remedy, check_name AS check, subject, started_at AS at, result
FROM automation.remedies
WHERE started_at > clock_timestamp() - $1::interval
  AND ($2::text IS NULL OR holder = $2)
ORDER BY started_at DESC
LIMIT 500;

-- name: recent_remedies
-- The newest remedies for people.
SELECT remedy, check_name AS check, subject, reason, result, detail, decided_by, started_at, ended_at
FROM automation.remedies
ORDER BY started_at DESC
LIMIT $1;

-- name: count_diagnosis
-- Takes one from today's diagnoses while there is one left of $1; no row when there is none.
INSERT INTO pcd.diagnoses AS d (day, asked)
VALUES (current_date, 1)
ON CONFLICT (day) DO UPDATE
SET asked = d.asked + 1
WHERE d.asked < $1
RETURNING asked;

-- name: digest_syncs
-- What was read and written since $1.
SELECT module AS resource,
       count(*) AS passes,
       count(*) FILTER (WHERE status = 'failed') AS failed,
       coalesce(sum(records_created), 0) AS created,
       coalesce(sum(records_updated), 0) AS updated
FROM (
    SELECT module, status, records_created, records_updated
    FROM servicetitan.st_sync_log
    WHERE started_at >= $1 AND module <> 'reference_data'
    UNION ALL
    SELECT resource, status, records_created, records_updated
    FROM pcd.fresh_passes
    WHERE started_at >= $1
) AS all_passes
GROUP BY module
ORDER BY module;

-- name: digest_events
-- What happened since $1, and was told.
SELECT type, count(*) AS number
FROM automation.events
WHERE detected_at >= $1 AND suppressed_reason IS NULL
GROUP BY type
ORDER BY count(*) DESC, type;

-- name: digest_messages
-- What became of messages to customers since $1.
SELECT channel, status, count(*) AS number
FROM automation.messaging_log
WHERE created_at >= $1 AND direction = 'outbound'
GROUP BY channel, status
ORDER BY channel, status;

-- name: digest_calls
-- What was done in GoHighLevel since $1; an opportunity whose stage is written is moved.
SELECT CASE
           WHEN kind = 'update_opportunity' AND fields ? 'pipelineStageId' THEN 'move_opportunity'
           ELSE kind
       END AS kind,
       state,
       count(*) AS number
FROM integrations.ghl_outbox
WHERE owed_at >= $1 AND state IN ('done', 'dry_run')
GROUP BY 1, state
ORDER BY 1, state;

-- name: digest_workflows
-- What became of workflows since $1: those that ended, and those that were started and go on.
SELECT name, status, count(*) AS number
FROM (
    SELECT workflow_name AS name, status
    FROM automation.workflow_instances
    WHERE workflow_name IS NOT NULL AND completed_at >= $1
    UNION ALL
    SELECT workflow_name, status
    FROM automation.workflow_instances
    WHERE workflow_name IS NOT NULL AND status IN ('active', 'paused') AND started_at >= $1
) AS all_instances
GROUP BY name, status
ORDER BY name, status;

-- name: digest_person
-- What waits for a person.
SELECT 'calls to GoHighLevel that were given up (pcd ghl retry)' AS what, count(*) AS number
FROM integrations.ghl_outbox
WHERE state = 'dead'
UNION ALL
SELECT 'customers with more than one contact in GoHighLevel (pcd ghl conflicts)', count(*)
FROM pcd.crm_conflicts
UNION ALL
SELECT 'workflows that failed (pcd workflow instances)', count(*)
FROM automation.workflow_instances
WHERE workflow_name IS NOT NULL AND status = 'failed' AND completed_at >= $1
UNION ALL
SELECT 'messages of which it is not known whether they were sent (pcd messages parked)', count(*)
FROM automation.messaging_log
WHERE status = 'parked'
UNION ALL
SELECT 'records of ServiceTitan that do not fit', count(*)
FROM pcd.quarantine
UNION ALL
SELECT 'rows that an event rule cannot judge', count(*)
FROM pcd.parked
WHERE state IS NOT NULL
UNION ALL
SELECT 'open alerts (pcd alerts list)', count(*)
FROM automation.alerts
WHERE resolved_at IS NULL AND acked_at IS NULL;
