"""How appointments and jobs follow the assignments of technicians and each other's times.

Who leads: a technician's position is what the setting ``pcd.technician_roles`` says (a JSON object of
technician id to ``lead`` or ``helper``), else ``helper`` for one whom ServiceTitan lists as Helper, else
``lead``. A job has exactly one primary row: leads come before helpers, of the leads the one who sold the
job, then the earliest assigned.
"""

# ruff: noqa: S608 - constants only

from __future__ import annotations

from types import MappingProxyType

from pcd.tables.rule import Rule, live

ROLES_SETTING = "pcd.technician_roles"

_CREW = f"""SELECT
        stored.st_id,
        stored.job_id,
        stored.appointment_id,
        stored.technician_id,
        left(stored.technician_name, 200) AS technician_name,
        stored.assigned_on,
        coalesce(
            (SELECT nullif(current_setting('{ROLES_SETTING}', true), '')::jsonb)
                ->>stored.technician_id::text,
            CASE WHEN technician.positions ? 'Helper' THEN 'helper' ELSE 'lead' END
        ) AS position
    FROM servicetitan.st_appointment_assignments AS stored
    LEFT JOIN servicetitan.st_technicians AS technician ON technician.st_id = stored.technician_id
    WHERE stored.technician_id IS NOT NULL
        AND stored.appointment_id IS NOT NULL
        AND {live("stored")}"""

APPOINTMENT_TECHNICIANS = Rule(
    name="appointments.technicians",
    target="appointments",
    columns=("technician_ids", "technician_id", "technician_name"),
    follows=MappingProxyType({"appointment_assignments": "appointment_id"}),
    fills="EXISTS (SELECT FROM servicetitan.st_appointment_assignments WHERE appointment_id = target.st_id)",
    computed=f"""SELECT
        wanted.st_id,
        array_agg(DISTINCT crew.technician_id ORDER BY crew.technician_id)
            FILTER (WHERE crew.technician_id IS NOT NULL) AS technician_ids,
        (array_agg(crew.technician_id
            ORDER BY crew.position = 'helper', crew.assigned_on, crew.st_id))[1] AS technician_id,
        (array_agg(crew.technician_name
            ORDER BY crew.position = 'helper', crew.assigned_on, crew.st_id))[1] AS technician_name
    FROM wanted
    LEFT JOIN ({_CREW}) AS crew ON crew.appointment_id = wanted.st_id
    GROUP BY wanted.st_id""",
)

JOB_SCHEDULE = Rule(
    name="jobs.schedule",
    target="jobs",
    columns=("scheduled_start", "scheduled_end"),
    follows=MappingProxyType({"appointments": "job_id"}),
    fills="EXISTS (SELECT FROM servicetitan.st_appointments WHERE job_id = target.st_id)",
    computed=f"""SELECT
        wanted.st_id,
        min(visit.start_on) AT TIME ZONE 'UTC' AS scheduled_start,
        max(visit.end_on) AT TIME ZONE 'UTC' AS scheduled_end
    FROM wanted
    LEFT JOIN servicetitan.st_appointments AS visit ON visit.job_id = wanted.st_id
        AND visit.status IS DISTINCT FROM 'Canceled'
        AND visit.unused IS NOT TRUE
        AND {live("visit")}
    GROUP BY wanted.st_id""",
)

JOB_TECHNICIAN = Rule(
    name="jobs.technician",
    target="jobs",
    columns=("technician_id", "technician_name"),
    follows=MappingProxyType({"appointment_assignments": "job_id"}),
    fills="EXISTS (SELECT FROM servicetitan.st_appointment_assignments WHERE job_id = target.st_id)",
    computed="""SELECT
        wanted.st_id,
        first.technician_id,
        left(first.technician_name, 200) AS technician_name
    FROM wanted
    LEFT JOIN LATERAL (
        SELECT technician_id, technician_name
        FROM servicetitan.job_technicians
        WHERE job_id = wanted.st_id AND is_primary
        ORDER BY assigned_on, st_assignment_id
        LIMIT 1
    ) AS first ON true""",
)


