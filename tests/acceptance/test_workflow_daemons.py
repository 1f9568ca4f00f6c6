"""Two daemons on one database share the work; what a killed one held moves to the other."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from support.daemons import Home, started
from support.detecting import upsert, watch
from support.working import until_true

from pcd.sim.providers import open_providers

if TYPE_CHECKING:
    from pathlib import Path

    from pcd.db.pool import Database

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]

CUSTOMERS = 60
FLOW = """
name = "tell"
enabled = true
[trigger]
event = "estimate_created"
[[steps]]
action = "post_webhook"
with = {{ url = "{url}/webhook/flow" }}
[[steps]]
action = "post_webhook"
delay = "1 second"
with = {{ url = "{url}/webhook/flow" }}
"""
RECORDS = "FROM automation.workflow_step_executions WHERE status = 'completed'"
DONE = f"SELECT count(*) >= $1 {RECORDS}"


async def test_two_daemons_share_the_work_and_one_finishes_what_the_other_left(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    """The one that took steps is killed, maybe the recorder with it; what repeats has the same key."""
    await watch(db)
    async with open_providers() as providers:
        folder = tmp_path / "workflows"
        folder.mkdir()
        (folder / "tell.toml").write_text(FLOW.format(url=providers.url))
        homes = []
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
            keys: dict[str, object] = {
                "database.url": database_url,
                "servicetitan.tenant_id": "1",
                "workflows.definitions": str(folder),
                "workflows.check_interval": "500ms",
                "workflows.lease": "2s",
            }
            homes.append(Home(tmp_path / name, keys))
        words = ("run", "--only", "events,workflows")
        async with started(homes[0], *words) as one, started(homes[1], *words) as other:
            for daemon in (one, other):
                await daemon.until_state("workflows", "running")
            await one.home.until(lambda status: bool(status["services"]))
            for number in range(1, CUSTOMERS + 1):
                await db.execute(*upsert("estimates", number, status="Open", total=9, customer_id=number))
            await until_true(lambda: db.fetchval(DONE, CUSTOMERS // 3))
            holder = await db.fetchval(f"SELECT holder {RECORDS} LIMIT 1")
            doomed, survivor = (one, other) if f" {one.process.pid} " in holder else (other, one)
            doomed.process.send_signal(signal.SIGKILL)
            await until_true(lambda: db.fetchval(DONE, 2 * CUSTOMERS))
    holders = [row["holder"] for row in await db.fetch(f"SELECT DISTINCT holder {RECORDS}")]
    assert any(f" {survivor.process.pid} " in holder for holder in holders)
    keys_of = [posting.headers["Idempotency-Key"] for posting in providers.received.hooks]
    assert len(set(keys_of)) == 2 * CUSTOMERS
    lost = await db.fetchval("SELECT count(*) FROM automation.workflow_step_executions WHERE status = 'lost'")
    assert len(keys_of) <= 2 * CUSTOMERS + lost
