-- Workflows: our columns beside the old engine's, the versions of definitions, what people switched.

-- The old schema deletes instances together with their definition; what is in the middle of something is to
-- be shown, not lost. A definition of ours may stand in a file: then there is no row to point to.
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT conname
        FROM pg_constraint
        WHERE conrelid = 'automation.workflow_instances'::regclass
          AND confrelid = 'automation.workflow_definitions'::regclass
    LOOP
        EXECUTE format('ALTER TABLE automation.workflow_instances DROP CONSTRAINT %I', found.conname);
    END LOOP;
END
$$;
ALTER TABLE automation.workflow_instances
    ALTER COLUMN workflow_id DROP NOT NULL,
    ADD CONSTRAINT workflow_instances_workflow_id_fkey FOREIGN KEY (workflow_id)
        REFERENCES automation.workflow_definitions (id) ON DELETE SET NULL NOT VALID;

-- An instance is ours where workflow_name is not null. current_step counts the steps that lie behind it, as
-- the old engine has it; next_action_at stays null, so the old engine never selects it.
ALTER TABLE automation.workflow_instances
    ADD COLUMN IF NOT EXISTS workflow_name text,
    ADD COLUMN IF NOT EXISTS workflow_version text,
    ADD COLUMN IF NOT EXISTS event_id uuid,
    ADD COLUMN IF NOT EXISTS event_type text,
    ADD COLUMN IF NOT EXISTS priority integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS due_at timestamptz,
    ADD COLUMN IF NOT EXISTS attempt bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS starts integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS starts_allowed integer NOT NULL DEFAULT 1,
    ADD COLUMN IF NOT EXISTS rescues integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS holder text,
    ADD COLUMN IF NOT EXISTS claimed_at timestamptz,
    ADD COLUMN IF NOT EXISTS lease_until timestamptz,
    ADD COLUMN IF NOT EXISTS is_fallback boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS waited_until timestamptz,
    ADD COLUMN IF NOT EXISTS awaited_event text,
    ADD COLUMN IF NOT EXISTS awaited_of text,
    ADD COLUMN IF NOT EXISTS awaited_since timestamptz,
    ADD COLUMN IF NOT EXISTS awaited_until timestamptz,
    ADD COLUMN IF NOT EXISTS was_woken boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS paused_by text,
    ADD COLUMN IF NOT EXISTS reason text;
ALTER TABLE automation.workflow_instances
    ADD CONSTRAINT workflow_instances_ours CHECK (
        workflow_name IS NULL
        OR (
            workflow_version IS NOT NULL
            AND event_id IS NOT NULL
            AND next_action_at IS NULL
            AND status IN ('active', 'paused', 'completed', 'stopped', 'failed', 'skipped')
            AND (status IN ('active', 'paused') OR (due_at IS NULL AND lease_until IS NULL))
            AND (status <> 'active' OR due_at IS NOT NULL)
            AND (status <> 'paused') = (paused_by IS NULL)
            AND (lease_until IS NULL) = (holder IS NULL)
        )
    ) NOT VALID;
ALTER TABLE automation.workflow_instances
    SET (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- Each fact starts each workflow once.
CREATE UNIQUE INDEX workflow_instances_once
    ON automation.workflow_instances (workflow_name, event_id) WHERE event_id IS NOT NULL;
-- What can be claimed, and what was left by a process that died: the latter is tried alone.
CREATE INDEX workflow_instances_due
    ON automation.workflow_instances (priority DESC, due_at)
    WHERE status = 'active' AND lease_until IS NULL AND due_at IS NOT NULL AND rescues = 0;
CREATE INDEX workflow_instances_suspect
    ON automation.workflow_instances (due_at)
    WHERE status = 'active' AND lease_until IS NULL AND due_at IS NOT NULL AND rescues > 0;
CREATE INDEX workflow_instances_leased
    ON automation.workflow_instances (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX workflow_instances_live
    ON automation.workflow_instances (workflow_name, customer_id) WHERE status IN ('active', 'paused');
CREATE INDEX workflow_instances_awaiting
    ON automation.workflow_instances (awaited_event) WHERE awaited_event IS NOT NULL;
CREATE INDEX workflow_instances_ended
    ON automation.workflow_instances (completed_at)
    WHERE workflow_name IS NOT NULL AND completed_at IS NOT NULL;

ALTER TABLE automation.workflow_step_executions
    ADD COLUMN IF NOT EXISTS attempt bigint,
    ADD COLUMN IF NOT EXISTS step_name text,
    ADD COLUMN IF NOT EXISTS holder text;

-- Every version that an instance was ever started with: it is carried on with that one.
CREATE TABLE automation.workflow_versions (
    name text NOT NULL,
    version text NOT NULL,
    source text NOT NULL,
    document jsonb NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, version)
);

-- What people said about a workflow; is_enabled null leaves it as its definition says.
CREATE TABLE automation.workflow_switches (
    name text PRIMARY KEY,
    is_enabled boolean,
    is_paused boolean NOT NULL DEFAULT false,
    reason text NOT NULL DEFAULT '',
    changed_at timestamptz NOT NULL DEFAULT now()
);
