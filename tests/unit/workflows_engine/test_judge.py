"""Whether a step may be taken now, in every situation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from support.working import definition

from pcd.errors import (
    ConditionError,
    DataRejected,
    RateLimited,
    Rejected,
    StoreUnreachable,
    Unauthorized,
    Unavailable,
)
from pcd.workflows.classify import classify
from pcd.workflows.instance import Awaited, Instance
from pcd.workflows.judge import Situation, judge
from pcd.workflows.outcome import Await, Fail, Postpone, Refuse, Retry, Skip, Stop

if TYPE_CHECKING:
    from pcd.workflows.outcome import Verdict
    from pcd.workflows.workflow import Workflow

ZONE = ZoneInfo("America/New_York")
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)
ID = UUID(int=1)
PLAIN = definition(name="plain")
GUARDED = definition(
    {"when": "estimate.total >= 1000"},
    name="guarded",
    stop=[{"when": "estimate.status == 'Sold'", "reason": "sold"}],
)
UNTIL = definition(
    {"delay": {"until": "appointment.start", "offset": "-24h"}},
    name="until",
    trigger={"event": "appointment_created"},
)
BIG = {"event": "estimate_updated", "within": "2h", "when": "estimate.total >= 1000"}
WAITS = definition({"wait_for": BIG | {"on_timeout": "skip"}}, name="skip")
RUNS = definition({"wait_for": BIG | {"on_timeout": "run"}}, name="run")
STOPS = definition({"wait_for": BIG | {"on_timeout": "stop"}}, name="stop")
FACTS: dict[str, Any] = {"estimate.status": "Open", "estimate.total": 1500}
BEGUN = Awaited(event="estimate_updated", of="entity", since=NOW - HOUR, until=NOW + HOUR)
LATE = Awaited(event="estimate_updated", of="entity", since=NOW - 3 * HOUR, until=NOW - HOUR)
IN_VAIN = "no estimate_updated came in time"
AWAITS = Await(event="estimate_updated", since=NOW, until=NOW + 2 * HOUR)


def carried(total: int) -> dict[str, Any]:
    return {"estimate": {"total": total}}


@pytest.mark.parametrize(
    ("workflow", "facts", "arrivals", "awaited", "expected"),
    [
        pytest.param(PLAIN, {}, [], None, None, id="nothing-speaks-against-it"),
        pytest.param(GUARDED, FACTS, [], None, None, id="conditions-hold"),
        pytest.param(
            GUARDED, FACTS | {"estimate.status": "Sold"}, [], None, Stop(reason="sold"), id="stop-holds"
        ),
        pytest.param(WAITS, {}, [], None, AWAITS, id="begins-to-wait"),
        pytest.param(WAITS, {}, [carried(2000)], BEGUN, None, id="event-has-come"),
        pytest.param(
            WAITS,
            {},
            [carried(5)],
            BEGUN,
            Await(event="estimate_updated", since=NOW - HOUR, until=NOW + HOUR),
            id="another-event-has-come",
        ),
        pytest.param(WAITS, {}, [], LATE, Skip(reason=IN_VAIN), id="skips-in-time"),
        pytest.param(RUNS, {}, [], LATE, None, id="runs-all-the-same"),
        pytest.param(STOPS, {}, [], LATE, Stop(reason=IN_VAIN), id="stops-in-time"),
        pytest.param(
            UNTIL,
            {"appointment.start": NOW + 30 * HOUR},
            [],
            None,
            Postpone(until=NOW + 6 * HOUR),
            id="too-early",
        ),
        pytest.param(UNTIL, {"appointment.start": NOW + HOUR}, [], None, None, id="its-moment-has-come"),
        pytest.param(UNTIL, {"appointment.start": None}, [], None, None, id="no-moment-is-now"),
    ],
)
def test_step_is_taken_or_not(
    workflow: Workflow,
    facts: dict[str, Any],
    arrivals: list[dict[str, Any]],
    awaited: Awaited | None,
    expected: Verdict | None,
) -> None:
    situation = Situation(NOW, ZONE, facts, arrivals)
    assert judge(_instance(awaited), workflow, workflow.steps[0], situation) == expected


@pytest.mark.parametrize("starts", [1, 2, 5])
def test_moment_of_a_step_is_looked_up_however_often_it_was_begun(starts: int) -> None:
    """A process that died before it could look must not make the step early."""
    facts = {"appointment.start": NOW + 30 * HOUR}
    begun = replace(_instance(None), starts=starts)
    verdict = judge(begun, UNTIL, UNTIL.steps[0], Situation(NOW, ZONE, facts))
    assert verdict == Postpone(until=NOW + 6 * HOUR)


def test_skipped_step_says_which_part_of_the_condition_decided() -> None:
    situation = Situation(NOW, ZONE, FACTS | {"estimate.total": 20})
    verdict = judge(_instance(None), GUARDED, GUARDED.steps[0], situation)
    assert isinstance(verdict, Skip)
    assert "estimate.total is 20" in verdict.reason


@pytest.mark.parametrize(
    "facts", [{}, {"estimate.status": "Open"}, {"estimate.status": "Open", "estimate.total": None}]
)
def test_what_cannot_be_judged_is_refused(facts: dict[str, Any]) -> None:
    """Never false: a stop that is not understood would let messages go on."""
    situation = Situation(NOW, ZONE, facts)
    assert isinstance(judge(_instance(None), GUARDED, GUARDED.steps[0], situation), Refuse)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(ValueError("x  y"), Retry(error="ValueError: x y"), id="bug"),
        pytest.param(KeyError(), Retry(error="KeyError"), id="bug-without-words"),
        pytest.param(Unavailable("away", service="x"), Retry(error="away"), id="away"),
        pytest.param(StoreUnreachable("gone"), Retry(error="gone"), id="database-away"),
        pytest.param(
            RateLimited("slow", service="x", retry_after=30),
            Retry(error="slow", after=timedelta(seconds=30)),
            id="too-fast",
        ),
        pytest.param(RateLimited("slow", service="x"), Retry(error="slow"), id="too-fast-for-how-long"),
        pytest.param(Rejected("no", service="x"), Fail(error="no"), id="rejected"),
        pytest.param(Unauthorized("no", service="x"), Retry(error="no"), id="unauthorized"),
        pytest.param(DataRejected("no"), Fail(error="no"), id="refused-by-the-database"),
        pytest.param(ConditionError("what"), Refuse(error="column 1: what"), id="not-judged"),
    ],
)
def test_error_means_another_try_unless_none_can_help(error: Exception, expected: Verdict) -> None:
    assert classify(error) == expected


def _instance(awaited: Awaited | None) -> Instance:
    return Instance(
        id=ID,
        workflow="test",
        version="1",
        event_id=ID,
        event_type="estimate_created",
        entity_type="estimate",
        entity_id=1,
        customer_id=7,
        step=1,
        starts=1,
        attempt=1,
        message_count=0,
        started_at=NOW,
        due_at=NOW,
        awaited=awaited,
    )
