"""The whole daemon: an estimate that is written starts the user's workflow, and people steer it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from support.daemons import Home, running
from support.detecting import upsert, watch

if TYPE_CHECKING:
    from pathlib import Path

    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

FOLLOW_UP = """
name = "follow up"
enabled = true
[trigger]
event = "estimate_created"
when = "estimate.total >= 1000"
[[steps]]
action = "query"
with = { sql = "SELECT 1 AS one", into = "found" }
[[steps]]
action = "query"
delay = "2 days"
with = { sql = "SELECT 2 AS two", into = "found" }
"""


@pytest.fixture
def home(database_url: str, tmp_path: Path) -> Home:
    folder = tmp_path / "workflows"
    folder.mkdir()
    (folder / "follow.toml").write_text(FOLLOW_UP)
    keys: dict[str, object] = {
        "database.url": database_url,
        "servicetitan.tenant_id": "1",
        "workflows.definitions": str(folder),
        "workflows.check_interval": "5m",
    }
    return Home(tmp_path, keys)


async def until(db: Database, sql: str, *args: object) -> Any:  # noqa: ANN401 - a column of any type
    """Return the first value of *sql* that is true."""
    with anyio.fail_after(20):
        while not (found := await db.fetchval(sql, *args)):  # noqa: ASYNC110 - the state is in the database
            await anyio.sleep(0.05)
        return found


async def test_estimate_starts_the_users_workflow_and_people_steer_it(db: Database, home: Home) -> None:
    """Its first step runs at once; the next waits two days, is paused, and the instance cancelled."""
    await watch(db)
    async with running(home) as daemon:
        await daemon.until_state("workflows", "running")
        await daemon.until_state("events", "running")
        await db.execute(*upsert("estimates", 1, status="Open", total=1500, customer_id=7))
        await db.execute(*upsert("estimates", 2, status="Open", total=500, customer_id=7))
        id_ = await until(db, "SELECT id FROM automation.workflow_instances WHERE current_step = 1")
        listed = (await home.command("workflow", "list", "--json")).json["workflows"]
        assert {one["name"]: one["instances"] for one in listed if one["is_enabled"]} == {
            "follow up": {"active": 1}
        }
        shown = (await home.command("workflow", "show", str(id_)[:8], "--json")).json
        assert [(one["action"], one["status"]) for one in shown["steps"]] == [("query", "completed")]
        assert "is paused" in (await home.command("workflow", "pause", "follow up")).out
        assert "goes on, with 1" in (await home.command("workflow", "resume", "follow up")).out
        assert "is cancelled" in (await home.command("workflow", "cancel", str(id_))).out
        again = await home.command("workflow", "cancel", str(id_))
        assert (again.code, "is stopped already" in again.err) == (1, True)
        status = (await home.command("workflow", "status", "--json")).json
        assert (status["active"], status["held"], status["dead"]) == (0, 0, 0)


async def test_definition_that_goes_bad_pauses_its_instances_until_it_is_good_again(
    db: Database, home: Home, tmp_path: Path
) -> None:
    """SIGHUP makes a daemon without a terminal read them; detection and the others go on."""
    await watch(db)
    path = tmp_path / "workflows" / "follow.toml"
    async with running(home) as daemon:
        await daemon.until_state("events", "running")
        await db.execute(*upsert("estimates", 1, status="Open", total=1500, customer_id=7))
        await until(db, "SELECT id FROM automation.workflow_instances WHERE current_step = 1")
        path.write_text(FOLLOW_UP.replace("estimate.total", "estimate.totl"))
        daemon.process.send_signal(signal.SIGHUP)
        await until(db, "SELECT id FROM automation.workflow_instances WHERE paused_by = 'definition'")
        await daemon.until_logged("estimate.total")
        path.write_text(FOLLOW_UP.replace("1000", "2000"))
        assert "applied" in (await home.command("reload")).out
        (row,) = await db.fetch("SELECT status, workflow_version FROM automation.workflow_instances")
        versions = await db.fetch(
            "SELECT version FROM automation.workflow_versions WHERE name = 'follow up' ORDER BY first_seen_at"
        )
        assert (row["status"], row["workflow_version"]) == ("active", versions[0]["version"])
        assert len(versions) == 2


async def test_instance_of_the_old_engine_runs_only_after_adoption(db: Database, home: Home) -> None:
    """Until then it is shown as paused; afterwards the old engine does not select it any more."""
    await db.execute(
        "WITH made AS (INSERT INTO automation.workflow_definitions (name, trigger_event, steps, enabled) "
        """VALUES ('old one', 'estimate_created', '[{"step": 1, "delay": "2 hours", "action": """
        """"Send SMS to customer: ''Hello''"}, {"step": 2, "delay": "1 day", "action": """
        """"Send SMS to customer: ''Again''"}]', false) RETURNING id) """
        "INSERT INTO automation.workflow_instances (workflow_id, entity_type, entity_id, customer_id, "
        "current_step, next_action_at) SELECT id, 'estimate', 1, 7, 1, now() + interval '1 hour' FROM made"
    )
    found = (await home.command("workflow", "instances", "--json")).json
    assert [(one["workflow"], one["status"], one["is_old"]) for one in found] == [("old one", "paused", True)]
    refused = await home.command("workflow", "cancel", found[0]["id"])
    assert "was started by the old engine" in refused.err
    adopted = await home.command("workflow", "adopt", found[0]["id"])
    assert "goes on here with step 2" in adopted.out, adopted.err
    (row,) = await db.fetch("SELECT * FROM automation.workflow_instances")
    assert row["next_action_at"] is None
    assert row["due_at"] > row["updated_at"]
    assert (row["workflow_name"], row["current_step"], row["status"]) == ("old one", 1, "active")


async def test_deleted_definition_leaves_its_instances_paused_and_shown(db: Database, home: Home) -> None:
    """The old schema would have deleted them with it."""
    await watch(db)
    row_id = await db.fetchval(
        "INSERT INTO automation.workflow_definitions (name, trigger_event, steps) "
        """VALUES ('row', 'estimate_created', '[{"step": 1, "delay": "2 hours", """
        """"action": "Send SMS to customer: ''Hi''"}]') """
        "RETURNING id"
    )
    async with running(home) as daemon:
        await daemon.until_state("events", "running")
        await db.execute(*upsert("estimates", 1, status="Open", total=10, customer_id=7))
        assert await until(db, "SELECT workflow_id FROM automation.workflow_instances") == row_id
        await db.execute("DELETE FROM automation.workflow_definitions")
        await home.command("reload")
        (row,) = await db.fetch("SELECT workflow_id, status, paused_by FROM automation.workflow_instances")
        assert dict(row) == {"workflow_id": None, "status": "paused", "paused_by": "definition"}
        found = (await home.command("workflow", "list", "--json")).json["workflows"]
        assert [one["failure"] for one in found if one["name"] == "row"] == ["its definition is gone or bad"]
