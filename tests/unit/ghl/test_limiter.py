from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from itertools import pairwise

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clocks import StandingClock

from pcd.errors import RateLimited
from pcd.ghl.limiter import Limiter
from pcd.ghl.limits import Limits

START = 1000.0


def limiter_of(clock: StandingClock, *, calls: int = 80, daily: int = 200_000) -> Limiter:
    return Limiter(clock=clock, calls=calls, daily=daily, sleep=clock.sleep)


async def call(limiter: Limiter, clock: StandingClock, starts: list[float], *, low: bool = False) -> None:
    async with limiter.slot(low_priority=low):
        starts.append(clock.seconds)


def run_calls(
    *, calls: int, gaps: list[float], low: list[bool], pauses: dict[int, float] | None = None
) -> list[float]:
    """Return when each call began, one after another with *gaps* between them."""
    clock = StandingClock()
    limiter = limiter_of(clock, calls=calls)
    starts: list[float] = []

    async def all_of_them() -> None:
        for number, gap in enumerate(gaps):
            clock.seconds += gap
            if pauses and number in pauses:
                limiter.pause(pauses[number])
            await call(limiter, clock, starts, low=low[number % len(low)])

    anyio.run(all_of_them)
    return starts


@settings(max_examples=60, deadline=None)
@given(
    calls=st.sampled_from([1, 2, 5, 80]),
    gaps=st.lists(st.floats(0, 4), min_size=1, max_size=150),
    low=st.lists(st.booleans(), min_size=1, max_size=5),
    pauses=st.dictionaries(st.integers(0, 149), st.floats(0, 90), max_size=3),
)
def test_no_window_holds_more_than_its_share(
    calls: int, gaps: list[float], low: list[bool], pauses: dict[int, float]
) -> None:
    starts = run_calls(calls=calls, gaps=gaps, low=low, pauses=pauses)
    for first, beyond in zip(starts, starts[calls:], strict=False):
        assert beyond - first >= 10 - 1e-5


def test_eighty_calls_pass_at_once_and_the_next_waits_out_the_window() -> None:
    starts = run_calls(calls=80, gaps=[0.0] * 81, low=[False])
    assert starts[79] == START
    assert starts[80] == pytest.approx(START + 10)


def test_backfill_uses_nearly_the_whole_rate_evenly() -> None:
    starts = run_calls(calls=80, gaps=[0.0] * 1600, low=[True])
    assert 1600 / (starts[-1] - START) >= 8 * 0.95
    assert max(later - before for before, later in pairwise(starts)) < 0.2


def test_backfill_makes_up_for_what_held_the_process_up() -> None:
    clock = StandingClock()
    limiter = limiter_of(clock, calls=800)
    starts: list[float] = []

    async def work() -> None:
        for _ in range(40):
            await call(limiter, clock, starts, low=True)
            clock.seconds += 0.4 if len(starts) % 80 == 0 else 0.0

    async def everything() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(40):
                tasks.start_soon(work)

    anyio.run(everything)
    assert len(starts) / (starts[-1] - START) >= 80 * 0.95


def test_as_many_calls_are_under_way_as_begin_in_a_second() -> None:
    limiter = limiter_of(StandingClock(), calls=1000)

    async def everything() -> None:
        with anyio.fail_after(1):
            async with AsyncExitStack() as stack:
                for _ in range(100):
                    await stack.enter_async_context(limiter.slot())
                assert limiter.in_flight == 100

    anyio.run(everything)


def test_urgent_calls_hardly_wait_while_a_backfill_is_under_way() -> None:
    starts = run_calls(calls=80, gaps=[0.0] * 210, low=[True] * 200 + [False] * 10)
    assert starts[201] == starts[199], "two places are theirs alone"
    assert starts[209] - starts[199] < 1.1, "and they take every one that comes free"


def test_urgent_calls_go_first_after_a_pause() -> None:
    clock = StandingClock()
    limiter = limiter_of(clock, calls=5)
    began: list[str] = []

    async def begin(name: str, *, low: bool) -> None:
        async with limiter.slot(low_priority=low):
            began.append(name)

    async def everything() -> None:
        limiter.pause(30)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(partial(begin, "low", low=True))
            for _ in range(4):
                tasks.start_soon(partial(begin, "urgent", low=False))

    anyio.run(everything)
    assert began == ["urgent"] * 4 + ["low"] * 3
    assert limiter.in_flight == 0


