-- name: cursor
-- Where a resource stands; no row before its first pass.
SELECT token, window_end, first_load_completed_at, plain_pass_at
FROM pcd.cursors
WHERE resource = $1;

-- name: keep_cursor
-- Move a resource's cursor; NULL leaves a column as it is.
INSERT INTO pcd.cursors AS c (resource, token, window_end, plain_pass_at, updated_at)
VALUES ($1, $2, $3, $4, now())
ON CONFLICT (resource) DO UPDATE
SET token = coalesce(excluded.token, c.token),
    window_end = coalesce(excluded.window_end, c.window_end),
    plain_pass_at = coalesce(excluded.plain_pass_at, c.plain_pass_at),
    updated_at = excluded.updated_at;

-- name: begin_cursor
-- Note when the first walk over a resource began; what upstream changes from then on is news.
INSERT INTO pcd.cursors AS c (resource, first_load_started_at, updated_at)
VALUES ($1, now(), now())
ON CONFLICT (resource) DO UPDATE
SET first_load_started_at = coalesce(c.first_load_started_at, excluded.first_load_started_at),
    updated_at = excluded.updated_at;

-- name: complete_cursor
-- Note that a resource was read completely: for the first time, and as a full sync ($2).
INSERT INTO pcd.cursors AS c (resource, first_load_completed_at, full_completed_at, updated_at)
VALUES ($1, now(), CASE WHEN $2 THEN now() END, now())
ON CONFLICT (resource) DO UPDATE
SET first_load_completed_at = coalesce(c.first_load_completed_at, excluded.first_load_completed_at),
    full_completed_at = coalesce(excluded.full_completed_at, c.full_completed_at),
    updated_at = excluded.updated_at;

-- name: checked
-- Note that these resources were compared with upstream just now.
UPDATE pcd.cursors
SET checked_at = now()
WHERE resource = ANY($1::text[]);

-- name: begin_page
-- Name the pass that writes and the technicians' roles, and do not wait for the disk: rows lost in a crash are lost with their cursor.
SELECT
    set_config('pcd.origin', $1, true),
    set_config('pcd.technician_roles', $2, true),
    set_config('synchronous_commit', 'off', true);

-- name: forget_seen
-- Start a walk that notes what it sees. The lowest id is a mark: a crash empties this table, the mark with it.
WITH forgotten AS (
    DELETE FROM pcd.seen
    WHERE resource = $1
      AND st_id <> (-9223372036854775808)
)
INSERT INTO pcd.seen (resource, st_id)
VALUES ($1, -9223372036854775808)
ON CONFLICT DO NOTHING;

-- name: note_seen
-- Note the ids of a page, packed into one text; an id may come twice.
INSERT INTO pcd.seen (resource, st_id)
SELECT $1, page.st_id::bigint
FROM string_to_table($2::text, E'\x1e') AS page (st_id)
ON CONFLICT DO NOTHING;

-- name: count_seen
-- How many distinct records a walk has seen; NULL if a crash made the database forget some.
SELECT CASE WHEN bool_or(st_id = (-9223372036854775808)) THEN count(*) - 1 END
FROM pcd.seen
WHERE resource = $1;

-- name: quarantine
-- Keep records that do not fit; the same record again is counted, not repeated.
INSERT INTO pcd.quarantine AS q (resource, st_id, record, record_hash, reason, first_seen_at, last_seen_at)
SELECT $1, misfit.st_id, misfit.record, misfit.record_hash, misfit.reason, now(), now()
FROM unnest($2::bigint[], $3::text[], $4::bytea[], $5::text[]) AS misfit (st_id, record, record_hash, reason)
ON CONFLICT (resource, record_hash) DO UPDATE
SET attempts = q.attempts + 1,
    reason = excluded.reason,
    last_seen_at = excluded.last_seen_at;

-- name: release_quarantined
-- Forget quarantined states of records, packed into one text, that have been stored since.
DELETE FROM pcd.quarantine
WHERE resource = $1
  AND st_id = ANY(string_to_array($2::text, E'\x1e')::bigint[]);

-- name: quarantined
-- The quarantined records whose next try is due: after 5 minutes, then 10, 15 and so on.
SELECT record, first_seen_at
FROM pcd.quarantine
WHERE resource = $1
  AND last_seen_at <= now() - interval '5 minutes' * attempts
ORDER BY first_seen_at
LIMIT 100;

-- name: note_surprises
-- Count fields, values and cuts that no declaration expects; returns those never met before.
INSERT INTO pcd.surprises AS s (resource, kind, name, value, count, first_seen_at, last_seen_at)
SELECT $1, met.kind, met.name, met.value, met.count, now(), now()
FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[]) AS met (kind, name, value, count)
ON CONFLICT (resource, kind, name, value) DO UPDATE
SET count = s.count + excluded.count,
    last_seen_at = excluded.last_seen_at
RETURNING kind, name, value, (xmax = 0) AS is_new;

-- name: start_log
-- Open a sync's row in the log that other programs read.
INSERT INTO servicetitan.st_sync_log (id, module, sync_type, status, started_at, triggered_by, parameters)
SELECT $1, $2, $3, 'started', $4, $5, $6::jsonb
WHERE NOT EXISTS (SELECT FROM servicetitan.st_sync_log WHERE id = $1);

-- name: finish_log
-- Close a sync's row with what came of it.
UPDATE servicetitan.st_sync_log
SET status = $2,
    records_fetched = $3,
    records_created = $4,
    records_updated = $5,
    records_failed = $6,
    completed_at = now(),
    duration_ms = $7,
    error_message = $8,
    error_details = $9::jsonb
WHERE id = $1;

-- name: abandon_log
-- Close the rows of syncs whose process ended before it could: ours carry the term of their lease.
UPDATE servicetitan.st_sync_log
SET status = 'failed',
    completed_at = now(),
    error_message = 'interrupted: the process ended before the sync did; the next pass continued from its cursor'
WHERE status = 'started'
  AND (parameters ->> 'lease_term')::bigint < $1;

-- name: log_fresh
-- Note a fresh pass that stored something or failed.
INSERT INTO pcd.fresh_passes (resource, started_at, completed_at, status, records_fetched, records_created,
                              records_updated, records_failed, error_message)
SELECT $1, $2, now(), $3, $4, $5, $6, $7, $8
WHERE NOT EXISTS (SELECT FROM pcd.fresh_passes WHERE resource = $1 AND started_at = $2);

-- name: prune_fresh
-- Forget fresh passes older than a week.
DELETE FROM pcd.fresh_passes
WHERE started_at < now() - interval '7 days';

-- name: loaded
-- The resources that were read completely at least once.
SELECT resource
FROM pcd.cursors
WHERE first_load_completed_at IS NOT NULL;

-- name: paused
-- The services and resources that a person has paused.
SELECT name
FROM pcd.pauses;
