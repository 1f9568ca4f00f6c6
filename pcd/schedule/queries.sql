-- name: recall
-- When a schedule fired last and what came of it; no row before its first time.
SELECT last_due_at, last_outcome
FROM pcd.schedule
WHERE name = $1;

-- name: register
-- Note since when ($2) a schedule waits that has never fired, or fired by a wrong clock.
INSERT INTO pcd.schedule (name, last_due_at)
VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE
SET last_due_at = excluded.last_due_at;

-- name: begin
-- Note that a schedule fires now ($2); the word tells an interrupted firing from a finished one.
INSERT INTO pcd.schedule AS s (name, last_due_at, last_started_at, last_outcome)
VALUES ($1, $2, now(), $3)
ON CONFLICT (name) DO UPDATE
SET last_due_at = excluded.last_due_at,
    last_started_at = excluded.last_started_at,
    last_finished_at = NULL,
    last_outcome = excluded.last_outcome;

-- name: end
-- Note what came of a firing.
UPDATE pcd.schedule
SET last_finished_at = now(),
    last_outcome = $2
WHERE name = $1;
