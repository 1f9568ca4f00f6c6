"""The templates of the old system: its names and variables, in our words."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """A template that a new database begins with; all are text messages."""

    name: str
    category: str
    description: str
    body: str
    required: tuple[str, ...]


SEEDS: tuple[Seed, ...] = (
    Seed(
        name="appointment_confirmation",
        category="appointment",
        description="Confirms an appointment.",
        body=(
            "Your appointment is confirmed for {appointment.date} at {appointment.time}, {location.address}. "
            "{technician.name} will be there. To change it call {business.phone}."
        ),
        required=(
            "appointment.date",
            "appointment.time",
            "location.address",
            "technician.name",
            "business.phone",
        ),
    ),
    Seed(
        name="appointment_reminder_24hr",
        category="appointment",
        description="Reminds of an appointment tomorrow.",
        body=(
            "A reminder: {technician.name} will be at {location.address} tomorrow at {appointment.time}. "
            "To change it call {business.phone}."
        ),
        required=("appointment.time", "technician.name", "location.address", "business.phone"),
    ),
    Seed(
        name="estimate_sent",
        category="estimate",
        description="Says that an estimate was sent.",
        body=(
            "Hi {customer.name}, your estimate for {estimate.name} comes to ${estimate.total}. "
            "Questions? Call {business.phone}."
        ),
        required=("customer.name", "estimate.total", "estimate.name", "business.phone"),
    ),
    Seed(
        name="post_service_review",
        category="general",
        description="Asks for a review after a job.",
        body="Thank you for choosing us! How did we do? A review helps a lot: {review.link}",
        required=("review.link",),
    ),
    Seed(
        name="payment_reminder",
        category="invoice",
        description="Reminds of an open invoice.",
        body=(
            "A friendly reminder: ${invoice.balance} of invoice {invoice.number} was due on "
            "{invoice.due_date}. You can pay here: {payment.link}"
        ),
        required=("invoice.number", "invoice.balance", "invoice.due_date", "payment.link"),
    ),
)
