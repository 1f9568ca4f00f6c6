-- The outbox: what we owe, in which order, and what came of it. All times are the database's.

-- name: owe
-- Owe one call; a step's key that is there already owes nothing new, and yields the id it has.
INSERT INTO integrations.ghl_outbox AS o
    (lane, customer_id, kind, cycle, target_id, fields, reason, cause, event_id, step_key, priority, state)
VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8, $9, nullif($10::text, ''), $11, $12)
ON CONFLICT (step_key) DO UPDATE
SET step_key = o.step_key
RETURNING id;

-- name: claim_calls
-- Take up to $1 calls that are due, at most one of each lane, in the order of each lane; none of customers $2,
-- none while the switch ($3 where nobody switched) says so, none but under lease $4 of term $5. They are ours until
-- they are answered, or whoever has the lease next takes them over.
WITH fenced AS MATERIALIZED (
    SELECT
    FROM pcd.leases
    WHERE name = $4::text AND term = $5::bigint
    FOR KEY SHARE
), due AS (
    SELECT o.id
    FROM integrations.ghl_outbox AS o
    WHERE o.state = 'owed'
      AND o.due_at <= clock_timestamp()
      AND coalesce(o.customer_id, 0) <> ALL ($2::bigint[])
      AND EXISTS (SELECT FROM fenced)
      AND coalesce((SELECT s.is_live FROM pcd.crm_switch AS s WHERE s.dry_run_then = $3::boolean), NOT $3::boolean)
      -- A scalar, here and below: the planner would rather read all that is owed once than look few lanes up.
      AND (
          SELECT true
          FROM integrations.ghl_outbox AS ahead
          WHERE ahead.lane = o.lane
            AND ahead.state IN ('owed', 'sending', 'dead')
            AND (ahead.state <> 'dead' OR ahead.kind LIKE 'create%')
            -- What makes the contact goes before all else, which may need it. A call with a lower id may come to
            -- light, by its commit, when a later one was taken already.
            AND (ahead.state = 'sending'
                OR (ahead.kind <> 'create_contact', ahead.id) < (o.kind <> 'create_contact', o.id))
          LIMIT 1
      ) IS NULL
    ORDER BY o.priority, o.due_at, o.id
    LIMIT $1
    FOR UPDATE SKIP LOCKED
)
UPDATE integrations.ghl_outbox AS o
SET state = 'sending',
    attempts = o.attempts + 1,
    claimed_until = 'infinity',
    sent_at = clock_timestamp()
FROM due
WHERE o.id = due.id
RETURNING o.id, o.lane, o.customer_id, o.kind, o.cycle, o.reuses, o.target_id, o.fields::text, o.reason, o.cause,
    o.event_id, o.step_key, o.priority, o.attempts, o.is_doubtful, o.owed_at,
    o.sent_at AS taken_at;

-- name: until_next_call
-- How many seconds until an owed call that nothing stands before is due; negative when one is, null when none is.
SELECT extract(epoch FROM min(next.due_at) - clock_timestamp())::float8
FROM (VALUES (0::smallint), (1::smallint)) AS each (priority)
CROSS JOIN LATERAL (
    SELECT o.due_at
    FROM integrations.ghl_outbox AS o
    WHERE o.state = 'owed'
      AND o.priority = each.priority
      AND (
          SELECT true
          FROM integrations.ghl_outbox AS ahead
          WHERE ahead.lane = o.lane
            AND ahead.state IN ('owed', 'sending', 'dead')
            AND (ahead.state <> 'dead' OR ahead.kind LIKE 'create%')
            AND (ahead.state = 'sending'
                OR (ahead.kind <> 'create_contact', ahead.id) < (o.kind <> 'create_contact', o.id))
          LIMIT 1
      ) IS NULL
    ORDER BY o.due_at
    LIMIT 1
) AS next;

-- name: rescue_calls
-- Calls that another process had taken when it ended: whether they were carried out is not known.
UPDATE integrations.ghl_outbox
SET state = 'owed',
    claimed_until = NULL,
    is_doubtful = true,
    due_at = clock_timestamp() + $1::interval,
    error = 'the process that sent it ended before the answer was stored'
WHERE state = 'sending'
RETURNING id;

-- name: answer_call
-- A call of this attempt was answered by record $3, whose written fields are now $4.
UPDATE integrations.ghl_outbox
SET state = 'done',
    claimed_until = NULL,
    is_doubtful = false,
    answered_at = clock_timestamp(),
    target_id = $3,
    after = $4::jsonb,
    error = NULL
WHERE id = $1
  AND attempts = $2
  AND state = 'sending';

-- name: postpone_call
-- A call of this attempt is to be tried again after $3; $4 says why, $5 whether it may have been
-- carried out, $6 whether it was not even tried.
UPDATE integrations.ghl_outbox
SET state = 'owed',
    claimed_until = NULL,
    due_at = clock_timestamp() + $3::interval,
    error = $4,
    is_doubtful = is_doubtful OR $5,
    attempts = attempts - CASE WHEN $6 THEN 1 ELSE 0 END
WHERE id = $1
  AND attempts = $2
  AND state = 'sending';

-- name: bury_call
-- A call of this attempt will never work as it is; $3 says why.
UPDATE integrations.ghl_outbox
SET state = 'dead',
    claimed_until = NULL,
    answered_at = clock_timestamp(),
    error = $3
WHERE id = $1
  AND attempts = $2
  AND state = 'sending';

-- name: drop_call
-- A call of this attempt is not owed any more; $3 says why.
UPDATE integrations.ghl_outbox
SET state = 'superseded',
    claimed_until = NULL,
    error = $3
WHERE id = $1
  AND attempts = $2
  AND state = 'sending';

-- name: retry_calls
-- Let dead calls be tried again, all of them or $1; yields which.
UPDATE integrations.ghl_outbox
SET state = 'owed',
    attempts = 0,
    due_at = clock_timestamp()
WHERE state = 'dead'
  AND ($1::bigint[] IS NULL OR id = ANY($1))
RETURNING id;

-- name: dead_calls
-- The calls that were given up, the oldest first.
SELECT id, customer_id, kind, target_id, reason, cause, attempts, owed_at, answered_at, error
FROM integrations.ghl_outbox
WHERE state = 'dead'
ORDER BY id
LIMIT $1;

-- name: calls_of
-- The calls of one customer, the newest last.
SELECT id, kind, cycle, target_id, fields::text, reason, cause, event_id, state, attempts, owed_at, sent_at,
    answered_at, before::text, after::text, error
FROM (
    SELECT *
    FROM integrations.ghl_outbox
    WHERE customer_id = $1
    ORDER BY id DESC
    LIMIT $2
) AS newest
ORDER BY id;

-- name: calls_between
-- What was owed, or would have been, in a time: for the comparison with what the old worker did.
SELECT id, customer_id, kind, cycle, target_id, fields::text, reason, cause, state, owed_at
FROM integrations.ghl_outbox
WHERE owed_at >= $1
  AND state = ANY($2::text[])
ORDER BY id
LIMIT $3;

-- name: count_calls
-- How many calls there are in each state that matters.
SELECT
    (SELECT count(*) FROM integrations.ghl_outbox WHERE state = 'owed') AS owed,
    (SELECT count(*) FROM integrations.ghl_outbox WHERE state = 'sending') AS sending,
    (SELECT count(*) FROM integrations.ghl_outbox WHERE state = 'dead') AS dead,
    (SELECT count(*) FROM integrations.ghl_outbox WHERE state = 'done' AND answered_at > now() - interval '1 day')
        AS done_today,
    (SELECT count(*) FROM integrations.ghl_outbox WHERE state = 'dry_run' AND owed_at > now() - interval '1 day')
        AS dry_run_today,
    (SELECT extract(epoch FROM clock_timestamp() - min(due_at))::float8
     FROM integrations.ghl_outbox WHERE state = 'owed') AS oldest_seconds;

