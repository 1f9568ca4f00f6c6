"""From `Alerts.raise_` to a row and to people, over real HTTP."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anyio
import orjson
import pytest
from support.hooks import Hooks, hooks

from pcd.clock import Clock
from pcd.config import Secret, Url
from pcd.errors import StoreUnreachable
from pcd.health.alerts import Alerts
from pcd.health.channels.slack import Slack
from pcd.health.channels.webhook import Webhook
from pcd.health.check import Level
from pcd.health.courier import Rounds
from pcd.health.crier import Crier, acknowledge, list_alerts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from pcd.db.pool import Database
    from pcd.health.channels import Channel

pytestmark = pytest.mark.asyncio

BRISK = Rounds(
    pauses=(timedelta(milliseconds=10),) * 3,
    gather=timedelta(milliseconds=50),
    between=timedelta(milliseconds=10),
)


@asynccontextmanager
async def crying(db: Callable[[], Database], *channels: Channel, place: str = "") -> AsyncIterator[Alerts]:
    alerts = Alerts(Clock())
    crier = Crier(alerts, db=db, channels=channels, rounds=BRISK, place=place)
    async with anyio.create_task_group() as group:
        await group.start(lambda *, task_status: crier.run(task_status=task_status))
        yield alerts
        group.cancel_scope.cancel()


def slack(server: Hooks) -> Slack:
    return Slack(Secret(f"{server.url}/services/T0/B0/secret"))


async def rows(db: Database) -> list[dict[str, Any]]:
    return [dict(row) for row in await db.fetch("SELECT * FROM automation.alerts ORDER BY id")]


async def until_rows(db: Database, test: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
    with anyio.fail_after(20):
        while not test(found := await rows(db)):  # noqa: ASYNC110 - no event tells
            await anyio.sleep(0.01)
        return found


async def test_alert_is_written_told_once_and_its_end_is_told(db: Database) -> None:
    async with hooks() as server, crying(lambda: db, slack(server)) as alerts:
        for _ in range(5):
            alerts.raise_("crm.breaker", title="GoHighLevel refuses the token", text="Renew it.")
        await server.until(1)
        (row,) = await until_rows(db, lambda found: bool(found) and found[0]["told"] != "{}")
        assert (row["key"], row["level"], row["resolved_at"]) == ("crm.breaker", "fail", None)
        alerts.resolve("crm.breaker", text="accepted again")
        posted = await server.until(2)
        await until_rows(db, lambda found: found[0]["resolved_at"] is not None)
        alerts.resolve("crm.breaker")
    texts = [each.body["text"] for each in posted]
    assert "GoHighLevel refuses the token" in texts[0]
    assert "Well again: GoHighLevel refuses the token: accepted again" in texts[1]
    assert len(server.posted) == 2


async def test_what_comes_together_is_told_together(db: Database) -> None:
    async with hooks() as server, crying(lambda: db, slack(server)) as alerts:
        for number in range(40):
            alerts.raise_(f"key.{number}", title=f"trouble {number}")
        (posted,) = await server.until(1)
        await until_rows(db, lambda found: len(found) == 40)
    assert "(and 39 more)" in posted.body["text"]


async def test_alert_that_gets_worse_is_told_again(db: Database) -> None:
    async with hooks() as server, crying(lambda: db, slack(server)) as alerts:
        alerts.raise_("disk", title="86 % full", level=Level.WARN)
        await server.until(1)
        alerts.raise_("disk", title="87 % full", level=Level.WARN)
        alerts.raise_("disk", title="96 % full", level=Level.FAIL)
        posted = await server.until(2)
    assert ["86" in posted[0].body["text"], "96" in posted[1].body["text"]] == [True, True]


async def test_two_processes_tell_of_one_trouble_once(db: Database) -> None:
    async with hooks() as first, hooks() as second:
        async with crying(lambda: db, slack(first)) as one, crying(lambda: db, slack(second)) as other:
            one.raise_("sync", title="old")
            await first.until(1)
            other.raise_("sync", title="old")
            other.raise_("own", title="mine")
            await second.until(1)
            assert "mine" in second.posted[0].body["text"]
        assert (len(first.posted), len(second.posted)) == (1, 1)


async def test_alert_outlives_its_process(db: Database) -> None:
    async with hooks() as server:
        async with crying(lambda: db, slack(server)) as alerts:
            alerts.raise_("sync", title="old")
            await server.until(1)
        async with crying(lambda: db, slack(server)) as alerts:
            with anyio.fail_after(20):
                while not alerts.open:  # noqa: ASYNC110 - no event tells
                    await anyio.sleep(0.01)
            alerts.resolve("sync")
            posted = await server.until(2)
    assert "Well again" in posted[1].body["text"]


async def test_what_another_process_resolved_can_be_raised_again(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A standby that took an alert over must not think for ever that people know."""
    monkeypatch.setattr("pcd.health.crier._EVERY", 0.05)
    async with (
        hooks() as first,
        hooks() as second,
        crying(lambda: db, slack(first)) as one,
        crying(lambda: db, slack(second)) as other,
    ):
        one.raise_("sync", title="old")
        await first.until(1)
        with anyio.fail_after(20):
            while not other.open:  # noqa: ASYNC110 - no event tells
                await anyio.sleep(0.01)
        one.resolve("sync")
        await first.until(2)
        with anyio.fail_after(20):
            while other.open:  # noqa: ASYNC110 - no event tells
                await anyio.sleep(0.01)
        other.raise_("sync", title="old again")
        await second.until(1)
    assert "old again" in second.posted[0].body["text"]


