"""What events a history of rows must make: a second, naive way to say it, to compare the real one with.

It looks at one row after the other, one committed state at a time, and knows nothing of batches, triggers,
parking tables or identities.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

ESTIMATE = ("Open", "Sold", "Dismissed")
JOB = ("Scheduled", "Dispatched", "InProgress", "Hold", "Completed", "Canceled")
INVOICE = ("Pending", "Posted", "Exported")


class Told(NamedTuple):
    """One event, as far as it is compared."""

    type: str
    ordinal: int


@dataclass(slots=True)
class Row:
    """What has been told of one row, and how it stood when each thing about it could last be said."""

    created: bool = False
    stood: dict[str, bool] = field(default_factory=dict)
    dates: set[date] = field(default_factory=set)
    owes: tuple[date | None, bool] = (None, False)
    units: set[int] = field(default_factory=set)


class Model:
    """The events that must have been told, by entity, in order."""

    def __init__(self) -> None:
        self.events: defaultdict[tuple[str, int], list[Told]] = defaultdict(list)
        self.units: dict[int, str] = {}
        self._rows: defaultdict[tuple[str, int], Row] = defaultdict(Row)
        self._states: dict[tuple[str, int], Mapping[str, Any]] = {}
        self._counts: Counter[tuple[str, str, int]] = Counter()

    def commit(self, resource: str, st_id: int, state: Mapping[str, Any] | None) -> None:
        """Tell what follows from *state* being the row's after a transaction; None: it was deleted."""
        key = (resource, st_id)
        if state is None:
            self._states.pop(key, None)
            return
        self._states[key] = dict(state)
        if resource == "business_units":
            self.units.setdefault(st_id, str(state["name"]))
            for other, job in list(self._states.items()):
                if other[0] == "jobs" and job["business_unit_id"] == st_id:
                    self._install(other[1], job)
        else:
            getattr(self, f"_{resource}")(st_id, state)

    def _estimates(self, st_id: int, state: Mapping[str, Any]) -> None:
        known, status = state["status"] in ESTIMATE, state["status"]
        countable = state["total"] is not None and state["total"] >= 0
        self._create("estimate", st_id, certain=known and countable)
        self._become("estimate_approved", st_id, holds=status == "Sold", certain=known and countable)
        self._become("estimate_rejected", st_id, holds=status == "Dismissed", certain=known)

    def _jobs(self, st_id: int, state: Mapping[str, Any]) -> None:
        known, status = state["job_status"] in JOB, state["job_status"]
        self._create("job", st_id, certain=known)
        self._install(st_id, state)
        self._become("job_completed", st_id, holds=status == "Completed", certain=known)
        self._become("job_canceled", st_id, holds=status == "Canceled", certain=known)

    def _install(self, st_id: int, state: Mapping[str, Any]) -> None:
        unit = state["business_unit_id"]
        if unit is None or unit in self.units:
            holds = "install" in self.units.get(unit, "").lower()
            self._become("install_job_created", st_id, holds=holds, once=True)

    def _invoices(self, st_id: int, state: Mapping[str, Any]) -> None:
        total, balance, due = state["total"], state["balance"], state["due_date"]
        has_money = total is not None and balance is not None
        self._create("invoice", st_id, certain=has_money)
        if not has_money or state["status"] not in INVOICE:
            return
        row = self._rows["invoice", st_id]
        counts = bool(state["active"]) and total > 0
        owes = counts and balance > 0 and due is not None
        is_over = owes and due < datetime.now(UTC).date()
        if is_over and (row.owes != (due, True)) and due not in row.dates:
            row.dates.add(due)
            self._tell("invoice_overdue", "invoice", st_id)
        row.owes = (due, owes)
        self._become("invoice_paid", st_id, holds=counts and balance <= 0)

    def _create(self, entity: str, st_id: int, *, certain: bool) -> None:
        row = self._rows[entity, st_id]
        if certain and not row.created:
            row.created = True
            self._tell(f"{entity}_created", entity, st_id)

    def _become(
        self, type_: str, st_id: int, *, holds: bool, certain: bool = True, once: bool = False
    ) -> None:
        if not certain:
            return
        entity = "job" if type_ == "install_job_created" else type_.partition("_")[0]
        stood = self._rows[entity, st_id].stood
        if holds and not stood.get(type_) and not (once and self._counts[type_, entity, st_id]):
            self._tell(type_, entity, st_id)
        stood[type_] = holds

    def _tell(self, type_: str, entity: str, st_id: int) -> None:
        self._counts[type_, entity, st_id] += 1
        self.events[entity, st_id].append(Told(type_, self._counts[type_, entity, st_id]))


MODELLED = (
    "estimate_created",
    "estimate_approved",
    "estimate_rejected",
    "job_created",
    "install_job_created",
    "job_completed",
    "job_canceled",
    "invoice_created",
    "invoice_overdue",
    "invoice_paid",
)
"""The events that the model knows."""