-- name: prune_calls
-- Forget what was done long ago, some at a time.
DELETE FROM integrations.ghl_outbox
WHERE id IN (
    SELECT id
    FROM integrations.ghl_outbox
    WHERE state IN ('done', 'superseded', 'dry_run')
      AND owed_at < now() - $1::interval
    LIMIT 5000
);

-- Who takes part, and whose facts may have changed.

-- name: progress
-- How far events and changes have been looked through; no row before GoHighLevel was enabled.
SELECT baseline_at, event_sequence, changes_until
FROM pcd.crm_progress;

-- name: begin_progress
-- GoHighLevel is enabled here for the first time: nothing before is news.
INSERT INTO pcd.crm_progress (baseline_at, event_sequence, changes_until)
SELECT
    now(),
    (SELECT coalesce(max(sequence), 0) FROM automation.events),
    (SELECT coalesce(max(moved_at), now()) FROM pcd.change_log WHERE moved_at > now() - interval '1 day')
ON CONFLICT (only_row) DO NOTHING;

-- name: look_at_events
-- Under lease $1 of term $2: look through the next $3 events. Whoever one of types $4 is about takes part from now
-- on; those who take part are to be considered, and are yielded as `dirty` yields them. At least one row says how
-- many events there were, and none comes when the lease is another's.
WITH fenced AS MATERIALIZED (
    SELECT
    FROM pcd.leases
    WHERE name = $1::text AND term = $2::bigint
    FOR KEY SHARE
), happened AS MATERIALIZED (
    SELECT sequence, id, type, customer_id, suppressed_reason IS NULL AND customer_id IS NOT NULL AS counts
    FROM automation.events
    WHERE sequence > (SELECT event_sequence FROM pcd.crm_progress)
      AND EXISTS (SELECT FROM fenced)
    ORDER BY sequence
    LIMIT $3
), admitted AS (
    INSERT INTO pcd.crm_customers (customer_id, admitted_by)
    SELECT DISTINCT ON (customer_id) customer_id, type
    FROM happened
    WHERE counts
      AND type = ANY($4::text[])
    ORDER BY customer_id, sequence
    ON CONFLICT (customer_id) DO NOTHING
    RETURNING customer_id
), marked AS (
    INSERT INTO pcd.crm_dirty AS d (customer_id, cause, event_id)
    SELECT DISTINCT ON (h.customer_id) h.customer_id, h.type, h.id
    FROM happened AS h
    WHERE h.counts
      AND (h.customer_id IN (SELECT customer_id FROM admitted)
        -- A scalar: the planner would rather read the whole table once than look a few customers up.
        OR (SELECT true FROM pcd.crm_customers AS c WHERE c.customer_id = h.customer_id))
    ORDER BY h.customer_id, h.sequence DESC
    ON CONFLICT (customer_id) DO UPDATE
    SET marks = d.marks + 1,
        cause = excluded.cause,
        event_id = excluded.event_id,
        due_at = least(d.due_at, excluded.due_at)
    RETURNING d.customer_id, d.cause, d.event_id, d.marks
), moved AS (
    UPDATE pcd.crm_progress
    SET event_sequence = greatest(event_sequence, (SELECT max(sequence) FROM happened))
    WHERE EXISTS (SELECT FROM happened)
)
SELECT
    (SELECT count(*) FROM happened) AS events,
    marked.customer_id,
    marked.cause,
    marked.event_id,
    marked.marks,
    coalesce((SELECT s.is_live FROM pcd.crm_switch AS s WHERE s.dry_run_then = $5::boolean), NOT $5::boolean)
        AS is_live
FROM fenced
LEFT JOIN marked ON true;


-- name: mark
-- These customers are to be considered; an earlier cause stays until they are.
INSERT INTO pcd.crm_dirty AS d (customer_id, cause, event_id)
SELECT DISTINCT ON (g.customer_id) g.customer_id, g.cause, g.event_id
FROM unnest($1::bigint[], $2::text[], $3::uuid[]) WITH ORDINALITY AS g (customer_id, cause, event_id, position)
JOIN pcd.crm_customers AS c ON c.customer_id = g.customer_id
ORDER BY g.customer_id, g.position DESC
ON CONFLICT (customer_id) DO UPDATE
SET marks = d.marks + 1,
    cause = excluded.cause,
    event_id = coalesce(excluded.event_id, d.event_id),
    due_at = least(d.due_at, excluded.due_at);

-- name: mark_due
-- Those whose time has come are to be considered.
INSERT INTO pcd.crm_dirty AS d (customer_id, cause)
SELECT customer_id, 'time passed'
FROM pcd.crm_customers
WHERE reconsider_at <= clock_timestamp()
ON CONFLICT (customer_id) DO NOTHING;

-- name: mark_held
-- Those of whom something waits are to be considered, as it may not have to wait any more.
INSERT INTO pcd.crm_dirty AS d (customer_id, cause)
SELECT customer_id, 'waited'
FROM pcd.crm_customers
WHERE held <> '[]'
ON CONFLICT (customer_id) DO NOTHING;

-- name: mark_changed
-- Those who take part and of whom a row was written between two instants are to be considered.
WITH changed AS (
    SELECT resource, st_id, coalesce(after, before)::jsonb AS state
    FROM pcd.change_log
    WHERE moved_at > $1
      AND moved_at <= $2
      AND resource IN ('customers', 'jobs', 'appointments', 'appointment_assignments', 'estimates')
), touched AS (
    SELECT CASE WHEN resource = 'customers' THEN st_id ELSE (state ->> 'customer_id')::bigint END AS customer_id
    FROM changed
    UNION
    SELECT j.customer_id
    FROM changed
    JOIN servicetitan.st_jobs AS j ON j.st_id = (changed.state ->> 'job_id')::bigint
)
INSERT INTO pcd.crm_dirty AS d (customer_id, cause)
SELECT c.customer_id, 'row changed'
FROM touched
JOIN pcd.crm_customers AS c ON c.customer_id = touched.customer_id
ON CONFLICT (customer_id) DO UPDATE
SET marks = d.marks + 1;

-- name: newest_change
-- Until when changes are logged.
SELECT max(moved_at)
FROM pcd.change_log
WHERE moved_at > $1;

-- name: move_changes_until
-- Changes up to here have been looked through.
UPDATE pcd.crm_progress
SET changes_until = greatest(changes_until, $1);

-- name: dirty
-- The customers to be considered now, the longest waiting first, of all or of $2; not those of whom a call is
-- under way, and of a backfill none while more than $3 calls are owed. With each comes whether calls are sent: as
-- the switch says, and as $4 where nobody switched.
SELECT
    d.customer_id,
    d.cause,
    d.event_id,
    d.marks,
    coalesce((SELECT s.is_live FROM pcd.crm_switch AS s WHERE s.dry_run_then = $4::boolean), NOT $4::boolean)
        AS is_live
