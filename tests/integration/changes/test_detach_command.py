"""``pcd db detach`` and ``pcd db attach``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.daemons import Home
from support.jobs import INSERT, seen

from pcd.db.migrate import migrate

if TYPE_CHECKING:
    from pathlib import Path

    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

OURS = """SELECT count(*) FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
WHERE p.pronamespace = 'pcd'::regnamespace"""


async def test_detach_says_what_it_took_away_and_attach_brings_it_back(
    watched: Database, tmp_path: Path
) -> None:
    home = Home(tmp_path, {"database.url": watched.url})
    before = await watched.fetchval(OURS)
    await watched.execute(INSERT, 1, "Scheduled")
    detached = await home.command("db", "detach")
    assert detached.code == 0, detached.err
    assert "servicetitan.st_jobs: pcd_capture_update" in detached.out.splitlines()
    assert "pcd.capture_jobs()" in detached.out.splitlines()
    assert f"{before} triggers" in detached.out
    assert await watched.fetchval(OURS) == 0
    assert [it[0] for it in await seen(watched)] == [1]
    attached = await home.command("db", "attach")
    assert attached.code == 0, attached.err
    assert await watched.fetchval(OURS) == before
    await watched.execute(INSERT, 2, "Scheduled")
    assert [it[0] for it in await seen(watched)] == [2]


async def test_detached_stays_detached_through_a_migration(watched: Database, tmp_path: Path) -> None:
    """The daemon migrates at each start; it may not bring back what a person took away."""
    home = Home(tmp_path, {"database.url": watched.url})
    detached = await home.command("db", "detach", "--json")
    assert len(detached.json["triggers"]) > 100
    await migrate(watched)
    assert await watched.fetchval(OURS) == 0
    assert (await home.command("db", "detach", "--json")).json == {"triggers": [], "functions": []}
