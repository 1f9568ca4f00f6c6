"""One page of records, weighed and ready to be written."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from pcd.servicetitan.decode import UNREADABLE, head_decoder, leading_id
from pcd.sync.weigh import normalise_modified

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pcd.tables.spec import Resource

T = TypeVar("T")

_HEX_DIGITS = 32
_ST_ID = attrgetter("st_id")


class Item(msgspec.Struct, frozen=True, gc=False):
    """One record of a page. *digest* is hexadecimal; *modified* is the instant as upstream wrote it.

    There are thousands at a time, none of them in a circle: the garbage collector need not look.
    """

    st_id: int
    record: msgspec.Raw
    digest: str
    modified: str | None


class Draft(msgspec.Struct, frozen=True, gc=False):
    """An item about to be written: its record as text, and *modified* as `normalise_modified` has it."""

    item: Item
    text: str
    modified: str | None


class Misfit(NamedTuple):
    r"""One record that cannot be stored, and why. *st_id* is None when not even that can be read.

    *raw* is the record as it came, but for bytes that no text can hold, which are written ``\xff``.
    """

    st_id: int | None
    raw: str
    digest: str
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """The records of a page, each id once and in ascending order of id, and those that do not fit.

    *fetched* counts the records as they were served, repetitions included.
    """

    items: tuple[Item, ...]
    misfits: tuple[Misfit, ...]
    fetched: int

    @property
    def nameless(self) -> int:
        """How many records were served whose id cannot be read."""
        return sum(misfit.st_id is None for misfit in self.misfits)

    def ids(self) -> set[int]:
        """Return the ids that were served, also of records that cannot be stored."""
        served = {item.st_id for item in self.items}
        return served | {misfit.st_id for misfit in self.misfits if misfit.st_id is not None}


class Reader:
    """Reads the records of one resource as far as comparing needs it.

    A declaration that gains a column changes every digest, so the next full sync fills the column.
    """

    def __init__(self, resource: Resource) -> None:
        declared = repr((resource.version, [(c.name, c.type, c.path, c.sql) for c in resource.projected]))
        # Measured on records of 1 kB: 1.0 us each, BLAKE2b 2.4 us.
        self._begun = hashlib.sha256(declared.encode())
        self._decoder = head_decoder(resource.modified)

    def read(self, records: Iterable[msgspec.Raw]) -> tuple[list[Item], list[Misfit]]:
        """Return *records* as items, and as misfits those whose id cannot be read."""
        items: list[Item] = []
        misfits: list[Misfit] = []
        begin, decode = self._begun.copy, self._decoder.decode
        for record in records:
            state = begin()
            state.update(record)
            digest = state.hexdigest()[:_HEX_DIGITS]
            try:
                head = decode(record)
            except UNREADABLE as error:
                reason = f"The record cannot be read: {error}"
                misfits.append(Misfit(leading_id(record), _legible(record), digest, reason))
                continue
            items.append(Item(head.id, record, digest, head.modified))
        return items, misfits


def draft(items: Iterable[Item]) -> tuple[list[Draft], list[Misfit]]:
    """Return *items* with their text, and as misfits those that are not valid UTF-8."""
    drafts: list[Draft] = []
    misfits: list[Misfit] = []
    for item in items:
        try:
            text = bytes(item.record).decode()
        except UnicodeDecodeError as error:
            reason = f"The record is not valid UTF-8: {error.reason}"
            misfits.append(Misfit(item.st_id, _legible(item.record), item.digest, reason))
        else:
            drafts.append(Draft(item, text, normalise_modified(item.modified)))
    return drafts, misfits


def slices(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield *values* in runs of *size* at most."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def gather(items: Sequence[Item], misfits: Sequence[Misfit]) -> Batch:
    """Return a page's records as a batch; of a record that stands there twice, the newest stays."""
    newest = {item.st_id: item for item in items}
    if len(newest) < len(items):
        for item in items:
            if _instant(item) > _instant(newest[item.st_id]):
                newest[item.st_id] = item
    return Batch(
        items=tuple(sorted(newest.values(), key=_ST_ID)),
        misfits=tuple(misfits),
        fetched=len(items) + len(misfits),
    )


def _instant(item: Item) -> str:
    return normalise_modified(item.modified) or ""


def _legible(record: msgspec.Raw) -> str:
    return bytes(record).decode(errors="backslashreplace").replace("\0", "\\x00")
