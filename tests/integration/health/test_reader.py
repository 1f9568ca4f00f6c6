"""What is measured in a real database, and how the monitor speaks of it."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import anyio
import pytest
from support.proxy import Proxy

from pcd.clock import Clock
from pcd.config import load
from pcd.db import queries
from pcd.db.leases import Leaser
from pcd.db.pool import Database
from pcd.errors import StoreUnreachable
from pcd.health import digester, ledger
from pcd.health.check import Measurement, Thresholds, Unread
from pcd.health.checks import CHECKS
from pcd.health.ledger import Ledger
from pcd.health.monitor import Monitor
from pcd.health.pacer import Pacer
from pcd.health.reader import Reader, Store, disk
from pcd.health.remedy import REMEDIES, Result
from pcd.tables import RESOURCES

if TYPE_CHECKING:
    from pathlib import Path

    from pcd.health.check import Reading

pytestmark = pytest.mark.asyncio
SQL = queries.load("pcd.health")
THRESHOLDS = Thresholds(sync_stalled_after=timedelta(minutes=30), workflow_stalled_after=timedelta(hours=1))


def store(db: Database) -> Store:
    return Store(lambda: db, resources=RESOURCES, stalled_after=timedelta(hours=1), clock=Clock())


async def test_empty_database_is_well(db: Database) -> None:
    readings = await Reader(store(db).sources()).read()
    assert not [name for name, reading in readings.items() if isinstance(reading, Unread)]
    monitor = Monitor(
        CHECKS,
        reader=Reader(store(db).sources()),
        thresholds=THRESHOLDS,
        interval=timedelta(hours=1),
        clock=Clock(),
    )
    await monitor.look()
    assert monitor.is_well


async def test_age_of_each_resource_is_told_and_paused_ones_are_left_out(watched: Database) -> None:
    await watched.execute("UPDATE pcd.cursors SET checked_at = now() - interval '45 minutes'")
    await watched.execute("INSERT INTO pcd.pauses (name) VALUES ('jobs')")
    found = await store(watched).sync(reference=False)
    assert not isinstance(found, Unread)
    assert "jobs" not in found
    assert found["customers"].text == "not compared for 45 min"
    assert found["customers"].details == {"minutesSince": 45}
    reference = await store(watched).sync(reference=True)
    assert not isinstance(reference, Unread)
    assert "technicians" in reference
    assert "technicians" not in found
    await watched.execute("INSERT INTO pcd.pauses (name) VALUES ('sync')")
    assert await store(watched).sync(reference=False) == {}


async def test_stalled_steps_are_counted_and_those_at_work_are_not(db: Database) -> None:
    async def start(due: str, lease: str | None) -> None:
        await db.execute(
            "INSERT INTO automation.workflow_instances (entity_type, entity_id, customer_id, status, "
            "workflow_name, workflow_version, event_id, due_at, lease_until, holder) "
            "VALUES ('job', 1, 1, 'active', $1, 'v', $2, now() - $3::text::interval, "
            "now() + $4::text::interval, $5)",
            "review_request",
            uuid4(),
            due,
            lease,
            "somebody" if lease else None,
        )

    await start("2 hours", None)
    await start("3 hours", "-1 minute")
    await start("3 hours", "1 minute")
    await start("10 minutes", None)
    found = await store(db).workflows()
    assert not isinstance(found, Unread)
    assert found[""].text == "2 stalled, the first for 3 h"
    assert found[""].details == {"stalled": 2, "minutesSince": 180}


@pytest.mark.parametrize("name", ["stalled_workflows", "dead_letters"])
async def test_what_is_asked_each_time_reads_no_table_whole(db: Database, name: str) -> None:
    async with db.transaction() as connection:
        await connection.execute("SET LOCAL enable_seqscan = off")
        arguments = (timedelta(hours=1),) if "$1" in SQL[name] else ()
        plan = await connection.fetch(f"EXPLAIN {SQL[name]}", *arguments)
    assert not [row[0] for row in plan if "Seq Scan" in row[0]]


async def test_what_was_given_up_is_counted(db: Database) -> None:
    await db.execute(
        "INSERT INTO integrations.ghl_outbox (lane, kind, reason, cause, state, error) "
        "VALUES ('1', 'update_contact', 'x', 'y', 'dead', 'refused')"
    )
    await db.execute(
        "INSERT INTO automation.messaging_log (channel, direction, body, status) "
        "VALUES ('sms', 'outbound', 'x', 'parked')"
    )
    found = await store(db).dead_letters()
    assert not isinstance(found, Unread)
    assert {name: each.value for name, each in found.items()} == {
        "calls to GoHighLevel": 1,
        "messages": 1,
        "workflows": 0,
    }


async def test_old_transaction_is_named(db: Database) -> None:
    async with db.transaction() as connection:
        await connection.execute("SET LOCAL application_name = 'a report'")
        found = await db.fetch(SQL["transactions"].replace("interval '1 minute'", "interval '0'"))
    assert "a report" in [row["who"] for row in found]


async def test_absent_database_is_a_measurement_and_not_an_error() -> None:
    def away() -> Database:
        raise StoreUnreachable("PostgreSQL does not answer: connection refused")

    absent = Store(away, resources=RESOURCES, stalled_after=timedelta(hours=1), clock=Clock())
    readings = await Reader(absent.sources()).read()
    database = readings.pop("database")
    assert not isinstance(database, Unread)
    assert database[""].value == float("inf")
    assert all(
        reading == Unread("PostgreSQL does not answer: connection refused") for reading in readings.values()
    )


async def test_reading_that_hangs_holds_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pcd.health.reader._LONGEST", 0.2)

    async def hang() -> Reading:
        await anyio.sleep_forever()
        raise AssertionError

    async def well() -> Reading:
        return {"": Measurement(value=0, text="well")}

    with anyio.fail_after(20):
        found = await Reader({"hangs": hang, "well": well}).read()
    assert found["hangs"] == Unread("no answer within 0.2 s")
    assert not isinstance(found["well"], Unread)


async def test_one_line_when_it_breaks_and_one_when_it_heals(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    values = iter((10.0, 96.0, 97.0, 98.0, 10.0, 10.0, 10.0))

    async def read() -> Reading:
        value = next(values)
        return {"": Measurement(value=value, text=f"{value:g} %")}

    monitor = Monitor(
        {"disk": CHECKS["disk"]},
        reader=Reader({"disk": read}),
        thresholds=THRESHOLDS,
        interval=timedelta(hours=1),
        clock=Clock(),
    )
    for _ in range(7):
        await monitor.look()
    assert [record.getMessage() for record in caplog.records] == [
        "health: disk: 96 %",
        "health: disk is well again: 10 %",
    ]


async def test_a_storm_of_onlookers_is_one_look() -> None:
    looks = 0

    async def read() -> Reading:
        nonlocal looks
        looks += 1
        await anyio.sleep(0.02)
        return {"": Measurement(value=0, text="well")}

    monitor = Monitor(
        {"disk": CHECKS["disk"]},
        reader=Reader({"disk": read}),
        thresholds=THRESHOLDS,
        interval=timedelta(hours=1),
        clock=Clock(),
    )

    async def ask() -> None:
        await monitor.look(not_older_than=5)

    async with anyio.create_task_group() as group:
        for _ in range(200):
            group.start_soon(ask)
    assert looks == 1


async def test_disk_of_a_folder_that_is_not_there_yet_is_measured(tmp_path: Path) -> None:
    found = await disk(tmp_path / "not" / "there" / "yet")
    assert not isinstance(found, Unread)
    assert 0 <= found[""].value <= 100


async def test_disk_that_cannot_be_looked_at_is_no_end_of_the_watch(tmp_path: Path) -> None:
    """A stale mount, or a broken disk: nothing else would be watched at that very moment."""
    found = await disk(tmp_path / ("x" * 300))
    assert isinstance(found, Unread)
    assert "File name too long" in found.reason


async def test_late_loop_is_noticed() -> None:
    pacer = Pacer(Clock())
    async with anyio.create_task_group() as group:
        await group.start(lambda *, task_status: pacer.run(task_status=task_status))
        await anyio.sleep(0.1)
        _block(0.8)
        await anyio.sleep(0.05)
        assert pacer.take_lag().value > 0.2
        assert pacer.take_lag().value == 0
        assert pacer.take_step().value < 0.5
        group.cancel_scope.cancel()


def _block(seconds: float) -> None:
    clock = Clock()
    until = clock.monotonic() + seconds
    while clock.monotonic() < until:
        continue


async def test_what_was_tried_is_remembered_without_a_database_too(db: Database) -> None:
    is_there = False

    def find() -> Database:
        if not is_there:
            raise StoreUnreachable("away")
        return db

    tried = Ledger(find, clock=Clock(), holder="test")
    about = {"check": "services", "subject": "events", "reason": "broken", "decided_by": "rule"}
    restart = REMEDIES["restart_services"]
    assert await tried.begin(restart, result=Result.STARTED, **about) is None
    assert [past.subject for past in await tried.history()] == ["events"]
    is_there = True
    number = await tried.begin(restart, result=Result.STARTED, **about)
    await tried.end(number, Result.HELPED, detail="works")
    assert [past.result for past in await tried.history()] == [Result.STARTED, Result.HELPED]


async def test_onlookers_are_told_of_no_remedies_while_the_database_freezes(database_url: str) -> None:
    """Until that is noticed the page is asked for all the same, and is no error."""
    async with Proxy(database_url).serve() as proxy:
        db = await Database.connect(proxy.url, pool_size=1, wait=timedelta(seconds=10))
        await Ledger(lambda: db, clock=Clock(), holder="here").begin(
            REMEDIES["resync"],
            check="sync",
            subject="sync",
            reason="",
            decided_by="rule",
            result=Result.HELPED,
        )
        assert [each["remedy"] for each in await ledger.recent(db)] == ["resync"]
        proxy.freeze()
        assert await ledger.recent(db) == []
        await db.close()


async def test_daemons_share_the_record_of_what_they_heal_together_and_of_nothing_else(db: Database) -> None:
    """A restart that helped another daemon says nothing about the service of the same name here."""
    about = {"check": "services", "subject": "web", "reason": "broken", "decided_by": "rule"}
    own, other = (Ledger(lambda: db, clock=Clock(), holder=name) for name in ("here", "there"))
    await other.begin(REMEDIES["restart_services"], result=Result.HELPED, **about)
    assert await own.history() == []
    assert len(await other.history()) == 1
    async with Leaser(db, holder="here", ttl=timedelta(seconds=30), clock=Clock()).hold("healer") as lease:
        common = Ledger(lambda: db, clock=Clock(), holder="here", lease=lease)
        assert [past.subject for past in await common.history()] == ["web"]


async def test_newest_remedies_count_however_many_there_were(db: Database) -> None:
    """The limits look at the last hour."""
    await db.execute(
        "INSERT INTO automation.remedies (remedy, check_name, subject, reason, result, decided_by,"
        " started_at) SELECT 'resync', 'sync', 'sync', 'old', 'helped', 'rule',"
        " now() - interval '1 minute' * (800 - n)"
        " FROM generate_series(1, 700) AS n"
    )
    found = await Ledger(lambda: db, clock=Clock(), holder="").history()
    assert found == sorted(found, key=lambda past: past.at)
    assert Clock().now() - found[-1].at < timedelta(minutes=101)


async def test_digest_counts_the_last_day(db: Database) -> None:
    await db.execute(
        "INSERT INTO automation.events (type, entity_type, entity_id, payload, occurred_at) "
        "VALUES ('job_completed', 'job', 1, '{}', now())"
    )
    await db.execute(
        "INSERT INTO integrations.ghl_outbox (lane, kind, fields, reason, cause, state) "
        "VALUES ('1', 'update_opportunity', '{\"pipelineStageId\": \"x\"}', 'x', 'y', 'done')"
    )
    await db.execute(
        "INSERT INTO automation.alerts (key, level, title) VALUES ('x', 'fail', 'Something broke')"
    )
    told = await digester.gather(db, until=Clock().now() + timedelta(seconds=1))
    assert told["events"] == [{"type": "job_completed", "number": 1}]
    assert told["calls"] == [{"kind": "move_opportunity", "state": "done", "number": 1}]
    waiting = {each["what"]: each["number"] for each in told["person"] if each["number"]}
    assert waiting == {"open alerts (pcd alerts list)": 1}


async def test_onlookers_are_told_of_the_last_day_and_of_what_is_switched_on(db: Database) -> None:
    day = await digester.LastDay(load(None, {}), db=lambda: db, clock=Clock()).read()
    assert day is not None
    assert day["modes"] == {"ghl": "off", "messages": "dry_run"}
    assert day["events"] == []


async def test_onlookers_are_told_nothing_of_the_day_while_the_database_is_away() -> None:
    def away() -> Database:
        raise StoreUnreachable("PostgreSQL does not answer: connection refused")

    assert await digester.LastDay(load(None, {}), db=away, clock=Clock()).read() is None
