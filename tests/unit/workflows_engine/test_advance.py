"""Every state of an instance and everything that its step can come to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.working import definition

from pcd.workflows.advance import SURVIVED, Moment, advance, first_due, held, pause
from pcd.workflows.instance import Awaited, Instance, Status, StepStatus
from pcd.workflows.outcome import (
    Await,
    Blocked,
    Done,
    Fail,
    Postpone,
    Refuse,
    Retry,
    Skip,
    Stop,
    Wait,
)
from pcd.workflows.workflow import RetryPolicy

if TYPE_CHECKING:
    from pcd.workflows.instance import Transition
    from pcd.workflows.outcome import Verdict
    from pcd.workflows.workflow import Workflow

ZONE = ZoneInfo("America/New_York")
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
LATER = NOW + timedelta(hours=5)
ID = UUID(int=1)
ONE = definition({}, name="one")
TWO = definition(
    {"retry": {"attempts": 3, "first": "10s", "most": "15s"}, "fallback": {"action": "note"}},
    {"delay": "2 days"},
    name="two",
)
DROPS = definition({"on_blocked": "drop"}, {}, name="drops")
BRANCHES = definition(
    {"name": "ask", "branches": [{"when": "estimate.status == 'Sold'", "to": "thank"}]},
    {"name": "remind"},
    {"name": "thank"},
    name="branches",
)


def instance(step: int = 1, *, starts: int = 1, **more: object) -> Instance:
    given: dict[str, Any] = {
        "id": ID,
        "workflow": "test",
        "version": "1",
        "event_id": ID,
        "event_type": "estimate_created",
        "entity_type": "estimate",
        "entity_id": 1,
        "customer_id": 7,
        "attempt": 9,
        "message_count": 0,
        "started_at": NOW,
        "due_at": NOW,
    }
    return Instance(**given | {"step": step, "starts": starts} | more)


def moment(facts: dict[str, Any] | None = None) -> Moment:
    return Moment(now=NOW, zone=ZONE, facts=facts or {})


def seen(new: Transition) -> tuple[Any, ...]:
    """Return what the tables below tell of a transition."""
    due = None if new.due_at is None else new.due_at - NOW
    return (new.status.value, new.record and new.record.value, new.step, due, new.starts)


DAYS = timedelta(days=2)
SECOND, HOURS = timedelta(seconds=1), timedelta(hours=5)


@pytest.mark.parametrize(
    ("workflow", "given", "verdict", "expected"),
    [
        pytest.param(ONE, instance(), Done(), ("completed", "completed", 2, None, 0), id="last-done"),
        pytest.param(TWO, instance(), Done(), ("active", "completed", 2, DAYS, 0), id="done-leads-on"),
        pytest.param(
            TWO, instance(starts=3), Done(), ("active", "completed", 2, DAYS, 0), id="done-settles-its-starts"
        ),
        pytest.param(
            ONE, instance(), Skip(reason="x"), ("completed", "skipped", 2, None, 0), id="last-skipped"
        ),
        pytest.param(
            TWO, instance(), Skip(reason="x"), ("active", "skipped", 2, DAYS, 0), id="skip-leads-on"
        ),
        pytest.param(
            TWO,
            instance(),
            Blocked(reason="quiet", until=LATER),
            ("active", "blocked", 1, HOURS, 0),
            id="blocked-waits",
        ),
        pytest.param(
            TWO,
            instance(),
            Blocked(reason="out"),
            ("active", "dropped", 2, DAYS, 0),
            id="blocked-for-ever-is-dropped",
        ),
        pytest.param(
            DROPS,
            instance(),
            Blocked(reason="quiet", until=LATER),
            ("active", "dropped", 2, timedelta(), 0),
            id="blocked-is-dropped-where-the-step-says-so",
        ),
        pytest.param(
            TWO,
            instance(),
            Blocked(reason="x", until=NOW - HOURS),
            ("active", "blocked", 1, SECOND, 0),
            id="blocked-until-the-past-does-not-spin",
        ),
        pytest.param(
            TWO,
            instance(starts=2),
            Wait(until=LATER, reason="x"),
            ("active", "waiting", 1, HOURS, 1),
            id="waits",
        ),
        pytest.param(
            TWO,
            instance(),
            Retry(error="x"),
            ("active", "retried", 1, 10 * SECOND, 1),
            id="retried-after-a-pause",
        ),
        pytest.param(
            TWO,
            instance(starts=2),
            Retry(error="x"),
            ("active", "retried", 1, 15 * SECOND, 2),
            id="pause-is-bounded",
        ),
        pytest.param(
            TWO,
            instance(),
            Retry(error="x", after=HOURS),
            ("active", "retried", 1, HOURS, 1),
            id="as-long-as-they-asked",
        ),
        pytest.param(
            TWO,
            instance(starts=3),
            Retry(error="x"),
            ("active", "failed", 1, timedelta(), 0),
            id="spent-falls-back",
        ),
        pytest.param(
            TWO,
            instance(starts=3, is_fallback=True),
            Retry(error="x"),
            ("failed", "failed", 1, None, 0),
            id="fallback-spent-is-dead",
        ),
        pytest.param(
            ONE, instance(starts=5), Retry(error="x"), ("failed", "failed", 1, None, 0), id="spent-is-dead"
        ),
        pytest.param(
            TWO, instance(), Fail(error="x"), ("active", "failed", 1, timedelta(), 0), id="fail-falls-back"
        ),
        pytest.param(
            TWO,
            instance(),
            Fail(error="x", is_unknown=True),
            ("failed", "failed", 1, None, 0),
            id="unknown-effect-has-no-fallback",
        ),
        pytest.param(ONE, instance(), Fail(error="x"), ("failed", "failed", 1, None, 0), id="fail-is-dead"),
        pytest.param(
            TWO,
            instance(),
            Fail(error="x", is_dispensable=True),
            ("active", "failed", 1, timedelta(), 0),
            id="dispensable-falls-back",
        ),
        pytest.param(
            ONE,
            instance(),
            Fail(error="x", is_dispensable=True),
            ("completed", "dropped", 2, None, 0),
            id="dispensable-goes-on",
        ),
        pytest.param(
            TWO,
            instance(),
            Refuse(error="x"),
            ("failed", "failed", 1, None, 0),
            id="unjudged-has-no-fallback",
        ),
        pytest.param(TWO, instance(), Stop(reason="sold"), ("stopped", "stopped", 1, None, 0), id="stopped"),
        pytest.param(TWO, instance(), Postpone(until=LATER), ("active", None, 1, HOURS, 0), id="postponed"),
        pytest.param(
            TWO,
            instance(),
            Await(event="x", since=NOW, until=LATER),
            ("active", "waiting", 1, 3 * SECOND, 0),
            id="begins-to-await-and-looks-again-soon",
        ),
        pytest.param(
            TWO,
            instance(awaited=Awaited(event="x", of="entity", since=NOW, until=LATER)),
            Await(event="x", since=NOW, until=LATER),
            ("active", None, 1, HOURS, 0),
            id="awaits-on",
        ),
        pytest.param(TWO, instance(3), Done(), ("completed", None, 3, None, 0), id="nothing-is-left"),
    ],
)
def test_outcome_makes_of_an_instance(
    workflow: Workflow, given: Instance, verdict: Verdict, expected: tuple[Any, ...]
) -> None:
    assert seen(advance(given, workflow, verdict, moment())) == expected


def test_branch_leads_where_its_condition_holds() -> None:
    sold = advance(instance(), BRANCHES, Done(), moment({"estimate.status": "Sold"}))
    open_ = advance(instance(), BRANCHES, Skip(reason="x"), moment({"estimate.status": "Open"}))
    assert (sold.step, open_.step) == (3, 2)


def test_branch_that_cannot_be_judged_fails_behind_the_step_that_was_done() -> None:
    """A redrive must not do again what was done."""
    new = advance(instance(), BRANCHES, Done(messages=1), moment())
    assert (new.status, new.record, new.step, new.messages) == (Status.FAILED, StepStatus.COMPLETED, 2, 1)
    assert "estimate.status is not known" in new.reason


def test_step_behind_an_unclear_branch_knows_nothing_of_the_one_before() -> None:
    """Redriven, it must neither be its own fallback nor have waited since then."""
    awaited = Awaited(event="x", of="entity", since=NOW - HOURS, until=NOW)
    new = advance(instance(is_fallback=True, awaited=awaited), BRANCHES, Done(), moment())
    assert (new.status, new.step, new.is_fallback, new.awaited) == (Status.FAILED, 2, False, None)


def test_what_a_step_said_is_kept() -> None:
    new = advance(instance(), TWO, Done(output={"id": 3}, context={"rows": 2}, messages=1), moment())
    assert (new.output, new.context, new.messages) == ({"id": 3}, {"rows": 2}, 1)


def test_step_that_waits_remembers_until_when_through_a_retry() -> None:
    waited = advance(instance(), TWO, Wait(until=LATER, reason="x"), moment())
    again = advance(instance(waited_until=waited.waited_until), TWO, Retry(error="x"), moment())
    assert (waited.waited_until, again.waited_until) == (LATER, LATER)


def test_every_step_survives_the_death_of_processes_a_few_times() -> None:
    """A step with one attempt must not die with a process that died for another reason."""
    once = definition({}, {"retry": {"attempts": 1}}, name="once")
    assert advance(instance(), once, Done(), moment()).starts_allowed == SURVIVED


def test_held_instance_is_as_it_was() -> None:
    new = held(instance(2, starts=1), reason="gone")
    assert (new.status, new.record, new.step, new.due_at, new.starts) == (Status.PAUSED, None, 2, NOW, 0)


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 40), (0.5, 45), (0.999, 49.99)])
def test_pause_is_jittered(jitter: float, seconds: float) -> None:
    policy = RetryPolicy(first=timedelta(seconds=10), most=timedelta(hours=1))
    assert pause(policy, 3, after=None, jitter=jitter).total_seconds() == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("started_at", "expected"),
    [
        pytest.param("2026-03-08T04:00:00Z", "2026-03-08T07:00:00Z", id="skipped-hour-becomes-three"),
        pytest.param("2026-11-01T03:00:00Z", "2026-11-01T05:30:00Z", id="doubled-hour-is-the-first"),
    ],
)
def test_clock_change_has_one_due_time(started_at: str, expected: str) -> None:
    """02:30 on the spring day is 03:00, 01:30 on the autumn day the first 01:30; then it is done with."""
    at = "02:30" if "03-08" in started_at else "01:30"
    workflow = definition({"delay": {"at": at}}, {"delay": {"at": at}}, name="dst")
    due = first_due(workflow, started_at=datetime.fromisoformat(started_at), zone=ZONE)
    assert due == datetime.fromisoformat(expected)
    after = advance(instance(), workflow, Done(), Moment(now=due + SECOND, zone=ZONE))
    assert after.due_at is not None
    assert after.due_at.astimezone(ZONE).date() == due.astimezone(ZONE).date() + timedelta(days=1)


VERDICTS = st.one_of(
    st.just(Done()),
    st.just(Skip(reason="x")),
    st.just(Stop(reason="x")),
    st.builds(Retry, error=st.just("x"), after=st.sampled_from([None, timedelta(minutes=1)])),
    st.builds(Fail, error=st.just("x"), is_unknown=st.booleans()),
    st.builds(Blocked, reason=st.just("x"), until=st.sampled_from([None, LATER, NOW - HOURS])),
    st.builds(Wait, until=st.sampled_from([LATER, NOW - HOURS]), reason=st.just("x")),
    st.just(Refuse(error="x")),
    st.just(Postpone(until=LATER)),
    st.just(Await(event="x", since=NOW, until=LATER)),
)


@given(st.lists(VERDICTS, max_size=40), st.sampled_from([ONE, TWO, DROPS, BRANCHES]))
def test_life_of_an_instance_keeps_its_promises(verdicts: list[Verdict], workflow: Workflow) -> None:
    """Steps only go forward, failures are bounded, and what has ended has nothing due."""
    now, one, failures, allowed = NOW, instance(), 0, SURVIVED
    for verdict in verdicts:
        before = one.step
        new = advance(one, workflow, verdict, Moment(now=now, zone=ZONE, facts={"estimate.status": "Open"}))
        assert new.step >= before
        assert (new.due_at is not None) == (new.status is Status.ACTIVE)
        assert 0 <= new.starts <= (allowed := new.starts_allowed or allowed)
        failures = failures + 1 if new.record is StepStatus.RETRIED else 0 if new.step > before else failures
        assert failures < 2 * 5
        if new.status is not Status.ACTIVE:
            return
        now = max(now, new.due_at or now)
        one = replace(
            one,
            step=new.step,
            starts=new.starts + 1,
            is_fallback=new.is_fallback,
            awaited=new.awaited,
            waited_until=new.waited_until,
            due_at=new.due_at or now,
        )
