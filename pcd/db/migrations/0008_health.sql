-- Health: what people were told, what was tried, how often a model was asked.

-- One alert is open for a key at a time. told: channel to instant; untold: channel to why not.
CREATE TABLE automation.alerts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL,
    level text NOT NULL CHECK (level IN ('ok', 'warn', 'fail')),
    title text NOT NULL,
    text text NOT NULL DEFAULT '',
    "group" text NOT NULL DEFAULT '',
    count bigint NOT NULL DEFAULT 1 CHECK (count >= 1),
    raised_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    resolution text NOT NULL DEFAULT '',
    acked_at timestamptz,
    acked_by text,
    told jsonb NOT NULL DEFAULT '{}',
    untold jsonb NOT NULL DEFAULT '{}'
);
CREATE UNIQUE INDEX alerts_open ON automation.alerts (key) WHERE resolved_at IS NULL;
CREATE INDEX ON automation.alerts (raised_at DESC);
CREATE INDEX ON automation.alerts (key, raised_at DESC);

-- Each time that something was tried to heal what failed. decided_by: a rule, or a diagnosis.
CREATE TABLE automation.remedies (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    remedy text NOT NULL,
    check_name text NOT NULL,
    subject text NOT NULL DEFAULT '',
    reason text NOT NULL,
    result text NOT NULL
        CHECK (result IN ('started', 'helped', 'did_not_help', 'failed', 'dry_run')),
    detail text NOT NULL DEFAULT '',
    decided_by text NOT NULL CHECK (decided_by IN ('rule', 'diagnosis', 'person')),
    holder text NOT NULL DEFAULT '',
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz
);
CREATE INDEX ON automation.remedies (started_at DESC);

-- How often a model was asked on each day.
CREATE TABLE pcd.diagnoses (
    day date PRIMARY KEY,
    asked integer NOT NULL
);