async def test_alert_of_a_daemon_that_is_gone_is_closed_and_that_is_told(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replica that replaces another has another name, and resolves its own alerts alone."""
    async with crying(lambda: db) as dead:
        for key, group in (("health@gone", "daemon"), ("health@idle", "daemon"), ("common", "database")):
            dead.raise_(key, title=f"{key} is broken", group=group)
        await until_rows(db, lambda found: len(found) == 3)
    monkeypatch.setattr("pcd.health.crier._EVERY", 0.02)
    monkeypatch.setattr("pcd.health.crier._GONE_AFTER", 1.0)
    async with (
        hooks() as server,
        crying(lambda: db, place="idle"),
        crying(lambda: db, slack(server)) as alerts,
    ):
        (posted,) = await server.until(1)
        assert "Well again: health@gone is broken: not found for six hours" in posted.body["text"]
        assert [row["key"] for row in await rows(db) if not row["resolved_at"]] == ["health@idle", "common"]
        assert {alert.key for alert in alerts.open} == {"health@idle", "common"}


async def test_alert_of_another_daemon_outlives_hours_without_the_database(db: Database) -> None:
    """Who is back first must not close what the others have not been able to write."""
    async with crying(lambda: db) as other:
        other.raise_("health@other", title="broken", group="daemon")
        await until_rows(db, lambda found: len(found) == 1)
    await db.execute("UPDATE automation.alerts SET seen_at = now() - interval '7 hours'")
    async with crying(lambda: db) as first:
        with anyio.fail_after(20):
            while not first.open:  # noqa: ASYNC110 - no event tells
                await anyio.sleep(0.01)
    assert [row["resolved_at"] for row in await rows(db)] == [None]


async def test_record_tells_when_and_how_an_open_alert_was_found_last(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pcd.health.crier._EVERY", 0.05)
    async with crying(lambda: db) as alerts:
        alerts.raise_("disk", title="96 % full")
        (first,) = await until_rows(db, bool)
        alerts.raise_("disk", title="88 % full", level=Level.WARN)
        (last,) = await until_rows(db, lambda found: found[0]["title"] == "88 % full")
    assert (last["id"], last["level"], last["count"]) == (first["id"], "warn", 2)
    assert last["raised_at"] == first["raised_at"] < last["seen_at"]


async def test_failing_channel_is_tried_again_within_bounds_and_blocks_nobody(db: Database) -> None:
    async with hooks() as broken, hooks() as good:
        broken.statuses = [500]
        hook = Webhook(Url(f"{good.url}/n8n"), token=Secret("t0ken-of-n8n"))
        async with crying(lambda: db, slack(broken), hook) as alerts:
            alerts.raise_("sync", title="old")
            (told,) = await good.until(1)
            await broken.until(4)
            (row,) = await until_rows(db, lambda found: bool(found) and found[0]["untold"] != "{}")
            broken.statuses = [503, 200]
            alerts.raise_("disk", title="full")
            await broken.until(6)
    assert told.headers["Authorization"] == "Bearer t0ken-of-n8n"
    assert told.body["alerts"][0]["key"] == "sync"
    assert orjson.loads(row["untold"]) == {"slack": "answers with status 500"}
    assert "webhook" in orjson.loads(row["told"]) or row["told"] == "{}"


async def test_refused_token_is_not_tried_again(db: Database) -> None:
    async with hooks() as server:
        server.statuses = [403]
        async with crying(lambda: db, slack(server)) as alerts:
            alerts.raise_("sync", title="old")
            (row,) = await until_rows(db, lambda found: bool(found) and found[0]["untold"] != "{}")
    assert len(server.posted) == 1
    assert "refuses us (403)" in row["untold"]
    assert "secret" not in row["untold"]


async def test_people_are_told_while_the_database_is_away_and_it_is_written_later(db: Database) -> None:
    is_there = False

    def find() -> Database:
        if not is_there:
            raise StoreUnreachable("waiting for the database")
        return db

    async with hooks() as server, crying(find, slack(server)) as alerts:
        alerts.raise_("health.database", title="the database does not answer")
        await server.until(1)
        is_there = True
        alerts.resolve("health.database")
        await server.until(2)
        (row,) = await until_rows(db, lambda found: bool(found) and found[0]["resolved_at"] is not None)
    assert row["key"] == "health.database"


async def test_person_acknowledges_by_id_or_key(db: Database) -> None:
    async with crying(lambda: db) as alerts:
        alerts.raise_("sync", title="old")
        (row,) = await until_rows(db, bool)
    assert await acknowledge(db, "nonsense", by="office") == []
    assert [each["key"] for each in await acknowledge(db, str(row["id"]), by="office")] == ["sync"]
    (listed,) = await list_alerts(db, also_over=False, limit=10)
    assert listed["acked_by"] == "office"


async def test_flood_of_alerts_is_bounded() -> None:
    alerts = Alerts(Clock())
    for number in range(3000):
        alerts.raise_(f"key.{number}", title="trouble")
    assert len(alerts.open) == 1001
    assert alerts.open[-1].key == "alerts.overflow"
    assert len(alerts.take()) <= 2000
