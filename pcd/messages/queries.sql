-- What is known of a customer at the moment of sending, and the record of every message.

-- name: lock_customer
-- One message at a time is decided about for a customer: caps count what others have claimed.
SELECT pg_advisory_xact_lock(hashtextextended('pcd.messages ' || $1::bigint, 0));

-- name: recipient
-- How a customer can be reached: the mirror's address, and the linked contact. A merged customer is its heir.
SELECT
    target.st_id AS customer_id,
    target.phone,
    target.email,
    coalesce(
        linked.contact_id,
        (SELECT ghl_id
         FROM integrations.ghl_contacts
         WHERE st_customer_id = target.st_id AND gone_at IS NULL
         ORDER BY ghl_created_at
         LIMIT 1),
        ''
    ) AS contact_id
FROM servicetitan.st_customers AS named
JOIN servicetitan.st_customers AS target ON target.st_id = coalesce(named.merged_to_id, named.st_id)
LEFT JOIN pcd.crm_customers AS linked ON linked.customer_id = target.st_id
WHERE named.st_id = $1;

-- name: standing
-- A customer's wishes, flags and limits for a channel ($2) and an address ($3). What somebody who was merged into
-- the customer did not want holds too.
SELECT
    coalesce(wish.do_not_contact, false) OR inherited.do_not_contact AS do_not_contact,
    coalesce(CASE $2::text WHEN 'sms' THEN wish.sms_opted_out ELSE wish.email_opted_out END, false)
        OR inherited.is_opted_out AS is_opted_out,
    wish.quiet_hours_start,
    wish.quiet_hours_end,
    wish.timezone,
    wish.max_messages_per_day,
    wish.max_messages_per_week,
    coalesce(customer.active, true) AS is_active,
    coalesce(customer.do_not_service, false) AS do_not_service,
    $2 = 'email' AND coalesce(customer.do_not_mail, false) AS do_not_mail,
    $2 = 'sms' AND (
        EXISTS (
            SELECT
            FROM servicetitan.st_customer_contacts AS contact
            WHERE contact.customer_id = $1
              AND contact.do_not_text
              AND right(regexp_replace(coalesce(contact.phone_number, contact.value), '[^0-9]', '', 'g'), 10)
                = right($3, 10)
        )
        OR EXISTS (
            SELECT
            FROM servicetitan.st_customer_contacts AS contact
            WHERE contact.phone_number = right($3, 10)
              AND contact.do_not_text
        )
    ) AS do_not_text,
    EXISTS (SELECT FROM pcd.stopped_addresses WHERE channel = $2 AND address = $3) AS is_stopped
FROM (SELECT $1::bigint AS id) AS asked
LEFT JOIN public.customer_communication_preferences AS wish ON wish.customer_id = asked.id
LEFT JOIN servicetitan.st_customers AS customer ON customer.st_id = asked.id
CROSS JOIN LATERAL (
    WITH RECURSIVE gone AS (
        SELECT st_id
        FROM servicetitan.st_customers
        WHERE merged_to_id = asked.id
        UNION
        SELECT earlier.st_id
        FROM gone
        JOIN servicetitan.st_customers AS earlier ON earlier.merged_to_id = gone.st_id
    )
    SELECT
        coalesce(bool_or(theirs.do_not_contact), false) AS do_not_contact,
        coalesce(bool_or(CASE $2::text WHEN 'sms' THEN theirs.sms_opted_out ELSE theirs.email_opted_out END), false)
            AS is_opted_out
    FROM gone
    JOIN public.customer_communication_preferences AS theirs ON theirs.customer_id = gone.st_id
) AS inherited;

-- name: sent_at
-- When a customer's messages of the last days were claimed, those in a state ($3) that counts; not this one.
SELECT claimed_at
FROM automation.messaging_log
WHERE customer_id = $1
  AND claimed_at > $2
  AND status = ANY($3::text[])
  AND idempotency_key <> $4;

-- name: find_message
-- The message of a key, held until the transaction ends.
SELECT id, status, provider_message_id, coalesce(sent_at, claimed_at) AS at, reason
FROM automation.messaging_log
WHERE idempotency_key = $1
FOR UPDATE;

-- name: find_original
-- A message of an instance ($1) under a step's key ($2), its fallback and a key ($3) aside, that may be out.
SELECT id, status
FROM automation.messaging_log
WHERE workflow_instance_id = $1
  AND (idempotency_key = $2 OR starts_with(idempotency_key, $2 || ':'))
  AND NOT starts_with(idempotency_key, $2 || ':fallback')
  AND idempotency_key <> $3
  AND status IN ('claimed', 'parked', 'sent')
LIMIT 1;

