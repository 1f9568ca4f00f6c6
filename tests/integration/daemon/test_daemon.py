"""The real daemon, in a process of its own, between a simulated ServiceTitan and a real PostgreSQL."""

from __future__ import annotations

import signal
import socket
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import anyio
import anyio.from_thread
import pytest
from support.daemons import Daemon, Done, Home, running, service, started
from support.proxy import Proxy

from pcd.control.client import connect
from pcd.errors import ControlError
from pcd.sim.faults import Faults
from pcd.sim.tenant import Tenant, open_tenant

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio


@pytest.fixture(scope="module")
def tenant() -> Generator[Tenant]:
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(open_tenant(customers=20, pace=0)) as opened,
    ):
        yield opened


@pytest.fixture
def home(tmp_path: Path, database_url: str, tenant: Tenant) -> Home:
    settings = tenant.simulator.settings
    return Home(
        tmp_path,
        {
            "database.url": database_url,
            "servicetitan.api_url": tenant.url,
            "servicetitan.auth_url": tenant.url,
            "servicetitan.tenant_id": settings.tenant,
            "servicetitan.client_id": settings.client_id,
            "servicetitan.client_secret": settings.client_secret,
            "servicetitan.app_key": settings.app_key,
        },
    )


async def test_daemon_mirrors_at_once_and_answers_commands(home: Home, tenant: Tenant) -> None:
    customers = len(tenant.simulator.store["customers"])
    async with running(home) as daemon:
        await home.until(lambda status: any(each["outcome"] for each in _finished(status)))
        done = await home.command("sync", "full", "--only", "customers", "--json")
        assert (done.code, done.err) == (0, "")
        assert [(part["resource"], part["unchanged"]) for part in done.json["resources"]] == [
            ("customers", customers)
        ]
        shown = await home.command("status")
        assert shown.code == 0
        assert "customers" in shown.out
        assert await daemon.stop() == 0
    assert "customers: " in daemon.text
    assert "Traceback" not in daemon.text


def _finished(status: dict[str, list[dict[str, str]]]) -> list[dict[str, str]]:
    return [
        {"outcome": each["last_outcome"]}
        for each in status["schedules"]
        if each["last_outcome"] == "completed"
    ]


async def test_gaps_are_found_and_closed_with_a_daemon_and_without(home: Home, tenant: Tenant) -> None:
    customers = len(tenant.simulator.store["customers"])
    missing = await home.command("gaps", "--only", "customers", "--json")
    assert missing.code == 0
    assert missing.json["gaps"][0]["missing_count"] == customers
    filled = await home.command("backfill", "--only", "customers")
    assert filled.code == 0
    assert "full sync: complete" in filled.out
    async with running(home) as daemon:
        await daemon.until_state("sync", "running")
        closed = await home.command("gaps", "--only", "customers")
        assert closed.code == 0
        assert closed.out.endswith("no gaps\n")


async def test_mistakes_of_an_operator_get_one_line_and_an_exit_code(home: Home) -> None:
    async with running(home) as daemon:
        await daemon.until_state("sync", "running")
        unknown = await home.command("sync", "full", "--only", "custmers")
        assert (unknown.code, unknown.out) == (2, "")
        assert unknown.err == "pcd: there is no resource 'custmers'; did you mean customers?\n"
        paused = await home.command("pause", "nonsense")
        assert paused.code == 2
        assert "there is no service or resource 'nonsense'" in paused.err
        assert (await home.command("pause", "database")).code == 1
        async with connect(home.socket) as client:
            for params in (
                {"mode": "sideways"},
                {"mode": "full", "onyl": []},
                {"mode": "full", "since": "soon"},
            ):
                with pytest.raises(ControlError) as refused:
                    await client.call("sync.run", params)
                assert refused.value.code == "bad_params"


async def test_pause_outlives_the_daemon(home: Home) -> None:
    async with running(home) as daemon:
        await daemon.until_state("schedule", "running")
        assert (await home.command("pause", "schedule", "--reason", "month end")).code == 0
        status = await daemon.until_state("schedule", "paused")
        assert service(status, "schedule")["detail"] == "month end"
    async with running(home) as daemon:
        await daemon.until_state("schedule", "paused")
        assert (await home.command("resume", "schedule")).code == 0
        await daemon.until_state("schedule", "running")


async def test_without_a_daemon_a_command_syncs_by_itself(home: Home) -> None:
    assert (await home.command("status")).code == 3
    done = await home.command("sync", "reference", "--only", "business_units", "--json")
    assert done.code == 0
    assert done.json["is_complete"]
    again = await home.command("sync", "full", "--only", "business_units")
    assert again.code == 0
    assert "full sync: complete" in again.out


@pytest.mark.parametrize("through_daemon", [False, True])
async def test_interrupted_sync_leaves_no_lease_and_no_traceback(
    home: Home, tenant: Tenant, db: Database, through_daemon: bool
) -> None:
    home.keys["sync.incremental_cron"] = "0 0 1 1 *"
    async with AsyncExitStack() as stack:
        daemon = await stack.enter_async_context(running(home)) if through_daemon else None
        if daemon:
            await home.until(lambda status: any(each["outcome"] for each in _finished(status)))
        stack.callback(tenant.simulator.dice.switch, Faults())
        tenant.simulator.dice.switch(Faults(empty_page=1.0))
        command = await stack.enter_async_context(started(home, "sync", "full", "--only", "jobs"))
        await _until_started(db, "jobs")
        command.process.send_signal(signal.SIGINT)
        assert await command.process.wait() == 130
        said = command.text.splitlines()
        assert said[-1] == "pcd: interrupted"
        assert ("the daemon goes on with it" in command.text) == through_daemon
        if daemon:
            assert (await home.status())["under_way"]["mode"] == "full"
            assert await daemon.stop() == 0
    assert not await db.fetchval("SELECT count(*) FROM pcd.leases WHERE expires_at > now()")


