# ruff: noqa: ASYNC240 - a test may block its own loop for a moment
from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from pcd.clock import Clock
from pcd.db.backup import backup, dump_nightly, restore
from pcd.db.leases import Leaser
from pcd.db.migrate import migrate
from pcd.db.pool import Database
from pcd.errors import ConfigError, ControlError, StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

pytestmark = pytest.mark.asyncio


def silent(_text: str) -> None:
    return


@pytest_asyncio.fixture
async def empty(empty_database_url: str) -> AsyncGenerator[Database]:
    """Yield an empty database beside the migrated one."""
    database = await Database.connect(empty_database_url, pool_size=2, wait=timedelta(seconds=10))
    yield database
    await database.close()


async def fill(db: Database) -> None:
    await db.execute(
        "INSERT INTO servicetitan.st_customers (st_id, tenant_id, full_data) "
        "SELECT n, 1000, jsonb_build_object('id', n) FROM generate_series(1, 100) AS n"
    )


async def count(db: Database) -> object:
    return await db.fetchval("SELECT count(*) FROM servicetitan.st_customers")


async def test_a_dump_restores_into_an_empty_database(db: Database, empty: Database, tmp_path: Path) -> None:
    await fill(db)
    target = tmp_path / "all.dump"
    size = await backup(db.url, target)
    assert size == target.stat().st_size > 0
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    await restore(empty.url, target, on_step=silent)
    assert await count(empty) == 100
    assert await migrate(empty) == 0


async def test_a_dump_restores_over_other_contents_only_when_told_so(db: Database, tmp_path: Path) -> None:
    await fill(db)
    target = tmp_path / "all.dump"
    await backup(db.url, target)
    await db.execute("DELETE FROM servicetitan.st_customers WHERE st_id > 10")
    with pytest.raises(ControlError, match="not empty"):
        await restore(db.url, target, on_step=silent)
    assert await count(db) == 10
    await restore(db.url, target, overwrite=True, on_step=silent)
    assert await count(db) == 100


async def test_nothing_is_restored_while_somebody_is_at_work(db: Database, tmp_path: Path) -> None:
    target = tmp_path / "all.dump"
    await backup(db.url, target)
    leaser = Leaser(db, holder="a daemon", ttl=timedelta(seconds=30), clock=Clock())
    async with leaser.hold("sync"):
        with pytest.raises(ControlError, match="a daemon is at work"):
            await restore(db.url, target, overwrite=True, on_step=silent)
    await restore(db.url, target, overwrite=True, on_step=silent)


async def test_a_restore_that_fails_changes_nothing(db: Database, tmp_path: Path) -> None:
    await fill(db)
    target = tmp_path / "all.dump"
    await backup(db.url, target)
    await db.execute("CREATE VIEW public.report AS SELECT st_id FROM servicetitan.st_customers")
    with pytest.raises(StoreError, match=r"pg_restore: error: .*view public\.report depends on"):
        await restore(db.url, target, overwrite=True, on_step=silent)
    assert await db.fetchval("SELECT count(*) FROM public.report") == 100


async def test_an_existing_file_is_replaced_only_when_told_so(db: Database, tmp_path: Path) -> None:
    target = tmp_path / "all.dump"
    target.write_text("precious")
    with pytest.raises(ControlError, match="exists"):
        await backup(db.url, target)
    assert target.read_text() == "precious"
    await backup(db.url, target, overwrite=True)
    assert target.read_bytes().startswith(b"PGDMP")
    assert list(tmp_path.iterdir()) == [target]


async def test_a_dump_that_fails_leaves_no_file(database_url: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        await backup(database_url.replace("pcd_test", "no_such"), tmp_path / "all.dump")
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_that_is_not_there_is_named(db: Database, tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="cannot be written: No such file or directory"):
        await backup(db.url, tmp_path / "no" / "all.dump")


async def test_something_else_is_no_dump(db: Database, tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("milk, bread")
    with pytest.raises(ControlError, match="not a dump"):
        await restore(db.url, other, on_step=silent)
    with pytest.raises(ControlError, match="is not there"):
        await restore(db.url, tmp_path / "nothing", on_step=silent)


async def test_dump_of_a_process_that_was_killed_is_forgotten_and_in_nobodys_way(
    database_url: str, tmp_path: Path
) -> None:
    """In a container the next process has the same number; elsewhere a dump's worth of disk would stay."""
    now = datetime.now(UTC)
    torsos = [tmp_path / f".pcd-{now:%Y-%m-%d}.dump.{number}.partial" for number in (os.getpid(), 1, 2)]
    for torso in torsos:
        torso.write_text("half a dump")
    yesterday = (now - timedelta(days=1)).timestamp()
    os.utime(torsos[1], (yesterday, yesterday))
    newest = await dump_nightly(database_url, folder=tmp_path, now=now)
    assert sorted(tmp_path.iterdir()) == sorted([newest, torsos[2]]), "the last one may be at work still"


async def test_a_week_of_nightly_dumps_is_kept(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / "mine.dump").write_text("not ours to delete")
    for day in range(1, 9):
        (folder / f"pcd-2026-11-{day:02}.dump").write_text("older")
    newest = await dump_nightly(database_url, folder=folder, now=datetime(2026, 11, 9, 4, tzinfo=UTC))
    assert newest.name == "pcd-2026-11-09.dump"
    kept = sorted(path.name for path in folder.iterdir())
    assert kept == ["mine.dump", *(f"pcd-2026-11-{day:02}.dump" for day in range(3, 10))]
