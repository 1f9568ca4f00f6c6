"""The real daemon, in a process of its own, between a simulated ServiceTitan and a real PostgreSQL."""

from __future__ import annotations

import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio
import anyio.from_thread
import pytest
from support.daemons import Daemon, Done, Home, finished, running, service, started

from pcd.control.client import connect
from pcd.errors import ControlError
from pcd.sim.faults import Faults

if TYPE_CHECKING:
    from pathlib import Path

    from pcd.db.pool import Database
    from pcd.sim.tenant import Tenant


pytestmark = pytest.mark.asyncio


async def test_daemon_mirrors_at_once_and_answers_commands(home: Home, tenant: Tenant) -> None:
    customers = len(tenant.simulator.store["customers"])
    async with running(home) as daemon:
        await home.until(lambda status: any(each["outcome"] for each in finished(status)))
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
    assert "Traceback" not in daemon.text, daemon.text


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
        assert "there is no service or resource 'nonsense'; there are: " in paused.err
        assert (await home.command("pause", "jbos")).err.endswith("'jbos'; did you mean 'jobs'?\n")
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
        assert (await home.command("pause", "sync", "--reason", "they call us")).code == 0
        await daemon.until_state("sync", "paused")
        refused = await home.command("sync", "full")
        assert refused.code == 1
        assert "it is paused (they call us); `pcd resume sync`" in refused.err
    async with running(home) as daemon:
        await daemon.until_state("schedule", "paused")
        assert (await home.command("resume", "schedule")).code == 0
        await daemon.until_state("schedule", "running")


async def test_status_and_metrics_show_a_pause_at_once(home: Home) -> None:
    async with running(home) as daemon:
        await daemon.until_state("sync", "running")
        async with connect(home.socket) as client, aiohttp.ClientSession() as session:
            for method, paused in (("pause", ["jobs"]), ("resume", [])):
                await client.call("status")
                await client.call(method, {"name": "jobs"})
                status = await client.call("status")
                assert [each["name"] for each in status["pauses"]] == paused
                async with session.get(f"{status['http']}metrics") as response:
                    metrics = await response.text()
                assert f'pcd_sync_paused{{resource="jobs"}} {len(paused)}' in metrics


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
            await home.until(lambda status: any(each["outcome"] for each in finished(status)))
        stack.callback(tenant.simulator.dice.switch, Faults())
        tenant.simulator.dice.switch(Faults(empty_page=1.0))
        command = await stack.enter_async_context(started(home, "sync", "full", "--only", "jobs"))
        await _until_started(db, "jobs")
        command.process.send_signal(signal.SIGINT)
        assert await command.end() == 130
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
        status = await other.until(lambda status: "sync" in _held(status))
        holder = first if str(first.process.pid) in _held(status)["sync"] else second
        waiting = second if holder is first else first
        await holder.until_state("sync", "running")
        told = f"process {holder.process.pid} on "
        await waiting.home.until(lambda status: told in service(status, "sync")["detail"])
        await waiting.until_state("sync", "standby")
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
        await home.until(lambda status: bool(finished(status)))
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


def _held(status: dict[str, Any]) -> dict[str, str]:
    """Return who holds each lease."""
    return {lease["name"]: lease["holder"] for lease in status["leases"] if lease["is_live"]}


def _holds_all(daemon: Daemon, status: dict[str, Any]) -> bool:
    return all(str(daemon.process.pid) in lease["holder"] for lease in status["leases"])


async def test_second_daemon_on_the_same_socket_refuses_to_start(home: Home) -> None:
    async with running(home) as daemon:
        await daemon.until_state("control", "running")
        async with running(home) as second:
            assert await second.end() == 2
        assert "another daemon listens on" in second.text
        assert second.text.count("\n") == 1


async def test_killed_daemon_leaves_nothing_that_hinders_the_next(home: Home) -> None:
    async with running(home) as daemon:
        await daemon.until_state("sync", "running")
        await daemon.stop(signal.SIGKILL)
    assert await anyio.Path(home.socket).exists()
    async with running(home) as daemon:
        await daemon.until_state("sync", "running")