async def _until_started(db: Database, module: str) -> None:
    sql = (
        "SELECT FROM servicetitan.st_sync_log WHERE module = $1 AND sync_type = 'full' AND status = 'started'"
    )
    while not await db.fetch(sql, module):  # noqa: ASYNC110 - in a database
        await anyio.sleep(0.02)


async def test_command_says_who_syncs_when_another_daemon_does(home: Home, tmp_path: Path) -> None:
    async with running(home) as daemon:
        await daemon.until_state("sync", "running")
        elsewhere = tmp_path / "elsewhere"
        await anyio.Path(elsewhere).mkdir()
        other = Home(elsewhere, home.keys | {"daemon.control_socket": str(elsewhere / "control.sock")})
        done = await other.command("sync", "reference")
        assert done.code == 1
        assert f"held by process {daemon.process.pid}" in done.err


async def test_second_daemon_stands_by_and_takes_over_when_the_first_is_killed(
    home: Home, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    await anyio.Path(elsewhere).mkdir()
    other = Home(elsewhere, home.keys | {"daemon.control_socket": str(elsewhere / "control.sock")})
    async with running(home) as first, running(other) as second:
        await anyio.wait_all_tasks_blocked()
        status = await other.until(lambda status: any(lease["is_live"] for lease in status["leases"]))
        holder = first if str(first.process.pid) in status["leases"][0]["holder"] else second
        waiting = second if holder is first else first
        await holder.until_state("sync", "running")
        status = await waiting.until_state("sync", "standby")
        assert str(holder.process.pid) in service(status, "sync")["detail"]
        holder.process.kill()
        await waiting.until_state("sync", "running")


async def test_holder_that_stood_still_in_the_middle_of_a_sync_is_fenced_off_when_it_goes_on(
    home: Home, tmp_path: Path, tenant: Tenant, db: Database
) -> None:
    """It was stopped (SIGSTOP), as on a host that is suspended: it does not know that its lease is over."""
    elsewhere = tmp_path / "elsewhere"
    await anyio.Path(elsewhere).mkdir()
    other = Home(elsewhere, home.keys | {"daemon.control_socket": str(elsewhere / "control.sock")})
    answers: list[Done] = []

    async def sync() -> None:
        answers.append(await home.command("sync", "full", "--only", "customers"))

    async with AsyncExitStack() as stack:
        stack.callback(tenant.simulator.dice.switch, Faults())
        first = await stack.enter_async_context(running(home))
        await home.until(lambda status: bool(_finished(status)))
        tenant.simulator.dice.switch(Faults(empty_page=1.0))
        group = await stack.enter_async_context(anyio.create_task_group())
        group.start_soon(sync)
        await home.until(lambda status: bool(status["under_way"]))
        second = await stack.enter_async_context(running(other))
        await second.until_state("sync", "standby")
        first.process.send_signal(signal.SIGSTOP)
        try:
            await second.until_state("sync", "running")
            tenant.simulator.dice.switch(Faults())
            await db.execute("UPDATE servicetitan.st_customers SET name = 'as the new holder left it'")
            await other.until(lambda status: _holds_all(second, status))
        finally:
            first.process.send_signal(signal.SIGCONT)
        await first.until_state("sync", "standby")
        await home.until(lambda status: _holds_all(second, status))
    assert [done.code for done in answers] == [1]
    names = await db.fetch("SELECT DISTINCT name FROM servicetitan.st_customers")
    assert [row["name"] for row in names] == ["as the new holder left it"]
    assert "Traceback" not in first.text


def _holds_all(daemon: Daemon, status: dict[str, Any]) -> bool:
    return all(str(daemon.process.pid) in lease["holder"] for lease in status["leases"])


async def test_second_daemon_on_the_same_socket_refuses_to_start(home: Home) -> None:
    async with running(home) as daemon:
        await daemon.until_state("control", "running")
        async with running(home) as second:
            assert await second.process.wait() == 2
        assert "another daemon listens on" in second.text
        assert second.text.count("\n") == 1


async def test_killed_daemon_leaves_nothing_that_hinders_the_next(home: Home) -> None:
    async with running(home) as daemon:
        await daemon.until_state("sync", "running")
        await daemon.stop(signal.SIGKILL)
    assert await anyio.Path(home.socket).exists()
    async with running(home) as daemon:
        await daemon.until_state("sync", "running")


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
    assert daemon.text.count("client_secret") == 1
    assert "wrong-secret" not in daemon.text
    assert "Traceback" not in daemon.text


async def test_taken_port_costs_the_status_page_only(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        home.keys["daemon.http_port"] = port
        async with running(home) as daemon:
            status = await daemon.until_state("web", "degraded")
            assert f"daemon.http_port: cannot listen on 127.0.0.1:{port}" in service(status, "web")["detail"]
            await daemon.until_state("sync", "running")
            assert await daemon.stop() == 0
    assert "Traceback" not in daemon.text


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
            await home.until(lambda status: any(each["outcome"] for each in _finished(status)))
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
    assert "Traceback" not in daemon.text


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
        await alone.until(lambda status: any(each["outcome"] for each in _finished(status)))
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
