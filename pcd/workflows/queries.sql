-- Instances of workflows: started, claimed, carried on. All times are compared with the database's clock.

-- name: tell
-- Wake the runners of other daemons; the payload says whose notification it is.
SELECT pg_notify('pcd_workflows', $1);

-- name: payloads
-- What events of this transaction carry.
SELECT id, payload::text
FROM automation.events
WHERE id = ANY($1::uuid[])
  AND detected_at >= $2
  AND detected_at <= $3;

-- name: payload
-- What an event carries.
SELECT payload::text
FROM automation.events
WHERE id = $1;

-- name: start
-- Start instances that were not started before; more than a customer may have at a time are only noted.
WITH given AS MATERIALIZED (
    SELECT g.*, coalesce(g.customer, 0) AS customer_id
    FROM unnest(
        $1::text[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::bigint[], $8::bigint[],
        $9::integer[], $10::timestamptz[], $11::integer[], $12::integer[]
    ) WITH ORDINALITY AS g (
        name, version, workflow_id, event_id, event_type, entity_type, entity_id, customer,
        priority, due_at, starts_allowed, most, position
    )
    WHERE NOT EXISTS (
        SELECT
        FROM automation.workflow_instances AS i
        WHERE i.workflow_name = g.name
          AND i.event_id = g.event_id
    )
), placed AS MATERIALIZED (
    SELECT
        given.*,
        w.is_paused,
        w.reason AS pause_reason,
        -- Where no customer is known, each entity stands for one.
        row_number() OVER (
            PARTITION BY name, customer_id, CASE WHEN customer_id = 0 THEN entity_id END ORDER BY position
        ) + (
            SELECT count(*)
            FROM automation.workflow_instances AS i
            WHERE i.workflow_name = given.name
              AND i.customer_id = given.customer_id
              AND i.status IN ('active', 'paused')
              AND (given.customer_id <> 0 OR i.entity_id = given.entity_id)
        ) AS place
    FROM given
    LEFT JOIN automation.workflow_switches AS w USING (name)
), judged AS (
    SELECT
        placed.*,
        CASE WHEN most > 0 AND place > most THEN 'skipped' WHEN is_paused THEN 'paused' ELSE 'active' END AS status
    FROM placed
)
INSERT INTO automation.workflow_instances (
    workflow_id, workflow_name, workflow_version, event_id, event_type, entity_type, entity_id, customer_id,
    status, priority, due_at, starts_allowed, paused_by, reason, stopped_reason, completed_at
)
SELECT
    (SELECT d.id FROM automation.workflow_definitions AS d WHERE d.id = judged.workflow_id),
    name, version, event_id, event_type, entity_type, entity_id, customer_id,
    status, priority,
    CASE WHEN status <> 'skipped' THEN due_at END,
    starts_allowed,
    CASE WHEN status = 'paused' THEN 'command' END,
    CASE WHEN status = 'paused' THEN pause_reason END,
    CASE WHEN status = 'skipped' THEN 'the customer has ' || most || ' already, as many as it allows' END,
    CASE WHEN status = 'skipped' THEN now() END
FROM judged
ON CONFLICT (workflow_name, event_id) WHERE event_id IS NOT NULL DO NOTHING
RETURNING workflow_name, status;

-- name: wake
-- Look at instances that wait for such an event.
UPDATE automation.workflow_instances AS i
SET due_at = least(i.due_at, now()),
    was_woken = true
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[])
    AS arrived (type, entity_type, entity_id, customer_id)
WHERE i.awaited_event = arrived.type
  AND (
      (i.awaited_of = 'entity' AND i.entity_id = arrived.entity_id AND i.entity_type = arrived.entity_type)
      OR (i.awaited_of = 'customer' AND i.customer_id = arrived.customer_id)
  );

-- name: awaited_types
-- Event types that anything waits for.
SELECT DISTINCT awaited_event
FROM automation.workflow_instances
WHERE awaited_event IS NOT NULL;

