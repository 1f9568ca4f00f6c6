"""The supervisor with toy services."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from pcd.clock import Clock
from pcd.errors import ControlError, LeaseLost, Unauthorized, Unavailable
from pcd.restart import RestartPolicy
from pcd.supervisor import Gate, ShutdownPlan, State, Supervisor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from anyio.abc import TaskStatus

pytestmark = pytest.mark.asyncio

QUICK = RestartPolicy(
    first=timedelta(milliseconds=1),
    longest=timedelta(milliseconds=4),
    humane=timedelta(milliseconds=20),
    settle=timedelta(milliseconds=5),
)
SLOW_HUMANE = RestartPolicy(first=timedelta(milliseconds=1), humane=timedelta(hours=1))


class Toy:
    """A service whose nth run does what the nth behaviour says; the last one repeats."""

    def __init__(self, name: str, *behaviours: Callable[[TaskStatus[None]], Awaitable[None]]) -> None:
        self.name = name
        self.runs = 0
        self._behaviours = behaviours

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        behaviour = self._behaviours[min(self.runs, len(self._behaviours) - 1)]
        self.runs += 1
        await behaviour(task_status)


async def work(task_status: TaskStatus[None]) -> None:
    task_status.started()
    await anyio.sleep_forever()


async def break_down(_: TaskStatus[None]) -> None:
    raise Unavailable("the pump is dry", service="Toy")


async def start_then_break_down(task_status: TaskStatus[None]) -> None:
    task_status.started()
    raise Unavailable("the pump is dry", service="Toy")


async def refuse(_: TaskStatus[None]) -> None:
    raise Unauthorized("servicetitan.client_secret was refused", service="ServiceTitan")


async def crash_in_a_task_group(_: TaskStatus[None]) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep_forever)
        raise ZeroDivisionError("deep inside")


async def end(task_status: TaskStatus[None]) -> None:
    task_status.started()


async def lose_the_lease(_: TaskStatus[None]) -> None:
    raise LeaseLost("another daemon holds sync")


def ignoring_cancellation(released: anyio.Event) -> Callable[[TaskStatus[None]], Awaitable[None]]:
    """Return a behaviour that goes on until *released*, cancelled or not."""

    async def behaviour(task_status: TaskStatus[None]) -> None:
        task_status.started()
        with anyio.CancelScope(shield=True):
            await released.wait()

    return behaviour


@asynccontextmanager
async def running(supervisor: Supervisor) -> AsyncIterator[anyio.Event]:
    stop = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(supervisor.run, stop)
        yield stop
        stop.set()


def _supervisor(policy: RestartPolicy = QUICK, **options: ShutdownPlan) -> Supervisor:
    return Supervisor(Clock(), policy=policy, jitter=lambda: 0.0, shutdown=options.get("shutdown"))


async def test_service_is_running_only_once_it_says_so() -> None:
    go = anyio.Event()

    async def start_slowly(task_status: TaskStatus[None]) -> None:
        await go.wait()
        await work(task_status)

    supervisor = _supervisor()
    supervisor.add(Toy("slow", start_slowly))
    async with running(supervisor):
        await supervisor.wait_for("slow", State.STARTING)
        go.set()
        await supervisor.wait_for("slow", State.RUNNING)
    assert supervisor.state("slow") is State.STOPPED


async def test_broken_service_is_started_again_and_heals(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="pcd")
    toy = Toy("pump", break_down, break_down, start_then_break_down, work)
    supervisor = _supervisor()
    supervisor.add(toy)
    async with running(supervisor):
        while supervisor.snapshot()[0].failures or toy.runs < 4:
            await supervisor.wait_for("pump", State.WAITING, State.RUNNING)
            await anyio.lowlevel.checkpoint()
        assert supervisor.state("pump") is State.RUNNING
    assert [record.getMessage() for record in caplog.records] == [
        "pump: the pump is dry; trying again",
        "pump: works again after 3 failed starts",
    ]


async def test_failing_service_becomes_degraded_with_its_error_and_the_others_go_on() -> None:
    sick, healthy = Toy("sick", break_down), Toy("healthy", work)
    supervisor = _supervisor(SLOW_HUMANE)
    supervisor.add(sick)
    supervisor.add(healthy)
    async with running(supervisor):
        await supervisor.wait_for("sick", State.DEGRADED)
        await supervisor.wait_for("healthy", State.RUNNING)
        state = supervisor.snapshot()[0]
        assert (state.detail, state.failures, sick.runs) == ("the pump is dry", 5, 5)
        assert state.next_try_at is not None
    assert healthy.runs == 1


async def test_degraded_service_is_tried_again_at_a_humane_pace() -> None:
    toy = Toy("sick", *[break_down] * 7, work)
    supervisor = _supervisor()
    supervisor.add(toy)
    async with running(supervisor):
        await supervisor.wait_for("sick", State.DEGRADED)
        await supervisor.wait_for("sick", State.RUNNING)
    assert toy.runs == 8


async def test_service_that_is_ready_again_and_again_is_told_to_work_again_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The look at the credentials is repeated whenever somebody doubts them."""

    async def be_ready_twice(task_status: TaskStatus[None]) -> None:
        task_status.started()
        task_status.started()
        await anyio.sleep(2 * QUICK.settle.total_seconds())
        done.set()
        await anyio.sleep_forever()

    done = anyio.Event()
    supervisor = _supervisor()
    supervisor.add(Toy("pump", break_down, be_ready_twice))
    with caplog.at_level(logging.INFO):
        async with running(supervisor):
            with anyio.fail_after(20):
                await done.wait()
    assert [text for text in caplog.messages if "works again" in text] == [
        "pump: works again after 1 failed starts"
    ]


