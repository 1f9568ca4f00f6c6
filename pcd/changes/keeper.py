"""Keeps the change feed in order: partitions of the log, triggers that fit, tables that may be watched."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from pcd.changes import armer
from pcd.db import partitions
from pcd.db.partitions import Partitioned, Span

if TYPE_CHECKING:
    from collections.abc import Collection

    from pcd.db.pool import Database
    from pcd.tables.spec import Resource

_log = logging.getLogger(__name__)

LOG_RETENTION = timedelta(days=14)

CHANGE_LOG = Partitioned(
    schema="pcd",
    table="change_log",
    column="changed_at",
    span=Span.DAY,
    ahead=7,
    keep=LOG_RETENTION,
)
"""The log of consumed changes; replay reaches back as far as its partitions."""


async def prepare(db: Database, resources: Collection[Resource]) -> None:
    """Bring the feed into the shape that this version needs; for the time after each migration.

    Doing it again does nothing. Raises StoreError.
    """
    await keep_log(db)
    if repaired := await armer.repair(db, resources):
        _log.info("the capture of %s was put right", ", ".join(repaired))
    await armer.arm(db, resources)


async def keep_log(db: Database) -> None:
    """Make the log's partitions for the days to come and drop old ones; once a day is enough."""
    await partitions.keep_now(db, CHANGE_LOG)
