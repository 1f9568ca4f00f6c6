"""Orders for syncs."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import pytest

from pcd.control.desk import Desk
from pcd.control.methods import Errand, key
from pcd.errors import ControlError, LeaseLost, Unavailable
from pcd.sync.request import Mode, Report, Request, Tally

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pcd.control.progress import Progress

pytestmark = pytest.mark.asyncio

FULL = Request(mode=Mode.FULL)
REFERENCE = Request(mode=Mode.REFERENCE)


class Work:
    """A sync that tests let go on."""

    def __init__(self) -> None:
        self.performed: list[Errand] = []
        self.go = anyio.Event()
        self.error: Exception | None = None

    async def perform(self, request: Errand, progress: Progress) -> Report:
        self.performed.append(request)
        progress.expect("customers", 5)
        progress.hear("customers", Tally(fetched=2))
        await self.go.wait()
        progress.hear("customers", Tally(fetched=3))
        if self.error:
            raise self.error
        assert isinstance(request, Request)
        return Report(request=request)


@asynccontextmanager
async def open_desk(work: Work) -> AsyncIterator[Desk[Errand, Report]]:
    desk = Desk(work.perform, key=key, why_closed=lambda: "on standby")
    async with anyio.create_task_group() as group:
        await group.start(lambda *, task_status: desk.run(task_status=task_status))
        yield desk
        group.cancel_scope.cancel()


async def test_orders_are_carried_out_in_turn_and_told_how_far_they_are() -> None:
    work = Work()
    async with open_desk(work) as desk:
        first, second = desk.submit(FULL), desk.submit(REFERENCE)
        heard = []
        async for _ in first.follow(every=0.001):
            heard.append(first.progress.describe())
            if heard[-1]["fetched"] == 2:
                work.go.set()
        assert (await first.wait()).request is FULL
        await second.wait()
    assert work.performed == [FULL, REFERENCE]
    assert first.progress.tallies["customers"].fetched == 5
    assert heard[-1]["total"] == 5


async def test_equal_order_joins_the_one_under_way() -> None:
    work = Work()
    async with open_desk(work) as desk:
        first = desk.submit(FULL)
        await anyio.wait_all_tasks_blocked()
        assert desk.submit(Request(mode=Mode.FULL, triggered_by="schedule")) is first
        assert desk.submit(REFERENCE) is not first
        work.go.set()
        await first.wait()
    assert work.performed.count(FULL) == 1


@pytest.mark.parametrize("grouped", [False, True])
async def test_failed_order_tells_why_and_the_desk_goes_on(grouped: bool) -> None:
    work = Work()
    error = Unavailable("ServiceTitan is away", service="ServiceTitan")
    work.error = ExceptionGroup("tasks", [error]) if grouped else error
    work.go.set()
    async with open_desk(work) as desk:
        with pytest.raises(Unavailable, match="is away"):
            await desk.submit(FULL).wait()
        work.error = None
        await desk.submit(REFERENCE).wait()


async def test_closed_desk_says_why() -> None:
    desk = Desk(Work().perform, key=key, why_closed=lambda: "another daemon holds it")
    with pytest.raises(ControlError, match="does not run here: another daemon holds it"):
        desk.submit(FULL)


async def test_orders_fail_when_the_desk_is_stopped() -> None:
    work = Work()
    async with open_desk(work) as desk:
        orders = [desk.submit(FULL), desk.submit(REFERENCE)]
        await anyio.wait_all_tasks_blocked()
    for order in orders:
        with pytest.raises(ControlError, match="interrupted"):
            await order.wait()


async def test_lost_lease_ends_the_desk() -> None:
    work = Work()
    work.error = LeaseLost("another daemon syncs now")
    work.go.set()
    desk = Desk(work.perform, key=key, why_closed=lambda: "")
    orders = []
    with pytest.RaisesGroup(LeaseLost):
        async with anyio.create_task_group() as group:
            await group.start(lambda *, task_status: desk.run(task_status=task_status))
            orders.append(desk.submit(FULL))
    (order,) = orders
    with pytest.raises(ControlError, match="interrupted"):
        await order.wait()


async def test_drain_takes_no_more_and_waits_for_what_is_under_way() -> None:
    work = Work()
    async with open_desk(work) as desk, anyio.create_task_group() as group:
        order = desk.submit(FULL)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(desk.drain)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(ControlError, match="is stopping"):
            desk.submit(REFERENCE)
        work.go.set()
        assert (await order.wait()).request is FULL


async def test_too_many_orders_are_refused() -> None:
    work = Work()
    async with open_desk(work) as desk:
        for number in range(16):
            desk.submit(Request(mode=Mode.FULL, only=(str(number),)))
        with pytest.raises(ControlError, match="16 syncs are waiting"):
            desk.submit(REFERENCE)