FROM pcd.crm_dirty AS d
WHERE d.due_at <= clock_timestamp()
  AND ($2::bigint[] IS NULL OR d.customer_id = ANY($2))
  AND (d.cause <> 'backfill'
    OR (SELECT count(*) FROM (SELECT FROM integrations.ghl_outbox WHERE state = 'owed' LIMIT $3 + 1) AS owed) <= $3)
  AND (
      SELECT true
      FROM integrations.ghl_outbox AS o
      WHERE o.lane = 'customer ' || d.customer_id
        AND o.state = 'sending'
      LIMIT 1
  ) IS NULL
ORDER BY d.due_at
LIMIT $1;

-- name: clean
-- These customers have been considered, unless they were marked again meanwhile.
DELETE FROM pcd.crm_dirty AS d
USING unnest($1::bigint[], $2::bigint[]) AS seen (customer_id, marks)
WHERE (d.customer_id, d.marks) = (seen.customer_id, seen.marks);

-- name: dirty_installs
-- The customers to be considered who have a job in a business unit whose name fits one of $1.
SELECT d.customer_id
FROM pcd.crm_dirty AS d
WHERE EXISTS (
    SELECT
    FROM servicetitan.st_jobs AS j
    JOIN servicetitan.st_business_units AS u ON u.st_id = j.business_unit_id
    WHERE j.customer_id = d.customer_id
      AND u.name ILIKE ANY($1::text[])
);

-- name: switch
-- What a person said last about writing.
SELECT is_live, dry_run_then, switched_at, switched_by
FROM pcd.crm_switch;

-- name: turn_switch
-- A person says whether we write ($1) while ghl.dry_run is $2.
INSERT INTO pcd.crm_switch AS s (is_live, dry_run_then, switched_by)
VALUES ($1, $2, $3)
ON CONFLICT (only_row) DO UPDATE
SET is_live = excluded.is_live,
    dry_run_then = excluded.dry_run_then,
    switched_at = now(),
    switched_by = excluded.switched_by;

-- name: mark_rehearsed
-- Whoever has calls that were only recorded is to be considered: now they would be sent.
INSERT INTO pcd.crm_dirty AS d (customer_id, cause)
SELECT DISTINCT o.customer_id, 'went live'
FROM integrations.ghl_outbox AS o
JOIN pcd.crm_customers AS c USING (customer_id)
WHERE o.state = 'dry_run'
ON CONFLICT (customer_id) DO UPDATE
SET marks = d.marks + 1;

-- The passes.

-- name: begin_pass
-- A pass begins.
INSERT INTO integrations.ghl_sync_log (sync_type, direction, status, started_at, triggered_by)
VALUES ($1, $2, 'started', clock_timestamp(), $3)
RETURNING id;

-- name: end_pass
-- A pass has ended: $2 with these counts.
UPDATE integrations.ghl_sync_log
SET status = $2,
    records_fetched = $3,
    records_created = $4,
    records_updated = $5,
    records_failed = $6,
    error_message = $7,
    completed_at = clock_timestamp(),
    duration_ms = (extract(epoch FROM clock_timestamp() - started_at) * 1000)::integer
WHERE id = $1;

-- name: interrupt_passes
-- Passes that nobody carries out any more were interrupted.
UPDATE integrations.ghl_sync_log
SET status = 'failed',
    error_message = 'interrupted: the process ended; the next pass goes on',
    completed_at = clock_timestamp()
WHERE status = 'started'
  AND triggered_by LIKE 'pcd%';

-- name: last_passes
-- The newest passes.
SELECT sync_type, direction, status, records_fetched, records_created, records_updated, records_failed,
    started_at, completed_at, duration_ms, error_message, triggered_by
FROM integrations.ghl_sync_log
ORDER BY started_at DESC
LIMIT $1;

-- name: breaker
-- Why nothing is sent at present.
SELECT reason
FROM pcd.crm_breaker;

-- name: open_breaker
-- Nothing is sent any more, because of $1.
INSERT INTO pcd.crm_breaker AS b (reason)
VALUES ($1)
ON CONFLICT (only_row) DO UPDATE
SET reason = excluded.reason;

-- name: close_breaker
-- Calls are sent again.
DELETE FROM pcd.crm_breaker;

-- Copies of what GoHighLevel holds. A copy that is newer than what is given stays.

-- name: now
-- The database's time.
SELECT clock_timestamp();

-- name: store_contacts
-- Store copies of contacts; yields those that were written, and which of them are new.
INSERT INTO integrations.ghl_contacts AS c (
    ghl_id, st_customer_id, first_name, last_name, name, email, phone, address_line1, city, state, zip, country,
    tags, source, custom_fields, ghl_created_at, ghl_updated_at, full_data
)
SELECT
    ghl_id, st_customer_id, first_name, last_name, name, nullif(email, ''), nullif(phone, ''), address_line1, city,
    state, zip, country, tags, source, custom_fields, ghl_created_at, ghl_updated_at, full_data
FROM jsonb_to_recordset($1::jsonb) AS r (
    ghl_id text, st_customer_id bigint, first_name text, last_name text, name text, email text, phone text,
    address_line1 text, city text, state text, zip text, country text, tags jsonb, source text,
    custom_fields jsonb, ghl_created_at timestamptz, ghl_updated_at timestamptz, full_data jsonb
)
ON CONFLICT (ghl_id) DO UPDATE
SET st_customer_id = coalesce(excluded.st_customer_id, c.st_customer_id),
    first_name = excluded.first_name,
    last_name = excluded.last_name,
    name = excluded.name,
    email = excluded.email,
    phone = excluded.phone,
    address_line1 = excluded.address_line1,
    city = excluded.city,
    state = excluded.state,
    zip = excluded.zip,
    country = excluded.country,
    tags = excluded.tags,
    source = excluded.source,
    custom_fields = excluded.custom_fields,
    ghl_created_at = excluded.ghl_created_at,
    ghl_updated_at = excluded.ghl_updated_at,
    full_data = excluded.full_data,
    local_synced_at = now(),
    gone_at = NULL
WHERE (c.ghl_updated_at IS NULL OR excluded.ghl_updated_at IS NULL OR excluded.ghl_updated_at >= c.ghl_updated_at)
  AND (c.full_data IS DISTINCT FROM excluded.full_data OR c.gone_at IS NOT NULL OR c.local_synced_at < now())
RETURNING xmax = 0 AS is_new;

-- name: store_opportunities
-- Store copies of opportunities; yields those that were written, and which of them are new.
INSERT INTO integrations.ghl_opportunities AS o (
    ghl_id, ghl_contact_id, ghl_pipeline_id, ghl_pipeline_stage_id, pipeline_name, stage_name, name, status,
    monetary_value, assigned_to, source, custom_fields, ghl_created_at, ghl_updated_at, last_status_change_at,
    full_data
)
SELECT
    r.ghl_id, r.ghl_contact_id, r.ghl_pipeline_id, r.ghl_pipeline_stage_id, p.name,
    (SELECT stage ->> 'name' FROM jsonb_array_elements(p.stages) AS stage
     WHERE stage ->> 'id' = r.ghl_pipeline_stage_id LIMIT 1),
    r.name, r.status, r.monetary_value, r.assigned_to, r.source, r.custom_fields, r.ghl_created_at,
    r.ghl_updated_at, r.last_status_change_at, r.full_data
