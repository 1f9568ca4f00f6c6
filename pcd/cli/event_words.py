"""What ``pcd events`` prints for people."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from pcd.cli.show import table as columns

if TYPE_CHECKING:
    from pcd.events.finder import Event, Way


def table(events: list[Event]) -> str:
    """Return events as a table, one a line."""
    heads = ("id", "recorded (UTC)", "event", "about", "customer", "no.", "")
    return columns(heads, [_cells(event) for event in events])


def _cells(event: Event) -> tuple[object, ...]:
    return (
        str(event.id)[:8],
        f"{event.detected_at:%Y-%m-%d %H:%M:%S}",
        event.type,
        f"{event.entity_type} {event.entity_id}",
        "" if event.customer_id is None else str(event.customer_id),
        event.ordinal,
        f"suppressed: {event.suppressed_reason}" if event.suppressed_reason else "",
    )


def line(event: Event) -> str:
    """Return one event as a line."""
    return "  ".join(str(cell) for cell in _cells(event) if cell != "")


def described(way: Way) -> str:
    """Return an event, its way with the time of each hop, and its payload."""
    import msgspec

    event = way.event
    lines = [f"{event.type} of {event.entity_type} {event.entity_id}, occurrence {event.ordinal}"]
    if event.suppressed_reason:
        lines.append(f"told to nobody: {event.suppressed_reason}")
    last: datetime | None = None
    rows = []
    for hop in way.hops:
        took = f"+{_length((hop.at - last).total_seconds())}" if hop.at and last else ""
        rows.append((hop.what, f"{hop.at:%Y-%m-%d %H:%M:%S.%f}" if hop.at else "", took, hop.detail))
        last = hop.at or last
    lines += ["", columns(("its way", "at (UTC)", "after", ""), rows), "", "payload:"]
    lines.append(msgspec.json.format(msgspec.json.encode(event.payload), indent=2).decode())
    return "\n".join(lines)


def _length(seconds: float) -> str:
    if abs(seconds) < 1:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds:,.1f} s"


def replayed(found: dict[str, Any], *, done: bool) -> str:
    """Return what a replay came to, or would."""
    verb = "recorded" if done else "would be recorded"
    read = f"{found['changes_read']:,} logged changes and {found['rows_read']:,} rows were read"
    count = sum(found["new"].values())
    lines = [f"{count:,} event{'' if count == 1 else 's'} {verb}; {read}."]
    if found["rows_read"]:
        lines.append(
            "Rows only tell of first occurrences: how often something happened before is not in them."
        )
    silent = sum(bool(each["suppressed_reason"]) for each in found["events"])
    if silent:
        lines.append(
            f"{silent:,} of them {'are' if done else 'would be'} told to nobody (`events list --suppressed`)."
        )
    if found["released"]:
        lines.append(f"{found['released']:,} suppressed events {'were' if done else 'would be'} released.")
    if found["new"]:
        lines += ["", columns(("event", "new"), sorted(found["new"].items()))]
    if not done and (found["new"] or found["released"]):
        lines += ["", "Nothing has been kept; add --yes to record them."]
    return "\n".join(lines)


def retried(found: dict[str, Any]) -> str:
    """Return what a retry came to."""
    lines = [f"{found['judged']:,} parked rows were judged, {found['still_parked']:,} still cannot be."]
    lines += [f"{name} has caught up." for name in found["caught_up"]]
    lines += [f"{name} raised again: {error}" for name, error in found["still_halted"].items()]
    if found["new"]:
        lines += ["", columns(("event", "new"), sorted(found["new"].items()))]
    return "\n".join(lines)
