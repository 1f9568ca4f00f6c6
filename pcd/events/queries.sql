-- What the detector remembers, and what people ask. All times are the database's.

-- name: has_changes
-- Whether anything waits in the outbox.
SELECT EXISTS (SELECT FROM pcd.outbox);

-- name: baselines
-- Since when each table is watched, and the database's time.
SELECT resource, baseline_at
FROM pcd.baselines;

-- name: units
-- The names of the business units but for those whose arrival waits in the outbox: whoever left such a unit
-- before it arrived was never in it, whenever somebody looks.
SELECT unit.st_id, coalesce(unit.name, '') AS name
FROM servicetitan.st_business_units AS unit
WHERE NOT EXISTS (
    SELECT
    FROM pcd.outbox AS waiting
    WHERE waiting.resource = 'business_units'
      AND waiting.op = 'I'
      AND waiting.st_id = unit.st_id
);

-- name: halted
-- The rules that raised.
SELECT type, change_id, error, since
FROM pcd.halted_rules
ORDER BY type;

-- name: halt
-- Stop a rule from a change on; one that is stopped already stays where it stopped.
INSERT INTO pcd.halted_rules (type, change_id, error)
VALUES ($1, $2, $3)
ON CONFLICT (type) DO NOTHING;

-- name: advance_halt
-- A stopped rule was applied again up to here.
UPDATE pcd.halted_rules
SET change_id = $2,
    error = coalesce($3, error)
WHERE type = $1;

-- name: unhalt
-- A rule that was stopped has caught up.
DELETE FROM pcd.halted_rules
WHERE type = $1;

-- name: parked_of
-- The parked entries of these rows, and of whatever waits for one of them.
SELECT p.type, p.resource, p.st_id, p.reason, p.before::text, p.state::text, p.change_id, p.changed_at,
       p.waits_for_resource, p.waits_for_id
FROM pcd.parked AS p
JOIN unnest($1::text[], $2::bigint[]) AS seen (resource, st_id)
    ON (p.resource, p.st_id) = (seen.resource, seen.st_id)
UNION
SELECT p.type, p.resource, p.st_id, p.reason, p.before::text, p.state::text, p.change_id, p.changed_at,
       p.waits_for_resource, p.waits_for_id
FROM pcd.parked AS p
JOIN unnest($1::text[], $2::bigint[]) AS seen (resource, st_id)
    ON (p.waits_for_resource, p.waits_for_id) = (seen.resource, seen.st_id);

-- name: any_parked
-- Whether any row is parked at all.
SELECT EXISTS (SELECT FROM pcd.parked);

-- name: parked_in_vain
-- Parked entries that wait for a business unit which is there.
SELECT type, resource, st_id, reason, before::text, state::text, change_id, changed_at,
       waits_for_resource, waits_for_id
FROM pcd.parked
WHERE waits_for_resource = 'business_units'
  AND waits_for_id = ANY($1::bigint[])
ORDER BY change_id
LIMIT $2;

-- name: parked_after
-- Parked entries in the order of their changes, some at a time: those after a change, type and row.
SELECT type, resource, st_id, reason, before::text, state::text, change_id, changed_at,
       waits_for_resource, waits_for_id
FROM pcd.parked
WHERE (change_id, type, st_id) > ($1, $2, $3)
ORDER BY change_id, type, st_id
LIMIT $4;

-- name: park
-- Remember rows that a rule cannot judge; since when stays.
INSERT INTO pcd.parked AS p (type, resource, st_id, reason, before, state, change_id, changed_at,
                             waits_for_resource, waits_for_id)
SELECT type, resource, st_id, reason, before::jsonb, state::jsonb, change_id, changed_at, awaited, awaited_id
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[],
            $8::timestamptz[], $9::text[], $10::bigint[])
    AS given (type, resource, st_id, reason, before, state, change_id, changed_at, awaited, awaited_id)
ON CONFLICT (type, resource, st_id) DO UPDATE
SET reason = excluded.reason,
    before = excluded.before,
    state = excluded.state,
    change_id = excluded.change_id,
    changed_at = excluded.changed_at,
    waits_for_resource = excluded.waits_for_resource,
    waits_for_id = excluded.waits_for_id;

-- name: unpark
-- Forget rows that could be judged.
DELETE FROM pcd.parked AS p
USING unnest($1::text[], $2::bigint[]) AS given (type, st_id)
WHERE (p.type, p.st_id) = (given.type, given.st_id);

-- name: due_of
-- What is to come of these rows.
SELECT d.type, d.st_id, d.due_at, d.identity, d.state::text, d.change_id
FROM pcd.due AS d
JOIN unnest($1::text[], $2::bigint[]) AS seen (type, st_id) ON (d.type, d.st_id) = (seen.type, seen.st_id);

-- name: due_now
-- What falls due, the earliest first.
SELECT type, st_id, due_at, identity, state::text, change_id
FROM pcd.due
WHERE due_at <= now()
  AND type = ANY($1::text[])
ORDER BY due_at, type, st_id
LIMIT $2;