FROM jsonb_to_recordset($1::jsonb) AS r (
    ghl_id text, ghl_contact_id text, ghl_pipeline_id text, ghl_pipeline_stage_id text, name text, status text,
    monetary_value numeric, assigned_to text, source text, custom_fields jsonb, ghl_created_at timestamptz,
    ghl_updated_at timestamptz, last_status_change_at timestamptz, full_data jsonb
)
LEFT JOIN integrations.ghl_pipelines AS p ON p.ghl_id = r.ghl_pipeline_id
ON CONFLICT (ghl_id) DO UPDATE
SET ghl_contact_id = excluded.ghl_contact_id,
    ghl_pipeline_id = excluded.ghl_pipeline_id,
    ghl_pipeline_stage_id = excluded.ghl_pipeline_stage_id,
    pipeline_name = excluded.pipeline_name,
    stage_name = excluded.stage_name,
    name = excluded.name,
    status = excluded.status,
    monetary_value = excluded.monetary_value,
    assigned_to = excluded.assigned_to,
    source = excluded.source,
    custom_fields = excluded.custom_fields,
    ghl_created_at = excluded.ghl_created_at,
    ghl_updated_at = excluded.ghl_updated_at,
    last_status_change_at = excluded.last_status_change_at,
    full_data = excluded.full_data,
    local_synced_at = now(),
    local_updated_at = now(),
    gone_at = NULL
WHERE o.ghl_updated_at IS NULL OR excluded.ghl_updated_at IS NULL OR excluded.ghl_updated_at >= o.ghl_updated_at
RETURNING xmax = 0 AS is_new;

-- name: compare_contacts
-- How each of these records stands to our copy of it.
SELECT CASE
        WHEN c.ghl_id IS NULL THEN 'new'
        WHEN c.gone_at IS NOT NULL THEN 'back'
        WHEN c.full_data IS DISTINCT FROM r.full_data THEN 'changed'
        ELSE 'same'
    END AS standing
FROM jsonb_to_recordset($1::jsonb) AS r (ghl_id text, full_data jsonb)
LEFT JOIN integrations.ghl_contacts AS c ON c.ghl_id = r.ghl_id;

-- name: count_contacts
-- How many records we have a copy of and believe to be there.
SELECT count(*)
FROM integrations.ghl_contacts
WHERE gone_at IS NULL;

-- name: compare_opportunities
-- How each of these records stands to our copy of it.
SELECT CASE
        WHEN c.ghl_id IS NULL THEN 'new'
        WHEN c.gone_at IS NOT NULL THEN 'back'
        WHEN c.full_data IS DISTINCT FROM r.full_data THEN 'changed'
        ELSE 'same'
    END AS standing
FROM jsonb_to_recordset($1::jsonb) AS r (ghl_id text, full_data jsonb)
LEFT JOIN integrations.ghl_opportunities AS c ON c.ghl_id = r.ghl_id;

-- name: count_opportunities
-- How many records we have a copy of and believe to be there.
SELECT count(*)
FROM integrations.ghl_opportunities
WHERE gone_at IS NULL;

-- name: lose_contacts
-- Contacts that were not met since $1, by a complete pull or an answer, are gone; yields how many.
WITH gone AS (
    UPDATE integrations.ghl_contacts
    SET gone_at = now()
    WHERE local_synced_at < $1
      AND gone_at IS NULL
    RETURNING ghl_id
)
SELECT count(*)
FROM gone;

-- name: lose_opportunities
-- Opportunities that were not met since $1, by a complete pull or an answer, are gone; yields how many.
WITH gone AS (
    UPDATE integrations.ghl_opportunities
    SET gone_at = now()
    WHERE local_synced_at < $1
      AND gone_at IS NULL
    RETURNING ghl_id
)
SELECT count(*)
FROM gone;

-- name: pulled
-- A pull of a collection that began at $2 is complete; $3 says whether it was a full one.
INSERT INTO pcd.crm_pulls AS p (collection, full_completed_at, seen_until)
VALUES ($1, CASE WHEN $3 THEN now() END, $2)
ON CONFLICT (collection) DO UPDATE
SET full_completed_at = coalesce(excluded.full_completed_at, p.full_completed_at),
    seen_until = excluded.seen_until,
    pulled_at = now();

-- name: seen_until
-- Up to when the copies of a collection are complete; null before its first full pull.
SELECT seen_until
FROM pcd.crm_pulls
WHERE collection = $1
  AND full_completed_at IS NOT NULL;

-- name: pulls
-- How current each copy is.
SELECT collection, full_completed_at, seen_until, pulled_at
FROM pcd.crm_pulls
ORDER BY collection;

-- name: store_pipelines
-- Store the pipelines; those not given are gone.
WITH given AS (
    SELECT ghl_id, name, stages
    FROM jsonb_to_recordset($1::jsonb) AS r (ghl_id text, name text, stages jsonb)
), gone AS (
    UPDATE integrations.ghl_pipelines
    SET gone_at = now()
    WHERE gone_at IS NULL
      AND ghl_id NOT IN (SELECT ghl_id FROM given)
)
INSERT INTO integrations.ghl_pipelines AS p (ghl_id, name, stages)
SELECT ghl_id, name, stages
FROM given
ON CONFLICT (ghl_id) DO UPDATE
SET name = excluded.name,
    stages = excluded.stages,
    gone_at = NULL,
    local_synced_at = now();

-- name: store_users
-- Store the users; those not given are gone.
WITH given AS (
    SELECT ghl_id, name, email, full_data
    FROM jsonb_to_recordset($1::jsonb) AS r (ghl_id text, name text, email text, full_data jsonb)
), gone AS (
    UPDATE integrations.ghl_users
    SET gone_at = now()
    WHERE gone_at IS NULL
      AND ghl_id NOT IN (SELECT ghl_id FROM given)
)
INSERT INTO integrations.ghl_users AS u (ghl_id, name, email, full_data)
SELECT ghl_id, name, email, full_data
FROM given
ON CONFLICT (ghl_id) DO UPDATE
SET name = excluded.name,
    email = excluded.email,
    full_data = excluded.full_data,
    gone_at = NULL,
    local_synced_at = now();

-- name: store_custom_fields
-- Store the custom fields; those not given are gone.
WITH given AS (
    SELECT ghl_id, field_key, name, model, options
    FROM jsonb_to_recordset($1::jsonb) AS r (ghl_id text, field_key text, name text, model text, options jsonb)
), gone AS (
    UPDATE integrations.ghl_custom_fields
    SET gone_at = now()
    WHERE gone_at IS NULL
      AND ghl_id NOT IN (SELECT ghl_id FROM given)
)
INSERT INTO integrations.ghl_custom_fields AS f (ghl_id, field_key, name, model, options)
SELECT ghl_id, field_key, name, model, options
FROM given
ON CONFLICT (ghl_id) DO UPDATE
SET field_key = excluded.field_key,
    name = excluded.name,
    model = excluded.model,
    options = excluded.options,
    gone_at = NULL,
    local_synced_at = now();

-- What is remembered of each customer.

