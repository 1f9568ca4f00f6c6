"""Find what upstream sends that no declaration expects: a new field, a new value. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pcd.tables.spec import Column, Resource


_LONGEST = 100


class Surprise(NamedTuple):
    """Something unexpected: a ``field`` by name, or a ``value`` of a field that we thought closed."""

    kind: str
    name: str
    value: str = ""


class Expectation:
    """What the records of one resource are expected to look like."""

    def __init__(self, resource: Resource) -> None:
        """Read the declaration once; it is asked for every record that is written."""
        own = {column.path[0] for column in resource.columns if column.path}
        # Without a documented list every field would be a surprise.
        self._fields = resource.documented | own if resource.documented else None
        self._closed = tuple(column for column in resource.columns if column.known and column.path)
        self._decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])

    def surprises(self, records: Iterable[str]) -> Counter[Surprise]:
        """Count what is unexpected in *records* (JSON objects)."""
        found: Counter[Surprise] = Counter()
        for record in records:
            try:
                fields = self._decoder.decode(record)
            except (msgspec.DecodeError, RecursionError):
                continue  # PostgreSQL refuses it too, and the quarantine says why
            if self._fields is not None and not fields.keys() <= self._fields:
                unknown = fields.keys() - self._fields
                found.update(Surprise("field", name[:_LONGEST]) for name in unknown)
            for column in self._closed:
                value = _text_at(fields, column)
                if value is not None and value not in column.known:
                    found[Surprise("value", ".".join(column.path), value[:_LONGEST])] += 1
        return found


def _text_at(fields: dict[str, msgspec.Raw], column: Column) -> str | None:
    raw = fields.get(column.path[0])
    if raw is None:
        return None
    try:
        value = msgspec.json.decode(raw)
    except RecursionError:
        return None
    for step in column.path[1:]:
        value = value.get(step) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None
