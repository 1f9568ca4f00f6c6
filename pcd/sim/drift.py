"""Records as the contract forbids them: what an upstream serves whose schema has moved on.

Which records are affected depends on the seed, the resource and the id alone, so that a record is
served alike each time, and a dump shows what was served.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from pcd.sim import dialect

if TYPE_CHECKING:
    from pcd.sim.faults import Faults
    from pcd.sim.store import Row

_ENUMERATIONS = ("jobStatus", "status", "type", "priority", "class", "direction")
_NEVER_NULL = ("customFields", "externalData", "tagTypeIds", "skills", "items", "isPaused", "order")
_TEXTS = ("summary", "memo", "customerPo", "serialNumber", "technicianName", "description")
_NAMES = ("name", "summary", "value", "displayName", "description")


def drifted(row: Row, *, resource: str, faults: Faults) -> bytes:
    """Return the text of *row* as it is served under *faults*."""
    changes: dialect.Record = {}
    for fault, change in _CHANGES.items():
        rate: float = getattr(faults, fault)
        if rate and _draw(f"{faults.seed}:{fault}:{resource}:{row.id}") < rate:
            changes |= change(dialect.decode(row.body))
    if not changes:
        return row.body
    record = dialect.decode(row.body)
    tail = {"active": record.pop("active")} if "active" in record else {}
    return dialect.encode(record | changes | tail)


def _draw(key: str) -> float:
    return zlib.crc32(key.encode()) / 2**32


def _unknown_field(record: dialect.Record) -> dialect.Record:
    return {
        "serviceScore": {"value": record["id"] % 100, "computedOn": "2026-09-04T00:00:00.1234567Z"},
        "isArchivable": record["id"] % 2 == 0,
    }


def _unknown_value(record: dialect.Record) -> dialect.Record:
    for name in _ENUMERATIONS:
        if isinstance(record.get(name), str):
            return {name: f"{record[name]}Reviewed"}
    return {}


def _null_field(record: dialect.Record) -> dialect.Record:
    return {name: None for name in _NEVER_NULL if record.get(name) is not None}


def _null_modified(record: dialect.Record) -> dialect.Record:
    return {"modifiedOn": None} if "dueDate" in record else {}


def _wrong_type(record: dialect.Record) -> dialect.Record:
    for name in _TEXTS:
        if name in record:
            return {name: 0}
    return {"createdById": "unknown"} if "createdById" in record else {}


def _nul_text(record: dialect.Record) -> dialect.Record:
    for name in _NAMES:
        if isinstance(record.get(name), str):
            return {name: f"{record[name]}\x00"}
    return {}


_CHANGES = {
    "unknown_field": _unknown_field,
    "unknown_value": _unknown_value,
    "null_field": _null_field,
    "null_modified": _null_modified,
    "wrong_type": _wrong_type,
    "nul_text": _nul_text,
}
