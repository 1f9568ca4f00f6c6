"""Reduces outbox rows to changes: what each transaction came to for each row. Pure.

The states between two statements of one transaction were never visible to anybody, so nothing may follow
from them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from pcd.changes.change import STAMPS, Change

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from pcd.changes.change import State

_id = attrgetter("id")

Key: TypeAlias = tuple[str, int]
"""A row: the resource and the id."""


class Entry(NamedTuple):
    """One row of the outbox: what one statement did to one row. *stamps* where it brought new ones."""

    id: int
    resource: str
    st_id: int
    op: str
    before: State | None
    after: State | None
    stamps: State | None
    xid: int
    changed_at: datetime
    origin: str | None

    @property
    def span(self) -> tuple[str, int, int]:
        """What it has in common with all that its transaction did to its row."""
        return self.resource, self.st_id, self.xid


@dataclass(frozen=True, slots=True, kw_only=True)
class Reunion:
    """Changes that know of departures: *gone* are the states of rows to remember, *back* rows to forget."""

    changes: tuple[Change, ...]
    gone: Mapping[Key, State]
    back: frozenset[Key]


def net(entries: Iterable[Entry]) -> list[Change]:
    """Return one change for each row and transaction that left the row different, in ascending id."""
    spans: dict[tuple[str, int, int], list[Entry]] = {}
    for entry in sorted(entries, key=_id):
        spans.setdefault(entry.span, []).append(entry)
    changes = [_change(span) for span in spans.values() if span[0].before != span[-1].after]
    return sorted(changes, key=_id)


def reunite(changes: Iterable[Change], departed: Mapping[Key, State]) -> Reunion:
    """Return *changes* in which a row that comes back is no new one, given those that had *departed*."""
    known = dict(departed)
    told: list[Change] = []
    for change in changes:
        key = (change.resource, change.st_id)
        if change.after is None:
            assert change.before is not None
            known[key] = {name: value for name, value in change.before.items() if name not in STAMPS}
            told.append(change)
        elif change.before is None and key in known:
            told.append(replace(change, op="U", before=known.pop(key)))
        else:
            told.append(change)
    gone = {key: state for key, state in known.items() if departed.get(key) is not state}
    return Reunion(changes=tuple(told), gone=gone, back=frozenset(departed.keys() - known.keys()))


def corrections(entries: Sequence[Entry], changes: Iterable[Change]) -> tuple[list[int], list[Change]]:
    """Return the ids of *entries* that are no changes by themselves, and *changes* that are no entry."""
    sizes = Counter(entry.span for entry in entries)
    alone = {entry.id: entry.op for entry in entries if sizes[entry.span] == 1}
    told = {change.id: change for change in changes}
    right = {key for key, op in alone.items() if key in told and told[key].op == op}
    wrong = [entry.id for entry in entries if entry.id not in right]
    return wrong, [change for key, change in told.items() if key not in right]


def _change(span: list[Entry]) -> Change:
    last = span[-1]
    before, after = span[0].before, last.after
    stamps = next((entry.stamps for entry in reversed(span) if entry.stamps is not None), None)
    if stamps is not None:
        if after is not None:
            after = {**after, **stamps}
        elif before is not None:
            before = {**before, **stamps}
    return Change(
        id=last.id,
        resource=last.resource,
        st_id=last.st_id,
        op="I" if before is None else "D" if after is None else "U",
        before=before,
        after=after,
        xid=last.xid,
        changed_at=last.changed_at,
        origin=last.origin,
    )
