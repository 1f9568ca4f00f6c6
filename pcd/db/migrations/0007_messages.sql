-- Messages: the claim in messaging_log, what STOP replies say, what an agent was asked and answered.

ALTER TABLE automation.messaging_log
    ADD COLUMN IF NOT EXISTS idempotency_key text,
    ADD COLUMN IF NOT EXISTS attempt integer NOT NULL DEFAULT 0,
    -- Whose claim it is: only who holds it records the answer.
    ADD COLUMN IF NOT EXISTS claim uuid,
    ADD COLUMN IF NOT EXISTS claimed_at timestamptz,
    ADD COLUMN IF NOT EXISTS reason text;

-- What makes a message one.
CREATE UNIQUE INDEX messaging_log_once
    ON automation.messaging_log (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE UNIQUE INDEX messaging_log_received_once
    ON automation.messaging_log (provider, provider_message_id)
    WHERE status = 'received' AND provider_message_id IS NOT NULL;
-- Caps count the last days of a customer.
CREATE INDEX messaging_log_claims
    ON automation.messaging_log (customer_id, claimed_at) WHERE claimed_at IS NOT NULL;
CREATE INDEX messaging_log_open_claims
    ON automation.messaging_log (claimed_at) WHERE status = 'claimed';
CREATE INDEX messaging_log_recent
    ON automation.messaging_log (claimed_at DESC) WHERE claimed_at IS NOT NULL;

-- A STOP belongs to a number, whichever customers have it.
CREATE TABLE pcd.stopped_addresses (
    channel text NOT NULL,
    address text NOT NULL,
    reason text NOT NULL,
    stopped_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (channel, address)
);

-- How far the conversation with each contact that we wrote to has been read.
CREATE TABLE pcd.conversations (
    contact_id text PRIMARY KEY,
    customer_id bigint NOT NULL,
    written_at timestamptz NOT NULL,
    read_at timestamptz,
    read_until timestamptz
);
CREATE INDEX ON pcd.conversations (read_at NULLS FIRST, written_at);

-- Every exchange of an ask_agent step with the model. step_key is the step's idempotency key.
CREATE TABLE automation.agent_calls (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    step_key text NOT NULL,
    workflow_instance_id uuid,
    attempt integer NOT NULL,
    turn integer NOT NULL CHECK (turn >= 1),
    model text NOT NULL,
    request jsonb NOT NULL,
    response jsonb,
    verdict text NOT NULL,
    input_tokens integer,
    output_tokens integer,
    asked_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON automation.agent_calls (step_key);
CREATE INDEX ON automation.agent_calls (workflow_instance_id);
CREATE INDEX ON automation.agent_calls (asked_at);
