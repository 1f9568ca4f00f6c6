"""Counts and sums over other tables, as the old system's reports read them."""

# ruff: noqa: S608 - constants only

from __future__ import annotations

from types import MappingProxyType

from pcd.tables.rule import Rule, live

CUSTOMER_JOBS = Rule(
    name="customers.jobs",
    target="customers",
    columns=("total_jobs", "completed_jobs", "first_job_date", "last_job_date"),
    follows=MappingProxyType({"jobs": "customer_id"}),
    fills="EXISTS (SELECT FROM servicetitan.st_jobs WHERE customer_id = target.st_id)",
    stamp="aggregates_updated_at",
    computed=f"""SELECT
        wanted.st_id,
        count(job.st_id)::integer AS total_jobs,
        (count(job.st_id) FILTER (WHERE job.job_status = 'Completed'))::integer AS completed_jobs,
        min(coalesce(job.job_completion_time, job.st_created_on)) AT TIME ZONE 'UTC' AS first_job_date,
        max(coalesce(job.job_completion_time, job.st_created_on)) AT TIME ZONE 'UTC' AS last_job_date
    FROM wanted
    LEFT JOIN servicetitan.st_jobs AS job ON job.customer_id = wanted.st_id AND {live("job")}
    GROUP BY wanted.st_id""",
)

# What the customer has paid: an invoice's total less its open balance. The old system summed the
# invoices of status 'Paid', a status that ServiceTitan does not have, and so always got nothing.
CUSTOMER_LIFETIME_VALUE = Rule(
    name="customers.lifetime_value",
    target="customers",
    columns=("lifetime_value",),
    follows=MappingProxyType({"invoices": "customer_id"}),
    fills="EXISTS (SELECT FROM servicetitan.st_invoices WHERE customer_id = target.st_id)",
    stamp="aggregates_updated_at",
    computed=f"""SELECT
        wanted.st_id,
        coalesce(sum(invoice.total - invoice.balance), 0)::numeric(12, 2) AS lifetime_value
    FROM wanted
    LEFT JOIN servicetitan.st_invoices AS invoice
        ON invoice.customer_id = wanted.st_id AND {live("invoice")}
    GROUP BY wanted.st_id""",
)

INVOICE_PAYMENTS = Rule(
    name="invoices.payments",
    target="invoices",
    columns=("paid_amount", "payment_count"),
    follows=MappingProxyType({"payments": "invoice_ids"}),
    fills="EXISTS (SELECT FROM servicetitan.st_payments WHERE invoice_ids @> ARRAY[target.st_id])",
    computed=f"""SELECT
        wanted.st_id,
        coalesce(sum(part.amount), 0)::numeric(12, 2) AS paid_amount,
        count(DISTINCT part.payment_id)::integer AS payment_count
    FROM wanted
    LEFT JOIN LATERAL (
        SELECT payment.st_id AS payment_id, nullif(applied->>'appliedAmount', '')::numeric AS amount
        FROM servicetitan.st_payments AS payment
        CROSS JOIN LATERAL jsonb_array_elements(
            CASE jsonb_typeof(payment.applied_to) WHEN 'array' THEN payment.applied_to END
        ) AS applied
        WHERE payment.invoice_ids @> ARRAY[wanted.st_id]
            AND {live("payment")}
            AND (applied->>'appliedTo')::numeric = wanted.st_id
        OFFSET 0  -- or the planner reads all payments for a thousand invoices
    ) AS part ON true
    GROUP BY wanted.st_id""",
)

BUSINESS_UNIT_COUNTS = Rule(
    name="business_units.counts",
    target="business_units",
    columns=("total_jobs", "active_jobs"),
    follows=MappingProxyType({}),
    reads=frozenset({"jobs"}),
    computed=f"""SELECT
        wanted.st_id,
        count(job.st_id)::integer AS total_jobs,
        (count(job.st_id) FILTER (WHERE job.job_status NOT IN ('Completed', 'Canceled')))::integer
            AS active_jobs
    FROM wanted
    LEFT JOIN servicetitan.st_jobs AS job ON job.business_unit_id = wanted.st_id AND {live("job")}
    GROUP BY wanted.st_id""",
)

TECHNICIAN_COUNTS = Rule(
    name="technicians.counts",
    target="technicians",
    columns=("total_jobs", "completed_jobs", "total_revenue"),
    follows=MappingProxyType({}),
    reads=frozenset({"jobs", "appointment_assignments"}),
    computed=f"""SELECT
        wanted.st_id,
        count(job.st_id)::integer AS total_jobs,
        (count(job.st_id) FILTER (WHERE job.job_status = 'Completed'))::integer AS completed_jobs,
        coalesce(sum(job.invoice_total) FILTER (
            WHERE job.job_status = 'Completed' AND job.technician_id = wanted.st_id
        ), 0)::numeric(12, 2) AS total_revenue
    FROM wanted
    LEFT JOIN (
        SELECT DISTINCT job_id, technician_id
        FROM servicetitan.job_technicians
    ) AS crew ON crew.technician_id = wanted.st_id
    LEFT JOIN servicetitan.st_jobs AS job ON job.st_id = crew.job_id AND {live("job")}
    GROUP BY wanted.st_id""",
)
