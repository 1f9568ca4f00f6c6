"""Decide which walks through which endpoint bring a resource up to date. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from pcd.sync.request import Mode

if TYPE_CHECKING:
    from datetime import datetime

    from pcd.tables.spec import Resource

EXPORT_LAG = timedelta(minutes=15)
"""How long a change stays out of the plain export.

Source: "Transactional and export APIs", ServiceTitan's developer portal, read 2026-11-23.
"""

PLAIN_PASS_EVERY = timedelta(hours=1)
"""How long the plain export may go unread while the view of recent changes shows nothing."""


class Keep(enum.Enum):
    """When the position reached becomes the resource's durable cursor."""

    NEVER = "never"
    EACH_PAGE = "each page"
    AT_END = "at the end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A resource's durable position.

    *token* is the export's own continuation token, "" at the very beginning. *reached_at* is up to when
    upstream was read: the start of the request that brought the last page of a walk, for lists the end of
    the last complete window. *first_load_completed_at* is None until the resource was read completely once.
    """

    token: str = ""
    reached_at: datetime | None = None
    first_load_completed_at: datetime | None = None
    plain_pass_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """One walk through an endpoint, from a starting point to its end.

    An export walk starts at *token*, else at *since*, else at the very beginning; with *continues* at
    the token where the walk before it ended. *recent* asks for the view that shows changes at once. A
    list walk reads what was modified in ``[since, before)``; without either, everything.
    *marks_seen* notes every id, so that what was not seen can be called gone. *if_found* skips the
    walk when the one before it brought nothing.
    """

    export: bool
    token: str = ""
    since: datetime | None = None
    before: datetime | None = None
    recent: bool = False
    continues: bool = False
    keep: Keep = Keep.NEVER
    marks_seen: bool = False
    if_found: bool = False


def plan(
    resource: Resource,
    *,
    mode: Mode,
    cursor: Cursor,
    now: datetime,
    lookback: timedelta,
    since: datetime | None = None,
) -> tuple[Drain, ...]:
    """Return the walks for one pass over *resource*, in order; none when there is nothing to do yet."""
    if since is not None:
        return _again(resource, since)
    if mode is Mode.FRESH:
        return _fresh(resource, cursor)
    if resource.export is not None:
        if cursor.first_load_completed_at is None:
            return _first_load(cursor)
        return _full_export() if mode is not Mode.INCREMENTAL else _next_export(cursor, now)
    # One that lies ahead was noted by a daemon whose clock was fast: nobody knows how far it truly read.
    reached_at = cursor.reached_at if cursor.reached_at is None or cursor.reached_at <= now else None
    if mode is not Mode.INCREMENTAL or reached_at is None or not _has_window(resource):
        return _full_list()
    return (Drain(export=False, since=reached_at - lookback, before=now, keep=Keep.AT_END),)


def restart_after_refused_token(cursor: Cursor, *, lookback: timedelta) -> datetime | None:
    """Return the date from which to read again when the stored token is refused; None: from the start."""
    if cursor.reached_at is None:
        return None
    return cursor.reached_at - EXPORT_LAG - lookback


def is_complete(*, first_total: int | None, last_total: int | None, seen: int) -> bool:
    """Tell whether a paged list was read without a gap.

    Page numbers shift when a record leaves the collection while it is being read, and the record at
    the border is skipped. Then the total shrinks, or fewer distinct records were seen than it says.
    """
    if first_total is None or last_total is None:
        return True
    return last_total >= first_total and seen >= last_total


def _again(resource: Resource, since: datetime) -> tuple[Drain, ...]:
    if resource.export is not None:
        return (Drain(export=True, since=since, recent=True),)
    return (Drain(export=False, since=since if _has_window(resource) else None),)


def _fresh(resource: Resource, cursor: Cursor) -> tuple[Drain, ...]:
    if resource.export is None or cursor.first_load_completed_at is None:
        return ()
    return (Drain(export=True, token=cursor.token, recent=True),)


def _first_load(cursor: Cursor) -> tuple[Drain, ...]:
    # Each page moves the cursor, so that a load that is killed goes on where it was.
    return (
        Drain(export=True, token=cursor.token, keep=Keep.EACH_PAGE),
        Drain(export=True, recent=True, continues=True),
    )


def _full_export() -> tuple[Drain, ...]:
    return (
        Drain(export=True, keep=Keep.AT_END, marks_seen=True),
        Drain(export=True, recent=True, continues=True, marks_seen=True),
    )


def _next_export(cursor: Cursor, now: datetime) -> tuple[Drain, ...]:
    # What the plain view shows, the recent view shows too: when that is empty, one request is enough.
    since = None if cursor.plain_pass_at is None else now - cursor.plain_pass_at
    overdue = since is None or not timedelta() <= since < PLAIN_PASS_EVERY
    plain = Drain(export=True, token=cursor.token, keep=Keep.EACH_PAGE, if_found=not overdue)
    if overdue:
        return (plain, Drain(export=True, recent=True, continues=True))
    return (Drain(export=True, token=cursor.token, recent=True), plain)


def _full_list() -> tuple[Drain, ...]:
    return (Drain(export=False, keep=Keep.AT_END, marks_seen=True),)


def _has_window(resource: Resource) -> bool:
    return resource.list is not None and resource.list.modified