async def test_refused_credentials_degrade_a_service_at_once() -> None:
    toy = Toy("sync", refuse)
    supervisor = _supervisor(SLOW_HUMANE)
    supervisor.add(toy)
    async with running(supervisor):
        await supervisor.wait_for("sync", State.DEGRADED)
        (state,) = supervisor.snapshot()
        assert (state.detail, state.needs_person) == ("servicetitan.client_secret was refused", True)
    assert toy.runs == 1


async def test_unexpected_error_is_unwrapped_and_logged_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    supervisor = _supervisor(SLOW_HUMANE)
    supervisor.add(Toy("buggy", crash_in_a_task_group))
    async with running(supervisor):
        await supervisor.wait_for("buggy", State.DEGRADED)
        assert supervisor.snapshot()[0].detail == "ZeroDivisionError: deep inside"
    first = caplog.records[0]
    assert first.exc_info is not None
    assert first.exc_info[0] is ZeroDivisionError


async def test_service_that_just_ends_counts_as_broken() -> None:
    supervisor = _supervisor(SLOW_HUMANE)
    supervisor.add(Toy("short", end))
    async with running(supervisor):
        await supervisor.wait_for("short", State.DEGRADED)


async def test_lost_lease_is_standby_and_not_a_failure() -> None:
    toy = Toy("sync", lose_the_lease, work)
    supervisor = _supervisor()
    supervisor.add(toy)
    async with running(supervisor):
        await supervisor.wait_for("sync", State.RUNNING)
        assert supervisor.snapshot()[0].failures == 0
    assert toy.runs == 2


async def test_service_stands_by_while_its_gate_is_closed() -> None:
    gate = Gate("waiting for the database")
    toy = Toy("sync", work)
    supervisor = _supervisor()
    supervisor.add(toy, gates=(gate,))
    async with running(supervisor):
        await supervisor.wait_for("sync", State.STANDBY)
        await anyio.wait_all_tasks_blocked()
        assert supervisor.snapshot()[0].detail == "waiting for the database"
        assert toy.runs == 0
        gate.close("waiting for the disk")
        await anyio.wait_all_tasks_blocked()
        assert supervisor.snapshot()[0].detail == "waiting for the disk"
        gate.open()
        await supervisor.wait_for("sync", State.RUNNING)
        gate.close("the database does not answer")
        await supervisor.wait_for("sync", State.STANDBY)
        gate.open()
        await supervisor.wait_for("sync", State.RUNNING)
    assert toy.runs == 2


async def test_paused_service_stops_until_it_is_resumed() -> None:
    toy = Toy("sync", work)
    supervisor = _supervisor()
    supervisor.add(toy)
    async with running(supervisor):
        await supervisor.wait_for("sync", State.RUNNING)
        supervisor.pause("sync", reason="month end")
        await supervisor.wait_for("sync", State.PAUSED)
        assert supervisor.snapshot()[0].detail == "month end"
        supervisor.resume("sync")
        await supervisor.wait_for("sync", State.RUNNING)
    assert toy.runs == 2


