"""Which opportunity a job belongs to, and when a new one begins."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.customers import (
    SALE,
    SETTINGS,
    day,
    estimate,
    install,
    job,
    of,
    only,
    shown,
    wished,
)

from pcd.crm.desired import Outcome, Stage

if TYPE_CHECKING:
    from pcd.crm.facts import CustomerFacts


ONE = replace(SETTINGS, allow_duplicate_opportunity=False)


@pytest.mark.parametrize(
    ("first", "outcome"),
    [
        pytest.param(of(job(status="Completed"), estimates=(SALE,)), Outcome.WON, id="won"),
        pytest.param(
            of(job(status="Completed"), estimates=(estimate(1, "Dismissed"),)), Outcome.LOST, id="lost"
        ),
        pytest.param(
            of(job(status="Completed"), install(status="Completed", completed_at=day(12)), estimates=(SALE,)),
            Outcome.INSTALLED,
            id="installed",
        ),
    ],
)
@pytest.mark.parametrize("is_seen_at_once", [False, True])
def test_new_job_after_the_end_opens_a_new_cycle(
    first: CustomerFacts, outcome: Outcome, *, is_seen_at_once: bool
) -> None:
    """Whether the end was seen before the job, or both at once."""
    ended = wished(first)
    assert ended.history[0].outcome is outcome
    returned = replace(first, jobs=(*first.jobs, job(20, at=15, visits=1)))
    desired = wished(returned, history=() if is_seen_at_once else ended.history)
    assert shown(desired) == [*shown(ended), (2, Stage.APPOINTMENT_SCHEDULED, "open", None)]
    assert desired.history[1].job_ids == (20,)


def test_job_of_the_instant_of_the_sale_is_a_new_matter() -> None:
    facts = of(job(1), job(2, created_at=SALE.sold_at), estimates=(SALE,))
    assert [one.cycle for one in wished(facts).opportunities] == [1, 2]


def test_a_loss_stays_where_it_was_seen_when_its_estimate_is_edited_later() -> None:
    """When an estimate was dismissed nobody writes down but we."""
    lost = of(job(status="Completed"), estimates=(estimate(1, "Dismissed"),))
    before = wished(lost)
    edited = replace(lost, estimates=(estimate(1, "Dismissed", modified_at=day(18)),))
    after = wished(replace(edited, jobs=(*lost.jobs, job(2, at=15))), history=before.history)
    assert [(one.cycle, one.status) for one in after.opportunities] == [(1, "lost"), (2, "open")]


def test_work_that_was_away_comes_back_to_its_cycle() -> None:
    """The sale is dated back before it, so by its date alone it would be a new matter."""
    more = (estimate(2, total="5", at=8, job_id=None), estimate(1, "Sold", sold_at=day(4)))
    full = of(job(1), job(2, at=8), estimates=more)
    begun = wished(replace(full, estimates=(more[0], estimate(1))))
    away = wished(of(job(1), estimates=more[1:]), history=begun.history)
    back = wished(full, history=away.history)
    assert [one.cycle for one in back.opportunities] == [1]
    assert back.history[0].job_ids == (1, 2)
    assert back.history[0].estimate_ids == (1, 2)


def test_new_job_before_the_end_stays_in_its_cycle() -> None:
    desired = wished(of(job(1), job(2, at=4, visits=1), estimates=(SALE,)))
    assert shown(desired) == [(1, Stage.JOB_SOLD, "won", "9000.00")]


def test_ended_cycle_goes_on_following_its_own_jobs() -> None:
    first = of(job(), estimates=(SALE,))
    more = replace(first, estimates=(*first.estimates, estimate(2, "Sold", "500", at=12)))
    assert shown(wished(more, history=wished(first).history)) == [(1, Stage.JOB_SOLD, "won", "9500.00")]


def test_one_install_moves_one_sale() -> None:
    """The old worker moved every sold opportunity of the customer for one install job."""
    two = (estimate(1, "Sold", "100", at=3), estimate(2, "Sold", "200", at=9, job_id=2))
    facts = of(job(1, at=2), job(2, at=8), install(9, at=12), estimates=two)
    assert shown(wished(facts)) == [
        (1, Stage.JOB_SOLD, "won", "100.00"),
        (2, Stage.INSTALL_CREATED, "won", "200.00"),
    ]


@pytest.mark.parametrize(
    "link",
    [
        pytest.param({"created_from_estimate_id": 1}, id="made from its estimate"),
        pytest.param({"project_id": 5}, id="same project"),
    ],
)
def test_install_joins_the_sale_that_it_names(link: dict[str, Any]) -> None:
    two = (estimate(1, "Sold", "100", at=3), estimate(2, "Sold", "200", at=9, job_id=2))
    facts = of(job(1, at=2, project_id=5), job(2, at=8), install(9, at=12, **link), estimates=two)
    assert [one.stage for one in wished(facts).opportunities] == [Stage.INSTALL_CREATED, Stage.JOB_SOLD]


def test_install_joins_the_sale_before_it_rather_than_a_later_one() -> None:
    two = (estimate(1, "Sold", "100", at=3), estimate(2, "Sold", "200", at=11, job_id=2))
    facts = of(job(1, at=2), job(2, at=7), install(9, at=8), estimates=two)
    assert [one.stage for one in wished(facts).opportunities] == [Stage.INSTALL_CREATED, Stage.JOB_SOLD]


def test_second_install_joins_the_first_while_that_is_under_way() -> None:
    facts = of(job(), install(9, at=8), install(10, at=9), estimates=(SALE,))
    assert shown(wished(facts)) == [(1, Stage.INSTALL_CREATED, "won", "9000.00")]


def test_where_only_one_is_allowed_a_new_cycle_takes_it_over() -> None:
    lost = of(job(status="Completed"), estimates=(estimate(1, "Dismissed"),))
    before = wished(lost, ONE)
    after = wished(replace(lost, jobs=(*lost.jobs, job(20, at=15))), ONE, history=before.history)
    assert after.one_opportunity
    assert shown(after) == [(2, Stage.CONTACTED, "open", None)]
    assert only(after).name == "Rosa Field - Job #1020"


def test_where_only_one_is_allowed_a_new_cycle_waits_for_an_install() -> None:
    selling = of(job(status="Completed"), install(visits=1), estimates=(SALE,))
    before = wished(selling, ONE)
    jobs = (*selling.jobs, job(20, at=15))
    waiting = wished(replace(selling, jobs=jobs), ONE, history=before.history)
    assert shown(waiting) == [(1, Stage.INSTALL_SCHEDULED, "won", "9000.00")]
    done = (job(status="Completed"), install(status="Completed", completed_at=day(16)), job(20, at=15))
    after = wished(replace(selling, jobs=done), ONE, history=waiting.history)
    assert shown(after) == [(2, Stage.CONTACTED, "open", None)]


def test_where_only_one_is_allowed_a_lost_job_that_is_sold_is_not_lost_sight_of() -> None:
    lost = of(job(status="Completed"), job(20, at=15), estimates=(estimate(1, "Dismissed"),))
    before = wished(lost, ONE)
    assert shown(before) == [(2, Stage.CONTACTED, "open", None)]
    after = wished(replace(lost, estimates=(estimate(1, "Sold", at=18),)), ONE, history=before.history)
    assert shown(after) == [(2, Stage.JOB_SOLD, "won", "9000.00")]
    assert shown(
        wished(replace(lost, estimates=(estimate(1, "Sold", at=18),)), ONE, history=after.history)
    ) == [(2, Stage.JOB_SOLD, "won", "9000.00")]


def test_room_for_more_opportunities_brings_back_nothing_that_is_over() -> None:
    lost = of(job(status="Completed"), estimates=(estimate(1, "Dismissed"),))
    two = replace(lost, jobs=(*lost.jobs, job(20, at=15)))
    before = wished(two, ONE, history=wished(lost, ONE).history)
    assert [state.was_replaced for state in before.history] == [True, False]
    after = wished(two, history=before.history)
    assert shown(after) == [(2, Stage.CONTACTED, "open", None)]
    offered = replace(two, estimates=(estimate(1, at=19),))
    revived = wished(offered, history=after.history)
    assert [one.cycle for one in revived.opportunities] == [1, 2]
    sold = wished(replace(two, estimates=(SALE,)), history=revived.history)
    assert [(one.cycle, one.stage) for one in sold.opportunities] == [
        (1, Stage.JOB_SOLD),
        (2, Stage.CONTACTED),
    ]
