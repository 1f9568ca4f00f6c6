"""What happens to invoices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pcd.events.event import Becomes, Created, EventRule, FallsDue
from pcd.events.rules.states import amount, day, end_of, is_active, known, number
from pcd.tables.accounting import INVOICES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pcd.changes.change import State
    from pcd.events.event import Surroundings

_VOID = ("Void", "Voided")
# ServiceTitan has no status for void, the old system's tables may.
_STATUS = known(INVOICES, "status", *_VOID)
_TOTAL = amount("total", may_be_negative=True)
_BALANCE = amount("balance", may_be_negative=True)
_PAYLOAD = {
    "invoiceId": "st_id",
    "customerId": "customer_id",
    "jobId": "job_id",
    "total": "total",
    "balance": "balance",
    "dueDate": "due_date",
}


def _counts(state: State) -> bool:
    """Whether it asks for money at all: neither void nor inactive nor a credit."""
    return is_active(state) and state.get("status") not in _VOID and (number(state, "total") or 0) > 0


def _is_open(state: State) -> bool:
    return _counts(state) and (number(state, "balance") or 0) > 0


def _is_paid(state: State, _: Surroundings) -> bool:
    return _counts(state) and (number(state, "balance") or 0) <= 0


def _days_past_due(
    _before: State | None, state: State, around: Surroundings, at: datetime
) -> Mapping[str, Any]:
    due = day(state, "due_date")
    return {"daysPastDue": (at.astimezone(around.zone).date() - due).days if due else None}


INVOICE_CREATED = EventRule(
    type="invoice_created",
    entity="invoice",
    resource="invoices",
    columns=("total", "balance", "due_date"),
    meaning="An invoice that was never here before arrives, credits included.",
    when=Created(),
    once=True,
    doubts=(_TOTAL, _BALANCE),
    payload=_PAYLOAD,
    row="invoice",
)

INVOICE_PAID = EventRule(
    type="invoice_paid",
    entity="invoice",
    resource="invoices",
    columns=("total", "balance", "status", "active", "paid_on"),
    meaning="Nothing is left to pay of an active invoice with a total above zero, or it arrives so; paid"
    " again after a balance had returned is another one.",
    when=Becomes(test=_is_paid, at="paid_on"),
    doubts=(_STATUS, _TOTAL, _BALANCE),
    payload=_PAYLOAD | {"paidOn": "paid_on"},
    row="invoice",
)

INVOICE_OVERDUE = EventRule(
    type="invoice_overdue",
    entity="invoice",
    resource="invoices",
    columns=("total", "balance", "status", "active", "due_date"),
    meaning="The due date has ended in the business's time zone and a balance is left, or returns later; once"
    " a due date. Void, inactive and credit invoices never are, nor what was overdue before the baseline.",
    when=FallsDue(column="due_date", stands=_is_open, moment=end_of),
    doubts=(_STATUS, _TOTAL, _BALANCE),
    payload=_PAYLOAD,
    row="invoice",
    computed_keys=("daysPastDue",),
    compute=_days_past_due,
)

RULES = (INVOICE_CREATED, INVOICE_OVERDUE, INVOICE_PAID)
