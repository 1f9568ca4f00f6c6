"""A believable pool company, always the same for the same seed.

`found` fills a store with a company that has been in business for years: its people and price list,
customers with their pools, and every call, job, estimate, invoice and payment of that time, coherent
with each other. `bulk` fills one shelf with many records for measurements.
"""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

from pcd.sim import staff
from pcd.sim.clock import SimClock
from pcd.sim.history import History
from pcd.sim.store import Store

if TYPE_CHECKING:
    from datetime import datetime

_DONORS = 40
_BULK_SPACING = timedelta(seconds=37, microseconds=123_457)


def found(store: Store, *, seed: int, customers: int = 2000, years: int = 5, now: datetime) -> None:
    """Fill an empty *store* with a company of *customers* customers and *years* years of business.

    It ends at *now* with work under way: appointments of today half done, some booked for the days
    to come, some invoices unpaid. The same arguments yield the same records, byte by byte. About
    65 records a customer. The balance of a customer is the sum of the balances of the invoices.
    """
    since = now - timedelta(days=365.25 * years)
    for resource, record in staff.reference(since - timedelta(days=30)):
        store[resource].put(
            record, created_at=record["createdOn"], modified_at=min(record["modifiedOn"], now)
        )
    History(store, Random(seed), customers=customers, since=since, now=now).tell()  # noqa: S311
    store.settle()


def bulk(store: Store, resource: str, count: int, *, seed: int, now: datetime) -> None:
    """Put *count* plausible records of one *resource*, new ids, spread over the time before *now*.

    They refer to customers and jobs that the store need not hold.
    """
    donor = Store(clock=SimClock(now, speed=0.0))
    found(donor, seed=seed, customers=_DONORS, now=now)
    patterns = [donor[resource].get(record_id) for record_id in donor[resource].ids()]
    at = now - _BULK_SPACING * (count + 1)
    for number in range(count):
        at += _BULK_SPACING
        record_id = store.next_id()
        record = patterns[number % len(patterns)] | {"id": record_id}
        for numbered in ("jobNumber", "referenceNumber"):
            if numbered in record:
                record[numbered] = str(record_id)
        store[resource].put(record, created_at=at, modified_at=at)
