"""Whatever is committed, taken, answered and put off in which order: a lane has one call under way."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import pytest

from pcd.clock import Clock
from pcd.crm import outbox
from pcd.crm.calls import Call, CallKind
from pcd.db.leases import Leaser

if TYPE_CHECKING:
    from anyio.abc import TaskGroup, TaskStatus

    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

CUSTOMERS = (7, 8)
STEPS = 120


@dataclass(slots=True)
class Writer:
    """A transaction that has owed a call and stays open until it may commit."""

    may_commit: anyio.Event = field(default_factory=anyio.Event)
    has_committed: anyio.Event = field(default_factory=anyio.Event)

    async def run(
        self, db: Database, call: Call, customer_id: int, why: outbox.Why, *, task_status: TaskStatus[None]
    ) -> None:
        async with db.transaction() as connection:
            await outbox.owe(connection, call, customer_id=customer_id, why=why)
            task_status.started()
            await self.may_commit.wait()
        self.has_committed.set()


class History:
    """What writers that have not committed yet and one sender do to the outbox, as *chance* has it."""

    def __init__(self, db: Database, box: outbox.Outbox, chance: random.Random, group: TaskGroup) -> None:
        self.box = box
        self.owed = 0
        self.answered: list[outbox.Owed] = []
        self._db = db
        self._chance = chance
        self._group = group
        self._writers: list[Writer] = []
        self._taken: list[outbox.Owed] = []

    async def owe(self) -> None:
        """Owe a call in a transaction that stays open for now."""
        if len(self._writers) >= 4:
            return
        self.owed += 1
        kind = self._chance.choice((CallKind.CREATE_CONTACT, CallKind.UPDATE_CONTACT, CallKind.ADD_TAGS))
        key = f"step {self.owed}" if kind is CallKind.ADD_TAGS else ""
        why = outbox.Why(
            cause="test", step_key=key, priority=self._chance.choice((outbox.NORMAL, outbox.LOW))
        )
        call, customer_id = Call(kind=kind, fields={}, why="test"), self._chance.choice(CUSTOMERS)
        writer = Writer()
        await self._group.start(writer.run, self._db, call, customer_id, why)
        self._writers.append(writer)

    async def commit(self) -> None:
        """Commit one of the transactions, not always the oldest."""
        if self._writers:
            writer = self._writers.pop(self._chance.randrange(len(self._writers)))
            writer.may_commit.set()
            await writer.has_committed.wait()

    async def take(self) -> None:
        """Take what is due."""
        self._taken += await self.box.claim(self._chance.randint(1, 5), reserved=[], dry_run=False)

    async def answer(self) -> None:
        """Answer one call that is under way."""
        if self._taken:
            call = self._taken.pop(self._chance.randrange(len(self._taken)))
            async with self._db.transaction() as connection:
                await outbox.answer(connection, call, target_id="x", after={})
            self.answered.append(call)

    async def put_off(self) -> None:
        """Have one call tried again."""
        if self._taken:
            call = self._taken.pop(self._chance.randrange(len(self._taken)))
            await self.box.postpone(call, by=timedelta(), error="no answer", is_doubtful=True)

    async def end(self) -> None:
        """Let the sender end, and another take over."""
        self._taken.clear()
        await self.box.rescue(after=timedelta())

    async def settle(self) -> None:
        """Commit and answer everything."""
        while self._writers:
            await self.commit()
        while len(self.answered) < self.owed:
            before = len(self.answered)
            await self.take()
            while self._taken:
                await self.answer()
            assert len(self.answered) > before, "what is owed can be taken"


@pytest.mark.parametrize("seed", range(4))
async def test_no_lane_has_two_calls_under_way(db: Database, seed: int) -> None:
    chance = random.Random(seed)
    leaser = Leaser(db, holder="test", ttl=timedelta(seconds=30), clock=Clock())
    async with leaser.hold("ghl", wait=timedelta(seconds=5)) as lease, anyio.create_task_group() as group:
        history = History(db, outbox.Outbox(db, lease=lease), chance, group)
        steps = (history.owe, history.commit, history.take, history.answer, history.put_off, history.end)
        for _ in range(STEPS):
            (step,) = chance.choices(steps, weights=(6, 6, 5, 4, 1, 1))
            await step()
            doubled = await db.fetch(
                "SELECT lane FROM integrations.ghl_outbox WHERE state = 'sending' "
                "GROUP BY lane HAVING count(*) > 1"
            )
            assert doubled == []
        await history.settle()
        assert len({call.id for call in history.answered}) == history.owed
        assert await history.box.until_next() is None
