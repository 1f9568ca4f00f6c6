"""Puts the rows of the sync log, one a resource, together to the syncs that they were parts of. Pure."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

_SUMMARY = "reference_data"
_INTERRUPTED = "interrupted"


def passes(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the syncs that *rows*, newest first, were parts of, newest first.

    The summary that is written for reference data is left out: its parts are there.
    """
    return [_summed(parts) for parts in _groups(rows)]


def failing(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the resources whose newest ended row, of *rows* newest first, failed, and with what error.

    A sync that was interrupted did not fail: the next one goes on where it stood.
    """
    newest: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        if row["status"] != "started" and row["module"] != _SUMMARY:
            newest.setdefault(row["module"], row)
    errors = {name: row["error_message"] or "" for name, row in newest.items() if row["status"] == "failed"}
    return {name: error for name, error in errors.items() if not error.startswith(_INTERRUPTED)}


def _groups(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Yield rows that belong together: neighbours of one kind, until a resource comes a second time."""
    real = (row for row in rows if row["module"] != _SUMMARY)
    for _, neighbours in groupby(real, key=lambda row: (row["sync_type"], row["triggered_by"])):
        parts: dict[str, Mapping[str, Any]] = {}
        for row in neighbours:
            if row["module"] in parts:
                yield list(parts.values())
                parts = {}
            parts[row["module"]] = row
        yield list(parts.values())


def _summed(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    statuses = {part["status"] for part in parts}
    ends = [part["completed_at"] for part in parts if part["completed_at"]]
    return {
        "sync_type": parts[0]["sync_type"],
        "triggered_by": parts[0]["triggered_by"] or "",
        "status": next((word for word in ("started", "failed") if word in statuses), "completed"),
        "started_at": min(part["started_at"] for part in parts),
        "completed_at": max(ends) if ends and "started" not in statuses else None,
        "resources": len(parts),
        "failed": sorted(part["module"] for part in parts if part["status"] == "failed"),
        "records_fetched": sum(part["records_fetched"] or 0 for part in parts),
        "records_written": sum(
            (part["records_created"] or 0) + (part["records_updated"] or 0) for part in parts
        ),
    }
