"""A real daemon that watches over itself: what it says, what it heals, what its commands show."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio
import anyio.from_thread
import pytest
from support.daemons import Daemon, Done, Home, running, servicetitan
from support.hooks import hooks
from support.proxy import Proxy

from pcd.clock import Clock
from pcd.db.leases import Leaser
from pcd.errors import LeaseLost
from pcd.sim.tenant import Tenant, open_tenant

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio
NEVER = "0 0 1 1 *"
TERM = "SELECT term FROM pcd.leases WHERE name = 'sync'"


@pytest.fixture(scope="module")
def tenant() -> Generator[Tenant]:
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(open_tenant(customers=10, pace=0)) as opened,
    ):
        yield opened


@pytest.fixture
def home(tmp_path: Path, database_url: str, tenant: Tenant) -> Home:
    return Home(
        tmp_path,
        {
            "database.url": database_url,
            **servicetitan(tenant),
            "sync.incremental_cron": NEVER,
            "sync.full_cron": NEVER,
            "health.interval": "500ms",
            "leases.ttl": "1s",
        },
    )


async def loaded(home: Home, daemon: Daemon) -> None:
    """Wait until everything has been mirrored once."""
    await daemon.until_state("sync", "running")
    await home.until(
        lambda status: (
            all(each["first_load_completed_at"] for each in status["resources"]) and not status["under_way"]
        )
    )


async def helped(db: Database) -> dict[str, Any]:
    with anyio.fail_after(120):
        while True:
            row = await db.fetchrow(
                "SELECT * FROM automation.remedies WHERE result = 'helped' ORDER BY id LIMIT 1"
            )
            if row is not None:
                return dict(row)
            await anyio.sleep(0.1)


async def test_stalled_sync_is_healed_and_every_command_tells(home: Home, db: Database) -> None:
    async with hooks() as server:
        home.keys |= {"alerts.slack.webhook_url": f"{server.url}/slack", "leases.ttl": "5s"}
        async with running(home) as daemon:
            await loaded(home, daemon)
            well = await home.command("health")
            assert (well.code, well.out.splitlines()[0]) == (0, "✅ All systems healthy")
            await db.execute("UPDATE pcd.cursors SET checked_at = now() - interval '45 minutes'")
            row = await helped(db)
            assert (row["remedy"], row["decided_by"]) == ("resync", "rule")
            assert "sync completed" in row["detail"]
            after = (await home.command("health", "--json")).json
            assert after["level"] == "ok"
            assert [each["remedy"] for each in after["remedies"]] == ["resync"]
            held = (await home.command("status")).out.partition("held by")[2]
            assert {"healer", "sync"} <= set(held.split())
            status = await home.status()
            async with aiohttp.ClientSession() as session, session.get(f"{status['http']}health") as answer:
                assert (answer.status, await answer.json()) == (200, {"status": "ok", "troubles": []})
            async with aiohttp.ClientSession() as session:
                async with session.get(f"{status['http']}health/detailed") as answer:
                    watch = (await answer.json())["watch"]
                async with session.get(f"{status['http']}metrics") as answer:
                    metrics = await answer.text()
            assert {each["component"] for each in watch["checks"]} >= {"database", "sync", "workflows"}
            assert 'pcd_health_level{check="sync"} 0.0' in metrics
            assert 'pcd_remedies_total{remedy="resync",result="helped"} 1.0' in metrics
            logs = await home.command("logs", "-n", "200")
            assert "health: sync: Triggering manual sync..." in logs.out
            assert "health: sync: Manual sync completed successfully" in logs.out
            assert await daemon.stop() == 0
        assert server.posted == [], "nobody is told of what healed itself"
    assert daemon.text.count("health: sync: appointment") <= 1
    assert "Traceback" not in daemon.text


async def test_holder_that_keeps_the_lease_and_does_nothing_is_fenced_off(home: Home, db: Database) -> None:
    home.keys["leases.ttl"] = "5s"
    leaser = Leaser(db, holder="a daemon that hangs", ttl=timedelta(seconds=9), clock=Clock())
    async with running(home) as daemon:
        await loaded(home, daemon)
        await daemon.stop()
    async with anyio.create_task_group() as group:
        lost = anyio.Event()

        async def hang() -> None:
            try:
                async with leaser.hold("sync"):
                    held.set()
                    await anyio.sleep_forever()
            except LeaseLost:
                lost.set()

        held = anyio.Event()
        group.start_soon(hang)
        await held.wait()
        async with running(home) as daemon:
            await daemon.until_state("lease", "starting")
            await db.execute("UPDATE pcd.cursors SET checked_at = now() - interval '45 minutes'")
            row = await helped(db)
            assert "the holder was cut off" in row["detail"]
            with anyio.fail_after(20):
                await lost.wait()
            await daemon.until_state("sync", "running")
            assert await daemon.stop() == 0
        group.cancel_scope.cancel()


async def test_sync_that_hangs_here_is_cut_off_and_started_over(
    home: Home, db: Database, tenant: Tenant
) -> None:
    async with Proxy(tenant.url).serve() as proxy:
        home.keys["servicetitan.api_url"] = f"http://127.0.0.1:{proxy.port}"
        async with running(home) as daemon:
            await loaded(home, daemon)
            proxy.freeze()
            term = await db.fetchval(TERM)
            hanging: list[Done] = []

            async def ask() -> None:
                hanging.append(await home.command("sync", "full"))

            async with anyio.create_task_group() as group:
                group.start_soon(ask)
                await home.until(lambda status: bool(status["under_way"]))
                await db.execute("UPDATE pcd.cursors SET checked_at = now() - interval '45 minutes'")
                home.keys["health.sync_stalled_after"] = "2s"
                assert (await home.command("reload")).out == "applied: health.sync_stalled_after\n"
                with anyio.fail_after(30):
                    while await db.fetchval(TERM) in {term, None}:  # noqa: ASYNC110 - no event tells
                        await anyio.sleep(0.05)
                proxy.thaw()
                row = await helped(db)
            assert row["detail"] == "the holder was cut off; sync completed"
            assert hanging[0].code == 1
            assert "interrupted" in hanging[0].err
            assert await daemon.stop() == 0
    assert "Traceback" not in daemon.text


async def test_missed_digest_is_caught_up_and_a_storm_of_onlookers_is_served(
    home: Home, db: Database
) -> None:
    await db.execute(
        "INSERT INTO pcd.schedule (name, last_due_at, last_outcome) "
        "VALUES ('digest', now() - interval '2 days', 'completed')"
    )
    async with hooks() as server:
        home.keys["alerts.slack.webhook_url"] = f"{server.url}/slack"
        async with running(home) as daemon:
            posted = await server.until(1)
            assert "pcd: daily digest" in posted[0].body["text"]
            await daemon.until_state("health", "running")
            base = (await home.status())["http"]
            async with aiohttp.ClientSession() as session:
                codes: list[int] = []

                async def look(path: str) -> None:
                    async with session.get(base + path) as answer:
                        await answer.read()
                        codes.append(answer.status)

                with anyio.fail_after(20):
                    async with anyio.create_task_group() as group:
                        for number in range(300):
                            group.start_soon(look, ("health", "metrics", "ready")[number % 3])
            assert codes.count(200) == 300
            assert await daemon.stop() == 0


async def test_health_without_a_daemon_says_what_can_be_seen_and_fails(home: Home) -> None:
    shown = await home.command("health", "--verbose")
    assert shown.code == 1
    assert "⚠️  Issues detected\n   Component: daemon\n   Status: critical" in shown.out
    assert "database  " in shown.out
    assert "answers in" in shown.out


async def test_reload_applies_what_it_can_and_names_the_rest(home: Home) -> None:
    async with running(home) as daemon:
        await daemon.until_state("health", "running")
        home.keys |= {"health.remedies": "off", "daemon.log_level": "debug", "alerts.digest_at": "08:15"}
        found = (await home.command("reload", "--json")).json
        assert set(found["applied"]) == {"health.remedies", "daemon.log_level"}
        assert found["needs_restart"] == ["alerts.digest_at"]
        home.keys["daemon.log_level"] = "loud"
        path = home.config
        refused = await home.command("reload")
        assert refused.code == 2
        assert "daemon.log_level" in refused.err
        home.keys["daemon.log_level"] = "debug"
        assert path == home.config
        assert (
            await home.command("logs", "--set-level", "info")
        ).out == "logs from info on (before: debug)\n"
        assert await daemon.stop() == 0


async def test_alerts_are_listed_acknowledged_and_tried(home: Home, db: Database) -> None:
    await db.execute(
        "INSERT INTO automation.alerts (key, level, title) VALUES ('x', 'fail', 'Something broke')"
    )
    listed = await home.command("alerts", "list")
    assert "Something broke" in listed.out
    assert (await home.command("alerts", "ack", "x")).out == "acknowledged: Something broke\n"
    unknown = await home.command("alerts", "ack", "y")
    assert (unknown.code, "no open alert" in unknown.err) == (2, True)
    none = await home.command("alerts", "test")
    assert none.code == 1
    async with hooks() as server:
        home.keys["alerts.slack.webhook_url"] = f"{server.url}/slack"
        home.keys["alerts.webhook.url"] = "http://127.0.0.1:1/nobody"
        tried = await home.command("alerts", "test", "--json")
        assert tried.code == 1
        assert [(each["channel"], bool(each["error"])) for each in tried.json] == [
            ("slack", False),
            ("webhook", True),
        ]
        assert "This is a test" in server.posted[0].body["text"]
        digest = await home.command("digest")
        assert digest.out.splitlines()[2] == "Needs a person:"
