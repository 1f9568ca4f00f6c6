# ruff: noqa: ASYNC220, ASYNC240 - a test may block its own loop for a moment
from __future__ import annotations

import fcntl
import os
import shutil
import signal
import stat
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import anyio
import pytest
from support.embedding import ask, embedded, is_root, kill, leave, line, servers, user

from pcd.db import account, binaries
from pcd.errors import StoreUnreachable

pytestmark = pytest.mark.asyncio


async def test_first_use_makes_a_server_that_only_we_reach(data_dir: Path) -> None:
    async with embedded(data_dir).use(owner=True) as url:
        assert str(await ask(url, "SHOW server_version")).startswith("18.")
        assert await ask(url, "SHOW listen_addresses") == ""
        assert await ask(url, "SHOW jit") == "off"
        assert await ask(url, "SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules") == "peer"
        folder = Path(parse_qs(urlsplit(url).query)["host"][0])
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / ".s.PGSQL.5432").stat().st_mode) == 0o700
        assert stat.S_IMODE((data_dir / "postgres").stat().st_mode) == 0o700
        (server,) = servers(data_dir)
        assert server.uids().effective != 0
    assert servers(data_dir) == []


@is_root
async def test_another_user_of_the_machine_is_refused(data_dir: Path) -> None:
    """Even past the folder's mode, the kernel says who calls."""
    async with embedded(data_dir).use(owner=True) as url:
        (data_dir / "run").chmod(0o755)
        (data_dir / "run" / ".s.PGSQL.5432").chmod(0o777)
        nobody = account.Account(name="nobody", uid=65534, gid=65534, switch=True)
        psql = shutil.which("psql") or str(binaries.bundled() / "psql")
        finished = await account.run([psql, url, "-c", "SELECT 1"], account=nobody, seconds=30)
        (data_dir / "run").chmod(0o700)
    assert finished.code != 0
    assert "Peer authentication failed" in finished.output


async def test_what_was_written_is_there_after_a_restart(data_dir: Path) -> None:
    async with embedded(data_dir).use() as url:
        await ask(url, "CREATE TABLE kept AS SELECT 1 AS one")
    assert servers(data_dir) == []
    async with embedded(data_dir).use() as url:
        assert await ask(url, "SELECT one FROM kept") == 1


async def test_the_url_is_known_without_starting_anything(data_dir: Path) -> None:
    url = embedded(data_dir).url()
    assert not data_dir.exists()
    async with embedded(data_dir).use() as used:
        assert used == url


async def test_a_command_uses_the_daemons_server_and_leaves_it_running(data_dir: Path) -> None:
    async with user(data_dir, "owner") as daemon:
        assert await line(daemon) == "ready"
        async with embedded(data_dir).use() as url:
            assert await ask(url, "SELECT 1") == 1
        assert servers(data_dir)
        await leave(daemon)
    assert servers(data_dir) == []


async def test_the_last_one_out_stops_what_the_daemon_owed(data_dir: Path) -> None:
    async with user(data_dir, "owner") as daemon:
        assert await line(daemon) == "ready"
        async with embedded(data_dir).use() as url:
            await leave(daemon)
            assert await ask(url, "SELECT 1") == 1
    assert servers(data_dir) == []


async def test_the_daemon_takes_over_the_server_that_a_command_started(data_dir: Path) -> None:
    async with user(data_dir, "command") as command:
        assert await line(command) == "ready"
        async with embedded(data_dir).use(owner=True) as url:
            await leave(command)
            assert await ask(url, "SELECT 1") == 1
    assert servers(data_dir) == []


async def test_the_server_of_a_killed_daemon_is_found_again(data_dir: Path) -> None:
    async with user(data_dir, "owner") as daemon:
        assert await line(daemon) == "ready"
        (before,) = servers(data_dir)
        await kill(daemon)
    async with embedded(data_dir).use() as url:
        assert await ask(url, "SELECT 1") == 1
    assert servers(data_dir) == [before], "a command that only adopted it leaves it running"
    async with embedded(data_dir).use(owner=True):
        assert servers(data_dir) == [before]
    assert servers(data_dir) == []


async def test_two_that_start_together_share_one_server(data_dir: Path) -> None:
    async with user(data_dir, "owner") as one, user(data_dir, "owner") as two:
        assert await line(one) == "ready"
        assert await line(two) == "ready"
        assert len(servers(data_dir)) == 1
        await leave(one)
        assert len(servers(data_dir)) == 1
        await leave(two)
    assert servers(data_dir) == []


async def test_a_running_server_is_found_by_any_path_to_it(data_dir: Path) -> None:
    async with embedded(data_dir).use(owner=True):
        alias = data_dir.with_name("alias")
        alias.symlink_to(data_dir)
        async with embedded(alias).use() as url:
            assert await ask(url, "SELECT 1") == 1
        assert len(servers(data_dir)) == 1


async def test_one_who_waits_for_a_start_can_leave_at_once(data_dir: Path) -> None:
    async with embedded(data_dir).use():
        with (data_dir / "database.turn.lock").open() as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            began = anyio.current_time()
            with anyio.move_on_after(0.2):
                async with embedded(data_dir).use(owner=True):
                    pytest.fail("it had no turn")
            assert anyio.current_time() - began < 5


@is_root
async def test_root_follows_no_link_that_the_servers_account_made(data_dir: Path) -> None:
    async with embedded(data_dir).use():
        victim = data_dir.parent / "victim"
    victim.write_text("untouched")
    (data_dir / "postgres/pcd.conf.partial").symlink_to(victim)
    with pytest.raises(StoreUnreachable, match="symbolic links"):
        async with embedded(data_dir).use():
            pytest.fail("it started")
    assert victim.read_text() == "untouched"
    assert victim.stat().st_uid == 0


async def test_a_killed_server_recovers(data_dir: Path) -> None:
    async with embedded(data_dir).use() as url:
        await ask(url, "CREATE TABLE kept AS SELECT 1 AS one")
        (server,) = servers(data_dir)
        server.kill()
        async with embedded(data_dir).use() as again:
            assert await ask(again, "SELECT one FROM kept") == 1


async def test_a_number_that_another_process_got_meanwhile_is_no_server(data_dir: Path) -> None:
    """As after a container's restart: PostgreSQL itself would refuse to start."""
    async with embedded(data_dir).use():
        pid_file = (data_dir / "postgres/postmaster.pid").read_text()
        owner = (data_dir / "postgres").stat()
    with subprocess.Popen(["sleep", "60"], user=owner.st_uid if os.geteuid() == 0 else None) as other:
        (data_dir / "postgres/postmaster.pid").write_text(
            "\n".join([str(other.pid), *pid_file.splitlines()[1:]]) + "\n"
        )
        async with embedded(data_dir).use() as url:
            assert await ask(url, "SELECT 1") == 1
        other.kill()


@pytest.mark.parametrize(
    "moment", ["", "postgres.partial", "postgres", "postgres/start.log", "postgres/postmaster.pid"]
)
async def test_an_interrupted_start_leaves_nothing_running(data_dir: Path, moment: str) -> None:
    async with user(data_dir, "command") as process:
        with anyio.fail_after(30):
            while not (data_dir / moment).exists():  # noqa: ASYNC110 - the other process makes it
                await anyio.sleep(0.001)
            process.send_signal(signal.SIGINT)
            await process.wait()
    assert servers(data_dir) == []
    async with embedded(data_dir).use() as url:
        assert await ask(url, "SELECT 1") == 1