def test_pause_holds_everybody_and_a_shorter_one_changes_nothing() -> None:
    clock = StandingClock()
    limiter = limiter_of(clock)
    limiter.pause(60)
    limiter.pause(1)
    starts: list[float] = []
    anyio.run(partial(call, limiter, clock, starts))
    assert starts == [START + 60]
    assert limiter.pauses == 2
    assert limiter.waited_seconds == pytest.approx(60)


def test_wait_that_is_too_long_is_not_begun() -> None:
    clock = StandingClock()
    limiter = limiter_of(clock)
    limiter.pause(300)

    async def impatient() -> None:
        async with limiter.slot(longest=120):
            pytest.fail("it may not begin")

    with pytest.raises(RateLimited) as caught:
        anyio.run(impatient)
    assert caught.value.retry_after == pytest.approx(300)
    assert clock.slept == []


def test_smaller_allowance_makes_the_window_smaller() -> None:
    clock = StandingClock()
    limiter = limiter_of(clock)
    limiter.note(Limits(most=50, remaining=50, interval=5.0))
    assert limiter.budget.window_free == 40
    limiter.note(Limits(most=20, remaining=20, interval=5.0))
    assert limiter.budget.window_free == 16
    limiter.note(Limits(most=1000, remaining=999, interval=10.0))
    assert limiter.budget.window_free == 80, "more than was asked for is never taken"


@pytest.mark.parametrize(
    ("interval", "free"),
    [
        pytest.param(0.001, 1, id="shorter than one call takes"),
        pytest.param(1.0, 8, id="a second"),
        pytest.param(86_400.0, 80, id="a day, which is another matter"),
    ],
)
def test_interval_changes_the_window_and_not_the_rate(interval: float, free: int) -> None:
    limiter = limiter_of(StandingClock())
    limiter.note(Limits(most=100_000, remaining=100_000, interval=interval))
    assert limiter.budget.window_free == free
    assert free / limiter.period == pytest.approx(8)


def test_allowance_that_others_used_up_holds_even_without_calls_of_ours() -> None:
    clock = StandingClock()
    limiter = limiter_of(clock)
    starts: list[float] = []

    async def everything() -> None:
        async with limiter.slot():
            clock.seconds += 15
            limiter.note(Limits(most=100, remaining=0, interval=10.0))
        await call(limiter, clock, starts)

    anyio.run(everything)
    assert starts == [pytest.approx(START + 25)]


def test_allowance_that_others_used_up_holds_everybody() -> None:
    clock = StandingClock()
    limiter = limiter_of(clock)
    starts: list[float] = []

    async def everything() -> None:
        async with limiter.slot():
            limiter.note(Limits(most=100, remaining=0, interval=10.0))
        assert limiter.budget.window_free == 0
        await call(limiter, clock, starts)

    anyio.run(everything)
    assert starts == [pytest.approx(START + 10)]


def test_low_priority_is_refused_when_the_day_runs_out_and_the_urgent_goes_on() -> None:
    clock = StandingClock()
    limiter = limiter_of(clock, daily=1000)
    limiter.note(Limits(daily_most=1000, daily_remaining=50))
    starts: list[float] = []
    with pytest.raises(RateLimited, match="kept for what cannot wait") as caught:
        anyio.run(partial(call, limiter, clock, starts, low=True))
    assert caught.value.retry_after == 900
    anyio.run(partial(call, limiter, clock, starts))
    assert starts == [START]


def test_low_priority_is_spread_over_what_is_left_of_the_day() -> None:
    clock = StandingClock()
    limiter = limiter_of(clock, daily=1000)
    limiter.note(Limits(daily_most=1000, daily_remaining=200))
    starts: list[float] = []

    async def everything() -> None:
        for _ in range(3):
            await call(limiter, clock, starts, low=True)

    anyio.run(everything)
    seconds_left = 14 * 3600
    assert starts[1] - starts[0] == pytest.approx(seconds_left / 150, rel=0.02)
    assert starts[2] - starts[1] == pytest.approx(seconds_left / 150, rel=0.02)


@pytest.mark.parametrize("wrong", [{"calls": 0}, {"at_once": 0}])
def test_limiter_without_room_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="room for a call"):
        Limiter(clock=StandingClock(), **wrong)  # type: ignore[arg-type]