-- name: next_due
-- How many seconds until something falls due; negative when it has.
SELECT extract(epoch FROM min(due_at) - clock_timestamp())::float8
FROM pcd.due
WHERE type = ANY($1::text[]);

-- name: expect
-- Remember what is to come.
INSERT INTO pcd.due AS d (type, st_id, due_at, identity, state, change_id)
SELECT type, st_id, due_at, identity, state::jsonb, change_id
FROM unnest($1::text[], $2::bigint[], $3::timestamptz[], $4::text[], $5::text[], $6::bigint[])
    AS given (type, st_id, due_at, identity, state, change_id)
ON CONFLICT (type, st_id) DO UPDATE
SET due_at = excluded.due_at,
    identity = excluded.identity,
    state = excluded.state,
    change_id = excluded.change_id;

-- name: forget_due
-- Nothing more is to come of these rows.
DELETE FROM pcd.due AS d
USING unnest($1::text[], $2::bigint[]) AS given (type, st_id)
WHERE (d.type, d.st_id) = (given.type, given.st_id);

-- name: seeds
-- For which rules the rows before the baseline have been looked through.
SELECT type, baseline_at, declaration
FROM pcd.due_seeds;

-- name: seeded
-- A rule's rows from before the baseline have been looked through.
INSERT INTO pcd.due_seeds AS s (type, baseline_at, declaration)
VALUES ($1, $2, $3)
ON CONFLICT (type) DO UPDATE
SET baseline_at = excluded.baseline_at,
    declaration = excluded.declaration,
    seeded_at = now();

-- name: complete
-- Put customers who arrived late into the payloads that wait for them.
WITH arrived AS (
    SELECT st_id, name, phone, email
    FROM servicetitan.st_customers
    WHERE st_id = ANY($1::bigint[])
), filled AS (
    UPDATE automation.events AS e
    SET payload = e.payload || jsonb_build_object('customer', jsonb_build_object(
            'name', a.name, 'phone', a.phone, 'email', a.email))
    FROM pcd.incomplete_events AS i
    JOIN arrived AS a ON a.st_id = i.customer_id
    WHERE e.id = i.event_id AND e.detected_at = i.detected_at
    RETURNING e.id, coalesce(a.phone, a.email) IS NOT NULL AS is_complete
)
DELETE FROM pcd.incomplete_events
WHERE event_id IN (SELECT id FROM filled WHERE is_complete);

-- name: give_up_completing
-- A customer who has not arrived within a day comes too late for a message.
DELETE FROM pcd.incomplete_events
WHERE detected_at < now() - interval '1 day';

-- name: log_after
-- Logged changes after an id, some at a time.
SELECT id, resource, st_id, op::text, before::text, after::text, xid::text::bigint AS xid, changed_at
FROM pcd.changes
WHERE id > $1
  AND resource = ANY($2::text[])
ORDER BY id
LIMIT $3;

-- name: now
-- The database's time.
SELECT now();

-- name: log_since
-- How far back the change log goes.
SELECT changed_at
FROM pcd.changes
ORDER BY id
LIMIT 1;

-- name: log_window
-- Logged changes of these resources between two instants, some at a time.
SELECT id, resource, st_id, op::text, before::text, after::text, xid::text::bigint AS xid, changed_at
FROM pcd.changes
WHERE id > $1
  AND resource = ANY($2::text[])
  AND changed_at >= coalesce($3::timestamptz, '-infinity')
  AND changed_at < coalesce($4::timestamptz, 'infinity')
ORDER BY id
LIMIT $5;

-- name: log_entity
-- Logged changes of row $3 in resources $2, and of rows in $4 whose column $5 points to it.
SELECT id, resource, st_id, op::text, before::text, after::text, xid::text::bigint AS xid, changed_at
FROM pcd.changes AS logged
WHERE id > $1
  AND ((resource = ANY($2::text[]) AND st_id = $3)
    OR EXISTS (
        SELECT
        FROM unnest($4::text[], $5::text[]) AS pointing (resource, "column")
        WHERE logged.resource = pointing.resource
          AND coalesce(logged.after, logged.before) ->> pointing."column" = $3::bigint::text
    ))
ORDER BY id
LIMIT $6;

-- name: release
-- Let suppressed events be told: as the newest ones, for whoever reads in the order of sequence.
UPDATE automation.events
SET suppressed_reason = NULL,
    sequence = nextval('automation.event_sequence')
WHERE suppressed_reason IS NOT NULL
  AND type = ANY($1::text[])
  AND entity_type = coalesce($2::text, entity_type)
  AND entity_id = coalesce($3::bigint, entity_id)
  AND occurred_at >= coalesce($4::timestamptz, '-infinity')
  AND occurred_at < coalesce($5::timestamptz, 'infinity')
RETURNING sequence, id, type, entity_type, entity_id, customer_id, ordinal, occurred_at, detected_at,
    suppressed_reason, change_id;