-- name: arrivals
-- What the events carry that a step has waited for, the earliest first.
SELECT payload::text
FROM automation.events
WHERE type = $1
  AND detected_at >= $2
  AND detected_at <= $3
  AND suppressed_reason IS NULL
  AND (
      ($4 = 'entity' AND entity_type = $5 AND entity_id = $6)
      OR ($4 = 'customer' AND customer_id = $7)
  )
ORDER BY sequence;

-- name: claim
-- Take due instances that nobody has, by priority and due time; a lost lease is somebody else's to return.
WITH RECURSIVE levels (priority) AS (
    (
        SELECT priority
        FROM automation.workflow_instances
        WHERE status = 'active' AND lease_until IS NULL AND due_at IS NOT NULL AND rescues = 0
        ORDER BY priority DESC
        LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT i.priority
        FROM automation.workflow_instances AS i
        WHERE i.status = 'active' AND i.lease_until IS NULL AND i.due_at IS NOT NULL AND i.rescues = 0
          AND i.priority < levels.priority
        ORDER BY i.priority DESC
        LIMIT 1
    )
    FROM levels
    WHERE levels.priority IS NOT NULL
), due AS MATERIALIZED (
    SELECT found.id
    FROM levels
    CROSS JOIN LATERAL (
        SELECT i.id
        FROM automation.workflow_instances AS i
        WHERE i.status = 'active' AND i.lease_until IS NULL AND i.due_at IS NOT NULL AND i.rescues = 0
          AND i.priority = levels.priority
          AND i.due_at <= now()
        ORDER BY i.due_at
        LIMIT $1
        FOR UPDATE SKIP LOCKED
    ) AS found
    LIMIT $1
)
UPDATE automation.workflow_instances AS i
SET lease_until = clock_timestamp() + $2::interval,
    holder = $3,
    claimed_at = clock_timestamp(),
    attempt = i.attempt + 1,
    starts = i.starts + 1,
    was_woken = false
FROM due
WHERE i.id = due.id
RETURNING i.id, i.workflow_name, i.workflow_version, i.event_id, i.event_type, i.entity_type, i.entity_id,
    i.customer_id, i.current_step, i.starts, i.attempt, i.message_count, i.started_at, i.due_at, i.priority,
    i.is_fallback, i.waited_until, i.awaited_event, i.awaited_of, i.awaited_since, i.awaited_until,
    i.context::text, i.claimed_at;

-- name: claim_suspect
-- Take one instance that a process did not live to finish: it is tried alone, it may be what killed it.
UPDATE automation.workflow_instances AS i
SET lease_until = clock_timestamp() + $1::interval,
    holder = $2,
    claimed_at = clock_timestamp(),
    attempt = i.attempt + 1,
    starts = i.starts + 1,
    was_woken = false
