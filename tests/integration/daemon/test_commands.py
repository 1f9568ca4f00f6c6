"""The command line, as processes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from importlib.metadata import version
from typing import TYPE_CHECKING

import anyio
import psutil
import pytest
from support.daemons import environment

if TYPE_CHECKING:
    from pathlib import Path

    from anyio.abc import ByteReceiveStream

_HEAVY = ("aiohttp", "anthropic", "asyncpg", "redis", "rich", "prometheus_client", "uvloop", "jinja2")


def _from_shell(command: str, *, cwd: Path, python: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", f"{sys.executable} {python} -m pcd {command}"],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
        cwd=cwd,
        env=environment(HOME=str(cwd), XDG_STATE_HOME=str(cwd)),
    )


def _pcd(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pcd", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
        cwd=cwd,
        env=environment(HOME=str(cwd), XDG_STATE_HOME=str(cwd)),
    )


@pytest.mark.parametrize(
    "command", ["", "run", "sync", "sync full", "status", "gaps", "config", "db", "sim", "demo"]
)
def test_help_imports_nothing_heavy(command: str, tmp_path: Path) -> None:
    code = (
        "import sys; from pcd.__main__ import main; sys.argv = ['pcd', *sys.argv[1:]]\n"
        "try: main()\n"
        f"finally: print([name for name in {_HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command.split(), "--help"],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
        cwd=tmp_path,
        env=environment(),
    )
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        pytest.param("status", 3, "no daemon answers", id="no daemon"),
        pytest.param("pause sync", 3, "no daemon answers", id="no daemon to pause"),
        pytest.param(
            "run --only snyc",
            2,
            "--only: there is no 'snyc'; there are: sync, events, ghl, workflows, health, web",
            id="unknown stage",
        ),
        pytest.param(
            "sync full --since soon", 2, "--since: found 'soon', expected a date", id="unreadable date"
        ),
        pytest.param(
            "sync full --since 2999-01-01", 2, "--since: 2999-01-01 00:00 EST lies in the future", id="future"
        ),
        pytest.param(
            "events replay --until soon --since 1d", 2, "--until: found 'soon', expected", id="unreadable end"
        ),
        pytest.param(
            "events replay --since 1h --until 2h", 2, "--until: 2h is not later than --since 1h", id="no time"
        ),
        pytest.param(
            "events list --entity job:99999999999999999999", 2, "--entity: found 'job:999", id="entity's id"
        ),
        pytest.param(
            "demo --exit-after 10", 2, "--exit-after: found '10', expected a duration", id="bare number"
        ),
        pytest.param("status --config nowhere.toml", 2, "nowhere.toml", id="no such file"),
    ],
)
def test_mistake_gets_one_line_and_its_exit_code(
    command: str, code: int, message: str, tmp_path: Path
) -> None:
    done = _pcd(*command.split(), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_version_is_told(tmp_path: Path) -> None:
    assert _pcd("--version", cwd=tmp_path).stdout == f"pcd {version('pcd')}\n"


def test_unknown_command_is_bad_usage(tmp_path: Path) -> None:
    assert _pcd("snyc", cwd=tmp_path).returncode == 2


@pytest.mark.parametrize(
    "command",
    ["events list", "events replay", "workflow backtest Payment"],
    ids=["list", "replay", "backtest"],
)
def test_unreadable_date_is_refused_before_a_database_is_started(command: str, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[daemon]\ndata_dir = "data"\n')
    assert _pcd(*command.split(), "--since", "soon", cwd=tmp_path).returncode == 2
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("python", ["", "-u"], ids=["at the end", "at once"])
@pytest.mark.parametrize("command", ["events types", "config check"], ids=["much", "little"])
def test_output_that_cannot_be_written_is_one_line(command: str, python: str, tmp_path: Path) -> None:
    done = _from_shell(f"{command} >/dev/full", python=python, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        1,
        "pcd: the output cannot be written: No space left on device\n",
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_stream_ends_no_command(closed: str, tmp_path: Path) -> None:
    assert _from_shell(f"config check {closed}", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("command", ["explain customer", "events list --customer", "ghl retry 1"])
def test_id_that_no_record_can_have_is_bad_usage(command: str, tmp_path: Path) -> None:
    done = _pcd(*command.split(), "99999999999999999999", cwd=tmp_path)
    assert done.returncode == 2
    assert "too long for an id" in done.stderr


@pytest.mark.parametrize("group", ["", "alerts", "db", "events", "ghl", "messages", "workflow"])
def test_list_of_commands_shortens_no_sentence(group: str, tmp_path: Path) -> None:
    assert "..." not in _pcd(*group.split(), "--help", cwd=tmp_path).stdout.partition("Commands:")[2]


def test_sync_without_credentials_names_what_is_missing(tmp_path: Path, database_url: str) -> None:
    (tmp_path / "config.toml").write_text(f'[database]\nurl = "{database_url}"\n')
    done = _pcd("sync", "incremental", cwd=tmp_path)
    assert done.returncode == 2
    assert "servicetitan.client_id" in done.stderr
    assert "Traceback" not in done.stderr


def test_dump_is_found_by_its_relative_name(tmp_path: Path, database_url: str) -> None:
    (tmp_path / "config.toml").write_text(f'[database]\nurl = "{database_url}"\n')
    assert _pcd("db", "backup", "mirror.dump", cwd=tmp_path).returncode == 0
    refused = _pcd("db", "restore", "mirror.dump", cwd=tmp_path)
    assert refused.returncode == 1
    assert "the database is not empty" in refused.stderr


async def _until(stream: ByteReceiveStream, text: str) -> str:
    read = ""
    async for chunk in stream:
        read += chunk.decode(errors="replace")
        if text in read:
            return read
    raise AssertionError(read)


@pytest.mark.asyncio
@pytest.mark.timeout(120)
async def test_two_demos_at_once_show_rows_and_leave_nothing_behind(short_dir: Path) -> None:
    async with anyio.create_task_group() as group:
        for name in ("one", "two"):
            folder = short_dir / name
            await anyio.Path(folder).mkdir(mode=0o755)
            group.start_soon(_try_demo, folder)


async def _try_demo(folder: Path) -> None:
    command = [sys.executable, "-m", "pcd", "demo", "--customers", "20"]
    process = await anyio.open_process(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(TMPDIR=str(folder))
    )
    async with process:
        assert process.stdout is not None
        await _until(process.stdout, "the mirror holds")
        family = psutil.Process(process.pid).children(recursive=True)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        await process.wait()
    assert process.returncode == 130
    assert time.monotonic() - began < 40
    assert psutil.wait_procs(family, timeout=30)[1] == []
    assert _tree(folder) == []


@pytest.mark.asyncio
async def test_daemon_of_a_killed_demo_stops_in_good_order(short_dir: Path) -> None:
    """A killed demo cannot stop it, and a database that nobody stops would run on for ever."""
    folder = short_dir / "demo-killed"
    await anyio.Path(folder).mkdir()
    process = await anyio.open_process(
        [sys.executable, "-m", "pcd", "demo", "--customers", "20"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(TMPDIR=str(folder)),
    )
    async with process:
        assert process.stdout is not None
        await _until(process.stdout, "the mirror holds")
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        await process.wait()
    [log] = folder.glob("pcd-demo-*/daemon.log")
    assert psutil.wait_procs(family, timeout=30)[1] == [], log.read_text()
    assert log.read_text().rstrip().endswith("stopped")


@pytest.mark.asyncio
async def test_interrupt_does_not_wait_until_the_company_is_invented(tmp_path: Path) -> None:
    process = await anyio.open_process(
        [sys.executable, "-m", "pcd", "demo", "--customers", "100000"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(TMPDIR=str(tmp_path)),
    )
    async with process:
        assert process.stdout is not None
        await _until(process.stdout, "Inventing")
        process.send_signal(signal.SIGINT)
        with anyio.fail_after(30):
            assert await process.wait() == 130
    assert _tree(tmp_path) == []


def _tree(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))


@pytest.mark.asyncio
@pytest.mark.timeout(90)
async def test_demo_ends_by_itself_when_asked_to(short_dir: Path) -> None:
    folder = short_dir / "short"
    await anyio.Path(folder).mkdir(mode=0o755)
    done = await anyio.run_process(
        [sys.executable, "-m", "pcd", "demo", "--customers", "20", "--exit-after", "12s"],
        check=False,
        env=environment(TMPDIR=str(folder)),
    )
    assert done.returncode == 0
    assert done.stdout.startswith(b"Inventing")
    assert _tree(folder) == []
