"""Say in words what each event means and what came of deriving events. Pure: values in, tables out."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, assert_never

from pcd.events.event import Becomes, Created, FallsDue, Moves

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pcd.events.event import EventRule
    from pcd.events.replayer import Replay
    from pcd.events.retrier import Retried


def describe(rules: Iterable[EventRule]) -> Iterator[dict[str, object]]:
    """Yield each rule as JSON values, for ``pcd events types --json``."""
    for rule in rules:
        yield {
            "type": rule.type,
            "entity": rule.entity,
            "watches": rule.resource,
            "meaning": rule.meaning,
            "repeats": repeats(rule),
            "columns": list(rule.columns),
            "payload": payload(rule),
        }


def replay(found: Replay) -> dict[str, object]:
    """Return what a replay came to as JSON values."""
    return {
        "new": dict(found.counts),
        "events": [event._asdict() for event in found.events],
        "changes_read": found.changes,
        "rows_read": found.rows,
        "released": found.released,
        "log_since": found.log_since,
    }


def retried(result: Retried) -> dict[str, object]:
    """Return what a retry came to as JSON values."""
    return {
        "caught_up": result.caught_up,
        "still_halted": result.still_halted,
        "judged": result.judged,
        "still_parked": result.still_parked,
        "new": dict(Counter(event.type for event in result.events)),
    }


def repeats(rule: EventRule) -> str:
    """Return how often it can happen to one entity."""
    match rule.when:
        case FallsDue():
            return "once a date"
        case Created() | Becomes() | Moves():
            return "once" if rule.once else "each time"
        case _:
            assert_never(rule.when)


def payload(rule: EventRule) -> list[str]:
    """Return the keys of its payload; the last but two is the whole row."""
    keys = [*rule.payload, *rule.computed_keys, "customerId", rule.row, "customer", "ordinal"]
    return list(dict.fromkeys(keys))


def markdown(rules: Iterable[EventRule]) -> str:
    """Return the table of all events for the documentation."""
    lines = ["| event | it means | how often | payload |", "|---|---|---|---|"]
    for rule in rules:
        keys = ", ".join(f"`{key}`" for key in payload(rule))
        lines.append(f"| `{rule.type}` | {rule.meaning} | {repeats(rule)} | {keys} |")
    return "\n".join(lines) + "\n"
