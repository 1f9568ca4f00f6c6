-- What happened: the events, their identities, and what the detector remembers between changes.

-- Read in the order of sequence: one fenced writer hands it out, so that it rises in the order of commits.
CREATE SEQUENCE automation.event_sequence;

CREATE TABLE automation.events (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    sequence bigint NOT NULL DEFAULT nextval('automation.event_sequence'),
    type text NOT NULL,
    entity_type text NOT NULL,
    entity_id bigint NOT NULL,
    customer_id bigint,
    ordinal integer NOT NULL DEFAULT 1 CHECK (ordinal >= 1),
    payload jsonb NOT NULL,
    occurred_at timestamptz NOT NULL,
    detected_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    change_id bigint,
    suppressed_reason text,
    PRIMARY KEY (id, detected_at)
) PARTITION BY RANGE (detected_at);
ALTER SEQUENCE automation.event_sequence OWNED BY automation.events.sequence;
CREATE INDEX ON automation.events (sequence);
CREATE INDEX ON automation.events (entity_type, entity_id);
CREATE INDEX ON automation.events (customer_id);
CREATE INDEX ON automation.events (suppressed_reason) WHERE suppressed_reason IS NOT NULL;

-- For months that nobody has made a partition for; pcd.db.partitions moves its rows when somebody does.
CREATE TABLE automation.events_default PARTITION OF automation.events DEFAULT;

-- What was told already. Never pruned, and not partitioned: a unique key there would have to hold the time.
CREATE TABLE automation.event_keys (
    type text NOT NULL,
    entity_type text NOT NULL,
    entity_id bigint NOT NULL,
    identity text NOT NULL,
    ordinal integer NOT NULL,
    change_id bigint,
    event_id uuid NOT NULL,
    detected_at timestamptz NOT NULL,
    PRIMARY KEY (type, entity_type, entity_id, identity)
);

-- Facts to come; state is the row's tracked columns meanwhile.
CREATE TABLE pcd.due (
    type text NOT NULL,
    st_id bigint NOT NULL,
    due_at timestamptz NOT NULL,
    identity text NOT NULL,
    state jsonb NOT NULL,
    change_id bigint,
    PRIMARY KEY (type, st_id)
);
CREATE INDEX ON pcd.due (due_at);

-- For which rules, declared how, the rows that were there before the baseline have been looked through.
CREATE TABLE pcd.due_seeds (
    type text PRIMARY KEY,
    baseline_at timestamptz NOT NULL,
    declaration text NOT NULL,
    seeded_at timestamptz NOT NULL DEFAULT now()
);

-- Rows that a rule cannot judge: as they were when it last could, and as they are; null: not there.
CREATE TABLE pcd.parked (
    type text NOT NULL,
    resource text NOT NULL,
    st_id bigint NOT NULL,
    reason text NOT NULL,
    before jsonb,
    state jsonb,
    change_id bigint NOT NULL,
    changed_at timestamptz NOT NULL,
    waits_for_resource text,
    waits_for_id bigint,
    since timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (type, resource, st_id)
);
CREATE INDEX ON pcd.parked (waits_for_resource, waits_for_id) WHERE waits_for_id IS NOT NULL;

-- Rules that raised: from which change on they have to be applied again.
CREATE TABLE pcd.halted_rules (
    type text PRIMARY KEY,
    change_id bigint NOT NULL,
    error text NOT NULL,
    since timestamptz NOT NULL DEFAULT now()
);

-- Events whose customer had not arrived, or not with a way to reach him, when they were recorded.
CREATE TABLE pcd.incomplete_events (
    event_id uuid PRIMARY KEY,
    detected_at timestamptz NOT NULL,
    customer_id bigint NOT NULL
);
CREATE INDEX ON pcd.incomplete_events (customer_id);
