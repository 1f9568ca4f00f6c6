"""Whether we write to GoHighLevel: the configuration says it first, and a person may say it later."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pcd.db import queries

if TYPE_CHECKING:
    from datetime import datetime

    from pcd.config import GhlConfig
    from pcd.db.pool import Connection, Database

_SQL = queries.load("pcd.crm")


class Mode(StrEnum):
    """What happens to a call that we owe: not even found out, found out and recorded, or sent."""

    OFF = "off"
    SHADOW = "shadow"
    LIVE = "live"


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What a person said last with ``pcd switch``; *dry_run_then* is what the configuration said then."""

    is_live: bool
    dry_run_then: bool
    switched_at: datetime
    switched_by: str


def mode_of(config: GhlConfig, word: Word | None) -> Mode:
    """Return the mode under *config* and a person's *word*.

    ``ghl.enabled`` is the master. The later word wins: a switch holds until ``ghl.dry_run`` is changed.
    """
    if not config.enabled:
        return Mode.OFF
    if word is not None and word.dry_run_then == config.dry_run:
        return Mode.LIVE if word.is_live else Mode.SHADOW
    return Mode.SHADOW if config.dry_run else Mode.LIVE


class Switch:
    """The switch of one database under *config*."""

    def __init__(self, config: GhlConfig) -> None:
        self._config = config

    @property
    def is_enabled(self) -> bool:
        """Whether anything is done at all."""
        return self._config.enabled

    @property
    def dry_run(self) -> bool:
        """What the configuration says of calls: that they are recorded only."""
        return self._config.dry_run

    async def word(self, source: Connection | Database) -> Word | None:
        """Return what a person said last, None when nobody did."""
        row = await source.fetchrow(_SQL["switch"])
        return Word(**dict(row)) if row else None

    async def mode(self, source: Connection | Database) -> Mode:
        """Return what happens to calls now."""
        return mode_of(self._config, await self.word(source))

    async def turn(self, connection: Connection, *, is_live: bool, by: str) -> dict[str, Any]:
        """Go live, or back to recording only; return the mode before and after."""
        before = await self.mode(connection)
        await connection.execute(_SQL["turn_switch"], is_live, self._config.dry_run, by)
        return {"before": before.value, "mode": (await self.mode(connection)).value}
