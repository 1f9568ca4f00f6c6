"""What falls due, when, and what may come between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.changing import AROUND, INVOICE, MEMBERSHIP, NOW, change, history, types, verdict

from pcd.events.classify import come_due
from pcd.events.event import Due, Situation
from pcd.events.judge import expect
from pcd.events.rules import RULES

KEY = ("invoice_overdue", 1)
# 2026-03-20 ends at midnight in New York, four hours behind UTC in summer time.
END = datetime(2026, 3, 21, 4, tzinfo=UTC)
LATER = END + timedelta(hours=1)
OVERDUE = ["invoice_overdue"]


def pending(state: dict[str, Any] = INVOICE, *, due_at: datetime = END) -> dict[tuple[str, int], Due]:
    """Return the situation's entry of an open invoice."""
    due = Due(
        type="invoice_overdue",
        st_id=1,
        due_at=due_at,
        identity=state["due_date"],
        state=state,
        change_id=9,
    )
    return {KEY: due}


def test_open_invoice_is_due_when_its_date_ends_where_the_business_is() -> None:
    due = verdict(history("invoices", INVOICE)).due[KEY]
    assert due is not None
    assert (due.due_at, due.identity) == (END, "2026-03-20")


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(INVOICE | {"balance": 0}, id="paid"),
        pytest.param(INVOICE | {"balance": -5}, id="overpaid"),
        pytest.param(INVOICE | {"active": False}, id="inactive"),
        pytest.param(INVOICE | {"status": "Void"}, id="void"),
        pytest.param(INVOICE | {"total": -5, "balance": 5}, id="credit"),
        pytest.param(INVOICE | {"st_deleted_at": "2026-03-01T00:00:00+00:00"}, id="gone upstream"),
        pytest.param(INVOICE | {"due_date": None}, id="without a due date"),
        pytest.param(None, id="deleted"),
    ],
)
def test_invoice_is_never_overdue_when(state: dict[str, Any] | None) -> None:
    found = verdict([change("invoices", INVOICE, state)], due=pending())
    assert found.due == {KEY: None}
    assert "invoice_overdue" not in [fact.rule.type for fact in found.facts]


def test_moment_that_passed_before_the_change_is_told_first() -> None:
    """Downtime over the moment delays the event and never drops it, even if the money came meanwhile."""
    paid = change("invoices", INVOICE, INVOICE | {"balance": 0}, at=LATER)
    assert types([paid], due=pending()) == ["invoice_overdue", "invoice_paid"]


def test_payment_before_the_moment_prevents_it_however_late_it_is_seen() -> None:
    """Upstream says when it was paid; that we were told after midnight does not make it overdue."""
    stamped = INVOICE | {"balance": 0, "st_modified_on": (END - timedelta(minutes=1)).isoformat()}
    assert types([change("invoices", INVOICE, stamped, at=LATER)], due=pending()) == ["invoice_paid"]


def test_changed_due_date_waits_anew() -> None:
    found = verdict([change("invoices", INVOICE, INVOICE | {"due_date": "2026-04-20"})], due=pending())
    due = found.due[KEY]
    assert due is not None
    assert due.identity == "2026-04-20"


def test_partial_payment_leaves_the_moment_and_updates_the_payload() -> None:
    due = verdict([change("invoices", INVOICE, INVOICE | {"balance": 40})], due=pending()).due[KEY]
    assert due is not None
    assert (due.due_at, due.state["balance"]) == (END, 40)


def test_balance_that_returns_after_the_date_is_overdue_at_once() -> None:
    returned = change("invoices", INVOICE | {"balance": 0}, INVOICE, at=LATER)
    (fact,) = verdict([returned]).facts
    assert (fact.rule.type, fact.identity, fact.occurred_at) == ("invoice_overdue", "2026-03-20", LATER)


def test_invoice_entered_after_its_due_date_is_overdue_at_once() -> None:
    assert types(history("invoices", INVOICE, at=LATER)) == ["invoice_created", "invoice_overdue"]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(INVOICE, INVOICE | {"balance": 40}, [], id="paid in part after it"),
        pytest.param(INVOICE | {"balance": 0}, INVOICE, OVERDUE, id="balance returns after it"),
        pytest.param(INVOICE, INVOICE | {"due_date": "2026-03-21"}, [], id="new date in the future"),
    ],
)
def test_what_was_overdue_before_the_baseline(
    before: dict[str, Any], after: dict[str, Any], expected: list[str]
) -> None:
    """A company with ten years of open invoices gets no flood; what comes to be overdue later is news."""
    baseline = END + timedelta(minutes=30)
    assert types([change("invoices", before, after, at=LATER)], baselines={"invoices": baseline}) == expected


def test_old_invoice_that_arrives_late_is_history() -> None:
    """What upstream touched while the first load ran arrives as if it were new."""
    old = INVOICE | {"st_created_on": "2025-01-01T00:00:00+00:00", "st_modified_on": LATER.isoformat()}
    baseline = {"invoices": LATER - timedelta(minutes=5)}
    found = verdict(history("invoices", old, at=LATER), baselines=baseline)
    assert [(fact.rule.type, fact.suppressed) for fact in found.facts] == [("invoice_created", "baseline")]
    assert not found.due


@pytest.mark.parametrize(
    ("state", "baseline", "expected"),
    [
        pytest.param(INVOICE, NOW, "2026-03-20", id="due in the future"),
        pytest.param(INVOICE, LATER, None, id="overdue already"),
        pytest.param(INVOICE | {"balance": 0}, NOW, None, id="paid"),
        pytest.param(INVOICE | {"status": None}, NOW, None, id="not to be judged"),
    ],
)
def test_rows_from_before_the_baseline_are_waited_for(
    state: dict[str, Any], baseline: datetime, expected: str | None
) -> None:
    due = expect(RULES["invoice_overdue"], 1, state, around=AROUND, baseline=baseline)
    assert (due and due.identity) == expected


def test_days_past_due_are_days_of_the_business() -> None:
    """At the end of the due date it is one day."""
    (fact,) = come_due(pending().values(), Situation(surroundings=AROUND), RULES).facts
    assert fact.computed == {"daysPastDue": 1}
    assert fact.occurred_at == END


def test_membership_expires_thirty_days_before_its_last_day() -> None:
    due = verdict(history("memberships", MEMBERSHIP)).due["membership_expiring", 1]
    assert due is not None
    assert due.due_at == datetime(2026, 5, 31, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param(MEMBERSHIP | {"to_date": "2026-03-20"}, ["membership_expiring"], id="near its end"),
        pytest.param(MEMBERSHIP | {"to_date": "2026-03-01"}, [], id="over"),
        pytest.param(MEMBERSHIP | {"to_date": None}, [], id="without an end"),
        pytest.param(MEMBERSHIP | {"to_date": "2026-03-20", "status": "Canceled"}, [], id="canceled"),
    ],
)
def test_membership_that_arrives(state: dict[str, Any], expected: list[str]) -> None:
    assert types(history("memberships", state)) == expected


def test_row_that_cannot_be_judged_is_not_waited_for_until_it_can() -> None:
    """An unknown status might mean void; when it is known again, the moment that passed is told."""
    strange = INVOICE | {"status": "Frozen"}
    changes = [
        change("invoices", INVOICE, strange, at=NOW),
        change("invoices", strange, INVOICE, at=LATER),
    ]
    assert verdict(changes[:1], due=pending()).due == {KEY: None}
    assert types(changes, due=pending()) == OVERDUE
