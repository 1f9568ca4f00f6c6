"""The records of a simulated ServiceTitan tenant.

A `Store` has one `Shelf` a resource. A shelf keeps each record as the JSON text that is served (it is
encoded once, when it is put) and a log of changes in the order in which they happened. A position in
that log is what a continuation token means, so that whatever is put after a token was issued is found
behind it, whatever its modification date.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pcd.sim import dialect
from pcd.sim.clock import SimClock
from pcd.tables import RESOURCES

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Mapping
    from datetime import datetime

_FIRST_ID = 1_000_001
_KEEP = timedelta(hours=1)  # how long a replaced version stays readable; longer than any export lag
_COMPACT_AFTER = 1_000


class Row:
    """One version of a record.

    *modified* and *created* are `dialect.ticks`. *sequence* is its place in the shelf's log.
    *replaced* tells when a later version took its place (ticks), 0 while it is the current one.
    *gone* marks the last version of a deleted record: exports show it, lists and look-ups do not.
    """

    __slots__ = ("active", "body", "created", "gone", "id", "modified", "replaced", "sequence")

    def __init__(self, record_id: int, *, body: bytes, modified: int, created: int, active: bool) -> None:
        """Describe a version that is not in a log yet."""
        self.id = record_id
        self.body = body
        self.modified = modified
        self.created = created
        self.active = active
        self.gone = False
        self.replaced = 0
        self.sequence = 0


class Shelf:
    """The records of one resource.

    *surfaces_deletes* tells whether the export shows a hard-deleted record once more as an inactive
    row; ServiceTitan promises it only in general, so the tenant's owner may choose.
    """

    def __init__(self, name: str, *, clock: SimClock, surfaces_deletes: bool = True) -> None:
        """Start empty."""
        self.name = name
        self.surfaces_deletes = surfaces_deletes
        self._clock = clock
        self._rows: dict[int, Row] = {}
        self._ids: list[int] = []
        self._log: list[Row] = []
        self._sequence = 0
        self._stale = 0

    def __len__(self) -> int:
        """Return the number of records, inactive ones included, deleted ones not."""
        return len(self._ids)

    def __contains__(self, record_id: object) -> bool:
        """Tell whether there is a record with this id."""
        return isinstance(record_id, int) and record_id in self._rows and not self._rows[record_id].gone

    def ids(self) -> list[int]:
        """Return the ids of all records, ascending."""
        return list(self._ids)

    def get(self, record_id: int) -> dialect.Record:
        """Return a copy of the record (decimals as Decimal, instants as wire text); KeyError if absent."""
        return dialect.decode(self.row(record_id).body)

    def row(self, record_id: int) -> Row:
        """Return the current version of a record; KeyError if absent or deleted."""
        row = self._rows[record_id]
        if row.gone:
            raise KeyError(record_id)
        return row

    def put(
        self,
        record: Mapping[str, Any],
        *,
        modified_at: datetime | None = None,
        created_at: datetime | None = None,
        active: bool | None = None,
    ) -> None:
        """Insert *record*, or replace the one with its ``id``.

        ``modifiedOn`` is set to *modified_at*, else to now. ``createdOn`` is set to *created_at*, else
        stays what the record or its former version says, else equals ``modifiedOn``. *active* is only
        for resources whose records do not carry the field.
        """
        modified_at = modified_at or self._clock.now()
        record = {**record, "modifiedOn": modified_at}
        former = self._rows.get(record["id"])
        if created_at is not None:
            record["createdOn"] = created_at
        elif "createdOn" not in record:
            record["createdOn"] = dialect.from_ticks(former.created) if former else modified_at
        if active is None:
            active = record.get("active", former.active if former and not former.gone else True)
        if "active" in record:  # last, where list answers can cut it off
            record["active"] = record.pop("active")
        self._append(
            Row(
                record["id"],
                body=dialect.encode(record),
                modified=dialect.ticks(modified_at),
                created=_as_ticks(record["createdOn"]),
                active=bool(active),
            )
        )

    def change(self, record_id: int, *, modified_at: datetime | None = None, **fields: object) -> None:
        """Replace *fields* (wire names) of a record; KeyError if absent."""
        self.put(self.get(record_id) | fields, modified_at=modified_at)

    def deactivate(self, record_id: int, *, modified_at: datetime | None = None) -> None:
        """Delete softly: the record stays, inactive."""
        record = self.get(record_id)
        if "active" in record:
            record["active"] = False
        self.put(record, modified_at=modified_at, active=False)

    def delete(self, record_id: int, *, modified_at: datetime | None = None) -> None:
        """Delete for good. The export shows an inactive row once more if the shelf surfaces deletes."""
        row, record = self.row(record_id), self.get(record_id)
        if self.surfaces_deletes and "active" in record:
            self.deactivate(record_id, modified_at=modified_at)
            self._rows[record_id].gone = True
        else:
            row.replaced = dialect.ticks(modified_at or self._clock.now())
            del self._rows[record_id]
            self._stale += 1
        del self._ids[bisect_left(self._ids, record_id)]

    def rows(self) -> Iterator[Row]:
        """Yield the current versions by id, the highest first, as lists show them."""
        for id_ in reversed(self._ids):
            yield self._rows[id_]

    @property
    def end(self) -> int:
        """The sequence number of the last change."""
        return self._sequence

    def changes(self, *, after: int) -> Iterator[Row]:
        """Yield the log's versions behind sequence number *after*, replaced ones included."""
        start = bisect_right(self._log, after, key=_sequence)
        for position in range(start, len(self._log)):
            yield self._log[position]

    def latest(self) -> Iterator[Row]:
        """Yield the log's versions, the newest first."""
        return reversed(self._log)

    def settle(self, *, disorder: float = 0.0, random: random.Random | None = None) -> None:
        """Put the log in the order of modification, as if it had grown over the years.

        Call it once after generating history; tokens issued before mean nothing any more. *disorder*
        is the share of rows that swap places with one up to 700 rows away (exports are only "usually"
        sorted); it needs *random*.
        """
        self._log = sorted(self._rows.values(), key=_modified)
        if disorder and random is not None:
            for _ in range(int(len(self._log) * disorder)):
                here = random.randrange(len(self._log))
                there = min(len(self._log) - 1, here + random.randrange(700))
                self._log[here], self._log[there] = self._log[there], self._log[here]
        for sequence, row in enumerate(self._log, start=1):
            row.sequence = sequence
        self._sequence, self._stale = len(self._log), 0

    def _append(self, row: Row) -> None:
        former = self._rows.get(row.id)
        if former is None or former.gone:
            if not self._ids or row.id > self._ids[-1]:
                self._ids.append(row.id)
            else:
                insort(self._ids, row.id)
        if former is not None:
            former.replaced = row.modified
            self._stale += 1
        self._sequence += 1
        row.sequence = self._sequence
        self._rows[row.id] = row
        self._log.append(row)
        if self._stale > max(_COMPACT_AFTER, len(self._log) // 4):
            self._compact()

    def _compact(self) -> None:
        horizon = dialect.ticks(self._clock.now() - _KEEP)
        self._log = [row for row in self._log if not row.replaced or row.replaced > horizon]
        self._stale = 0


class Store:
    """All records of a simulated tenant; ``store["customers"]`` is the `Shelf` of that resource."""

    def __init__(self, *, clock: SimClock | None = None) -> None:
        """Start empty."""
        self.clock = clock or SimClock()
        self._shelves: dict[str, Shelf] = {}
        self._next_id = _FIRST_ID

    def __getitem__(self, resource: str) -> Shelf:
        """Return the shelf of *resource*, made on first use; KeyError if pcd does not declare it."""
        shelf = self._shelves.get(resource)
        if shelf is None:
            if resource not in RESOURCES:
                raise KeyError(f"{resource!r} is none of {', '.join(RESOURCES)}")
            shelf = self._shelves[resource] = Shelf(resource, clock=self.clock)
        return shelf

    def __len__(self) -> int:
        """Return the number of records of all resources."""
        return sum(len(shelf) for shelf in self._shelves.values())

    @property
    def shelves(self) -> Mapping[str, Shelf]:
        """The shelves that exist so far, by resource name."""
        return self._shelves

    def next_id(self) -> int:
        """Return an unused id; the tenant has one growing sequence for everything."""
        self._next_id += 1
        return self._next_id - 1

    def settle(self, *, disorder: float = 0.0, random: random.Random | None = None) -> None:
        """Put every shelf's log in the order of modification; see `Shelf.settle`."""
        for shelf in self._shelves.values():
            shelf.settle(disorder=disorder, random=random)


def _as_ticks(value: datetime | str) -> int:
    return dialect.parse_ticks(value) if isinstance(value, str) else dialect.ticks(value)


def _sequence(row: Row) -> int:
    return row.sequence


def _modified(row: Row) -> tuple[int, int]:
    return row.modified, row.id