-- name: accounts
-- Everything that is remembered of these customers, those who take part.
SELECT
    c.customer_id,
    c.admitted_by,
    c.backfill_since,
    c.contact_id,
    c.applied::text,
    c.history::text,
    contact.full_data::text AS contact,
    (
        SELECT jsonb_agg(
            jsonb_build_object('cycle', y.cycle, 'id', y.opportunity_id, 'applied', y.applied) ORDER BY y.cycle
        )
        FROM pcd.crm_cycles AS y
        WHERE y.customer_id = c.customer_id
    )::text AS cycles,
    (
        SELECT jsonb_agg(o.full_data)
        FROM integrations.ghl_opportunities AS o
        WHERE o.gone_at IS NULL
          AND o.ghl_id IN (SELECT y.opportunity_id FROM pcd.crm_cycles AS y WHERE y.customer_id = c.customer_id)
    )::text AS opportunities,
    (
        SELECT jsonb_agg(
            jsonb_build_object(
                'id', x.id, 'kind', x.kind, 'cycle', x.cycle, 'reuses', x.reuses, 'target_id', x.target_id,
                'fields', x.fields, 'state', x.state, 'is_doubtful', x.is_doubtful
            ) ORDER BY x.id
        )
        FROM integrations.ghl_outbox AS x
        WHERE x.lane = 'customer ' || c.customer_id
          AND x.state IN ('owed', 'dead', 'dry_run')
          AND x.step_key IS NULL
    )::text AS unsent,
    coalesce((
        SELECT true
        FROM integrations.ghl_outbox AS x
        WHERE x.lane = 'customer ' || c.customer_id
          AND x.state = 'sending'
        LIMIT 1
    ), false) AS is_sending
FROM pcd.crm_customers AS c
LEFT JOIN integrations.ghl_contacts AS contact ON contact.ghl_id = c.contact_id AND contact.gone_at IS NULL
WHERE c.customer_id = ANY($1::bigint[]);

-- name: link
-- A contact is the customer's, unless it is another one's; a customer who did not take part does now. It is certain
-- then whose it is.
WITH linked AS (
    INSERT INTO pcd.crm_customers AS c (customer_id, admitted_by, contact_id, linked_at, matched_by)
    SELECT $1, 'link', $2, now(), $3
    WHERE NOT EXISTS (
        SELECT
        FROM pcd.crm_customers AS other
        WHERE other.contact_id = $2
          AND other.customer_id <> $1
    )
    ON CONFLICT (customer_id) DO UPDATE
    SET contact_id = excluded.contact_id,
        linked_at = now(),
        matched_by = excluded.matched_by
    RETURNING c.customer_id
), certain AS (
    DELETE FROM pcd.crm_conflicts AS k
    USING linked
    WHERE k.customer_id = linked.customer_id
)
SELECT customer_id
FROM linked;

-- name: apply_contact
-- Fields of the contact are as we wrote them.
UPDATE pcd.crm_customers
SET applied = coalesce(applied, '{}') || $2::jsonb
WHERE customer_id = $1;

-- name: apply_opportunity
-- The opportunity of a cycle, and fields of it that are as we wrote them; our copy says what it is about.
WITH told AS (
    UPDATE integrations.ghl_opportunities AS o
    SET st_customer_id = c.customer_id,
        st_job_id = (state ->> 'job_id')::bigint,
        st_estimate_id = (state ->> 'estimate_id')::bigint
    FROM pcd.crm_customers AS c
    CROSS JOIN LATERAL jsonb_array_elements(c.history) AS state
    WHERE c.customer_id = $1
      AND (state ->> 'number')::integer = $2
      AND o.ghl_id = coalesce(
          $3::text, (SELECT opportunity_id FROM pcd.crm_cycles WHERE customer_id = $1 AND cycle = $2)
      )
)
INSERT INTO pcd.crm_cycles AS y (customer_id, cycle, opportunity_id, applied)
VALUES ($1, $2, $3, $4::jsonb)
ON CONFLICT (customer_id, cycle) DO UPDATE
SET opportunity_id = coalesce(excluded.opportunity_id, y.opportunity_id),
    applied = CASE WHEN $4::jsonb IS NULL THEN y.applied ELSE coalesce(y.applied, '{}') || $4::jsonb END,
    updated_at = now();

-- name: unlink_contact
-- GoHighLevel has the contact no more.
UPDATE pcd.crm_customers
SET contact_id = NULL,
    linked_at = NULL,
    matched_by = NULL,
    applied = NULL
WHERE customer_id = $1;

-- name: forget_cycles
-- GoHighLevel has the opportunities no more.
DELETE FROM pcd.crm_cycles
WHERE customer_id = $1;

-- name: unlink_opportunity
-- GoHighLevel has an opportunity no more.
DELETE FROM pcd.crm_cycles
WHERE customer_id = $1
  AND opportunity_id = $2;

-- name: copy_of_contact
-- A contact as it was last received; null where there is no copy, or it is gone.
SELECT full_data
FROM integrations.ghl_contacts
WHERE ghl_id = $1
  AND gone_at IS NULL;

-- name: copy_of_opportunity
-- An opportunity as it was last received; null where there is no copy, or it is gone.
SELECT full_data
FROM integrations.ghl_opportunities
WHERE ghl_id = $1
  AND gone_at IS NULL;

-- name: lose_contact
-- Our copy of a contact is of one that is gone.
UPDATE integrations.ghl_contacts
SET gone_at = now()
WHERE ghl_id = $1;

-- name: lose_opportunity
-- Our copy of an opportunity is of one that is gone.
UPDATE integrations.ghl_opportunities
SET gone_at = now()
WHERE ghl_id = $1;

-- name: gone_there
-- Those of these contacts and opportunities that GoHighLevel has no more, as far as we have heard.
SELECT ghl_id
FROM integrations.ghl_contacts
WHERE ghl_id = ANY($1::text[])
  AND gone_at IS NOT NULL
UNION ALL
SELECT ghl_id
FROM integrations.ghl_opportunities
WHERE ghl_id = ANY($1::text[])
  AND gone_at IS NOT NULL;

-- name: candidates
-- The contacts that may be one of these customers, by our own id, the e-mail or the phone, as far as copied.
SELECT
    k.customer_id,
    c.ghl_id,
    coalesce(c.email, '') AS email,
    coalesce(c.phone, '') AS phone,
    c.st_customer_id,
    owner.customer_id AS linked_to
FROM unnest($1::bigint[], $2::text[], $3::text[]) AS k (customer_id, email, phone)
CROSS JOIN LATERAL (
    SELECT ghl_id, email, phone, st_customer_id
    FROM integrations.ghl_contacts
    WHERE st_customer_id = k.customer_id AND gone_at IS NULL
    UNION
    SELECT ghl_id, email, phone, st_customer_id
    FROM integrations.ghl_contacts
    WHERE lower(email) = k.email AND gone_at IS NULL
    UNION
    SELECT ghl_id, email, phone, st_customer_id
    FROM integrations.ghl_contacts
    WHERE phone = k.phone AND gone_at IS NULL
) AS c
LEFT JOIN pcd.crm_customers AS owner ON owner.contact_id = c.ghl_id;

-- name: owner_of
-- Whose contact it is.
SELECT customer_id
FROM pcd.crm_customers
WHERE contact_id = $1;

-- name: deals_of
-- The copied opportunities of a contact, the newest first, and which cycle has each.
SELECT o.ghl_id, o.ghl_pipeline_id, o.status, o.st_job_id, o.full_data::text, y.customer_id, y.cycle
FROM integrations.ghl_opportunities AS o
LEFT JOIN pcd.crm_cycles AS y ON y.opportunity_id = o.ghl_id
WHERE o.ghl_contact_id = $1
  AND o.gone_at IS NULL
ORDER BY o.ghl_created_at DESC NULLS LAST, o.ghl_id;

-- name: park
-- It is not certain which contact is the customer's; since when stays.
INSERT INTO pcd.crm_conflicts AS c (customer_id, reason, contacts)
VALUES ($1, $2, $3::jsonb)
ON CONFLICT (customer_id) DO UPDATE
SET reason = excluded.reason,
    contacts = excluded.contacts;

