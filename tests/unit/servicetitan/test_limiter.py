from __future__ import annotations

from functools import partial

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcd.clock import Clock
from pcd.errors import RateLimited
from pcd.servicetitan.limiter import Limiter


class FakeClock(Clock):
    """Stands still until somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
        await anyio.lowlevel.checkpoint()


def limiter_of(clock: FakeClock, *, per_second: float = 60.0, at_once: int = 8) -> Limiter:
    return Limiter(per_second=per_second, at_once=at_once, clock=clock, sleep=clock.sleep)


async def request(limiter: Limiter, clock: FakeClock, starts: list[float]) -> None:
    async with limiter.slot():
        starts.append(clock.seconds)


def run_requests(
    *, per_second: float, gaps: list[float], pauses: dict[int, float]
) -> tuple[list[float], FakeClock]:
    """Return when each request began, one after another with *gaps* between them."""
    clock = FakeClock()
    limiter = limiter_of(clock, per_second=per_second)
    starts: list[float] = []

    async def all_of_them() -> None:
        for number, gap in enumerate(gaps):
            clock.seconds += gap
            if number in pauses:
                limiter.pause(pauses[number])
            await request(limiter, clock, starts)

    anyio.run(all_of_them)
    return starts, clock


@settings(max_examples=60, deadline=None)
@given(
    per_second=st.sampled_from([0.5, 1.0, 2.5, 5.0, 60.0]),
    gaps=st.lists(st.floats(0, 2), min_size=1, max_size=150),
    pauses=st.dictionaries(st.integers(0, 149), st.floats(0, 90), max_size=3),
)
def test_no_window_holds_more_than_its_share(
    per_second: float, gaps: list[float], pauses: dict[int, float]
) -> None:
    starts, _ = run_requests(per_second=per_second, gaps=gaps, pauses=pauses)
    count = max(1, int(per_second))
    period = count / per_second
    for first, beyond in zip(starts, starts[count:], strict=False):
        assert beyond - first >= period - 1e-5


def test_sixty_requests_pass_at_once_and_the_next_waits_out_the_second() -> None:
    starts, clock = run_requests(per_second=60, gaps=[0.0] * 61, pauses={})
    assert starts[59] == 1000.0
    assert starts[60] == pytest.approx(1001.0)
    assert clock.slept == [pytest.approx(1.0)]


def test_slow_rate_spaces_the_requests() -> None:
    starts, _ = run_requests(per_second=0.5, gaps=[0.0] * 3, pauses={})
    assert starts == [1000.0, 1002.0, 1004.0]


def test_pause_holds_everyone_and_is_never_shortened() -> None:
    clock = FakeClock()
    limiter = limiter_of(clock)
    starts: list[float] = []

    async def three_during_a_pause() -> None:
        limiter.pause(60)
        limiter.pause(5)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(partial(request, limiter, clock, starts))

    anyio.run(three_during_a_pause)
    assert starts == [1060.0, 1060.0, 1060.0]
    assert (limiter.pauses, limiter.paused_seconds) == (2, 0.0)
    assert limiter.waited_seconds == pytest.approx(180.0)


def test_pause_called_while_others_wait_holds_them_too() -> None:
    clock = FakeClock()
    limiter = limiter_of(clock, per_second=1)
    starts: list[float] = []

    async def pause_in_the_middle() -> None:
        await request(limiter, clock, starts)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(request, limiter, clock, starts))
            await anyio.lowlevel.checkpoint()
            limiter.pause(30)

    anyio.run(pause_in_the_middle)
    assert starts[1] >= 1030.0


def test_pause_longer_than_a_caller_will_wait_is_an_error_at_once() -> None:
    clock = FakeClock()
    limiter = limiter_of(clock)

    async def impatient() -> None:
        limiter.pause(3600)
        async with limiter.slot(longest=60):
            raise AssertionError("the pause was ignored")

    with pytest.raises(RateLimited, match="another 3600 s") as caught:
        anyio.run(impatient)
    assert caught.value.retry_after == pytest.approx(3600)
    assert clock.slept == []
    assert limiter.in_flight == 0


def test_requests_pass_in_order_of_arrival() -> None:
    clock = FakeClock()
    limiter = limiter_of(clock, per_second=1, at_once=1)
    order: list[int] = []

    async def numbered(number: int) -> None:
        async with limiter.slot():
            order.append(number)

    async def many() -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(numbered, number)

    anyio.run(many)
    assert order == list(range(20))


def test_no_more_are_under_way_than_have_a_place() -> None:
    clock = FakeClock()
    limiter = limiter_of(clock, per_second=1000, at_once=3)
    seen: list[int] = []

    async def slow() -> None:
        async with limiter.slot():
            seen.append(limiter.in_flight)
            for _ in range(5):
                await anyio.lowlevel.checkpoint()

    async def many() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(slow)

    anyio.run(many)
    assert max(seen) == 3
    assert (limiter.started, limiter.in_flight) == (10, 0)


def test_cancelled_waiter_gives_its_place_back() -> None:
    clock = FakeClock()
    limiter = Limiter(per_second=1, at_once=1, clock=clock, sleep=anyio.sleep)

    async def give_up_and_go_on() -> None:
        async with limiter.slot():
            pass
        with anyio.move_on_after(0):
            async with limiter.slot():
                raise AssertionError("started too early")
        clock.seconds += 2
        async with limiter.slot():
            pass

    anyio.run(give_up_and_go_on)
    assert (limiter.started, limiter.in_flight) == (2, 0)


@pytest.mark.parametrize(("per_second", "at_once"), [(0.0, 1), (-1.0, 1), (1.0, 0)])
def test_limiter_without_room_is_refused(per_second: float, at_once: int) -> None:
    with pytest.raises(ValueError, match="room"):
        limiter_of(FakeClock(), per_second=per_second, at_once=at_once)
