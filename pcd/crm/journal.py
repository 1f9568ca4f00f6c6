"""Writes each pass into the log that other programs read, ``integrations.ghl_sync_log``."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from pcd.crm.switch import Mode
from pcd.db import queries
from pcd.errors import PcdError, StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from pcd.db.pool import Database

_SQL = queries.load("pcd.crm")
_CLOSE = 2.0


@dataclass(slots=True, kw_only=True)
class Tally:
    """What a pass did. *fetched* are records looked at, *failed* those that it could not settle."""

    fetched: int = 0
    created: int = 0
    updated: int = 0
    failed: int = 0


def logged_type(sync_type: str, mode: Mode) -> str:
    """Return the sync_type that a pass is logged under: one of its own unless it writes.

    The old worker takes the end of the newest completed ``incremental`` pass for the place where it has
    to go on, so a pass that only looks must not carry that name.
    """
    return sync_type if mode is Mode.LIVE else f"shadow_{sync_type}"


@asynccontextmanager
async def passing(db: Database, sync_type: str, *, direction: str, by: str) -> AsyncGenerator[Tally]:
    """Log one pass, begun and ended; what the block counts is what stands there.

    *direction* is ``st_to_ghl`` or ``from_ghl``. An error ends it as failed and goes on.
    """
    key = await db.fetchval(_SQL["begin_pass"], sync_type, direction, f"pcd {by}")
    tally, error = Tally(), "interrupted"
    try:
        yield tally
        error = ""
    except PcdError as raised:
        error = str(raised)
        raise
    finally:
        with anyio.move_on_after(_CLOSE, shield=True):
            await _close(db, key, tally, error)


async def interrupted(db: Database) -> None:
    """Close the passes of a process that was killed."""
    await db.execute(_SQL["interrupt_passes"])


async def _close(db: Database, key: object, tally: Tally, error: str) -> None:
    status = "failed" if error else "completed"
    try:
        await db.execute(
            _SQL["end_pass"],
            key,
            status,
            tally.fetched,
            tally.created,
            tally.updated,
            tally.failed,
            error[:1000] or None,
        )
    except StoreError:
        if not error:
            raise