-- name: conflicts
-- The customers who are parked, the oldest first, and whose those contacts are that are another customer's.
SELECT
    c.customer_id,
    s.name,
    c.reason,
    c.contacts::text,
    c.since,
    (
        SELECT jsonb_object_agg(owner.contact_id, owner.customer_id)
        FROM pcd.crm_customers AS owner
        WHERE owner.contact_id = ANY(ARRAY(SELECT jsonb_object_keys(c.contacts)))
          AND owner.customer_id <> c.customer_id
    )::text AS owners
FROM pcd.crm_conflicts AS c
LEFT JOIN servicetitan.st_customers AS s ON s.st_id = c.customer_id
ORDER BY c.since, c.customer_id
LIMIT $1;

-- The account itself.

-- name: place
-- What the subaccount said of itself.
SELECT subaccount_id, name, timezone, country, allow_duplicate_contact, allow_duplicate_opportunity, checked_at
FROM pcd.crm_place;

-- name: store_place
-- The subaccount says this of itself.
INSERT INTO pcd.crm_place AS p (subaccount_id, name, timezone, country, allow_duplicate_contact,
                                allow_duplicate_opportunity)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (only_row) DO UPDATE
SET subaccount_id = excluded.subaccount_id,
    name = excluded.name,
    timezone = excluded.timezone,
    country = excluded.country,
    allow_duplicate_contact = excluded.allow_duplicate_contact,
    allow_duplicate_opportunity = excluded.allow_duplicate_opportunity,
    checked_at = now();

-- name: pipelines
-- The pipelines that are there.
SELECT ghl_id, name, stages::text
FROM integrations.ghl_pipelines
WHERE gone_at IS NULL
ORDER BY name;

-- name: custom_fields
-- The custom fields that are there.
SELECT ghl_id, field_key, name, model, options::text
FROM integrations.ghl_custom_fields
WHERE gone_at IS NULL;

-- name: drop_planned
-- What was planned in a lane is not owed any more; a new plan follows.
UPDATE integrations.ghl_outbox
SET state = 'superseded',
    error = $2
WHERE lane = $1
  AND state IN ('owed', 'dead')
  AND step_key IS NULL;


-- name: settle
-- Under lease $1 of term $2: store what came of considering customers ($3), let calls ($5) take the place of
-- others ($4), and forget that they were to be considered ($6) unless they were marked again ($7) meanwhile, and that
-- they were parked where they are not any more.
-- What takes the place of a doubtful call is doubtful itself. Yields nothing when the lease is another's.
WITH fenced AS MATERIALIZED (
    SELECT
    FROM pcd.leases
    WHERE name = $1::text AND term = $2::bigint
    FOR KEY SHARE
), remembered AS (
    UPDATE pcd.crm_customers AS c
    SET history = r.history,
        kept = r.kept,
        notes = r.notes,
        held = r.held,
        reconsider_at = r.reconsider_at,
        considered_at = now()
    FROM jsonb_to_recordset($3::jsonb) AS r (
        customer_id bigint, history jsonb, kept jsonb, notes jsonb, held jsonb, reconsider_at timestamptz
    )
    WHERE c.customer_id = r.customer_id
      AND EXISTS (SELECT FROM fenced)
), certain AS (
    DELETE FROM pcd.crm_conflicts AS k
    USING jsonb_to_recordset($3::jsonb) AS r (customer_id bigint, is_parked boolean)
    WHERE k.customer_id = r.customer_id
      AND NOT r.is_parked
      AND EXISTS (SELECT FROM fenced)
), superseded AS (
    UPDATE integrations.ghl_outbox
    SET state = 'superseded',
        error = coalesce(error, 'a newer plan took its place')
    WHERE id = ANY($4::bigint[])
      AND state IN ('owed', 'dead', 'dry_run')
      AND EXISTS (SELECT FROM fenced)
), owed AS (
    INSERT INTO integrations.ghl_outbox
        (lane, customer_id, kind, cycle, reuses, target_id, fields, before, reason, cause, event_id, priority,
         state, is_doubtful)
    SELECT
        'customer ' || customer_id, customer_id, kind, cycle, reuses, target_id, fields, before, reason, cause,
        event_id, priority, state,
        EXISTS (
            SELECT
            FROM integrations.ghl_outbox AS o
            WHERE o.id = ANY($4::bigint[])
              AND o.is_doubtful
              AND (o.customer_id, o.kind) = (given.customer_id, given.kind)
              AND o.cycle IS NOT DISTINCT FROM given.cycle
        )
    FROM jsonb_to_recordset($5::jsonb) AS given (
        customer_id bigint, kind text, cycle integer, reuses integer, target_id text, fields jsonb,
        before jsonb, reason text, cause text, event_id uuid, priority smallint, state text, position bigint
    )
    WHERE EXISTS (SELECT FROM fenced)
    ORDER BY position
    RETURNING id
), cleaned AS (
    DELETE FROM pcd.crm_dirty AS d
    USING unnest($6::bigint[], $7::bigint[]) AS seen (customer_id, marks)
    WHERE (d.customer_id, d.marks) = (seen.customer_id, seen.marks)
      AND EXISTS (SELECT FROM fenced)
)
SELECT (SELECT count(*) FROM owed) AS owed
FROM fenced;

-- name: contact_copy
-- Our copy of a contact.
SELECT full_data::text
FROM integrations.ghl_contacts
WHERE ghl_id = $1
  AND gone_at IS NULL;

-- name: known_deals
-- The opportunities of a contact that are some cycle's.
SELECT o.ghl_id
FROM integrations.ghl_opportunities AS o
JOIN pcd.crm_cycles AS y ON y.opportunity_id = o.ghl_id
WHERE o.ghl_contact_id = $1;

-- name: creations_of
-- What each creation of kind $2 and cycle $3 was to write for customer $1 that may have been carried out: those
-- without an answer, and the one of id $4 that is under way.
SELECT fields::text
FROM integrations.ghl_outbox
WHERE customer_id = $1
  AND kind = $2
  AND cycle IS NOT DISTINCT FROM $3
  AND (is_doubtful OR id = $4)
ORDER BY id DESC;

-- name: contact_of
-- The contact that a customer is.
SELECT contact_id
FROM pcd.crm_customers
WHERE customer_id = $1;

-- name: contact_for_step
-- The contact of a customer, or of the one whom the customer was merged into since the step was owed.
SELECT coalesce(own.contact_id, heir.contact_id)
FROM (SELECT $1::bigint AS id) AS asked
LEFT JOIN pcd.crm_customers AS own ON own.customer_id = asked.id
LEFT JOIN servicetitan.st_customers AS gone ON gone.st_id = asked.id
LEFT JOIN pcd.crm_customers AS heir ON heir.customer_id = gone.merged_to_id;

-- name: opportunity_of
-- The opportunity of a customer's cycle.
SELECT opportunity_id
FROM pcd.crm_cycles
WHERE customer_id = $1
  AND cycle = $2;

-- Facts: what pcd/crm/reader.py knows about customers.