async def test_resuming_a_degraded_service_after_a_pause_tries_it_at_once() -> None:
    toy = Toy("sync", refuse, work)
    supervisor = _supervisor(SLOW_HUMANE)
    supervisor.add(toy)
    async with running(supervisor):
        await supervisor.wait_for("sync", State.DEGRADED)
        supervisor.pause("sync")
        await supervisor.wait_for("sync", State.PAUSED)
        supervisor.resume("sync")
        await supervisor.wait_for("sync", State.RUNNING)


async def test_unknown_name_is_answered_with_the_known_ones() -> None:
    supervisor = _supervisor()
    supervisor.add(Toy("sync", work))
    with pytest.raises(ControlError, match="there are: sync"):
        supervisor.pause("snyc")


async def test_shutdown_drains_then_stops_in_reverse_order() -> None:
    order: list[str] = []

    def stopping(name: str) -> Callable[[TaskStatus[None]], Awaitable[None]]:
        async def behaviour(task_status: TaskStatus[None]) -> None:
            try:
                await work(task_status)
            finally:
                order.append(name)

        return behaviour

    async def drain() -> None:
        order.append("drained")

    supervisor = _supervisor()
    supervisor.add(Toy("database", stopping("database")))
    supervisor.add(Toy("sync", stopping("sync")), drain=drain)
    async with running(supervisor):
        await supervisor.wait_for("sync", State.RUNNING)
    assert order == ["drained", "sync", "database"]


async def test_shutdown_goes_on_without_a_drain_or_a_service_that_does_not_end() -> None:
    stopped, released = anyio.Event(), anyio.Event()

    async def note_end(task_status: TaskStatus[None]) -> None:
        try:
            await work(task_status)
        finally:
            stopped.set()

    plan = ShutdownPlan(drain=timedelta(milliseconds=5), cancel=timedelta(milliseconds=5))
    supervisor = _supervisor(shutdown=plan)
    supervisor.add(Toy("polite", note_end))
    supervisor.add(Toy("stubborn", ignoring_cancellation(released)), drain=anyio.sleep_forever)
    stop = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(supervisor.run, stop)
        await supervisor.wait_for("stubborn", State.RUNNING)
        stop.set()
        with anyio.fail_after(20):
            await stopped.wait()
        released.set()


async def test_slow_service_with_a_deadline_of_its_own_is_waited_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An embedded database writes everything to disk before it ends."""
    may_end = anyio.Event()

    async def end_slowly(task_status: TaskStatus[None]) -> None:
        try:
            await work(task_status)
        finally:
            with anyio.CancelScope(shield=True):
                await may_end.wait()

    plan = ShutdownPlan(cancel=timedelta(0))
    supervisor = _supervisor(shutdown=plan)
    supervisor.add(Toy("database", end_slowly), ends_within=timedelta(seconds=30))
    supervisor.add(Toy("sync", work))
    stop = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(supervisor.run, stop)
        await supervisor.wait_for("database", State.RUNNING)
        await supervisor.wait_for("sync", State.RUNNING)
        stop.set()
        await supervisor.wait_for("sync", State.STOPPED)
        may_end.set()
    assert "database: does not stop" not in caplog.text


async def test_many_services_that_do_not_end_do_not_wait_for_each_other() -> None:
    """What is added first, the database, is stopped last and must get its turn."""
    plan = ShutdownPlan(cancel=timedelta(hours=1), cancel_all=timedelta(milliseconds=20))
    supervisor = _supervisor(shutdown=plan)
    ended, released = anyio.Event(), anyio.Event()

    async def note_end(task_status: TaskStatus[None]) -> None:
        try:
            await work(task_status)
        finally:
            ended.set()

    supervisor.add(Toy("database", note_end), ends_within=timedelta(seconds=30))
    for number in range(3):
        supervisor.add(Toy(f"stubborn {number}", ignoring_cancellation(released)))
    stop = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(supervisor.run, stop)
        await supervisor.wait_for("stubborn 0", State.RUNNING)
        stop.set()
        with anyio.fail_after(20):
            await ended.wait()
        released.set()
