-- The old table of definitions.

-- name: rows
-- Every definition, its JSON as text.
SELECT id, name, description, trigger_event, trigger_conditions::text, stop_conditions::text, steps::text,
       enabled, max_concurrent_per_customer, priority
FROM automation.workflow_definitions
ORDER BY name;
