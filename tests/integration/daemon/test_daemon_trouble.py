"""The real daemon when what it needs is away, and how it ends."""

from __future__ import annotations

import signal
import socket
import time
from typing import TYPE_CHECKING

import anyio
import anyio.from_thread
import pytest
from support.daemons import Home, finished, running, service, started
from support.proxy import Proxy

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.asyncio


async def test_refused_credentials_degrade_the_sync_and_name_the_key(home: Home) -> None:
    home.keys["servicetitan.client_secret"] = "wrong-secret"
    done = await home.command("sync", "incremental")
    assert done.code == 1
    assert "client_secret" in done.err
    assert done.err.count("\n") == 1
    async with running(home) as daemon:
        status = await daemon.until_state("servicetitan", "degraded")
        assert "client_secret" in service(status, "servicetitan")["detail"]
        await daemon.until_state("database", "running")
        refused = await home.command("sync", "incremental")
        assert refused.code == 1
        assert "client_secret" in refused.err
        with anyio.fail_after(50):
            while not (alerts := (await home.command("health", "--json")).json["alerts"]):
                pass
        assert "client_secret" in alerts[0]["title"]
        assert (await home.command("health", "--json")).json["remedies"] == [], "it is not restarted"
    assert daemon.text.count("client_secret") == 1
    assert "wrong-secret" not in daemon.text
    assert "Traceback" not in daemon.text, daemon.text


async def test_taken_port_costs_the_status_page_only(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        home.keys["daemon.http_port"] = port
        async with running(home) as daemon:
            status = await daemon.until_state("web", "degraded")
            assert f"daemon.http_port: cannot listen on 127.0.0.1:{port}" in service(status, "web")["detail"]
            await daemon.until_state("sync", "running")
            assert await daemon.stop() == 0
    assert "Traceback" not in daemon.text, daemon.text


async def test_daemon_is_ready_and_its_watchdog_fed_while_the_database_is_down(home: Home) -> None:
    """A service manager that waited for the database would restart the daemon again and again."""
    home.keys["database.url"] = "postgresql://nobody@127.0.0.1:1/nothing"
    address = home.folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        manager.settimeout(20)
        async with started(home, "run", NOTIFY_SOCKET=str(address), WATCHDOG_USEC="2000000") as daemon:
            told: list[bytes] = []
            while not {b"READY=1", b"WATCHDOG=1"} <= set(told):
                told += (await anyio.to_thread.run_sync(manager.recv, 1000)).splitlines()
            assert service(await home.status(), "database")["state"] != "running"
            assert await daemon.stop() == 0
            while b"STOPPING=1" not in told:
                told += (await anyio.to_thread.run_sync(manager.recv, 1000)).splitlines()
    assert not await anyio.Path(home.folder / "heartbeat").exists(), "that one tells of the database"


async def test_daemon_waits_for_the_database_and_says_so(home: Home, database_url: str) -> None:
    proxy = Proxy(database_url)
    async with proxy.serve():
        port = proxy.port
    home.keys["database.url"] = proxy.url
    async with running(home) as daemon:
        status = await home.until(lambda status: "waiting" in service(status, "lease")["detail"])
        assert "PostgreSQL does not answer" in service(status, "lease")["detail"]
        assert service(status, "web")["state"] == "running"
        refused = await home.command("sync", "full")
        assert refused.code == 1
        assert "waiting for the database" in refused.err
        async with proxy.serve(port):
            await daemon.until_state("sync", "running")
            assert await daemon.stop() == 0
    assert daemon.text.count("waiting for the database") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_ends_the_daemon_cleanly(home: Home, number: signal.Signals) -> None:
    async with running(home) as daemon:
        await daemon.until_state("sync", "running")
        began = time.monotonic()
        assert await daemon.stop(number) == (0 if number == signal.SIGTERM else 128 + number)
        assert time.monotonic() - began < 10
    assert daemon.text.rstrip().endswith("stopped")
    assert not await anyio.Path(home.socket).exists()


async def test_daemon_is_gone_within_ten_seconds_when_the_database_is_frozen(
    home: Home, database_url: str
) -> None:
    async with Proxy(database_url).serve() as proxy:
        home.keys["database.url"] = proxy.url
        async with running(home) as daemon:
            await home.until(lambda status: any(each["outcome"] for each in finished(status)))
            proxy.freeze()
            began = time.monotonic()
            await daemon.stop()
            assert time.monotonic() - began < 10
            proxy.thaw()


async def test_second_signal_does_not_wait(home: Home, database_url: str) -> None:
    async with Proxy(database_url).serve() as proxy:
        home.keys["database.url"] = proxy.url
        async with running(home) as daemon:
            await daemon.until_state("sync", "running")
            proxy.freeze()
            daemon.process.send_signal(signal.SIGTERM)
            await daemon.until_logged("stopping (SIGTERM)")
            assert await daemon.stop(signal.SIGTERM) == 143


async def test_daemon_survives_a_database_that_goes_and_returns(home: Home, database_url: str) -> None:
    async with Proxy(database_url).serve() as proxy:
        home.keys["database.url"] = proxy.url
        async with running(home) as daemon:
            await daemon.until_state("sync", "running")
            proxy.freeze()
            await daemon.until_state("sync", "standby")
            proxy.thaw()
            await daemon.until_state("sync", "running")
            assert await daemon.stop() == 0
    assert "Traceback" not in daemon.text, daemon.text


@pytest.mark.timeout(120)
async def test_killed_daemon_leaves_an_embedded_database_that_is_found_again(
    home: Home, short_dir: Path
) -> None:
    folder = short_dir / "killed"
    await anyio.Path(folder).mkdir(mode=0o755)
    own = {
        "database.url": "",
        "daemon.data_dir": str(folder),
        "daemon.control_socket": str(folder / "control.sock"),
    }
    alone = Home(folder, home.keys | own)
    async with running(alone) as daemon:
        await alone.until(lambda status: any(each["outcome"] for each in finished(status)))
        reference, full = ["sync", "reference", "--json"], ["sync", "full", "--only", "jobs", "--json"]
        assert [(await alone.command(*words)).code for words in (reference, full)] == [0, 0]
        await daemon.stop(signal.SIGKILL)
    while (found := await alone.command("sync", "full", "--only", "jobs")).code:
        assert "lease sync is held by" in found.err
    async with running(alone) as daemon:
        await daemon.until_state("sync", "running")
        again = await alone.command("sync", "full", "--json")
        assert again.code == 0
        assert {(part["created"], part["updated"]) for part in again.json["resources"]} == {(0, 0)}
        assert await daemon.stop() == 0
    assert not await anyio.Path(folder / "postgres" / "postmaster.pid").exists()