-- name: status
-- Backlog, parked rows, stopped rules, suppressed events, for people.
SELECT
    (SELECT count(*) FROM (SELECT FROM pcd.outbox LIMIT 100001) AS waiting) AS backlog,
    (SELECT extract(epoch FROM clock_timestamp() - min(changed_at))::float8
     FROM (SELECT changed_at FROM pcd.outbox ORDER BY id LIMIT 1) AS first) AS oldest_seconds,
    (SELECT count(*) FROM pcd.due) AS due,
    (SELECT max(sequence) FROM automation.events) AS last_sequence,
    (SELECT detected_at FROM automation.events ORDER BY sequence DESC LIMIT 1) AS last_event_at;

-- name: status_parked
-- Parked rows by rule and reason.
SELECT type, resource, reason, count(*) AS rows, min(since) AS since, min(st_id) AS example
FROM pcd.parked
WHERE state IS NOT NULL
GROUP BY type, resource, reason
ORDER BY count(*) DESC, type
LIMIT 50;

-- name: status_suppressed
-- Events that were recorded but told to nobody, by reason.
SELECT suppressed_reason AS reason, count(*) AS events
FROM automation.events
WHERE suppressed_reason IS NOT NULL
GROUP BY suppressed_reason;

-- name: newest
-- The newest events that fit; NULL asks for nothing.
SELECT id, sequence, type, entity_type, entity_id, customer_id, ordinal, occurred_at, detected_at,
       suppressed_reason, change_id, payload::text
FROM automation.events
WHERE ($1::text[] IS NULL OR type = ANY($1))
  AND ($2::text IS NULL OR entity_type = $2)
  AND ($3::bigint IS NULL OR entity_id = $3)
  AND ($4::bigint IS NULL OR customer_id = $4)
  AND ($5::timestamptz IS NULL OR detected_at >= $5)
  AND ($6::timestamptz IS NULL OR detected_at < $6)
  AND ($7::boolean IS NULL OR (suppressed_reason IS NOT NULL) = $7)
ORDER BY sequence DESC
LIMIT $8;

-- name: after
-- The next events that fit, of those that may be told.
SELECT id, sequence, type, entity_type, entity_id, customer_id, ordinal, occurred_at, detected_at,
       suppressed_reason, change_id, payload::text
FROM automation.events
WHERE sequence > $1
  AND ($2::text[] IS NULL OR type = ANY($2))
  AND ($3::text IS NULL OR entity_type = $3)
  AND ($4::bigint IS NULL OR entity_id = $4)
  AND ($5::bigint IS NULL OR customer_id = $5)
  AND suppressed_reason IS NULL
ORDER BY sequence
LIMIT 1000;

-- name: last_sequence
-- How far events are recorded.
SELECT max(sequence)
FROM automation.events;

-- name: by_id
-- The events whose id lies between two.
SELECT id, sequence, type, entity_type, entity_id, customer_id, ordinal, occurred_at, detected_at,
       suppressed_reason, change_id, payload::text
FROM automation.events
WHERE id BETWEEN $1 AND $2
LIMIT 2;

-- name: change
-- A logged change.
SELECT id, resource, st_id, op::text, before::text, after::text, changed_at, moved_at, origin
FROM pcd.changes
WHERE id = $1;

-- name: instant
-- An instant as PostgreSQL reads it; without a zone it is UTC.
SELECT $1::text::timestamptz;

-- name: sync
-- A sync in the log that other programs read.
SELECT module, sync_type, started_at, triggered_by
FROM servicetitan.st_sync_log
WHERE id = $1;

-- name: consequences
-- What event $1 of customer $2 about entity $3 $4 has caused, in order: workflows, their steps and messages,
-- calls to GoHighLevel.
WITH instance AS (
    SELECT id, workflow_name, status, started_at, completed_at, stopped_reason
    FROM automation.workflow_instances
    WHERE entity_type = $3
      AND entity_id = $4
      AND event_id = $1
)
SELECT what, at, detail
FROM (
    SELECT 'workflow began' AS what, started_at AS at, format('%s, instance %s', workflow_name, id) AS detail
    FROM instance
    UNION ALL
    SELECT
        'step ' || step.step_number,
        coalesce(step.completed_at, step.started_at),
        concat_ws(', ', step.action_type, step.status, step.error_message)
    FROM instance
    JOIN automation.workflow_step_executions AS step ON step.workflow_instance_id = instance.id
    UNION ALL
    SELECT
        'message',
        coalesce(message.sent_at, message.claimed_at, message.created_at),
        concat_ws(', ', message.channel, message.status, message.reason)
    FROM instance
    JOIN automation.messaging_log AS message ON message.workflow_instance_id = instance.id
    UNION ALL
    SELECT
        'workflow ' || status,
        completed_at,
        concat_ws(', ', workflow_name, stopped_reason)
    FROM instance
    WHERE completed_at IS NOT NULL
    UNION ALL
    SELECT
        CASE WHEN answered_at IS NULL THEN 'call owed to GoHighLevel' ELSE 'GoHighLevel answered' END,
        coalesce(answered_at, owed_at),
        concat_ws(', ', kind, state, reason, error)
    FROM integrations.ghl_outbox
    WHERE customer_id = $2
      AND event_id = $1
) AS consequence
ORDER BY at, what
LIMIT 200;
