"""What ``pcd workflow test`` and ``backtest`` print for people."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pcd.cli.show import table

if TYPE_CHECKING:
    from pcd.rehearsal.rehearser import Backtest, Trial
    from pcd.workflows.simulate import Line, Timeline
    from pcd.workflows.switches import Switch
    from pcd.workflows.workflow import Workflow

_MOST_LINES = 200


def trial(workflow: Workflow, said: Switch, found: Trial, *, zone: str) -> str:
    """Return what a workflow would do about one event, as a timeline in the business's time."""
    if found.timeline is None:
        return f"{workflow.name} does not start: {found.refusal}"
    timeline = found.timeline
    where = ZoneInfo(zone)
    about = f"{timeline.entity_type} {timeline.entity_id}"
    head = f"{workflow.name} starts {_at(timeline.started_at, where)} for {about}"
    lines = [f"{head}, customer {timeline.customer_id}. Times are {zone}; nothing is sent.", ""]
    for line in timeline.lines:
        lines += _line(line, where)
    lines.append(_end(timeline, where))
    lines += _standing(workflow, said)
    return "\n".join(lines)


def switch(workflow: Workflow, said: Switch) -> str:
    """Return in a few words whether *workflow* is on, and whether a command or its definition says so."""
    word = "on" if workflow.is_enabled else "off"
    return f"{word} by {said.source}{', paused' if said.is_paused else ''}"


def backtest(found: Backtest, *, zone: str) -> str:
    """Return what a workflow would have done to recorded history."""
    where = ZoneInfo(zone)
    messages = [(one, line) for one in found.timelines for line in one.messages]
    customers = {one.customer_id for one, _ in messages}
    counts = f"{found.events} events, {len(found.timelines)} instances"
    parts = [
        f"{found.workflow}, {_at(found.since, where)} to {_at(found.until, where)} ({zone}):",
        f"  {counts}, {len(messages)} messages to {len(customers)} customers",
    ]
    parts += [f"  {count} started nothing: {reason}" for reason, count in found.refusals.items()]
    ends: dict[str, int] = {}
    for one in found.timelines:
        word = f"{one.status.value}: {one.reason}" if one.reason else one.status.value
        ends[word] = ends.get(word, 0) + 1
    parts += [f"  {count} {word}" for word, count in sorted(ends.items())]
    if messages:
        ordered = sorted(messages, key=lambda pair: pair[1].at)
        rows = [
            (
                _at(line.at, where),
                one.customer_id,
                f"{one.entity_type} {one.entity_id}",
                line.step,
                line.action,
            )
            for one, line in ordered[:_MOST_LINES]
        ]
        parts += ["", table(("when", "customer", "about", "step", "what"), rows)]
        if len(ordered) > _MOST_LINES:
            parts.append(f"... and {len(ordered) - _MOST_LINES} more; --json has them all.")
    return "\n".join(parts)


def _standing(workflow: Workflow, said: Switch) -> list[str]:
    name = workflow.name
    by_definition = said.is_enabled is None
    if workflow.is_enabled:
        who = "by its definition" if by_definition else "by `pcd workflow enable`"
        found = [f"It is switched on, {who}; `pcd workflow disable '{name}'` switches it off."]
    else:
        who = "by its definition" if by_definition else "by `pcd workflow disable`"
        found = [f"It is switched off, {who}; `pcd workflow enable '{name}'` switches it on."]
    if said.is_paused:
        found.append(f"It is paused: what it starts waits until `pcd workflow resume '{name}'`.")
    return found


def _line(line: Line, zone: ZoneInfo) -> list[str]:
    because = f": {line.reason}" if line.reason else ""
    found = [f"{_at(line.at, zone)}  {line.step}. {line.name} ({line.action}) {line.became}{because}"]
    found += [f"    {text}" for text in line.told.splitlines()]
    return [*found, ""]


def _end(timeline: Timeline, zone: ZoneInfo) -> str:
    if timeline.due_at is not None:
        return f"{_at(timeline.due_at, zone)}  still to come"
    because = f": {timeline.reason}" if timeline.reason else ""
    count = len(timeline.messages)
    return f"{_at(timeline.ended_at, zone)}  {timeline.status.value}{because}; messages: {count}"


def _at(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%a %Y-%m-%d %H:%M}"
