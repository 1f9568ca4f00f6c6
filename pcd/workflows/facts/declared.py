"""Every fact that has a name of its own, declared once. Plain columns are added by `catalogue`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pcd.workflows.facts import derive
from pcd.workflows.facts.fact import Column, Derived, Fact, Kind, Searched, Setting, Told

if TYPE_CHECKING:
    from pcd.workflows.conditions.condition import Value

_TAGS = """(
    SELECT array_agg(tag.name ORDER BY tag.name)
    FROM servicetitan.st_tag_types AS tag
    WHERE tag.st_id = ANY({row}.tag_type_ids)
)"""
_DO_NOT_TEXT = """(
    SELECT bool_or(contact.do_not_text)
    FROM servicetitan.st_customer_contacts AS contact
    WHERE contact.customer_id = anchor.owner_id AND contact.active
)"""
_HAS_MEMBERSHIP = """EXISTS (
    SELECT
    FROM servicetitan.st_memberships AS agreement
    WHERE agreement.customer_id = anchor.owner_id AND agreement.status = 'Active' AND agreement.active
)"""
# A tag that somebody, or GoHighLevel's own reputation workflow, gives the contact; or one in ServiceTitan.
_REVIEWED = """(EXISTS (
    SELECT
    FROM integrations.ghl_contacts AS contact
    CROSS JOIN LATERAL jsonb_array_elements_text(
        CASE jsonb_typeof(contact.tags) WHEN 'array' THEN contact.tags ELSE '[]' END
    ) AS tag
    WHERE contact.st_customer_id = anchor.owner_id
        AND regexp_replace(lower(tag), '[^a-z]+', ' ', 'g') = 'review received'
) OR EXISTS (
    SELECT
    FROM servicetitan.st_tag_types AS tag
    WHERE tag.st_id = ANY(customer.tag_type_ids)
        AND regexp_replace(lower(tag.name), '[^a-z]+', ' ', 'g') = 'review received'
))"""
_JOB_TYPE = "(SELECT type.name FROM servicetitan.st_job_types AS type WHERE type.st_id = job.job_type_id)"
_ADDRESS = (
    "nullif(concat_ws(', ', nullif(coalesce(location.street, customer.address_line1), ''),"
    " nullif(coalesce(location.city, customer.city), '')), '')"
)
_WITHDRAWN = (
    "coalesce(preferences.sms_opted_out, false) OR coalesce(preferences.email_opted_out, false)"
    " OR coalesce(preferences.do_not_contact, false)"
)


def _is(name: str, kind: Kind, column: str, meaning: str, *, default: Value = None) -> Fact:
    """Return a fact that is a column of its row: ``estimate.sold_at`` is ``sold_on``."""
    of = name.partition(".")[0]
    return Fact(
        name=name,
        kind=kind,
        source=Column(of=of, sql=f"{of}.{column}", column=column),
        meaning=meaning,
        default=default,
    )


def _sql(name: str, kind: Kind, of: str, sql: str, meaning: str, *, default: Value = None) -> Fact:
    return Fact(name=name, kind=kind, source=Column(of=of, sql=sql), meaning=meaning, default=default)


def _derived(name: str, kind: Kind, compute: derive.Compute, *needs: str, meaning: str) -> Fact:
    return Fact(name=name, kind=kind, source=Derived(needs=needs, compute=compute), meaning=meaning)


_CUSTOMER = (
    _is("customer.id", Kind.NUMBER, "st_id", "ServiceTitan's id of the customer."),
    _derived(
        "customer.first_name",
        Kind.TEXT,
        derive.first_name,
        "customer.name",
        "customer.type",
        meaning="What to call the customer: a person's first name, a company's whole name.",
    ),
    _is("customer.address", Kind.TEXT, "address_line1", "The street of the customer's own address."),
    _is("customer.balance", Kind.MONEY, "balance", "What the customer owes."),
    _is("customer.is_active", Kind.TRUTH, "active", "Whether the customer is active.", default=True),
    _is("customer.created_at", Kind.INSTANT, "st_created_on", "Since when there is this customer."),
    _derived(
        "customer.days_since_created",
        Kind.NUMBER,
        derive.days_since("customer.created_at"),
        "customer.created_at",
        meaning="Calendar days since the customer was created.",
    ),
    _sql(
        "customer.tags",
        Kind.LIST,
        "customer",
        _TAGS.format(row="customer"),
        "The names of the customer's tags.",
        default=(),
    ),
    _sql(
        "customer.has_membership",
        Kind.TRUTH,
        "customer",
        _HAS_MEMBERSHIP,
        "Whether an active membership is there.",
        default=False,
    ),
    _sql(
        "customer.do_not_text",
        Kind.TRUTH,
        "customer",
        _DO_NOT_TEXT,
        "Whether ServiceTitan forbids texts to one of the customer's numbers.",
        default=False,
    ),
    _sql(
        "customer.opted_out",
        Kind.TRUTH,
        "preferences",
        _WITHDRAWN,
        "Whether the customer wants no texts, no e-mails or no contact at all.",
        default=False,
    ),
    *(
        _sql(f"customer.{name}", Kind.TRUTH, "preferences", f"preferences.{name}", meaning, default=False)
        for name, meaning in (
            ("sms_opted_out", "Whether the customer wants no texts."),
            ("email_opted_out", "Whether the customer wants no e-mails."),
            ("do_not_contact", "Whether the customer wants to hear nothing."),
        )
    ),
    _sql(
        "customer.preferred_channel",
        Kind.TEXT,
        "preferences",
        "preferences.preferred_channel",
        "How the customer likes to be written to.",
    ),
    _sql(
        "review_received",
        Kind.TRUTH,
        "customer",
        _REVIEWED,
        "Whether the customer wears a tag 'review received', in GoHighLevel or ServiceTitan.",
        default=False,
    ),
)
_ESTIMATE = (
    _is("estimate.id", Kind.NUMBER, "st_id", "ServiceTitan's id of the estimate."),
    _is("estimate.number", Kind.TEXT, "estimate_number", "The number of its job, or its own id."),
    _is("estimate.total", Kind.MONEY, "total", "What it comes to with tax."),
    _is("estimate.subtotal", Kind.MONEY, "subtotal", "What it comes to without tax."),
    _is("estimate.sold_at", Kind.INSTANT, "sold_on", "When it was sold."),
    _is("estimate.created_at", Kind.INSTANT, "st_created_on", "When it was written."),
    _is("estimate.modified_at", Kind.INSTANT, "st_modified_on", "When it was changed last."),
    _derived(
        "estimate.days_since_created",
        Kind.NUMBER,
        derive.days_since("estimate.created_at"),
        "estimate.created_at",
        meaning="Calendar days since it was written.",
    ),
)
_JOB = (
    _is("job.id", Kind.NUMBER, "st_id", "ServiceTitan's id of the job."),
    _is("job.number", Kind.TEXT, "job_number", "The job's number."),
    _is(
        "job.status", Kind.TEXT, "job_status", "Scheduled, Dispatched, InProgress, Hold, Completed, Canceled."
    ),
    _is("job.total", Kind.MONEY, "invoice_total", "What it comes to."),
    _sql("job.type", Kind.TEXT, "job", _JOB_TYPE, "The name of the job's type."),
    _sql("job.tags", Kind.LIST, "job", _TAGS.format(row="job"), "The names of the job's tags.", default=()),
    _sql("job.business_unit", Kind.TEXT, "unit", "unit.name", "The name of the business unit."),
    _is("job.created_at", Kind.INSTANT, "st_created_on", "When it was booked."),
    _is("job.completed_at", Kind.INSTANT, "job_completion_time", "When it was completed."),
    _derived(
        "job.days_since_created",
        Kind.NUMBER,
        derive.days_since("job.created_at"),
        "job.created_at",
        meaning="Calendar days since it was booked.",
    ),
    _derived(
        "job.days_since_completed",
        Kind.NUMBER,
        derive.days_since("job.completed_at"),
        "job.completed_at",
        meaning="Calendar days since it was completed.",
    ),
)
_APPOINTMENT = (
    _is("appointment.id", Kind.NUMBER, "st_id", "ServiceTitan's id of the appointment."),
    _is("appointment.number", Kind.TEXT, "appointment_number", "The appointment's number."),
    _is("appointment.start", Kind.INSTANT, "start_on", "When it begins."),
    _is("appointment.end", Kind.INSTANT, "end_on", "When it ends."),
    _derived(
        "appointment.date",
        Kind.DATE,
        derive.local_date("appointment.start"),
        "appointment.start",
        meaning="The business's day on which it begins.",
    ),
    _derived(
        "appointment.time",
        Kind.TEXT,
        derive.local_time("appointment.start"),
        "appointment.start",
        meaning="The business's time of day at which it begins, such as 2:30 PM.",
    ),
    _derived(
        "appointment.window",
        Kind.TEXT,
        derive.window("appointment.arrival_window_start", "appointment.arrival_window_end"),
        "appointment.arrival_window_start",
        "appointment.arrival_window_end",
        meaning="Between when somebody arrives, such as 2:00 PM - 4:00 PM.",
    ),
    _derived(
        "appointment.hours_until",
        Kind.NUMBER,
        derive.hours_until("appointment.start"),
        "appointment.start",
        meaning="How many hours it is until it begins; negative afterwards.",
    ),
)
_INVOICE = (
    _is("invoice.id", Kind.NUMBER, "st_id", "ServiceTitan's id of the invoice."),
    _is("invoice.number", Kind.TEXT, "invoice_number", "The invoice's number."),
    _is("invoice.total", Kind.MONEY, "total", "What it comes to."),
    _is("invoice.balance", Kind.MONEY, "balance", "What is left to pay."),
    _is("invoice.created_at", Kind.INSTANT, "st_created_on", "When it was written."),
    _derived(
        "invoice.is_paid",
        Kind.TRUTH,
        derive.is_paid,
        "invoice.balance",
        meaning="Whether nothing is left to pay.",
    ),
    _derived(
        "invoice.days_past_due",
        Kind.NUMBER,
        derive.days_since("invoice.due_date"),
        "invoice.due_date",
        meaning="Calendar days since its due date; negative before it.",
    ),
)
_OTHERS = (
    Fact(
        name="technician.name",
        kind=Kind.TEXT,
        source=Column(of="technician", sql="technician.name", column="name"),
        meaning="Who leads the visit, or sold the estimate.",
        default="our team",
    ),
    Fact(
        name="technician.phone",
        kind=Kind.TEXT,
        source=Column(of="technician", sql="nullif(technician.phone, '')", column="phone"),
        meaning="How to reach the technician; the business's number where there is none.",
        default_fact="business.phone",
    ),
    _sql(
        "location.address", Kind.TEXT, "location", _ADDRESS, "Street and city of the site, or the customer's."
    ),
    _is("membership.ends_on", Kind.DATE, "to_date", "The membership's last day."),
    _derived(
        "membership.days_left",
        Kind.NUMBER,
        derive.days_until("membership.ends_on"),
        "membership.ends_on",
        meaning="Calendar days until the membership's last day.",
    ),
    *(
        Fact(
            name=name,
            kind=Kind.TEXT,
            source=Setting(key=key),
            meaning=f"[business].{key} of the configuration.",
        )
        for name, key in (
            ("business.name", "name"),
            ("business.phone", "phone"),
            ("business.review_link", "review_link"),
            ("business.payment_link", "payment_link"),
            ("review_link", "review_link"),
            ("review.link", "review_link"),
            ("payment_link", "payment_link"),
            ("payment.link", "payment_link"),
        )
    ),
    _derived("now", Kind.INSTANT, derive.now, meaning="The instant of judging."),
    _derived("today", Kind.DATE, derive.today, meaning="The business's calendar day."),
    _derived(
        "deadline_date", Kind.DATE, derive.deadline, meaning="Until when an offer of today stands: 7 days."
    ),
    Fact(
        name="next_available_date",
        kind=Kind.DATE,
        source=Searched(query="next_available_date"),
        meaning="The first working day from tomorrow on with fewer appointments than active technicians.",
    ),
    *(
        Fact(name=name, kind=kind, source=Told(key=key), meaning=meaning, default=default)
        for name, key, kind, meaning, default in (
            ("message_count", "message_count", Kind.NUMBER, "Messages that the instance has sent.", None),
            ("workflow.message_count", "message_count", Kind.NUMBER, "The same.", None),
            ("workflow.name", "name", Kind.TEXT, "The workflow's name.", None),
            ("workflow.started_at", "started_at", Kind.INSTANT, "When the instance began.", None),
        )
    ),
    _derived(
        "days_since_start",
        Kind.NUMBER,
        derive.days_since("workflow.started_at"),
        "workflow.started_at",
        meaning="Calendar days since the instance began.",
    ),
)

DECLARED: tuple[Fact, ...] = (*_CUSTOMER, *_ESTIMATE, *_JOB, *_APPOINTMENT, *_INVOICE, *_OTHERS)
"""The declarations, in the order in which the documentation lists them."""
