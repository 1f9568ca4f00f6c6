"""Tells what was written to one customer, what was not, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pcd.db import queries

if TYPE_CHECKING:
    from pcd.db.pool import Database

_SQL = queries.load("pcd.messages")
_MOST = 50


async def explain(db: Database, customer_id: int) -> dict[str, Any]:
    """Return the customer's *wishes* (None: none are known) and *messages*, the newest first, as JSON values.

    A message is what was sent, rehearsed, parked or received, or a step that did not do what it was to.
    """
    wishes = await db.fetchrow(_SQL["wishes_of"], customer_id)
    story = await db.fetch(_SQL["story"], customer_id, _MOST)
    return {
        "wishes": None if wishes is None else _plain(dict(wishes)),
        "messages": [_plain(dict(row)) for row in story],
    }


def described(found: dict[str, Any]) -> str:
    """Return what `explain` found in lines for people, "" where there is nothing."""
    lines = []
    wishes = found["wishes"] or {}
    wanted = [name.replace("_", " ") for name, value in wishes.items() if value is True]
    if wanted:
        lines.append(f"wishes: {', '.join(wanted)}{_why(wishes['opt_out_reason'])}")
    if found["messages"]:
        lines.append("messages:")
    for one in found["messages"]:
        place = f" (workflow {one['workflow']} step {one['step']})" if one["workflow"] else ""
        lines.append(
            f"  {one['at'][:19].replace('T', ' ')}  {one['what']}: {one['status']}{place}{_why(one['why'])}"
        )
    return "\n".join(lines)


def _why(reason: str) -> str:
    return f", because {reason}" if reason else ""


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
