-- What an agent was asked and answered.

-- name: accepted_answer
-- The tools of the answer that a step ($1) accepted at an earlier try.
SELECT (response -> 'uses')::text
FROM automation.agent_calls
WHERE step_key = $1
  AND verdict = 'accepted'
ORDER BY id
LIMIT 1;

-- name: record_exchange
-- One question and its answer; null where there was none.
INSERT INTO automation.agent_calls (
    step_key, workflow_instance_id, attempt, turn, model, request, response, verdict, input_tokens,
    output_tokens
)
VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, $7::text::jsonb, $8, $9, $10);

-- name: event
-- What happened, for a webhook.
SELECT type, occurred_at
FROM automation.events
WHERE id = $1;

-- name: opportunity
-- A customer's ($1) opportunity: that of the estimate or job ($2, $3) it came from, otherwise the newest.
SELECT
    cycle.opportunity_id,
    deal.ghl_pipeline_stage_id AS stage_id,
    deal.status
FROM pcd.crm_cycles AS cycle
JOIN pcd.crm_customers AS customer USING (customer_id)
LEFT JOIN integrations.ghl_opportunities AS deal ON deal.ghl_id = cycle.opportunity_id AND deal.gone_at IS NULL
LEFT JOIN LATERAL (
    SELECT true AS is_it
    FROM jsonb_array_elements(customer.history) AS state
    WHERE (state ->> 'number')::integer = cycle.cycle
      AND CASE $2::text
          WHEN 'estimate' THEN state -> 'estimate_ids' @> to_jsonb($3::bigint)
          WHEN 'job' THEN state -> 'job_ids' @> to_jsonb($3::bigint)
          ELSE false
      END
) AS own ON true
WHERE cycle.customer_id = $1
  AND cycle.opportunity_id IS NOT NULL
ORDER BY own.is_it NULLS LAST, cycle.cycle DESC
LIMIT 1;

-- name: admit
-- Let a customer ($1) take part because a step said so ($2); who does already stays as he is.
INSERT INTO pcd.crm_customers (customer_id, admitted_by)
VALUES ($1, $2)
ON CONFLICT (customer_id) DO NOTHING;
