"""What a batch of changes means beside its facts: parked rows, halted rules, baselines."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.changing import AROUND, ESTIMATE, INVOICE, JOB, NOW, change, history, types, verdict

from pcd.events.classify import classify, reconsider
from pcd.events.event import Becomes, Situation
from pcd.events.judge import moment
from pcd.events.rules import RULES

if TYPE_CHECKING:
    from pcd.changes.change import State
    from pcd.events.event import Surroundings

SOLD = ESTIMATE | {"status": "Sold"}
NULL = ESTIMATE | {"status": None}


@pytest.mark.parametrize(
    ("resource", "state", "reason"),
    [
        pytest.param("estimates", NULL, "status is null", id="null status"),
        pytest.param(
            "estimates",
            ESTIMATE | {"status": "Maybe"},
            "status 'Maybe' is not a known one",
            id="unknown enum",
        ),
        pytest.param("estimates", ESTIMATE | {"total": -1}, "total is negative", id="negative total"),
        pytest.param("estimates", ESTIMATE | {"total": None}, "total is null", id="no total"),
        pytest.param("estimates", ESTIMATE | {"total": "NaN"}, "total is null", id="total that is no number"),
        pytest.param("jobs", JOB | {"job_status": None}, "job_status is null", id="job without status"),
        pytest.param(
            "jobs", JOB | {"business_unit_id": 5}, "business unit 5 has not arrived yet", id="unknown unit"
        ),
        pytest.param("invoices", INVOICE | {"balance": None}, "balance is null", id="no balance"),
        pytest.param("appointments", {"status": "Scheduled"}, "start_on is null", id="no start"),
        pytest.param("calls", {"direction": None}, "direction is null", id="call from nowhere"),
    ],
)
def test_row_that_a_rule_cannot_judge_is_parked(resource: str, state: dict[str, Any], reason: str) -> None:
    parked = verdict(history(resource, state)).parked.values()
    assert reason in {one.reason for one in parked if one is not None}


def test_other_rules_and_rows_go_on() -> None:
    """One strange estimate does not hold up the next."""
    changes = [*history("estimates", NULL, st_id=1), *history("estimates", ESTIMATE, st_id=2)]
    found = verdict(changes)
    assert [(fact.rule.type, fact.st_id) for fact in found.facts] == [("estimate_created", 2)]
    assert {st_id for _, st_id in found.parked} == {1}


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        pytest.param((NULL, ESTIMATE), ["estimate_created"], id="arrives strange, then open"),
        pytest.param(
            (NULL, SOLD), ["estimate_created", "estimate_approved"], id="arrives strange, then sold"
        ),
        pytest.param((ESTIMATE, NULL, SOLD), ["estimate_created", "estimate_approved"], id="strange between"),
        pytest.param((SOLD, NULL, SOLD), ["estimate_created", "estimate_approved"], id="sold all the time"),
    ],
)
def test_parked_row_is_judged_against_what_it_was_last(
    states: tuple[State, ...], expected: list[str]
) -> None:
    """A status that upstream leaves out for a moment makes no second approval, and hides no first one."""
    changes = history("estimates", *states)
    wanted = ("estimate_created", "estimate_approved")
    assert [each for each in types(changes) if each in wanted] == expected
    known: dict[Any, Any] = {}
    found = []
    for one in changes:
        step = verdict([one], parked=known)
        found += [fact.rule.type for fact in step.facts if fact.rule.type in wanted]
        known = {key: entry for key, entry in (known | step.parked).items() if entry is not None}
    assert found == expected
    assert not known


def test_unit_that_arrives_later_releases_its_jobs() -> None:
    """The job's other events did not wait for it."""
    job = JOB | {"business_unit_id": 5}
    changes = [*history("jobs", job), change("business_units", None, {"name": "New Installs"}, st_id=5)]
    assert types(changes) == ["job_created", "install_job_created"]
    first = verdict(changes[:1])
    parked = {key: one for key, one in first.parked.items() if one}
    second = verdict(changes[1:], parked=parked)
    assert [fact.rule.type for fact in second.facts] == ["install_job_created"]
    assert second.parked == {("install_job_created", 1): None}


def test_renamed_unit_makes_no_flood() -> None:
    """Ten years of its jobs did not become installs."""
    assert types([change("business_units", {"name": "Service"}, {"name": "Install"}, st_id=1)]) == []


