"""A runner hears of events that another daemon records, and of those of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

import anyio
import pytest
from support.working import NEW_YORK, definition

from pcd.errors import StoreUnreachable
from pcd.events.channels import Channels
from pcd.events.event import Recorded
from pcd.workflows.starter import Starter
from pcd.workflows.waker import Waker

if TYPE_CHECKING:
    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio


class Woken:
    """How often it was woken."""

    def __init__(self) -> None:
        self.count = 0
        self._news = anyio.Event()

    def __call__(self) -> None:
        self.count += 1
        self._news.set()
        self._news = anyio.Event()

    async def until(self, count: int) -> None:
        """Return once it was woken so often."""
        with anyio.fail_after(20):
            while self.count < count:
                await self._news.wait()


def event(type_: str) -> Recorded:
    now = datetime.now(UTC)
    return Recorded(1, uuid4(), type_, "estimate", 1, 7, 1, now, now, None)


async def test_event_wakes_the_runners_of_every_daemon(db: Database) -> None:
    """One that starts nothing wakes nobody."""
    starter = Starter(zone=NEW_YORK)
    starter.learn([definition()], awaited=["estimate_approved"])
    here, there, channels = Woken(), Woken(), Channels()
    async with anyio.create_task_group() as group:
        for holder, heard, wake in (("here", channels, here), ("there", Channels(), there)):
            waker = Waker(db.url, channels=heard, starter=starter, holder=holder, wake=wake)
            await group.start(lambda one=waker, *, task_status: one.run(task_status=task_status))
        await here.until(1)
        await there.until(1)
        channels.publish([event("estimate_created")])
        await here.until(2)
        await there.until(2)
        channels.publish([event("job_created"), event("estimate_approved")])
        await here.until(3)
        await there.until(3)
        assert (here.count, there.count) == (3, 3)
        group.cancel_scope.cancel()


async def test_waker_ends_when_its_connection_does(db: Database) -> None:
    """So that it is made anew; the runner looks at its interval meanwhile."""
    waker = Waker(
        db.url, channels=Channels(), starter=Starter(zone=NEW_YORK), holder="here", wake=lambda: None
    )

    async def run(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        with pytest.raises(BaseExceptionGroup) as caught:
            await waker.run(task_status=task_status)
        assert caught.group_contains(StoreUnreachable)

    async with anyio.create_task_group() as group:
        await group.start(run)
        await db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pcd waker'"
        )
