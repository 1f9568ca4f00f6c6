-- GoHighLevel: what we owe it, what it is known to hold, and which customers take part.

-- One call that we owe. Rows of one lane go out one after the other, in the order of id; a lane is a customer,
-- or a contact without one. A creation that is dead holds its lane until a person or a newer plan decides.
CREATE TABLE integrations.ghl_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lane text NOT NULL,
    customer_id bigint,
    kind text NOT NULL,
    cycle integer,
    reuses integer,
    target_id text,
    fields jsonb NOT NULL DEFAULT '{}',
    reason text NOT NULL,
    cause text NOT NULL,
    event_id uuid,
    -- The idempotency key of a workflow's step: a step that is carried out again owes nothing new.
    step_key text UNIQUE,
    -- 0 goes before 1: what just happened before a backfill.
    priority smallint NOT NULL DEFAULT 0,
    state text NOT NULL DEFAULT 'owed'
        CHECK (state IN ('owed', 'sending', 'done', 'dead', 'superseded', 'dry_run')),
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    -- A try of it got no answer: it may have been carried out.
    is_doubtful boolean NOT NULL DEFAULT false,
    owed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    claimed_until timestamptz,
    sent_at timestamptz,
    answered_at timestamptz,
    before jsonb,
    after jsonb,
    error text,
    CHECK ((state = 'sending') = (claimed_until IS NOT NULL)),
    CHECK (state <> 'dead' OR error IS NOT NULL)
);
CREATE INDEX ON integrations.ghl_outbox (priority, due_at, id) WHERE state = 'owed';
CREATE INDEX ON integrations.ghl_outbox (lane, id) WHERE state IN ('owed', 'sending', 'dead', 'dry_run');
CREATE INDEX ON integrations.ghl_outbox (customer_id, id);
CREATE INDEX ON integrations.ghl_outbox (owed_at) WHERE state IN ('done', 'superseded', 'dry_run');
CREATE INDEX ON integrations.ghl_outbox (id) WHERE state = 'sending';
CREATE INDEX ON integrations.ghl_outbox (id) WHERE state = 'dead';

-- What GoHighLevel was last told of the account itself.
CREATE TABLE integrations.ghl_pipelines (
    ghl_id text PRIMARY KEY,
    name text NOT NULL,
    stages jsonb NOT NULL,
    gone_at timestamptz,
    local_synced_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE integrations.ghl_users (
    ghl_id text PRIMARY KEY,
    name text NOT NULL,
    email text NOT NULL DEFAULT '',
    full_data jsonb NOT NULL,
    gone_at timestamptz,
    local_synced_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE integrations.ghl_custom_fields (
    ghl_id text PRIMARY KEY,
    field_key text NOT NULL,
    name text NOT NULL,
    model text NOT NULL,
    options jsonb NOT NULL DEFAULT '[]',
    gone_at timestamptz,
    local_synced_at timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE integrations.ghl_contacts ADD COLUMN IF NOT EXISTS gone_at timestamptz;
ALTER TABLE integrations.ghl_opportunities ADD COLUMN IF NOT EXISTS gone_at timestamptz;
CREATE INDEX ON integrations.ghl_contacts (lower(email));

-- The customers who take part: new ones, those to whom something happened, those of a backfill. Who has a
-- contact_id is linked; applied is what we last wrote to the contact.
CREATE TABLE pcd.crm_customers (
    customer_id bigint PRIMARY KEY,
    admitted_at timestamptz NOT NULL DEFAULT now(),
    admitted_by text NOT NULL,
    -- Of a backfill: from when on work that is under way counts.
    backfill_since timestamptz,
    contact_id text UNIQUE,
    linked_at timestamptz,
    matched_by text,
    -- Null: nothing yet.
    applied jsonb,
    history jsonb NOT NULL DEFAULT '[]',
    kept jsonb NOT NULL DEFAULT '[]',
    notes jsonb NOT NULL DEFAULT '[]',
    held jsonb NOT NULL DEFAULT '[]',
    considered_at timestamptz,
    reconsider_at timestamptz
);
CREATE INDEX ON pcd.crm_customers (reconsider_at) WHERE reconsider_at IS NOT NULL;

-- The opportunity of each cycle of a customer, as we last wrote it.
CREATE TABLE pcd.crm_cycles (
    customer_id bigint NOT NULL,
    cycle integer NOT NULL CHECK (cycle >= 1),
    opportunity_id text,
    applied jsonb,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (customer_id, cycle)
);
CREATE INDEX ON pcd.crm_cycles (opportunity_id);

-- Customers whose facts may have changed since they were last considered.
CREATE TABLE pcd.crm_dirty (
    customer_id bigint PRIMARY KEY,
    cause text NOT NULL,
    event_id uuid,
    marks bigint NOT NULL DEFAULT 1,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ON pcd.crm_dirty (due_at);

-- Customers of whom it is not certain which contact is theirs; a person decides.
CREATE TABLE pcd.crm_conflicts (
    customer_id bigint PRIMARY KEY,
    reason text NOT NULL,
    contacts jsonb NOT NULL,
    since timestamptz NOT NULL DEFAULT now()
);

-- How far events and changes have been looked through; baseline_at is when GoHighLevel was enabled here.
CREATE TABLE pcd.crm_progress (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    baseline_at timestamptz NOT NULL,
    event_sequence bigint NOT NULL,
    changes_until timestamptz NOT NULL
);

-- The last word of a person on whether we write; it holds until ghl.dry_run is changed in the configuration.
CREATE TABLE pcd.crm_switch (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    is_live boolean NOT NULL,
    dry_run_then boolean NOT NULL,
    switched_at timestamptz NOT NULL DEFAULT now(),
    switched_by text NOT NULL
);

-- What the subaccount said of itself when it was last asked.
CREATE TABLE pcd.crm_place (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    subaccount_id text NOT NULL,
    name text NOT NULL,
    timezone text NOT NULL,
    country text NOT NULL,
    allow_duplicate_contact boolean NOT NULL,
    allow_duplicate_opportunity boolean NOT NULL,
    checked_at timestamptz NOT NULL DEFAULT now()
);

-- How current our copy of each collection of theirs is.
CREATE TABLE pcd.crm_pulls (
    collection text PRIMARY KEY,
    full_completed_at timestamptz,
    seen_until timestamptz,
    pulled_at timestamptz NOT NULL DEFAULT now()
);

-- Why nothing is sent at present: a refused token, another subaccount. No row: nothing is wrong.
CREATE TABLE pcd.crm_breaker (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    reason text NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT now()
);

-- The passes ask what was logged since the one before. Rows come in the order of moved_at.
CREATE INDEX ON pcd.change_log USING brin (moved_at);

-- What an app was granted, sealed with its secret. A refresh token works once, so the newest one is all there is.
CREATE TABLE pcd.crm_grant (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    sealed bytea NOT NULL,
    saved_at timestamptz NOT NULL DEFAULT now()
);
