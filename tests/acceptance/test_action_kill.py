"""kill -9 of those that take steps, and of the daemon that sends what they owe: GoHighLevel gets each once.

Short by default; PCD_SOAK_ROUNDS is how many of each are killed.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from datetime import timedelta
from itertools import cycle
from typing import TYPE_CHECKING

import anyio
import pytest
from support.daemons import Home, started
from support.dying_worker import LEFT, POINTS, work_until_death
from support.selling import LIMITLESS, Written, shipped_ghl
from support.working import definition, working

from pcd.sim.ghl.subaccount import open_subaccount
from pcd.sim.trouble import TroubleRates

if TYPE_CHECKING:
    from pathlib import Path

    from pcd.db.pool import Database
    from pcd.workflows.workflow import Workflow

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(1800)]

ROUNDS = int(os.environ.get("PCD_SOAK_ROUNDS", "4"))
EACH_ROUND = 10
INSTANCES = EACH_ROUND * ROUNDS
WITHIN = timedelta(seconds=60 + INSTANCES / 2)
# Without events: its definitions do not know the workflow of these instances.
SENDING = ("run", "--only", "ghl")
# Slow enough that something is under way when a daemon is killed.
TROUBLES = TroubleRates(
    slow_answer=0.5, slow_seconds=0.3, server_error_after=0.1, reset_after=0.1, reset=0.05
)
SOLD_TO = "SELECT count(DISTINCT customer_id) FROM pcd.crm_cycles WHERE opportunity_id IS NOT NULL"
OWED = "SELECT count(*) FROM integrations.ghl_outbox WHERE state IN ('owed', 'sending')"
DEAD = "SELECT kind, customer_id FROM integrations.ghl_outbox WHERE state = 'dead'"
ENDS = "SELECT status, count(*) FROM automation.workflow_instances GROUP BY status"


async def test_each_action_is_done_once_whenever_processes_are_killed(db: Database, tmp_path: Path) -> None:
    """The simulator counts: a second note, task or enrolment would stand there."""
    chance = random.Random(ROUNDS)
    async with open_subaccount(settings=LIMITLESS) as subaccount:
        company = Written(db, subaccount.simulator)
        home = Home(
            tmp_path,
            {
                "database.url": db.url,
                "leases.ttl": "1s",
                "events.poll_interval": "1s",
                **shipped_ghl(company.sim, subaccount.url),
            },
        )
        reaching = str(home.config)
        await _sell(company, home)
        work = await working(db, flow(company.sim.settings.workflows[0].id))
        company.sim.troubles.switch(TROUBLES)
        left, cut = 0, 0
        for number, point in zip(range(ROUNDS), cycle(POINTS), strict=False):
            await work.begin_many(EACH_ROUND, first=number * EACH_ROUND + 1)
            async with started(home, *SENDING) as daemon:
                await work_until_death(db, reaching, point, after=chance.randint(2, 12), within=WITHIN)
                await anyio.sleep(chance.uniform(0, 1))
                left += await db.fetchval(LEFT)
                cut += await db.fetchval(OWED)
                daemon.process.kill()
        assert left, "no process left anything undone"
        assert cut, "no daemon was killed while anything was owed"
        company.sim.troubles.switch(TroubleRates())
        async with started(home, *SENDING):
            await work_until_death(db, reaching, "", after=0, within=WITHIN)
            await _until_sent(db)
        await _check(company)


def flow(theirs: str) -> Workflow:
    """Return a workflow with every action that goes through the outbox."""
    steps: tuple[tuple[str, dict[str, object]], ...] = (
        ("upsert_contact", {}),
        ("add_note", {"body": "Note on {estimate.id}"}),
        ("add_tags", {"tags": ["kept", "passing"]}),
        ("create_task", {"title": "Task on {estimate.id}"}),
        ("move_opportunity", {"stage": "estimate_followup"}),
        ("remove_tags", {"tags": ["passing"]}),
        ("enrol_in_ghl_workflow", {"workflow_id": theirs}),
    )
    often = {"attempts": 20, "first": "1s"}
    # A delay, or one process that lives long enough would take all steps of an instance.
    return definition(
        *({"action": name, "with": told, "delay": "1 second", "retry": often} for name, told in steps),
        name="flow",
    )


async def _sell(company: Written, home: Home) -> None:
    """Let every customer have a contact and an opportunity by an estimate of the same number."""
    await company.watch()
    async with started(home, "run", "--only", "events,ghl") as daemon:
        # Enabled before anybody comes: they are all new.
        await daemon.until_state("ghl sender", "running")
        for number in range(1, INSTANCES + 1):
            await company.customer(number)
            await company.job(number * 10, number)
            await company.estimate(number, number, job_id=number * 10)
        with anyio.fail_after(60 + INSTANCES):
            while await company.db.fetchval(SOLD_TO) < INSTANCES:  # noqa: ASYNC110 - no event tells
                await anyio.sleep(0.1)
        await _until_sent(company.db)


async def _until_sent(db: Database) -> None:
    with anyio.fail_after(60 + INSTANCES):
        while await db.fetchval(OWED):  # noqa: ASYNC110 - no event tells
            await anyio.sleep(0.1)


async def _check(company: Written) -> None:
    """Compare the simulator's record with what the steps were to do."""
    store = company.sim.store
    numbers = range(1, INSTANCES + 1)
    assert [tuple(row) for row in await company.db.fetch(ENDS)] == [("completed", INSTANCES)]
    assert len(store.contacts) == INSTANCES
    assert Counter(note.body for note in store.notes.values()) == Counter(
        f"Note on {number}" for number in numbers
    )
    assert Counter(task.title for task in store.tasks.values()) == Counter(
        f"Task on {number}" for number in numbers
    )
    tags = [set(contact.tags) & {"kept", "passing"} for contact in store.contacts.values()]
    assert tags == [{"kept"}] * INSTANCES
    assert [stage for _, stage, _, _ in company.cards()] == ["Estimate Follow-up"] * INSTANCES
    await _check_enrolments(company)


async def _check_enrolments(company: Written) -> None:
    """Nobody is enrolled twice; one whose answer was lost waits for a person, as nothing can be looked up."""
    store = company.sim.store
    dead = await company.db.fetch(DEAD)
    assert {row["kind"] for row in dead} <= {"enrol"}
    enrolled = Counter(store.contacts[one.contact_id].email for one in store.enrolments)
    assert set(enrolled.values()) == {1}
    missing = {f"c{number}@example.com" for number in range(1, INSTANCES + 1)} - set(enrolled)
    assert missing <= {f"c{row['customer_id']}@example.com" for row in dead}
