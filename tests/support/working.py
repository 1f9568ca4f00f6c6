"""Workflows at work on a real database: definitions from dictionaries, actions that note what they did."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import anyio
import msgspec

from pcd.clock import Clock
from pcd.db import queries
from pcd.errors import DefinitionError
from pcd.workflows.advance import allowed, first_due
from pcd.workflows.decode import decode
from pcd.workflows.facts.reader import FactReader
from pcd.workflows.loader import Loaded
from pcd.workflows.outcome import Done
from pcd.workflows.performer import Performer
from pcd.workflows.rescuer import Rescuer
from pcd.workflows.runner import Runner
from pcd.workflows.starter import Starter
from pcd.workflows.steward import Steward
from pcd.workflows.store import Store, encode, start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    from pcd.db.pool import Database
    from pcd.workflows.action import StepCall
    from pcd.workflows.outcome import Outcome
    from pcd.workflows.workflow import Workflow

NEW_YORK = ZoneInfo("America/New_York")
_PATIENCE = 20.0
_SQL = queries.load("pcd.workflows")


class Free(msgspec.Struct, frozen=True):
    """Parameters of an action that takes what it likes."""

    text: str = ""
    number: int = 0


@dataclass(slots=True)
class Noting:
    """An action that notes each call and returns what *answer* says, or that it is done."""

    answer: Callable[[StepCall], Awaitable[Outcome]] | None = None
    name: str = "note"
    is_message: bool = False
    parameters: type[msgspec.Struct] = Free
    calls: list[StepCall] = field(default_factory=list)

    async def perform(self, call: StepCall) -> Outcome:
        """Note *call*."""
        self.calls.append(call)
        return Done() if self.answer is None else await self.answer(call)

    def describe(self, parameters: msgspec.Struct) -> str:
        """Return what it would do."""
        return f"note {parameters}"


async def until_true(is_so: Callable[[], Awaitable[object]]) -> None:
    """Return once *is_so* says something true."""
    with anyio.fail_after(_PATIENCE):
        while not await is_so():  # noqa: ASYNC110 - the state is in the database
            await anyio.sleep(0.01)


def definition(*steps: Mapping[str, Any], name: str = "test", **more: Any) -> Workflow:  # noqa: ANN401 - JSON
    """Return a workflow, switched on, that an ``estimate_created`` starts unless *more* says otherwise."""
    document = {
        "name": name,
        "enabled": True,
        "trigger": {"event": "estimate_created"},
        "steps": [{"action": "note", **step} for step in steps or ({},)],
    }
    return decode(document | more, source="test")


class Shelf:
    """The versions of *workflows*."""

    def __init__(self, workflows: Sequence[Workflow]) -> None:
        self._workflows = {(one.name, one.version): one for one in workflows}

    async def version(self, name: str, version: str) -> Workflow:
        """Return one of them."""
        try:
            return self._workflows[name, version]
        except KeyError:
            raise DefinitionError(f"workflow {name}", [f"version {version} was not kept"]) from None


@dataclass(slots=True)
class Work:
    """A starter, a runner and a rescuer on *db*; nothing runs before `running`."""

    db: Database
    workflows: Sequence[Workflow]
    store: Store
    starter: Starter
    runner: Runner
    rescuer: Rescuer
    action: Noting
    steward: Steward

    async def begin(self, *, workflow: Workflow | None = None, customer_id: int = 7, **more: Any) -> UUID:  # noqa: ANN401 - columns
        """Start one instance as the starter would, for an event that nobody recorded, and return its id."""
        return (await self.begin_many(1, workflow=workflow, customer_id=customer_id, **more))[0]

    async def begin_many(
        self,
        count: int,
        *,
        first: int = 1,
        workflow: Workflow | None = None,
        **more: Any,  # noqa: ANN401 - columns
    ) -> list[UUID]:
        """Start *count* instances, for customers from *first* on unless *more* says otherwise."""
        one = workflow or self.workflows[0]
        now = await self.db.fetchval("SELECT now()")
        given = {
            "name": one.name,
            "version": one.version,
            "workflow_id": None,
            "event_type": one.trigger.event,
            "entity_type": "estimate",
            "priority": one.priority,
            "due_at": first_due(one, started_at=now, zone=NEW_YORK),
            "starts_allowed": allowed(one.steps[0]),
            "most": one.max_concurrent_per_customer,
        }
        rows = [
            {**given, "customer_id": number, "entity_id": number, "event_id": uuid4(), **more}
            for number in range(first, first + count)
        ]
        async with self.db.transaction() as connection:
            await start(connection, rows)
        found = await self.db.fetch(
            "SELECT id FROM automation.workflow_instances WHERE event_id = ANY($1)",
            [row["event_id"] for row in rows],
        )
        self.runner.wake()
        return [row["id"] for row in found]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run runner and rescuer."""
        async with anyio.create_task_group() as group:
            await group.start(self.runner.run)
            await group.start(self.rescuer.run)
            yield
            group.cancel_scope.cancel()

    async def until(self, status: str, *, count: int = 1) -> None:
        """Return once *count* instances are in *status*."""
        sql = "SELECT count(*) >= $2 FROM automation.workflow_instances WHERE status = $1"
        await until_true(lambda: self.db.fetchval(sql, status, count))

    async def recorded(self, id_: UUID, *, count: int = 1) -> None:
        """Return once *count* tries of steps of *id_* are recorded."""

        async def enough() -> bool:
            return len(await self.records(id_)) >= count

        await until_true(enough)

    async def instance(self, id_: UUID) -> dict[str, Any]:
        """Return the row of one instance."""
        row = await self.db.fetchrow("SELECT * FROM automation.workflow_instances WHERE id = $1", id_)
        assert row is not None
        return dict(row)

    async def records(self, id_: UUID) -> list[tuple[int, str]]:
        """Return number and status of each recorded try, in order."""
        return [(row["step_number"], row["status"]) for row in await self.db.fetch(_SQL["steps_of"], id_)]

    async def pass_time(self, id_: UUID) -> None:
        """Let what *id_* waits for be due now."""
        await self.db.execute(
            "UPDATE automation.workflow_instances SET due_at = now() WHERE id = $1 AND due_at IS NOT NULL",
            id_,
        )
        self.runner.wake()