-- name: facts
-- Customers as the CRM sees them, with the jobs, appointments and estimates that count, in one snapshot.
SELECT customer.st_id,
       customer.name,
       customer.first_name,
       customer.last_name,
       customer.type,
       customer.email,
       customer.phone,
       ARRAY(SELECT coalesce(each ->> 'value', each #>> '{}')
             FROM jsonb_array_elements(
                 CASE jsonb_typeof(customer.email_addresses) WHEN 'array' THEN customer.email_addresses END
             ) AS each) AS emails,
       ARRAY(SELECT coalesce(each ->> 'value', each #>> '{}')
             FROM jsonb_array_elements(
                 CASE jsonb_typeof(customer.phone_numbers) WHEN 'array' THEN customer.phone_numbers END
             ) AS each) AS phones,
       concat_ws(', ', nullif(customer.address_line1, ''), nullif(customer.address_line2, '')) AS street,
       customer.city,
       customer.state,
       customer.zip,
       customer.country,
       customer.st_created_on,
       customer.active IS NOT FALSE AND customer.st_deleted_at IS NULL AS is_active,
       customer.merged_to_id,
       customer.do_not_service IS TRUE AS do_not_service,
       wish.do_not_contact IS TRUE AS do_not_contact,
       ARRAY(
           SELECT ROW(job.st_id,
                      job.job_number,
                      job.job_status,
                      job.business_unit_id,
                      unit.name,
                      job.st_created_on,
                      job.st_modified_on,
                      job.job_completion_time,
                      job.project_id,
                      job.created_from_estimate_id,
                      job.technician_id,
                      ARRAY(SELECT DISTINCT goes.technician_id
                            FROM servicetitan.job_technicians AS goes
                            WHERE goes.job_id = job.st_id
                            ORDER BY goes.technician_id),
                      ARRAY(SELECT ROW(visit.st_id, visit.status, visit.start_on, visit.st_modified_on)
                            FROM servicetitan.st_appointments AS visit
                            WHERE visit.job_id = job.st_id
                              AND visit.unused IS NOT TRUE
                              AND visit.active IS NOT FALSE
                              AND visit.st_deleted_at IS NULL
                            ORDER BY visit.st_id))
           FROM servicetitan.st_jobs AS job
           LEFT JOIN servicetitan.st_business_units AS unit ON unit.st_id = job.business_unit_id
           WHERE job.customer_id = customer.st_id
             AND job.active IS NOT FALSE
             AND job.st_deleted_at IS NULL
           ORDER BY job.st_id
       ) AS jobs,
       ARRAY(
           SELECT ROW(estimate.st_id,
                      estimate.job_id,
                      estimate.name,
                      estimate.status,
                      estimate.total,
                      estimate.st_created_on,
                      estimate.st_modified_on,
                      estimate.sold_on,
                      estimate.business_unit_id,
                      coalesce(estimate.business_unit_id, job.business_unit_id) IS NULL
                          OR nullif(unit.ghl_pipeline_id, '') IS NOT NULL)
           FROM servicetitan.st_estimates AS estimate
           LEFT JOIN servicetitan.st_jobs AS job ON job.st_id = estimate.job_id
           LEFT JOIN servicetitan.st_business_units AS unit
               ON unit.st_id = coalesce(estimate.business_unit_id, job.business_unit_id)
           WHERE estimate.customer_id = customer.st_id
             AND estimate.active IS NOT FALSE
             AND estimate.st_deleted_at IS NULL
           ORDER BY estimate.st_id
       ) AS estimates,
       (SELECT EXISTS (SELECT
                       FROM servicetitan.st_business_units
                       WHERE nullif(ghl_pipeline_id, '') IS NOT NULL)) AS has_pipelines
FROM servicetitan.st_customers AS customer
LEFT JOIN public.customer_communication_preferences AS wish ON wish.customer_id = customer.st_id
WHERE customer.st_id = ANY($1::bigint[]);

-- name: heirs
-- Which of the merged customers $1 can hand over to the customers $2 that they were merged into; locks them.
SELECT gone.customer_id, pair.heir
FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS pair (customer_id, heir, position)
JOIN pcd.crm_customers AS gone ON gone.customer_id = pair.customer_id
JOIN servicetitan.st_customers AS known ON known.st_id = pair.heir
WHERE gone.contact_id IS NOT NULL
  AND NOT EXISTS (
      SELECT
      FROM pcd.crm_customers AS own
      WHERE own.customer_id = pair.heir
        AND own.contact_id IS NOT NULL
  )
  AND NOT EXISTS (
      SELECT
      FROM pcd.crm_cycles AS own
      WHERE own.customer_id = pair.heir
        AND own.opportunity_id IS NOT NULL
  )
  AND NOT EXISTS (
      SELECT
      FROM integrations.ghl_outbox AS x
      WHERE x.lane IN ('customer ' || pair.customer_id, 'customer ' || pair.heir)
        AND x.state IN ('owed', 'sending', 'dead')
  )
ORDER BY pair.position
FOR UPDATE OF gone;

-- name: forget_heirs
-- What was remembered of customers who are about to inherit: no contact, no opportunity, perhaps a conflict.
WITH cycles AS (
    DELETE FROM pcd.crm_cycles
    WHERE customer_id = ANY($1::bigint[])
), conflicts AS (
    DELETE FROM pcd.crm_conflicts
    WHERE customer_id = ANY($1::bigint[])
)
DELETE FROM pcd.crm_customers
WHERE customer_id = ANY($1::bigint[]);

-- name: hand_over
-- All that is remembered of the customers $1 is that of the customers $2 from now on.
WITH pair AS (
    SELECT *
    FROM unnest($1::bigint[], $2::bigint[]) AS pair (customer_id, heir)
), contacts AS (
    UPDATE integrations.ghl_contacts AS c
    SET st_customer_id = pair.heir
    FROM pair
    JOIN pcd.crm_customers AS gone ON gone.customer_id = pair.customer_id
    WHERE c.ghl_id = gone.contact_id
), opportunities AS (
    UPDATE integrations.ghl_opportunities AS o
    SET st_customer_id = pair.heir
    FROM pair
    WHERE o.st_customer_id = pair.customer_id
), cycles AS (
    UPDATE pcd.crm_cycles AS y
    SET customer_id = pair.heir
    FROM pair
    WHERE y.customer_id = pair.customer_id
)
UPDATE pcd.crm_customers AS c
SET customer_id = pair.heir
FROM pair
WHERE c.customer_id = pair.customer_id;

-- name: take_in
-- Have customers take part because a person said so ($2); of a backfill, work since $3 counts.
INSERT INTO pcd.crm_customers AS c (customer_id, admitted_by, backfill_since)
SELECT customer_id, $2, $3
FROM unnest($1::bigint[]) AS given (customer_id)
ON CONFLICT (customer_id) DO UPDATE
SET admitted_by = excluded.admitted_by,
    backfill_since = coalesce(excluded.backfill_since, c.backfill_since);

-- name: strangers
-- Customers who do not take part and are neither inactive nor merged, in the order of their ids.
SELECT s.st_id
FROM servicetitan.st_customers AS s
WHERE s.st_id > $1
  AND s.active IS NOT FALSE
  AND s.merged_to_id IS NULL
  AND s.st_deleted_at IS NULL
  AND NOT EXISTS (SELECT FROM pcd.crm_customers AS c WHERE c.customer_id = s.st_id)
ORDER BY s.st_id
LIMIT $2;

-- name: participants
-- The customers who take part, in the order of their ids.
SELECT customer_id
FROM pcd.crm_customers
WHERE customer_id > $1
ORDER BY customer_id
LIMIT $2;

-- name: sellers
-- The customers of whom an estimate was made or changed since $1.
SELECT DISTINCT customer_id
FROM servicetitan.st_estimates
WHERE st_modified_on >= $1
  AND customer_id IS NOT NULL
  AND active IS NOT FALSE
  AND st_deleted_at IS NULL
ORDER BY customer_id;

-- name: participant
-- What is remembered of one customer.
SELECT customer_id, admitted_at, admitted_by, backfill_since, contact_id, linked_at, matched_by, applied::text,
    history::text, kept::text, notes::text, held::text, considered_at, reconsider_at
FROM pcd.crm_customers
WHERE customer_id = $1;

-- name: dirty_of
-- Why a customer is to be considered.
SELECT cause, since
FROM pcd.crm_dirty
WHERE customer_id = $1;

-- name: conflict_of
-- Why a customer is parked.
SELECT reason, contacts::text, since
FROM pcd.crm_conflicts
WHERE customer_id = $1;

-- name: cycles_of
-- The opportunities of one customer.
SELECT cycle, opportunity_id, applied::text, updated_at
FROM pcd.crm_cycles
WHERE customer_id = $1
ORDER BY cycle;

-- name: happened_to
-- The newest events about one customer, the oldest of them first.
SELECT id, type, entity_type, entity_id, occurred_at, detected_at, suppressed_reason
FROM (
    SELECT *
    FROM automation.events
    WHERE customer_id = $1
    ORDER BY sequence DESC
    LIMIT $2
) AS newest
ORDER BY sequence;

-- name: units
-- The business units with their switch.
SELECT st_id, name, ghl_pipeline_id, active
FROM servicetitan.st_business_units
ORDER BY name, st_id;

-- name: set_unit
-- A unit's estimates take part under pipeline $2, or none of them does.
UPDATE servicetitan.st_business_units
SET ghl_pipeline_id = $2
WHERE st_id = $1
RETURNING name;

-- name: mark_sellers
-- Those who take part and have an estimate are to be considered: other units' estimates count now.
INSERT INTO pcd.crm_dirty AS d (customer_id, cause)
SELECT c.customer_id, 'business unit switched'
FROM pcd.crm_customers AS c
WHERE EXISTS (
    SELECT
    FROM servicetitan.st_estimates AS e
    WHERE e.customer_id = c.customer_id
)
ON CONFLICT (customer_id) DO NOTHING;

-- name: count_customers
-- How many customers take part, are linked, wait and are parked.
SELECT
    (SELECT count(*) FROM pcd.crm_customers) AS customers,
    (SELECT count(*) FROM pcd.crm_customers WHERE contact_id IS NOT NULL) AS linked,
    (SELECT count(*) FROM pcd.crm_customers WHERE kept <> '[]') AS with_kept,
    (SELECT count(*) FROM pcd.crm_customers WHERE held <> '[]') AS held,
    (SELECT count(*) FROM pcd.crm_dirty) AS waiting,
    (SELECT count(*) FROM pcd.crm_conflicts) AS conflicts;

-- name: contacts_made_there
-- Contacts that others made in GoHighLevel since $1 for our customers, whom they are known by, and which contact is
-- the customer's instead. Known by our id (which they carry, or the old worker stored), else by an e-mail, else by
-- the last ten digits of a phone, else only as the old worker's, by their source.
WITH made AS MATERIALIZED (
    SELECT ghl_id, name, source, st_customer_id, ghl_created_at, lower(email) AS email,
        right(regexp_replace(phone, '\D', '', 'g'), 10) AS digits
    FROM integrations.ghl_contacts AS c
    WHERE ghl_created_at >= $1
      AND gone_at IS NULL
      AND NOT EXISTS (SELECT FROM pcd.crm_customers AS own WHERE own.contact_id = c.ghl_id)
), customers AS (
    SELECT st_id, email, phone, email_addresses, phone_numbers
    FROM servicetitan.st_customers
    WHERE merged_to_id IS NULL
      AND st_deleted_at IS NULL
), by_email AS (
    SELECT lower(given.email) AS email, min(st_id) AS customer_id
    FROM customers
    CROSS JOIN LATERAL (
        SELECT email
        UNION ALL
        SELECT each ->> 'value'
        FROM jsonb_array_elements(CASE jsonb_typeof(email_addresses) WHEN 'array' THEN email_addresses END) AS each
    ) AS given
    WHERE lower(given.email) IN (SELECT email FROM made)
    GROUP BY lower(given.email)
), by_phone AS (
    SELECT given.digits, min(st_id) AS customer_id
    FROM customers
    CROSS JOIN LATERAL (
        SELECT right(regexp_replace(phone, '\D', '', 'g'), 10) AS digits
        UNION ALL
        SELECT right(regexp_replace(each ->> 'value', '\D', '', 'g'), 10)
        FROM jsonb_array_elements(CASE jsonb_typeof(phone_numbers) WHEN 'array' THEN phone_numbers END) AS each
    ) AS given
    WHERE length(given.digits) = 10
      AND given.digits IN (SELECT digits FROM made)
    GROUP BY given.digits
), known AS (
    SELECT
        made.*,
        coalesce(made.st_customer_id, by_email.customer_id, by_phone.customer_id) AS customer_id,
        CASE
            WHEN made.st_customer_id IS NOT NULL THEN 'our id'
            WHEN by_email.customer_id IS NOT NULL THEN 'e-mail'
            WHEN by_phone.customer_id IS NOT NULL THEN 'phone'
            ELSE 'source ' || made.source
        END AS known_by
    FROM made
    LEFT JOIN by_email USING (email)
    LEFT JOIN by_phone USING (digits)
)
SELECT known.ghl_id, known.name, known.customer_id, known.known_by, known.ghl_created_at, own.contact_id AS ours,
    own.customer_id IS NOT NULL AS takes_part
FROM known
LEFT JOIN pcd.crm_customers AS own ON own.customer_id = known.customer_id
WHERE known.customer_id IS NOT NULL
   OR lower(known.source) = 'servicetitan'
ORDER BY known.ghl_created_at, known.ghl_id;

-- name: opportunities_made_there
-- Opportunities that others made in GoHighLevel since $1: those of contacts that are our customers', and of the
-- contacts $2 of the customers $3.
SELECT o.ghl_id, o.name, o.pipeline_name, o.stage_name, o.status, o.ghl_created_at,
    coalesce(o.st_customer_id, own.customer_id, given.customer_id, c.st_customer_id) AS customer_id,
    own.customer_id IS NOT NULL AS takes_part
FROM integrations.ghl_opportunities AS o
JOIN integrations.ghl_contacts AS c ON c.ghl_id = o.ghl_contact_id
LEFT JOIN pcd.crm_customers AS own ON own.contact_id = c.ghl_id
LEFT JOIN unnest($2::text[], $3::bigint[]) AS given (contact_id, customer_id) ON given.contact_id = c.ghl_id
WHERE o.ghl_created_at >= $1
  AND o.gone_at IS NULL
  AND (coalesce(o.st_customer_id, own.customer_id, c.st_customer_id) IS NOT NULL OR given.contact_id IS NOT NULL)
  AND NOT EXISTS (SELECT FROM pcd.crm_cycles AS y WHERE y.opportunity_id = o.ghl_id)
ORDER BY o.ghl_created_at, o.ghl_id;

-- name: grant
-- The app's grant, sealed.
SELECT sealed
FROM pcd.crm_grant;

-- name: store_grant
-- Keep the app's newest grant.
INSERT INTO pcd.crm_grant AS g (sealed)
VALUES ($1)
ON CONFLICT (only_row) DO UPDATE
SET sealed = excluded.sealed,
    saved_at = now();

-- name: flush
-- Wait until everything that was committed is on the disk.
SELECT set_config('synchronous_commit', 'on', true), pg_logical_emit_message(true, 'pcd', '');
