"""What ``pcd workflow list``, ``instances`` and ``show`` print for people."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from pcd.cli.show import table

if TYPE_CHECKING:
    from pcd.workflows.finder import Found, Standing, Tried

_STATUSES = ("active", "paused", "failed", "completed", "stopped", "skipped")


def standings(found: list[Standing]) -> str:
    """Return the workflows as a table."""
    heads = ("workflow", "", "starts with", *_STATUSES, "next due (UTC)", "from")
    rows = [
        (
            one.name,
            _switch(one),
            one.event,
            *(one.instances.get(status, 0) for status in _STATUSES),
            _at(one.next_due_at),
            one.source or one.failure,
        )
        for one in found
    ]
    return table(heads, rows)


def status(found: dict[str, Any]) -> str:
    """Return how the engine is in a few lines."""
    oldest = found["oldest_due_seconds"]
    late = f", the oldest for {oldest:.0f} s" if oldest else ""
    lines = [
        f"active   {found['active']}",
        f"due      {found['due']}{late}",
        f"held     {found['held']}",
        f"paused   {found['paused']}",
        f"failed   {found['dead']}" + ("; `pcd workflow retry ID` tries one again" if found["dead"] else ""),
    ]
    if found["old"]:
        lines.append(f"old      {found['old']} of the old engine; `pcd workflow adopt ID` takes one over")
    return "\n".join(lines)


def instances(found: list[Found]) -> str:
    """Return instances as a table, one a line."""
    heads = ("id", "started (UTC)", "workflow", "about", "customer", "status", "step", "due (UTC)", "")
    rows = [
        (
            str(one.id)[:8],
            _at(one.started_at),
            one.workflow,
            f"{one.entity_type} {one.entity_id}",
            "" if one.customer_id is None else str(one.customer_id),
            one.status,
            one.step,
            _at(one.due_at),
            one.reason,
        )
        for one in found
    ]
    return table(heads, rows)


def instance(one: Found, tried: list[Tried]) -> str:
    """Return one instance with every try of its steps."""
    lines = [
        f"{one.workflow}, {one.status}{f': {one.reason}' if one.reason else ''}",
        f"  id        {one.id}",
        f"  about     {one.entity_type} {one.entity_id}, customer {one.customer_id or 'unknown'}",
        f"  event     {one.event_type or 'unknown'} {one.event_id or ''}".rstrip(),
        f"  version   {one.version or 'of the old engine'}",
        f"  started   {_at(one.started_at)} UTC",
        f"  next      step {one.step}{f', due {_at(one.due_at)} UTC' if one.due_at else ''}",
        f"  messages  {one.messages}",
    ]
    if one.awaited_event:
        lines.append(f"  waits     for {one.awaited_event}")
    if one.holder:
        lines.append(f"  held by   {one.holder} until {_at(one.lease_until)} UTC")
    if tried:
        lines += [
            "",
            table(("step", "action", "became", "began (UTC)", "ms", ""), [_try(each) for each in tried]),
        ]
    return "\n".join(lines)


def _try(one: Tried) -> tuple[object, ...]:
    name = f"{one.step_number}. {one.step_name or ''}".rstrip()
    return (name, one.action or "", one.status, _at(one.started_at), one.duration_ms or 0, one.error or "")


def _switch(one: Standing) -> str:
    if one.failure:
        return "gone"
    if one.is_paused:
        return "paused"
    return "on" if one.is_enabled else "off"


def _at(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"
