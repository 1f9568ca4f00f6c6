"""When a remedy may be tried."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcd.health.checks import CHECKS
from pcd.health.prescribe import Act, Hold, prescribe
from pcd.health.remedy import ASK_PERSON, REMEDIES, Mode, Past, Result, remedy_named

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
RESYNC = REMEDIES["resync"]


def past(minutes: float, result: Result, *, remedy: str = "resync", subject: str = "sync") -> Past:
    at = NOW - timedelta(minutes=minutes)
    return Past(remedy=remedy, check="sync", subject=subject, at=at, result=result)


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        pytest.param([], Act(), id="never tried"),
        pytest.param([past(16, Result.HELPED)], Act(), id="helped a while ago"),
        pytest.param([past(5, Result.HELPED)], "in 10 min at the earliest", id="cools down"),
        pytest.param([past(5, Result.STARTED)], "being tried already", id="under way"),
        pytest.param([past(21, Result.STARTED)], Act(), id="interrupted long ago"),
        pytest.param(
            [past(40, Result.FAILED), past(16, Result.DID_NOT_HELP)], "tried 2 times in vain", id="in vain"
        ),
        pytest.param(
            [past(40, Result.FAILED), past(30, Result.HELPED), past(16, Result.FAILED)],
            "tried 2 times within an hour",
            id="too often",
        ),
        pytest.param([past(500, Result.FAILED), past(400, Result.FAILED)], Act(), id="in vain, but long ago"),
        pytest.param([past(5, Result.FAILED, subject="other")], Act(), id="another subject"),
        pytest.param([past(-5, Result.HELPED)], Act(), id="from the future of a clock that was set back"),
    ],
)
def test_remedy_is_held_back_by_what_was_tried(history: list[Past], expected: Act | str) -> None:
    found = prescribe(RESYNC, "sync", history=history, mode=Mode.ON, now=NOW)
    if isinstance(expected, str):
        assert isinstance(found, Hold)
        assert expected in found.why
    else:
        assert found == expected


def test_dry_run_keeps_to_the_same_limits() -> None:
    assert prescribe(RESYNC, "sync", history=[], mode=Mode.DRY_RUN, now=NOW) == Act(is_dry=True)
    tried = [past(5, Result.DRY_RUN)]
    assert isinstance(prescribe(RESYNC, "sync", history=tried, mode=Mode.DRY_RUN, now=NOW), Hold)


@pytest.mark.parametrize(("result", "is_told"), [(Result.HELPED, True), (Result.FAILED, False)])
def test_person_hears_of_what_breaks_again_while_the_remedy_cools_down(
    result: Result, *, is_told: bool
) -> None:
    found = prescribe(RESYNC, "sync", history=[past(5, result)], mode=Mode.ON, now=NOW)
    assert isinstance(found, Hold)
    assert found.needs_person is is_told


def test_nothing_is_done_where_it_is_switched_off_or_a_person_is_needed() -> None:
    off = prescribe(RESYNC, "sync", history=[], mode=Mode.OFF, now=NOW)
    person = prescribe(ASK_PERSON, "", history=[], mode=Mode.ON, now=NOW)
    assert isinstance(off, Hold)
    assert isinstance(person, Hold)
    assert off.needs_person
    assert person.needs_person


@given(st.lists(st.tuples(st.integers(1, 3000), st.sampled_from(Result)), max_size=20))
def test_no_history_makes_a_remedy_act_more_often_than_allowed(entries: list[tuple[int, Result]]) -> None:
    history = sorted((past(minutes, result) for minutes, result in entries), key=lambda each: each.at)
    if isinstance(prescribe(RESYNC, "sync", history=history, mode=Mode.ON, now=NOW), Act):
        within_hour = [each for each in history if NOW - each.at < timedelta(hours=1)]
        assert len(within_hour) < RESYNC.per_hour
        assert all(NOW - each.at >= RESYNC.cooldown for each in history)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("restart_workers", "restart_services"),
        ("trigger_sync", "resync"),
        ("reset_workflows", "reclaim_workflows"),
        ("alert_human", "ask_person"),
        ("resync", "resync"),
    ],
)
def test_old_names_are_understood(alias: str, name: str) -> None:
    found = remedy_named(alias)
    assert found is not None
    assert found.name == name


def test_every_check_names_a_remedy_that_exists_and_tells_the_owner_something() -> None:
    for check in CHECKS.values():
        assert check.remedy in {"", *REMEDIES}
        assert len(check.owner) > 40, check.name
    assert CHECKS["database"].remedy == "ask_person", "database trouble is for a person"