def _job_technicians(wanted: str) -> str:
    # OFFSET 0 keeps the planner from reading both tables whole for a thousand jobs.
    return f"""WITH wanted AS MATERIALIZED (
    {wanted}
), present AS MATERIALIZED (
    SELECT found.*
    FROM wanted
    CROSS JOIN LATERAL (
        SELECT
            stored.job_id,
            stored.appointment_id,
            stored.technician_id,
            stored.technician_name,
            stored.position,
            stored.is_primary,
            stored.assigned_on,
            stored.st_assignment_id
        FROM servicetitan.job_technicians AS stored
        WHERE stored.job_id = wanted.job_id
        OFFSET 0
    ) AS found
), crew AS MATERIALIZED (
    SELECT DISTINCT ON (found.job_id, found.technician_id, found.appointment_id)
        found.*,
        found.position <> 'helper' AND found.technician_id IS NOT DISTINCT FROM job.sold_by_id AS sold_it
    FROM wanted
    CROSS JOIN LATERAL ({_CREW} AND stored.job_id = wanted.job_id OFFSET 0) AS found
    LEFT JOIN servicetitan.st_jobs AS job ON job.st_id = wanted.job_id
    ORDER BY found.job_id, found.technician_id, found.appointment_id, found.assigned_on, found.st_id
), ranked AS MATERIALIZED (
    SELECT
        crew.*,
        row_number() OVER (
            PARTITION BY crew.job_id
            ORDER BY crew.position = 'helper', NOT crew.sold_it, crew.assigned_on, crew.st_id
        ) = 1 AS is_primary
    FROM crew
), removed AS (
    DELETE FROM servicetitan.job_technicians AS stored
    USING present
    LEFT JOIN ranked USING (job_id, technician_id, appointment_id)
    WHERE ranked.job_id IS NULL
        AND stored.job_id = present.job_id
        AND stored.technician_id = present.technician_id
        AND stored.appointment_id IS NOT DISTINCT FROM present.appointment_id
)
INSERT INTO servicetitan.job_technicians AS stored (
    job_id,
    appointment_id,
    technician_id,
    technician_name,
    position,
    is_primary,
    assigned_on,
    st_assignment_id
)
SELECT
    ranked.job_id,
    ranked.appointment_id,
    ranked.technician_id,
    ranked.technician_name,
    ranked.position,
    ranked.is_primary,
    ranked.assigned_on,
    ranked.st_id
FROM ranked
LEFT JOIN present USING (job_id, technician_id, appointment_id)
WHERE (present.technician_name, present.position, present.is_primary, present.assigned_on,
        present.st_assignment_id)
    IS DISTINCT FROM (ranked.technician_name, ranked.position, ranked.is_primary,
        ranked.assigned_on, ranked.st_id)
ORDER BY ranked.job_id, ranked.technician_id, ranked.appointment_id
ON CONFLICT (job_id, technician_id, appointment_id) DO UPDATE SET
    technician_name = EXCLUDED.technician_name,
    position = EXCLUDED.position,
    is_primary = EXCLUDED.is_primary,
    assigned_on = EXCLUDED.assigned_on,
    st_assignment_id = EXCLUDED.st_assignment_id,
    updated_at = now()"""


JOB_TECHNICIANS = _job_technicians("SELECT DISTINCT unnest($1::bigint[]) AS job_id")
"""The statement that makes ``job_technicians`` right for the jobs $1 bigint[]."""

JOB_TECHNICIANS_FULL_PASS = _job_technicians("""SELECT job_id
    FROM servicetitan.st_appointment_assignments
    WHERE $1::bigint[] IS NULL
    UNION
    SELECT job_id
    FROM servicetitan.job_technicians""")
"""The same for all jobs, when $1 is NULL."""

JOB_TECHNICIANS_ARRIVAL = _job_technicians("""SELECT DISTINCT job_id
    FROM servicetitan.st_appointment_assignments
    WHERE job_id = ANY($1::bigint[])""")
"""The same for jobs that were just written themselves: who sold them may have changed."""
