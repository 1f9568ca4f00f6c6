"""Tries what the configuration points at: does ServiceTitan let us in, does the database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pcd.errors import PcdError

if TYPE_CHECKING:
    from pcd.config import Config


@dataclass(frozen=True, slots=True)
class Finding:
    """What one of the two said: *text* is a sentence for people."""

    what: str
    is_good: bool
    text: str


async def probe(config: Config) -> list[Finding]:
    """Return what ServiceTitan and the database say; changes and starts nothing, never raises our errors."""
    return [await _servicetitan(config), await _database(config)]


async def _servicetitan(config: Config) -> Finding:
    from pcd.clock import Clock
    from pcd.servicetitan.checker import check
    from pcd.servicetitan.client import connect

    async with connect(config.servicetitan, clock=Clock()) as st:
        verdict = await check(st)
    return Finding("servicetitan", verdict.is_good, verdict.text)


async def _database(config: Config) -> Finding:
    from pcd.app import opened
    from pcd.db.embedded import Embedded
    from pcd.db.migrate import check_version

    data_dir = config.daemon.data_dir
    if not config.database.url and not Embedded(data_dir).is_running():
        text = f"The embedded PostgreSQL under {data_dir} is not running; pcd starts it when it needs it"
        return Finding("database", is_good=True, text=text)
    try:
        async with opened(config, tell=lambda _: None) as db:
            check_version(int(await db.fetchval("SELECT current_setting('server_version_num')")))
            version = await db.fetchval("SELECT current_setting('server_version')")
            name, role = await db.fetchval("SELECT ARRAY[current_database(), current_user]")
            may_create = await db.fetchval("SELECT has_database_privilege(current_database(), 'CREATE')")
    except PcdError as error:
        where = f" ({config.database.url})" if config.database.url else ""
        return Finding("database", is_good=False, text=f"{error}{where}")
    if not may_create:
        needed = f"GRANT CREATE ON DATABASE {name} TO {role}"
        return Finding("database", is_good=False, text=f"database.url: {role} may not make schemas: {needed}")
    return Finding("database", is_good=True, text=f"PostgreSQL {version} lets {role} into database {name}")
