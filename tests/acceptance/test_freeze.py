"""A database that stands still: the daemon waits, says so, goes on, and always ends in time."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import anyio
import psutil
import pytest
from support.daemons import Home, running
from support.mirroring import differing, quick, small_company
from support.proxy import Proxy
from support.servers import copy_of, processes

from pcd.db.pool import Database
from pcd.sim.server import Simulator, serve

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]

LEAVES_WITHIN = 9.0


def home(folder: Path, url: str, **keys: object) -> Home:
    """Return a daemon's home that mirrors the simulator at *url*."""
    settings = {
        "servicetitan.api_url": url,
        "servicetitan.auth_url": url,
        "servicetitan.tenant_id": "1000",
        "servicetitan.client_id": "sim-client",
        "servicetitan.client_secret": "sim-secret",
        "servicetitan.app_key": "sim-app-key",
        "sync.fresh_interval": "200ms",
    }
    return Home(folder, settings | {name.replace("__", "."): value for name, value in keys.items()})


async def until_synced(home: Home) -> None:
    await home.until(lambda status: any(each["last_outcome"] == "completed" for each in status["schedules"]))


async def test_daemon_over_a_frozen_server_of_somebody_else_ends_cleanly(
    tmp_path: Path, database_url: str
) -> None:
    """In the middle of fresh passes and of a full sync; not by force."""
    async with (
        serve(Simulator(small_company(), settings=quick(export_page_size=10))) as url,
        Proxy(database_url).serve() as proxy,
    ):
        at = home(tmp_path, url, database__url=proxy.url)
        async with running(at) as daemon:
            await until_synced(at)
            async with anyio.create_task_group() as group:
                group.start_soon(at.command, "sync", "full")
                await at.until(lambda status: status["under_way"] is not None)
                proxy.freeze()
                with anyio.fail_after(LEAVES_WITHIN):
                    assert await daemon.stop() == 0, daemon.text
    assert daemon.text.rstrip().endswith("stopped")
    assert "Traceback" not in daemon.text, daemon.text


async def test_daemon_leaves_no_frozen_embedded_server_behind(
    tmp_path: Path, prepared: Path, short_dir: Path
) -> None:
    """What it started it ends: by SIGKILL when nothing else helps. The data survive that."""
    store = small_company()
    simulator = Simulator(store, settings=quick())
    data_dir = copy_of(prepared, parent=short_dir)
    async with serve(simulator) as url:
        at = home(tmp_path, url, daemon__data_dir=str(data_dir))
        async with running(at) as daemon:
            await until_synced(at)
            frozen = processes(data_dir)
            for process in frozen:
                process.send_signal(signal.SIGSTOP)
            with anyio.fail_after(LEAVES_WITHIN):
                assert await daemon.stop() == 0, daemon.text
        assert not [one for one in frozen if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]
        assert daemon.text.rstrip().endswith("stopped")
        async with running(at) as daemon:
            await until_synced(at)
            assert (await at.command("sync", "full")).code == 0
            db = await Database.connect(f"postgresql://pcd@/pcd?host={data_dir}/run")
            assert not await differing(simulator, db)
            await db.close()
            assert await daemon.stop() == 0


async def test_daemon_goes_on_after_its_embedded_server_stood_still(
    tmp_path: Path, prepared: Path, short_dir: Path
) -> None:
    """As on a host that was suspended, or short of memory: nothing is started twice, nothing is lost."""
    data_dir = copy_of(prepared, parent=short_dir)
    async with serve(Simulator(small_company(), settings=quick())) as url:
        at = home(tmp_path, url, daemon__data_dir=str(data_dir))
        async with running(at) as daemon:
            await until_synced(at)
            frozen = processes(data_dir)
            for process in frozen:
                process.send_signal(signal.SIGSTOP)
            await daemon.until_state("sync", "standby")
            for process in frozen:
                if process.is_running():
                    process.send_signal(signal.SIGCONT)
            await daemon.until_state("sync", "running")
            assert (await at.command("sync", "full")).code == 0
            assert await daemon.stop() == 0
        assert processes(data_dir) == []
    assert "Traceback" not in daemon.text, daemon.text