WHERE i.id = (
    SELECT id
    FROM automation.workflow_instances
    WHERE status = 'active' AND lease_until IS NULL AND due_at IS NOT NULL AND rescues > 0
      AND due_at <= now()
    ORDER BY due_at
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING i.id, i.workflow_name, i.workflow_version, i.event_id, i.event_type, i.entity_type, i.entity_id,
    i.customer_id, i.current_step, i.starts, i.attempt, i.message_count, i.started_at, i.due_at, i.priority,
    i.is_fallback, i.waited_until, i.awaited_event, i.awaited_of, i.awaited_since, i.awaited_until,
    i.context::text, i.claimed_at;

-- name: next_due
-- In how many seconds something falls due; negative when it has, NULL when nothing is to come.
WITH RECURSIVE levels (priority) AS (
    (
        SELECT priority
        FROM automation.workflow_instances
        WHERE status = 'active' AND lease_until IS NULL AND due_at IS NOT NULL AND rescues = 0
        ORDER BY priority DESC
        LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT i.priority
        FROM automation.workflow_instances AS i
        WHERE i.status = 'active' AND i.lease_until IS NULL AND i.due_at IS NOT NULL AND i.rescues = 0
          AND i.priority < levels.priority
        ORDER BY i.priority DESC
        LIMIT 1
    )
    FROM levels
    WHERE levels.priority IS NOT NULL
), first AS (
    SELECT found.due_at
    FROM levels
    CROSS JOIN LATERAL (
        SELECT i.due_at
        FROM automation.workflow_instances AS i
        WHERE i.status = 'active' AND i.lease_until IS NULL AND i.due_at IS NOT NULL AND i.rescues = 0
          AND i.priority = levels.priority
        ORDER BY i.due_at
        LIMIT 1
    ) AS found
    UNION ALL
    (
        SELECT due_at
        FROM automation.workflow_instances
        WHERE status = 'active' AND lease_until IS NULL AND due_at IS NOT NULL AND rescues > 0
          AND $1::boolean
        ORDER BY due_at
        LIMIT 1
    )
)
SELECT extract(epoch FROM min(due_at) - clock_timestamp())::float8
FROM first;

-- name: settle
-- Let claimed instances become what their steps came to, and record the tries; a claim that was lost changes nothing.
WITH given AS MATERIALIZED (
    SELECT *
    FROM unnest(
        $1::uuid[], $2::bigint[], $3::text[], $4::integer[], $5::timestamptz[], $6::integer[], $7::integer[],
        $8::integer[], $9::boolean[], $10::text[], $11::text[], $12::text[], $13::timestamptz[],
        $14::timestamptz[], $15::timestamptz[], $16::text[],
        $17::text[], $18::integer[], $19::text[], $20::text[], $21::text[], $22::text[], $23::text[],
        $24::integer[], $25::timestamptz[], $26::timestamptz[], $27::integer[]
    ) AS g (
        id, attempt, status, current_step, due_at, starts, starts_allowed,
        messages, is_fallback, reason, awaited_event, awaited_of, awaited_since,
        awaited_until, waited_until, context,
        record, step_number, step_name, action, input, output, error,
        retries, scheduled_for, began_at, duration_ms
    )
), moved AS (
    UPDATE automation.workflow_instances AS i
    SET status = CASE WHEN i.status = 'paused' AND given.status = 'active' THEN 'paused' ELSE given.status END,
        current_step = given.current_step,
        due_at = CASE WHEN i.was_woken AND given.awaited_event IS NOT NULL AND given.due_at IS NOT NULL THEN now()
                      ELSE given.due_at END,
        starts = given.starts,
        starts_allowed = coalesce(given.starts_allowed, i.starts_allowed),
        rescues = 0,
        message_count = coalesce(i.message_count, 0) + given.messages,
        is_fallback = given.is_fallback,
        reason = CASE WHEN i.status = 'paused' AND given.status IN ('active', 'paused') THEN i.reason
                      ELSE given.reason END,
        stopped_reason = CASE WHEN given.status IN ('stopped', 'failed') THEN left(given.reason, 255) END,
        completed_at = CASE WHEN given.status NOT IN ('active', 'paused') THEN clock_timestamp() END,
        paused_by = CASE WHEN i.status = 'paused' AND given.status IN ('active', 'paused') THEN i.paused_by
                         WHEN given.status = 'paused' THEN 'definition' END,
        awaited_event = CASE WHEN given.status IN ('active', 'paused') THEN given.awaited_event END,
        awaited_of = given.awaited_of,
        awaited_since = given.awaited_since,
        awaited_until = given.awaited_until,
        waited_until = given.waited_until,
        context = CASE WHEN given.context = '{}' THEN i.context
                       ELSE coalesce(i.context, '{}') || given.context::jsonb END,
        holder = NULL,
        lease_until = NULL,
        updated_at = clock_timestamp()
    FROM given
    WHERE i.id = given.id
      AND i.id = ANY($1::uuid[])
      AND i.attempt = given.attempt
      AND i.holder IS NOT NULL
    RETURNING i.id, i.attempt
), recorded AS (
    INSERT INTO automation.workflow_step_executions (
        workflow_instance_id, attempt, step_number, step_name, action_type, action_input, action_output, status,
        error_message, retry_count, scheduled_for, started_at, completed_at, duration_ms, holder
    )
    SELECT
        given.id, given.attempt, given.step_number, given.step_name, given.action, given.input::jsonb,
        given.output::jsonb,
        CASE WHEN moved.id IS NULL THEN 'late' ELSE given.record END,
        given.error, given.retries, given.scheduled_for, given.began_at,
        given.began_at + given.duration_ms * interval '1 millisecond', given.duration_ms, $28
    FROM given
    LEFT JOIN moved USING (id, attempt)
    WHERE given.record IS NOT NULL
)
SELECT id
FROM moved;

-- name: renew
-- Hold claimed instances longer; those that are not returned were taken over or ended.
UPDATE automation.workflow_instances AS i
SET lease_until = clock_timestamp() + $3::interval
FROM unnest($1::uuid[], $2::bigint[]) AS given (id, attempt)
WHERE i.id = given.id
  AND i.id = ANY($1::uuid[])
  AND i.attempt = given.attempt
  AND i.holder IS NOT NULL
RETURNING i.id;

-- name: release
-- Give claimed instances back as they were; they were not begun, or broken off in good order.
UPDATE automation.workflow_instances AS i
SET lease_until = NULL,
    holder = NULL,
    starts = greatest(i.starts - 1, 0)
FROM unnest($1::uuid[], $2::bigint[]) AS given (id, attempt)
WHERE i.id = given.id
  AND i.id = ANY($1::uuid[])
  AND i.attempt = given.attempt
  AND i.holder IS NOT NULL;

-- name: still_ours
-- Whether a claim holds and nobody stopped the instance meanwhile.
SELECT status = 'active' AND attempt = $2
FROM automation.workflow_instances
WHERE id = $1;

-- name: rescue
-- Return what dead processes held: to be tried again alone, or to the dead letters where it was begun too often.
WITH lost AS MATERIALIZED (
    SELECT id, attempt, current_step, holder, claimed_at, due_at, starts, status AS was,
        starts >= starts_allowed AND status = 'active' AS is_spent
    FROM automation.workflow_instances
    WHERE lease_until < clock_timestamp()
    ORDER BY lease_until
    LIMIT $1
    FOR UPDATE SKIP LOCKED
), freed AS (
    UPDATE automation.workflow_instances AS i
    SET lease_until = NULL,
        holder = NULL,
        rescues = i.rescues + 1,
        attempt = i.attempt + 1,
        status = CASE WHEN is_spent THEN 'failed' ELSE was END,
        due_at = CASE WHEN is_spent THEN NULL ELSE i.due_at END,
        awaited_event = CASE WHEN is_spent THEN NULL ELSE i.awaited_event END,
        completed_at = CASE WHEN is_spent THEN clock_timestamp() END,
        stopped_reason = CASE WHEN is_spent THEN 'step ' || lost.current_step + 1 || ': begun ' || lost.starts
            || ' times, and each time its process died or hung' END
    FROM lost
    WHERE i.id = lost.id
      -- Not the join alone: its estimate of many could make it read the whole table.
      AND i.id = ANY(ARRAY(SELECT id FROM lost))
), recorded AS (
    INSERT INTO automation.workflow_step_executions (
        workflow_instance_id, attempt, step_number, status, error_message, retry_count, scheduled_for, started_at,
        completed_at, holder
    )
    SELECT id, attempt, current_step + 1, 'lost', 'the process that took it did not say what became of it',
        starts - 1, due_at, claimed_at, clock_timestamp(), holder
    FROM lost
)
SELECT id, holder, is_spent
FROM lost;

-- name: next_expiry
-- In how many seconds the first lease runs out, NULL when none is held.
SELECT extract(epoch FROM min(lease_until) - clock_timestamp())::float8
FROM automation.workflow_instances
WHERE lease_until IS NOT NULL;

-- name: prune
-- Forget instances that ended long ago, with their steps.
DELETE FROM automation.workflow_instances
WHERE id IN (
    SELECT id
    FROM automation.workflow_instances
    WHERE workflow_name IS NOT NULL
      AND completed_at IS NOT NULL
      AND completed_at < now() - $1::interval
      AND status <> 'failed'
    ORDER BY completed_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
);

-- name: remember_versions
-- Keep versions of definitions for the instances that start with them.
INSERT INTO automation.workflow_versions (name, version, source, document)
SELECT name, version, source, document::jsonb
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS given (name, version, source, document)
ON CONFLICT (name, version) DO NOTHING;

-- name: version
-- One version of a definition.
SELECT document::text
FROM automation.workflow_versions
WHERE name = $1
  AND version = $2;

-- name: has_switches
-- Whether the table of switches is there; a command may look at a database that was never migrated.
SELECT to_regclass('automation.workflow_switches') IS NOT NULL;

-- name: switches
-- What people said about workflows.
SELECT name, is_enabled, is_paused
FROM automation.workflow_switches;

-- name: switch_enabled
-- Let a workflow start instances, or not.
INSERT INTO automation.workflow_switches AS s (name, is_enabled)
VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE
SET is_enabled = excluded.is_enabled,
    changed_at = now();

-- name: switch_paused
-- Let the instances of a workflow stand still, or go on.
INSERT INTO automation.workflow_switches AS s (name, is_paused, reason)
VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE
SET is_paused = excluded.is_paused,
    reason = excluded.reason,
    changed_at = now();

-- name: pause_workflow
-- Let all instances of a workflow stand still that do not.
UPDATE automation.workflow_instances
SET status = 'paused',
    paused_by = $2,
    reason = $3
WHERE workflow_name = $1
  AND status = 'active'
RETURNING id;

-- name: pause_latecomers
-- Let instances stand still that were started just while their workflow was paused.
UPDATE automation.workflow_instances AS i
SET status = 'paused',
    paused_by = 'command',
    reason = s.reason
FROM automation.workflow_switches AS s
WHERE s.is_paused
  AND i.workflow_name = s.name
  AND i.status = 'active';

-- name: resume_workflow
-- Let the instances of a workflow go on that stand still for this reason.
UPDATE automation.workflow_instances
SET status = 'active',
    paused_by = NULL,
    reason = NULL
WHERE workflow_name = $1
  AND status = 'paused'
  AND paused_by = $2
RETURNING id;

-- name: pause_orphans
-- Let instances stand still whose definition is gone or not understood any more.
UPDATE automation.workflow_instances
SET status = 'paused',
    paused_by = 'definition',
    reason = 'its definition is gone or not understood; see `pcd workflow validate`'
WHERE status = 'active'
  AND workflow_name IS NOT NULL
  AND workflow_name <> ALL($1::text[])
RETURNING workflow_name;

-- name: resume_orphans
-- Let instances go on whose definition is there again.
UPDATE automation.workflow_instances AS i
SET status = CASE WHEN coalesce(s.is_paused, false) THEN 'paused' ELSE 'active' END,
    paused_by = CASE WHEN coalesce(s.is_paused, false) THEN 'command' END,
    reason = CASE WHEN coalesce(s.is_paused, false) THEN s.reason END
FROM automation.workflow_instances AS same
LEFT JOIN automation.workflow_switches AS s ON s.name = same.workflow_name
WHERE i.id = same.id
  AND i.status = 'paused'
  AND i.paused_by = 'definition'
  AND i.workflow_name = ANY($1::text[])
RETURNING i.workflow_name;

-- name: resume
-- Let one instance go on, unless all of its workflow stand still.
UPDATE automation.workflow_instances AS i
SET status = 'active',
    paused_by = NULL,
    reason = NULL
WHERE i.id = $1
  AND i.status = 'paused'
  AND i.workflow_name IS NOT NULL
  AND NOT EXISTS (SELECT FROM automation.workflow_switches AS s WHERE s.name = i.workflow_name AND s.is_paused)
RETURNING i.id;

-- name: pause
-- Let one instance stand still; a step under way ends.
UPDATE automation.workflow_instances
SET status = 'paused',
    paused_by = 'command',
    reason = $2
WHERE id = $1
  AND status = 'active'
  AND workflow_name IS NOT NULL
RETURNING id;

-- name: cancel
-- End one instance now; whoever holds it has lost it.
UPDATE automation.workflow_instances
SET status = 'stopped',
    stopped_reason = left($2, 255),
    reason = $2,
    paused_by = NULL,
    due_at = NULL,
    awaited_event = NULL,
    lease_until = NULL,
    holder = NULL,
    attempt = attempt + 1,
    completed_at = clock_timestamp()
WHERE id = $1
  AND status IN ('active', 'paused')
  AND workflow_name IS NOT NULL
RETURNING id;

-- name: redrive
-- Let a dead letter, or all of a workflow, be tried again from the step where it died; in a paused one it waits.
UPDATE automation.workflow_instances AS i
SET status = CASE WHEN s.is_paused THEN 'paused' ELSE 'active' END,
    paused_by = CASE WHEN s.is_paused THEN 'command' END,
    reason = CASE WHEN s.is_paused THEN s.reason END,
    stopped_reason = NULL,
    completed_at = NULL,
    due_at = now(),
    starts = 0,
    rescues = 0
FROM automation.workflow_instances AS same
LEFT JOIN automation.workflow_switches AS s ON s.name = same.workflow_name
WHERE i.id = same.id
  AND i.status = 'failed'
  AND i.workflow_name IS NOT NULL
  AND (same.id = $1 OR same.workflow_name = $2)
RETURNING i.status;

-- name: old_instance
-- An instance that the old engine started and has not ended, with the name of its definition.
SELECT i.id, d.name, d.id AS workflow_id, i.current_step, i.next_action_at
FROM automation.workflow_instances AS i
LEFT JOIN automation.workflow_definitions AS d ON d.id = i.workflow_id
WHERE i.id = $1
  AND i.workflow_name IS NULL
  AND i.status = 'active';

-- name: adopt
-- Take over an instance of the old engine, which does not select it any more; in a paused workflow it waits.
UPDATE automation.workflow_instances AS i
SET status = CASE WHEN s.is_paused THEN 'paused' ELSE 'active' END,
    paused_by = CASE WHEN s.is_paused THEN 'command' END,
    reason = CASE WHEN s.is_paused THEN s.reason END,
    workflow_name = $2,
    workflow_version = $3,
    event_id = i.id,
    event_type = $4,
    priority = $5,
    starts_allowed = $6,
    due_at = greatest(coalesce(i.next_action_at, now()), now()),
    next_action_at = NULL,
    current_step = coalesce(i.current_step, 0),
    message_count = coalesce(i.message_count, 0),
    started_at = coalesce(i.started_at, i.created_at, now())
FROM (SELECT $2::text AS name) AS given
LEFT JOIN automation.workflow_switches AS s USING (name)
WHERE i.id = $1
  AND i.workflow_name IS NULL
  AND i.status = 'active'
RETURNING i.status;

-- name: list_instances
-- Instances that fit, the newest first; those of the old engine count as paused until they are adopted.
SELECT
    i.id,
    coalesce(i.workflow_name, d.name, '?') AS workflow,
    i.workflow_version AS version,
    CASE WHEN i.workflow_name IS NULL AND i.status = 'active' THEN 'paused' ELSE i.status END AS status,
    i.workflow_name IS NULL AS is_old,
    i.entity_type,
    i.entity_id,
    nullif(i.customer_id, 0) AS customer_id,
    coalesce(i.current_step, 0) + 1 AS step,
    coalesce(i.message_count, 0) AS messages,
    i.starts,
    i.event_id,
    i.event_type,
    i.priority,
    i.started_at,
    i.completed_at,
    i.due_at,
    i.holder,
    i.lease_until,
    i.awaited_event,
    CASE
        WHEN i.workflow_name IS NULL AND i.status = 'active'
            THEN 'started by the old engine; `pcd workflow adopt` runs it here'
        ELSE coalesce(i.stopped_reason, i.reason, '')
    END AS reason
FROM automation.workflow_instances AS i
LEFT JOIN automation.workflow_definitions AS d ON d.id = i.workflow_id
WHERE ($1::text IS NULL OR coalesce(i.workflow_name, d.name) = $1)
  AND ($2::text IS NULL
       OR CASE WHEN i.workflow_name IS NULL AND i.status = 'active' THEN 'paused' ELSE i.status END = $2)
  AND ($3::bigint IS NULL OR i.customer_id = $3)
  AND ($4::uuid IS NULL OR i.id BETWEEN $4 AND $5)
ORDER BY i.started_at DESC, i.id
LIMIT $6;

-- name: steps_of
-- Every try of every step of an instance, in order.
SELECT step_number, step_name, action_type AS action, status, error_message AS error, retry_count, attempt,
    scheduled_for, started_at, completed_at, duration_ms, holder, action_input::text AS input,
    action_output::text AS output
FROM automation.workflow_step_executions
WHERE workflow_instance_id = $1
ORDER BY attempt NULLS FIRST, created_at;

-- name: counts
-- How many instances of each workflow stand where, ended ones of the last month.
SELECT
    coalesce(i.workflow_name, d.name, '?') AS workflow,
    CASE WHEN i.workflow_name IS NULL AND i.status = 'active' THEN 'paused' ELSE i.status END AS status,
    count(*) AS instances,
    min(i.due_at) AS next_due_at
FROM automation.workflow_instances AS i
LEFT JOIN automation.workflow_definitions AS d ON d.id = i.workflow_id
WHERE i.status IN ('active', 'paused', 'failed')
   OR i.completed_at > now() - interval '30 days'
GROUP BY 1, 2
ORDER BY 1, 2;

-- name: status
-- How the engine is: due and waiting, held, dead letters, and how long the oldest due one has waited.
SELECT
    (SELECT count(*) FROM (
        SELECT FROM automation.workflow_instances
        WHERE status = 'active' AND lease_until IS NULL AND due_at <= now() AND workflow_name IS NOT NULL
        LIMIT 100001) AS due) AS due,
    (SELECT count(*) FROM automation.workflow_instances
     WHERE status = 'active' AND workflow_name IS NOT NULL) AS active,
    (SELECT count(*) FROM automation.workflow_instances WHERE lease_until IS NOT NULL) AS held,
    (SELECT count(*) FROM automation.workflow_instances
     WHERE status = 'paused' AND workflow_name IS NOT NULL) AS paused,
    (SELECT count(*) FROM automation.workflow_instances
     WHERE status = 'failed' AND workflow_name IS NOT NULL) AS dead,
    (SELECT count(*) FROM automation.workflow_instances
     WHERE status = 'active' AND workflow_name IS NULL) AS old,
    (SELECT extract(epoch FROM clock_timestamp() - min(due_at))::float8
     FROM automation.workflow_instances
     WHERE status = 'active' AND lease_until IS NULL AND due_at <= now() AND workflow_name IS NOT NULL
    ) AS oldest_due_seconds;
