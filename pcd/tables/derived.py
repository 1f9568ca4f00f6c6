"""Columns whose value no single record holds: what they follow, and the statement that keeps them right.

A customer's e-mail is a contact's, an appointment's technicians are its assignments. A change of the
contact does not bump the customer upstream, so the mirror recomputes the customer itself.

After a batch of a resource, for each `Derived` in `of(resource)`, in that order: take its `lock`, then run
its `sql` with the ids that `targets` finds in the rows as they were before the write and as they are
after it; a contact that moved to another customer changes both. A resource whose rows are themselves a
target takes `own_lock` before it writes. So transactions that compute one table's columns follow one
another: each sees what the one before has committed, and all take the locks in one order, children
before parents.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pcd.tables.aggregates import (
    BUSINESS_UNIT_COUNTS,
    CUSTOMER_JOBS,
    CUSTOMER_LIFETIME_VALUE,
    INVOICE_PAYMENTS,
    TECHNICIAN_COUNTS,
)
from pcd.tables.assignments import (
    APPOINTMENT_TECHNICIANS,
    JOB_SCHEDULE,
    JOB_TECHNICIAN,
    JOB_TECHNICIANS,
    JOB_TECHNICIANS_ARRIVAL,
    JOB_TECHNICIANS_FULL_PASS,
)
from pcd.tables.contacts import CUSTOMER_CONTACT_DATA

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pcd.tables.rule import Rule
    from pcd.tables.spec import Resource


class Row(Protocol):
    """A row of a source, or several: values, or all of their values, by column name."""

    def __getitem__(self, name: str, /) -> Any: ...  # noqa: ANN401 - a column of any type


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """What a change of *source* makes necessary in *target*.

    *key* is the column of the source that holds the target's id, or an array of them. *sql* takes $1 the
    target ids bigint[] and changes only rows that differ, in ascending order.
    """

    name: str
    target: str
    source: str
    key: str
    sql: str

    @property
    def lock(self) -> str:
        """The statement to run before `sql`; held until the transaction ends."""
        return _lock(self.target)

    def targets(self, rows: Iterable[Row]) -> list[int]:
        """Return the ids of the targets that *rows* of the source point to, ascending, each once."""
        return sorted(set(_ids(row[self.key] for row in rows)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """A recomputation of all rows of one target; takes $1 NULL.

    It may run once everything in *needs* is loaded: before, it would wipe what an adopted database knew.
    """

    name: str
    target: str
    needs: frozenset[str]
    sql: str

    @property
    def lock(self) -> str:
        """The statement to run before `sql`; held until the transaction ends."""
        return _lock(self.target)


def _expand(rule: Rule) -> Iterator[Derived]:
    for source, key in rule.follows.items():
        yield Derived(name=rule.name, target=rule.target, source=source, key=key, sql=rule.statement)
    yield Derived(name=rule.name, target=rule.target, source=rule.target, key="st_id", sql=rule.arrival)


DERIVED: tuple[Derived, ...] = (
    *_expand(APPOINTMENT_TECHNICIANS),
    Derived(
        name="job_technicians",
        target="jobs",
        source="appointment_assignments",
        key="job_id",
        sql=JOB_TECHNICIANS,
    ),
    Derived(
        name="job_technicians",
        target="jobs",
        source="jobs",
        key="st_id",
        sql=JOB_TECHNICIANS_ARRIVAL,
    ),
    *_expand(JOB_TECHNICIAN),
    *_expand(JOB_SCHEDULE),
    *_expand(INVOICE_PAYMENTS),
    *_expand(CUSTOMER_CONTACT_DATA),
    *_expand(CUSTOMER_JOBS),
    *_expand(CUSTOMER_LIFETIME_VALUE),
)
"""Everything that follows a change, in the order of locking: appointments, jobs, invoices, customers."""


def _whole(*rules: Rule) -> Iterator[Pass]:
    for rule in rules:
        needs = frozenset({rule.target, *rule.follows}) | rule.reads
        yield Pass(name=rule.name, target=rule.target, needs=needs, sql=rule.full_pass)


PASSES: tuple[Pass, ...] = (
    *_whole(APPOINTMENT_TECHNICIANS),
    Pass(
        name="job_technicians",
        target="jobs",
        needs=frozenset({"jobs", "appointment_assignments"}),
        sql=JOB_TECHNICIANS_FULL_PASS,
    ),
    *_whole(JOB_TECHNICIAN, JOB_SCHEDULE, INVOICE_PAYMENTS),
    *_whole(CUSTOMER_CONTACT_DATA, CUSTOMER_JOBS, CUSTOMER_LIFETIME_VALUE),
    *_whole(BUSINESS_UNIT_COUNTS, TECHNICIAN_COUNTS),
)
"""Every recomputation, for the end of a full sync; the counts of units and technicians follow only these."""


def of(resource: Resource) -> tuple[Derived, ...]:
    """Return what a change of *resource* makes necessary, in the order to do it."""
    return tuple(derived for derived in DERIVED if derived.source == resource.name)


def keys(resource: Resource) -> tuple[str, ...]:
    """Return the columns of *resource* that point to targets, apart from its own st_id."""
    return tuple(dict.fromkeys(derived.key for derived in of(resource) if derived.key != "st_id"))


def own_lock(resource: Resource) -> str | None:
    """Return the statement to run before rows of *resource* are written; None where it is no target."""
    is_target = any(derived.target == resource.name for derived in DERIVED)
    return _lock(resource.name) if is_target else None


def _lock(target: str) -> str:
    digest = hashlib.blake2b(f"pcd.derived {target}".encode(), digest_size=8).digest()
    return f"SELECT pg_advisory_xact_lock({int.from_bytes(digest, signed=True)})"


def _ids(values: Iterable[int | Iterable[int] | None]) -> Iterator[int]:
    for value in values:
        if isinstance(value, int):
            yield value
        elif value is not None:
            yield from value
