"""When a broken service is started again."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from pcd.restart import Breakage, RestartPolicy, after_failure

POLICY = RestartPolicy()


def _fail(times: int, *, every: float) -> tuple[list[float], Breakage]:
    breakage = Breakage()
    delays = []
    for number in range(times):
        restart = after_failure(breakage, policy=POLICY, at=number * every, jitter=0)
        delays.append(restart.delay.total_seconds())
        breakage = restart.breakage
    return delays, breakage


def test_pauses_double_until_the_service_is_degraded() -> None:
    assert _fail(7, every=1)[0] == [1, 2, 4, 8, 180, 180, 180]


def test_failures_far_apart_never_degrade_a_service() -> None:
    delays, breakage = _fail(50, every=300)
    assert delays == [1] * 50
    assert not breakage.is_degraded
    assert breakage.attempt == 50


def test_failure_that_needs_a_person_degrades_at_once() -> None:
    restart = after_failure(Breakage(), policy=POLICY, at=0, jitter=0, needs_person=True)
    assert restart.delay == POLICY.humane
    assert restart.breakage.is_degraded
    assert restart.breakage.needs_person
    again = after_failure(restart.breakage, policy=POLICY, at=1, jitter=0)
    assert again.breakage.is_degraded
    assert not again.breakage.needs_person


def test_degraded_service_stays_degraded_although_its_failures_are_now_rare() -> None:
    breakage = _fail(5, every=1)[1]
    for at in (1000.0, 2000.0, 3000.0):
        restart = after_failure(breakage, policy=POLICY, at=at, jitter=0)
        breakage = restart.breakage
        assert breakage.is_degraded
        assert restart.delay == POLICY.humane


@given(
    gaps=st.lists(st.floats(0, 1000), max_size=40),
    jitter=st.floats(0, 1, exclude_max=True),
)
def test_pause_stays_within_its_bounds_whatever_the_history(gaps: list[float], jitter: float) -> None:
    breakage, at = Breakage(), 0.0
    for gap in gaps:
        at += gap
        restart = after_failure(breakage, policy=POLICY, at=at, jitter=jitter)
        breakage = restart.breakage
        assert POLICY.first <= restart.delay <= POLICY.humane * 1.25
        assert len(breakage.failed_at) <= POLICY.limit
        if not breakage.is_degraded:
            assert restart.delay <= POLICY.longest * 1.25 + timedelta(microseconds=1)