async def working(
    db: Database,
    *workflows: Workflow,
    action: Noting | None = None,
    holder: str = "test",
    lease: timedelta = timedelta(seconds=30),
    at_once: int = 100,
    passing: Callable[[str], None] = lambda _point: None,
) -> Work:
    """Return everything that runs *workflows*, by default one with a single step."""
    workflows = workflows or (definition(),)
    action = action or Noting()
    clock = Clock()
    store = Store(db, holder=holder, lease=lease, clock=clock)
    performer = Performer(
        store=store,
        versions=Shelf(workflows),
        actions={action.name: action},
        reader=FactReader(db, business={}, zone=NEW_YORK, clock=clock),
        zone=NEW_YORK,
        clock=clock,
        passing=passing,
    )
    interval = timedelta(seconds=1)
    runner = Runner(store, performer, check_interval=interval, clock=clock, at_once=at_once, passing=passing)
    starter = Starter(zone=NEW_YORK)
    starter.learn(workflows, awaited=())
    rescuer = Rescuer(store, check_interval=interval, wake=runner.wake)
    await db.execute(
        _SQL["remember_versions"],
        [one.name for one in workflows],
        [one.version for one in workflows],
        [one.source for one in workflows],
        [encode(one.document) for one in workflows],
    )
    steward = Steward(db, Loaded(workflows=tuple(workflows), failures=()))
    return Work(db, workflows, store, starter, runner, rescuer, action, steward)