-- name: claim_message
-- Make a message ours to send; null where somebody else has it, or it is settled.
INSERT INTO automation.messaging_log AS log (
    idempotency_key, channel, direction, to_phone, to_email, subject, body, customer_id, job_id,
    workflow_instance_id, provider, template_id, status, attempt, claim, claimed_at, metadata
)
VALUES (
    $1, $2::text, 'outbound', CASE WHEN $2::text = 'sms' THEN $3::text END,
    CASE WHEN $2::text = 'email' THEN $3::text END, nullif($4::text, ''),
    $5, $6, $7, $8, $9, (SELECT id FROM automation.messaging_templates WHERE name = $10), $11, 1, $12, $13,
    $14::text::jsonb
)
ON CONFLICT (idempotency_key) WHERE idempotency_key IS NOT NULL DO UPDATE
SET channel = excluded.channel,
    to_phone = excluded.to_phone,
    to_email = excluded.to_email,
    subject = excluded.subject,
    body = excluded.body,
    customer_id = excluded.customer_id,
    provider = excluded.provider,
    template_id = excluded.template_id,
    metadata = excluded.metadata,
    status = excluded.status,
    attempt = log.attempt + 1,
    claim = excluded.claim,
    claimed_at = excluded.claimed_at,
    failed_at = NULL,
    provider_error = NULL,
    reason = NULL,
    updated_at = now()
WHERE log.status IN ('failed', 'released', 'dry_run')
RETURNING id;

-- name: record_sent
-- The provider's answer, by who holds the claim; one that was parked meanwhile is settled by it.
UPDATE automation.messaging_log
SET status = 'sent',
    provider_message_id = $3,
    provider_status = $4,
    sent_at = $5,
    reason = NULL,
    updated_at = now()
WHERE id = $1
  AND claim = $2
  AND status IN ('claimed', 'parked');

-- name: count_use
-- A template was used once more.
UPDATE automation.messaging_templates
SET usage_count = coalesce(usage_count, 0) + 1,
    last_used_at = now()
WHERE name = $1;

-- name: record_contact
-- We wrote to a contact: its replies are to be read.
INSERT INTO pcd.conversations AS known (contact_id, customer_id, written_at)
VALUES ($1, $2, $3)
ON CONFLICT (contact_id) DO UPDATE
SET customer_id = excluded.customer_id,
    written_at = greatest(known.written_at, excluded.written_at);

-- name: record_failed
-- It certainly did not go out: it may be claimed again.
UPDATE automation.messaging_log
SET status = 'failed',
    failed_at = $4,
    provider_error = left($3, 500),
    updated_at = now()
WHERE id = $1
  AND claim = $2
  AND status IN ('claimed', 'parked');

-- name: park
-- Whether it went out is not known; a person decides.
UPDATE automation.messaging_log
SET status = 'parked',
    reason = left($3, 500),
    updated_at = now()
WHERE id = $1
  AND status = 'claimed'
  AND ($2::uuid IS NULL OR claim = $2);

-- name: park_stale
-- Claims whose process never said what became of them.
UPDATE automation.messaging_log
SET status = 'parked',
    reason = 'the process that sent it did not live to record the answer',
    updated_at = now()
WHERE status = 'claimed'
  AND claimed_at < $1
RETURNING id;

-- name: forget_answers
-- What agents were asked and answered before then.
DELETE FROM automation.agent_calls
WHERE asked_at < $1;

-- name: find_template
-- One template by name.
SELECT
    name,
    channel,
    coalesce(subject_template, '') AS subject,
    body_template AS body,
    coalesce(required_variables, '[]')::text AS required,
    coalesce(active, true) AS is_active
FROM automation.messaging_templates
WHERE name = $1;

-- name: template_names
-- The templates that can be used, with their channels.
SELECT name, channel
FROM automation.messaging_templates
WHERE coalesce(active, true)
ORDER BY name;

-- name: seed_template
-- A template of the old system, by its name unless there is one.
INSERT INTO automation.messaging_templates (
    name, description, channel, subject_template, body_template, required_variables, category, created_by
)
VALUES ($1, $2, $3, NULL, $4, $5::text::jsonb, $6, 'pcd')
ON CONFLICT (name) DO NOTHING;

-- name: has_templates
-- Whether there is any template.
SELECT EXISTS (SELECT FROM automation.messaging_templates);

-- name: list_messages
-- The newest messages: of a state ($1, null: any), of a customer ($2, null: any).
SELECT
    id, status, channel, direction, customer_id, workflow_instance_id, provider, provider_message_id,
    coalesce(provider_error, reason, '') AS reason, attempt, metadata::text AS metadata,
    coalesce(claimed_at, created_at) AS at
FROM automation.messaging_log
WHERE ($1::text IS NULL OR status = $1)
  AND ($2::bigint IS NULL OR customer_id = $2)
ORDER BY coalesce(claimed_at, created_at) DESC
LIMIT $3;

-- name: find_log
-- Messages whose id begins so.
SELECT id, status, workflow_instance_id
FROM automation.messaging_log
WHERE id::text LIKE $1 || '%'
LIMIT 2;

-- name: settle
-- A person decides about a parked message: it may go out again ('released'), or it shall not ('dropped').
UPDATE automation.messaging_log
SET status = $2,
    reason = left($3, 500),
    updated_at = now()
