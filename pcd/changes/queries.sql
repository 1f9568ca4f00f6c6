-- name: take
-- Consume the first $1 outbox rows and log them as they are.
WITH taken AS (
    DELETE FROM pcd.outbox
    -- By their place: no statistics of a table that fills and empties can mislead this plan.
    WHERE ctid = ANY(ARRAY(SELECT ctid FROM pcd.outbox ORDER BY id LIMIT $1))
    RETURNING id, resource, st_id, op, before, after, stamps, xid, changed_at, origin
), logged AS (
    INSERT INTO pcd.change_log (id, resource, st_id, op, before, after, stamps, xid, changed_at, origin)
    SELECT id, resource, st_id, op, before, after, stamps, xid, changed_at, origin
    FROM taken
)
SELECT
    id,
    resource,
    st_id,
    op::text,
    before::text,
    after::text,
    stamps::text,
    xid::text::bigint AS xid,
    changed_at,
    origin,
    EXISTS (SELECT FROM pcd.departed) AS any_departed
FROM taken;

-- name: glance
-- The first $1 outbox rows, left where they are.
SELECT
    id,
    resource,
    st_id,
    op::text,
    before::text,
    after::text,
    stamps::text,
    xid::text::bigint AS xid,
    changed_at,
    origin,
    EXISTS (SELECT FROM pcd.departed) AS any_departed
FROM pcd.outbox
ORDER BY id
LIMIT $1;

-- name: unfinished
-- Which of the transactions $2 have more in the outbox than a full batch up to id $1 has taken.
SELECT DISTINCT xid::text::bigint AS xid
FROM pcd.outbox
WHERE id > $1
  AND xid = ANY($2::text[]::xid8[]);

-- name: take_rest
-- Consume what follows id $1 of the same transactions ($4) on the same rows ($2, $3).
DELETE FROM pcd.outbox AS later
USING (
    SELECT DISTINCT resource, st_id, xid::xid8 AS xid
    FROM unnest($2::text[], $3::bigint[], $4::text[]) AS entry (resource, st_id, xid)
) AS begun
WHERE later.id > $1
  AND later.resource = begun.resource
  AND later.st_id = begun.st_id
  AND later.xid = begun.xid
RETURNING
    later.id,
    later.resource,
    later.st_id,
    later.op::text,
    later.before::text,
    later.after::text,
    later.stamps::text,
    later.xid::text::bigint AS xid,
    later.changed_at,
    later.origin;

-- name: unlog
-- Take back entries that are no changes by themselves.
DELETE FROM pcd.change_log
WHERE id = ANY($1::bigint[]);

-- name: log
-- Log changes.
INSERT INTO pcd.change_log (id, resource, st_id, op, before, after, xid, changed_at, origin)
SELECT id, resource, st_id, op::"char", before::json, after::json, xid::xid8, changed_at, origin
FROM unnest(
    $1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[],
    $9::text[]
) AS change (id, resource, st_id, op, before, after, xid, changed_at, origin);

-- name: departed
-- What rows ($1, $2) were when they were deleted.
SELECT known.resource, known.st_id, known.state::text
FROM unnest($1::text[], $2::bigint[]) AS asked (resource, st_id)
JOIN pcd.departed AS known USING (resource, st_id);

-- name: note_departures
-- Remember rows ($1, $2) that are gone as what they were ($3), and forget those ($4, $5) that are back.
WITH gone AS (
    INSERT INTO pcd.departed (resource, st_id, state, gone_at)
    SELECT resource, st_id, state::jsonb, now()
    FROM unnest($1::text[], $2::bigint[], $3::text[]) AS item (resource, st_id, state)
    ON CONFLICT (resource, st_id) DO UPDATE
    SET state = excluded.state,
        gone_at = excluded.gone_at
)
DELETE FROM pcd.departed AS known
USING unnest($4::text[], $5::bigint[]) AS item (resource, st_id)
WHERE known.resource = item.resource
  AND known.st_id = item.st_id;

-- name: capture_is_on
-- Whether tables may be watched; the row stays locked against a detach until the transaction ends.
SELECT is_on
FROM pcd.capture_switch
FOR SHARE;

-- name: switch_capture
-- Allow or forbid watching; since when counts for the baselines.
UPDATE pcd.capture_switch
SET is_on = $1,
    changed_at = now()
WHERE is_on <> $1;

-- name: loaded
-- The resources whose first load is complete.
SELECT resource
FROM pcd.cursors
WHERE first_load_completed_at IS NOT NULL;

-- name: armed
-- The tables that are watched.
SELECT resource
FROM pcd.baselines;

-- name: set_baseline
-- Begin with table $1, filled by the resources $2; yields the instant before which nothing is news, or
-- nothing at all where somebody else has begun.
INSERT INTO pcd.baselines (resource, baseline_at)
SELECT $1, greatest(min(coalesce(c.first_load_started_at, c.first_load_completed_at)), max(s.changed_at))
FROM pcd.cursors AS c
CROSS JOIN pcd.capture_switch AS s
WHERE c.resource = ANY($2::text[])
ON CONFLICT (resource) DO NOTHING
RETURNING baseline_at;

-- name: forget_baselines
-- No table is watched any more.
DELETE FROM pcd.baselines;

-- name: found_triggers
-- Our triggers on the mirror's tables, and whether they fire.
SELECT n.nspname AS schema, c.relname AS "table", t.tgname AS name, t.tgenabled <> 'D' AS is_enabled
FROM pg_trigger AS t
JOIN pg_class AS c ON c.oid = t.tgrelid
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE NOT t.tgisinternal
  AND t.tgfoid IN (SELECT p.oid FROM pg_proc AS p WHERE p.pronamespace = to_regnamespace('pcd'))
ORDER BY c.relname, t.tgname;

-- name: found_functions
-- Our trigger functions.
SELECT p.proname AS name
FROM pg_proc AS p
WHERE p.pronamespace = to_regnamespace('pcd')
  AND p.prorettype = 'trigger'::regtype
ORDER BY p.proname;

-- name: wake
-- Tell whoever listens that there is something in the outbox.
SELECT pg_notify($1, '');
