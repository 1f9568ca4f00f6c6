-- The statements of the leases and of partitioned tables. All times are the database's.

-- name: read_leases
-- Everyone who holds or held something, for status.
SELECT name, holder, term, acquired_at, expires_at, expires_at > clock_timestamp() AS is_live
FROM pcd.leases
ORDER BY name;

-- name: read_lease
-- Whether a takeover is worth trying: this takes no lock.
SELECT name, holder, term, acquired_at, expires_at, expires_at > clock_timestamp() AS is_live
FROM pcd.leases
WHERE name = $1;

-- name: take_lease
-- Takes a lease that is free or expired, under a new term; no row when somebody was faster.
INSERT INTO pcd.leases AS l (name, holder, term, acquired_at, expires_at)
VALUES ($1, $2, nextval('pcd.lease_terms'), clock_timestamp(), clock_timestamp() + $3::interval)
ON CONFLICT (name) DO UPDATE
SET holder = excluded.holder,
    term = excluded.term,
    acquired_at = excluded.acquired_at,
    expires_at = clock_timestamp() + $3::interval
WHERE l.expires_at <= clock_timestamp()
RETURNING term;

-- name: renew_lease
-- Prolongs a lease that nobody took over, even one that expired meanwhile; leaves the key alone.
UPDATE pcd.leases
SET expires_at = clock_timestamp() + $3::interval
WHERE name = $1 AND term = $2
RETURNING true;

-- name: release_lease
-- Gives a lease back.
DELETE FROM pcd.leases
WHERE name = $1 AND term = $2;

-- name: fence_lease
-- Locks the key of our own row until the end of the transaction; no row when the term is not ours.
SELECT 1
FROM pcd.leases
WHERE name = $1 AND term = $2
FOR KEY SHARE;

-- name: partitions
-- The partitions of table $1.
SELECT c.relname AS name
FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = $1::text::regclass;
