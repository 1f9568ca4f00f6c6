-- Facts that a statement of their own finds.

-- name: next_available_date
-- The first working day after $1 on which fewer appointments begin, in zone $2, than technicians work.
SELECT day::date
FROM generate_series($1::date + 1, $1::date + 60, interval '1 day') AS day
WHERE extract(isodow FROM day) < 6
  AND (
      SELECT count(*)
      FROM servicetitan.st_appointments AS appointment
      WHERE appointment.start_on >= day AT TIME ZONE $2::text
        AND appointment.start_on < (day + interval '1 day') AT TIME ZONE $2::text
        AND appointment.status <> 'Canceled'
        AND appointment.active
  ) < (
      SELECT greatest(count(*), 1)
      FROM servicetitan.st_technicians
      WHERE active
  )
ORDER BY day
LIMIT 1;