def test_deleted_row_waits_for_nothing_until_it_comes_back() -> None:
    """No event is about a job that is not there; when it is there again, nothing has been lost."""
    job = JOB | {"business_unit_id": 5}
    unit = change("business_units", None, {"name": "New Installs"}, st_id=5)
    gone = [*history("jobs", job, None), unit]
    assert types(gone) == ["job_created"]
    assert types([*gone, change("jobs", job, job)]) == ["job_created", "install_job_created"]


def test_parked_rows_can_be_judged_again_as_they_are() -> None:
    """After an upgrade that knows the value."""
    parked = verdict(history("estimates", NULL)).parked.values()
    entries = [one._replace(state=ESTIMATE) for one in parked if one is not None]
    found = reconsider(entries, Situation(surroundings=AROUND), RULES)
    assert [fact.rule.type for fact in found.facts] == ["estimate_created"]
    assert set(found.parked.values()) == {None}


def _raises(state: State, _: Surroundings) -> bool:
    return bool(1 // (0 if state.get("name") == "Boom" else 1)) and state.get("status") == "Sold"


def test_rule_that_raises_is_halted_alone_from_that_change_on() -> None:
    rules = {**RULES, "estimate_approved": replace(RULES["estimate_approved"], when=Becomes(test=_raises))}
    changes = [
        change("estimates", ESTIMATE, SOLD, st_id=1),
        change("estimates", ESTIMATE, SOLD | {"name": "Boom"}, st_id=2),
        change("estimates", ESTIMATE, SOLD, st_id=3),
    ]
    found = classify(changes, Situation(surroundings=AROUND), rules)
    approved = [fact.st_id for fact in found.facts if fact.rule.type == "estimate_approved"]
    assert approved == [1]
    (halt,) = found.halts
    assert (halt.type, halt.change_id) == ("estimate_approved", changes[1].id)
    assert "ZeroDivisionError" in halt.error
    assert [fact.st_id for fact in found.facts if fact.rule.type == "estimate_updated"] == [2]


def test_halted_rule_is_not_asked() -> None:
    assert types([change("estimates", ESTIMATE, SOLD)], halted=frozenset({"estimate_approved"})) == []


@pytest.mark.parametrize(
    ("state", "suppressed"),
    [
        pytest.param({"st_created_on": "2026-03-10T14:59:00+00:00"}, "", id="created while it was loaded"),
        pytest.param({"st_created_on": "2024-01-01T00:00:00+00:00"}, "baseline", id="created long before"),
        pytest.param({}, "", id="nobody knows when it was created"),
    ],
)
def test_row_that_arrives_is_news_unless_it_was_there_before(state: dict[str, Any], suppressed: str) -> None:
    """What upstream touched while the first load ran arrives as if it were new."""
    baselines = {"estimates": NOW - timedelta(minutes=5)}
    facts = verdict(history("estimates", SOLD | state), baselines=baselines).facts
    assert [fact.suppressed for fact in facts] == [suppressed, suppressed]


def test_old_row_that_arrives_sold_since_the_baseline_is_news() -> None:
    """Its creation is not."""
    baselines = {"estimates": NOW - timedelta(minutes=5)}
    state = SOLD | {"st_created_on": "2024-01-01T00:00:00Z", "sold_on": "2026-03-10T14:58:00+00:00"}
    facts = verdict(history("estimates", state), baselines=baselines).facts
    assert [fact.suppressed for fact in facts] == ["baseline", ""]


def test_change_before_the_baseline_is_no_news() -> None:
    sold = change("estimates", ESTIMATE, SOLD, at=NOW - timedelta(seconds=1))
    assert types([sold], baselines={"estimates": NOW}) == []


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        pytest.param("2026-03-10T14:00:00+00:00", NOW - timedelta(hours=1), id="upstream says when"),
        pytest.param(
            "2026-03-10T14:00:00", NOW - timedelta(hours=1), id="upstream says when, without a zone"
        ),
        pytest.param("2027-01-01T00:00:00+00:00", NOW, id="upstream's clock is ahead"),
        pytest.param(None, NOW, id="a person wrote it"),
    ],
)
def test_when_it_happened(stamp: str | None, expected: datetime) -> None:
    assert moment(change("estimates", ESTIMATE, SOLD | {"st_modified_on": stamp})) == expected
