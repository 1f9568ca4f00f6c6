"""``pcd events``, as a person types it, with a daemon and without."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest
from support.daemons import Home, service, started
from support.detecting import detecting, upsert

from pcd.events.event import Becomes
from pcd.events.rules import RULES

if TYPE_CHECKING:
    from pathlib import Path

    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

OPEN = {"status": "Open", "total": 1250.5, "customer_id": 7}
_PCD = (sys.executable, "-m", "pcd")
NEVER = Becomes(test=lambda *_: False)
BLIND = {**RULES, "estimate_approved": replace(RULES["estimate_approved"], when=NEVER)}


async def test_events_are_listed_shown_and_explained(db: Database, tmp_path: Path) -> None:
    home = Home(tmp_path, {"database.url": db.url})
    async with detecting(db) as detection:
        await detection.write("estimates", 1, **OPEN)
        await detection.write("estimates", 1, status="Sold")
        await detection.events()
    listed = await home.command("events", "list", "--entity", "estimates:1")
    assert listed.code == 0, listed.err
    *_, last = listed.out.splitlines()
    assert "estimate_approved" in last
    assert "estimate 1" in last
    shown = await home.command("events", "show", last.split()[0])
    assert shown.code == 0, shown.err
    assert "row written and captured" in shown.out
    assert "status: Open → Sold" in shown.out
    assert '"estimateId": 1' in shown.out
    as_json = await home.command("events", "list", "--type", "estimate_approved", "--json")
    assert [event["payload"]["estimateId"] for event in as_json.json] == [1]


async def test_types_needs_no_database(tmp_path: Path) -> None:
    """It tells what the declarations say."""
    home = Home(tmp_path)
    told = await home.command("events", "types", "--json")
    assert {one["type"] for one in told.json} == set(RULES)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param(("list", "--type", "estimate_solt"), "there is no event 'estimate_solt'", id="type"),
        pytest.param(("list", "--entity", "estimate"), "--entity: found 'estimate'", id="entity"),
        pytest.param(("replay",), "--since", id="replay of everything"),
        pytest.param(("show", "nonsense"), "no event id", id="id"),
    ],
)
async def test_mistake_is_answered_with_a_sentence(
    db: Database, tmp_path: Path, arguments: tuple[str, ...], text: str
) -> None:
    done = await Home(tmp_path, {"database.url": db.url}).command("events", *arguments)
    assert done.code in {1, 2}
    assert text in done.err
    assert "Traceback" not in done.err


async def test_replay_shows_first_and_records_when_told_to(db: Database, tmp_path: Path) -> None:
    """Without a daemon the command does it itself, under the same lease."""
    home = Home(tmp_path, {"database.url": db.url})
    async with detecting(db, rules=BLIND) as detection:
        await detection.write("estimates", 1, **OPEN)
        await detection.write("estimates", 1, status="Sold")
        await detection.events()
    shown = await home.command("events", "replay", "--entity", "estimate:1")
    assert "1 event would be recorded" in shown.out, shown.err
    assert await db.fetchval("SELECT count(*) FROM automation.events") == 1
    done = await home.command("events", "replay", "--entity", "estimate:1", "--yes", "--json")
    assert done.json["new"] == {"estimate_approved": 1}, done.err
    assert await db.fetchval("SELECT count(*) FROM automation.events") == 2


@pytest.mark.timeout(120)
async def test_daemon_records_retries_and_replays(db: Database, tmp_path: Path) -> None:
    """A command asks the daemon that holds the lease; tail follows what it records."""
    home = Home(tmp_path, {"database.url": db.url})
    async with detecting(db, rules=BLIND) as detection:
        await detection.write("estimates", 1, **OPEN | {"status": "Sold"})
        await detection.write("estimates", 2, **OPEN | {"status": None})
        await detection.events()
    async with started(home, "run", "--only", "events") as daemon:
        status = await daemon.until_state("events", "running")
        assert service(status, "listener")["state"] == "running"
        status = await home.until(lambda status: status["events"] and status["events"]["parked"])
        assert status["events"]["parked"][0]["reason"] == "status is null"
        replayed = await home.command("events", "replay", "--since", "1h", "--yes", "--json")
        assert replayed.json["new"] == {"estimate_approved": 1}, replayed.err
        retried = await home.command("events", "retry")
        assert "3 still cannot be" in retried.out, retried.err
        await db.execute(*upsert("estimates", 3, **OPEN))
        status = await home.until(lambda status: status["events"]["last_sequence"] == 3)
        assert status["events"]["backlog"] == 0


@pytest.mark.timeout(60)
async def test_tail_prints_what_is_recorded_until_it_is_interrupted(db: Database, tmp_path: Path) -> None:
    home = Home(tmp_path, {"database.url": db.url})
    async with detecting(db) as detection:
        process = await anyio.open_process(
            [*_PCD, "events", "tail", "--config", str(home.config)], stdin=None
        )
        try:
            assert process.stdout is not None
            with anyio.fail_after(30):
                number = 0
                while True:
                    number += 1
                    await detection.write("estimates", number, **OPEN)
                    await detection.events()
                    with anyio.move_on_after(1):
                        line = (await process.stdout.receive()).decode()
                        break
            assert "estimate_created" in line
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 130
        finally:
            if process.returncode is None:
                process.kill()
            await process.aclose()