WHERE id = $1
  AND status = 'parked'
RETURNING id;

-- name: conversations_to_read
-- Contacts written to since $1 whose conversation was not read since $2, the longest unread first.
SELECT contact_id, customer_id, coalesce(read_until, written_at) AS since
FROM pcd.conversations
WHERE written_at > $1
  AND (read_at IS NULL OR read_at < $2)
ORDER BY read_at NULLS FIRST, written_at
LIMIT $3;

-- name: record_received
-- A message from a customer; one that is recorded already stays.
INSERT INTO automation.messaging_log (
    channel, direction, from_phone, body, customer_id, provider, provider_message_id, status, created_at, metadata
)
VALUES ('sms', 'inbound', nullif($1, ''), $2, $3, 'ghl', $4, 'received', $5, $6::text::jsonb)
ON CONFLICT (provider, provider_message_id) WHERE status = 'received' AND provider_message_id IS NOT NULL
DO NOTHING
RETURNING id;

-- name: record_read
-- A conversation was read until then.
UPDATE pcd.conversations
SET read_at = $2,
    read_until = greatest(coalesce(read_until, $3), $3)
WHERE contact_id = $1;

-- name: sharers
-- Every customer with a phone number ($1, its last ten digits), and those who were merged into a customer ($2).
WITH RECURSIVE gone AS (
    SELECT st_id
    FROM servicetitan.st_customers
    WHERE merged_to_id = $2
    UNION
    SELECT earlier.st_id
    FROM gone
    JOIN servicetitan.st_customers AS earlier ON earlier.merged_to_id = gone.st_id
)
SELECT customer_id
FROM servicetitan.st_customer_contacts
WHERE phone_number = nullif($1, '')
  AND customer_id IS NOT NULL
UNION
SELECT st_id
FROM gone;

-- name: opt_out
-- Customers who want no more text messages; an earlier wish keeps its reason.
INSERT INTO public.customer_communication_preferences AS wish (
    customer_id, sms_opted_out, email_opted_out, phone_opted_out, opted_out_at, opt_out_reason,
    do_not_contact, max_messages_per_day, max_messages_per_week, timezone
)
SELECT id, true, false, false, $2, $3, false, NULL, NULL, NULL
FROM unnest($1::bigint[]) AS id
ON CONFLICT (customer_id) DO UPDATE
SET sms_opted_out = true,
    opted_out_at = excluded.opted_out_at,
    opt_out_reason = excluded.opt_out_reason
WHERE NOT coalesce(wish.sms_opted_out, false);

-- name: opt_in
-- Take back what STOP replies said, and nothing that a person did: the reason ($2) tells them apart.
UPDATE public.customer_communication_preferences
SET sms_opted_out = false,
    opted_out_at = NULL,
    opt_out_reason = NULL
WHERE customer_id = ANY($1::bigint[])
  AND opt_out_reason LIKE $2 || '%';

-- name: stop_address
-- Nothing more to this number.
INSERT INTO pcd.stopped_addresses (channel, address, reason, stopped_at)
VALUES ('sms', $1, $2, $3)
ON CONFLICT (channel, address) DO NOTHING;

-- name: unstop_address
-- The number may be written to again.
DELETE FROM pcd.stopped_addresses
WHERE channel = 'sms'
  AND address = $1;

-- name: story
-- What was written to a customer ($1), what came back, and the steps that did not do what they were to; newest first.
SELECT at, what, status, workflow, step, why
FROM (
    SELECT
        coalesce(log.sent_at, log.claimed_at, log.created_at) AS at,
        concat_ws(' ', log.direction, log.channel, log.provider) AS what,
        log.status,
        log.metadata ->> 'workflow' AS workflow,
        (log.metadata ->> 'step')::integer AS step,
        coalesce(log.provider_error, log.reason, '') AS why
    FROM automation.messaging_log AS log
    WHERE log.customer_id = $1
    UNION ALL
    SELECT
        coalesce(tried.completed_at, tried.started_at, tried.created_at),
        'step ' || coalesce(tried.action_type, ''),
        tried.status,
        instance.workflow_name,
        tried.step_number,
        coalesce(tried.error_message, '')
    FROM automation.workflow_instances AS instance
    JOIN automation.workflow_step_executions AS tried ON tried.workflow_instance_id = instance.id
    WHERE instance.customer_id = $1
      AND instance.workflow_name IS NOT NULL
      AND tried.status NOT IN ('completed', 'waiting')
) AS happened
ORDER BY at DESC
LIMIT $2;

-- name: wishes_of
-- What a customer wants, as far as the preferences table says; no row: nothing.
SELECT
    coalesce(sms_opted_out, false) AS sms_opted_out,
    coalesce(email_opted_out, false) AS email_opted_out,
    coalesce(do_not_contact, false) AS do_not_contact,
    coalesce(opt_out_reason, '') AS opt_out_reason,
    opted_out_at
FROM public.customer_communication_preferences
WHERE customer_id = $1;
