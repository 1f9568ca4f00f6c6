"""What a simulation says is what the engine does."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from support.detecting import upsert
from support.working import NEW_YORK, Noting, definition, until_true, working

from pcd.clock import Clock
from pcd.workflows.facts import Subject
from pcd.workflows.facts.reader import FactReader
from pcd.workflows.outcome import Done
from pcd.workflows.simulate import Played, World, simulate

if TYPE_CHECKING:
    from pcd.db.pool import Database
    from pcd.workflows.action import StepCall
    from pcd.workflows.simulate import Timeline
    from pcd.workflows.workflow import Workflow

DEFINITIONS = 60
CONDITIONS = (
    "estimate.status == 'Open'",
    "estimate.total > 2000",
    "estimate.total <= $1,500.00 and not customer.opted_out",
    "message_count >= 1",
    "message_count >= 2 or estimate.name exists",
    "job.number contains 'J'",
    "event.total > 1",
    "technician.name == 'our team'",
    "days_since_start == 0",
)


def made_up(number: int) -> Workflow:
    """Return one of many workflows without delays, whose path depends on conditions."""
    rng = Random(number)
    count = rng.randint(1, 5)
    steps: list[dict[str, Any]] = []
    for position in range(1, count + 1):
        step: dict[str, Any] = {}
        if rng.random() < 0.5:
            step["when"] = rng.choice(CONDITIONS)
        if position < count and rng.random() < 0.5:
            later = [*range(position + 1, count + 1), "end"]
            step["branches"] = [
                {"when": rng.choice(CONDITIONS), "to": rng.choice(later)} for _ in range(rng.randint(1, 2))
            ]
        if rng.random() < 0.2:
            step["delay"] = {"until": rng.choice(("estimate.created_at", "appointment.start"))}
        steps.append(step)
    stops = [rng.choice(CONDITIONS)] if rng.random() < 0.4 else []
    return definition(*steps, name=f"made up {number}", stop=stops, max_concurrent_per_customer=0)


class Doing:
    """A stage on which everything succeeds."""

    def facts_for(self, *_: object) -> frozenset[str]:
        return frozenset()

    def play(self, *_: object) -> Played:
        return Played(Done(messages=1), "")


async def done(_: StepCall) -> Done:
    return Done(messages=1)


async def simulated(db: Database, workflow: Workflow) -> Timeline:
    names = set().union(*(workflow.facts_before(one) | workflow.facts_after(one) for one in workflow.steps))
    now = datetime.now(UTC)
    subject = Subject(entity_type="estimate", entity_id=7, customer_id=7)
    reader = FactReader(db, business={}, zone=NEW_YORK, clock=Clock())
    world = World(subject=subject, found=await reader.find(subject, names), present=now, zone=NEW_YORK)
    return simulate(workflow, world, Doing(), started_at=now)


@pytest.mark.asyncio
async def test_engine_takes_the_path_that_was_simulated(db: Database) -> None:
    """Paths, skips, stops, dead ends and reasons of many workflows are the same in both."""
    created = datetime(2026, 1, 2, tzinfo=UTC)
    await db.execute(*upsert("customers", 7, name="[name]", active=True))
    await db.execute(*upsert("estimates", 7, customer_id=7, status="Open", total=1500, st_created_on=created))
    workflows = [made_up(number) for number in range(DEFINITIONS)]
    work = await working(db, *workflows, action=Noting(answer=done))
    ids = [await work.begin(workflow=one, customer_id=7, entity_id=7) for one in workflows]

    async def ended() -> bool:
        count = await db.fetchval("SELECT count(*) FROM automation.workflow_instances WHERE due_at IS NULL")
        return bool(count == DEFINITIONS)

    async with work.running():
        await until_true(ended)
    seen = set()
    for id_, workflow in zip(ids, workflows, strict=True):
        timeline, row = await simulated(db, workflow), await work.instance(id_)
        assert [(line.step, line.became) for line in timeline.lines] == await work.records(id_), (
            workflow.document
        )
        assert (timeline.status.value, timeline.reason) == (row["status"], row["stopped_reason"] or "")
        seen.add(row["status"])
    assert seen == {"completed", "stopped", "failed"}
