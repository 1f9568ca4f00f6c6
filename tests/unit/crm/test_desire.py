"""What GoHighLevel should show for a customer, rule by rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

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
    visit,
    wished,
)

from pcd.crm.desired import Outcome, Stage

if TYPE_CHECKING:
    from pcd.crm.facts import CustomerFacts


@pytest.mark.parametrize(
    ("facts", "stage", "status", "value"),
    [
        pytest.param(of(), Stage.CONTACTED, "open", None, id="new customer"),
        pytest.param(of(job()), Stage.CONTACTED, "open", None, id="job without an appointment"),
        pytest.param(of(job(visits=1)), Stage.APPOINTMENT_SCHEDULED, "open", None, id="appointment"),
        pytest.param(
            of(job(appointments=(visit(1, "Canceled"),))),
            Stage.CONTACTED,
            "open",
            None,
            id="canceled appointment",
        ),
        pytest.param(of(job(status="Canceled", visits=1)), Stage.CONTACTED, "open", None, id="canceled job"),
        pytest.param(
            of(job(status="Completed", visits=1)),
            Stage.APPOINTMENT_SCHEDULED,
            "open",
            None,
            id="visit without a proposal",
        ),
        pytest.param(
            of(job(visits=1), estimates=(estimate(at=19),)),
            Stage.PROPOSAL_SENT,
            "open",
            "9000.00",
            id="estimate",
        ),
        pytest.param(
            of(job(), estimates=(estimate(1, at=19), estimate(2, total="1500", at=19.5))),
            Stage.PROPOSAL_SENT,
            "open",
            "9000.00",
            id="the highest open one counts",
        ),
        pytest.param(of(job(), estimates=(SALE,)), Stage.JOB_SOLD, "won", "9000.00", id="sold estimate"),
        pytest.param(
            of(job(), estimates=(SALE, estimate(2, "Sold", "1500.50"), estimate(3, total="99999"))),
            Stage.JOB_SOLD,
            "won",
            "10500.50",
            id="the sum of sold ones counts",
        ),
        pytest.param(
            of(job(status="Completed"), estimates=(estimate(1, "Dismissed"),)),
            Stage.ESTIMATE_LOST,
            "lost",
            "9000.00",
            id="dismissed estimate",
        ),
        pytest.param(
            of(job(), estimates=(estimate(1, "Dismissed"), estimate(2, total="1500", at=19))),
            Stage.PROPOSAL_SENT,
            "open",
            "1500.00",
            id="one dismissed does not lose while one is open",
        ),
        pytest.param(
            of(job(), estimates=(estimate(1, "Dismissed"), estimate(2, "Sold", "1500"))),
            Stage.JOB_SOLD,
            "won",
            "1500.00",
            id="one dismissed does not lose when one is sold",
        ),
        pytest.param(
            of(job(1), job(2, visits=1), estimates=(estimate(1, "Dismissed"),)),
            Stage.PROPOSAL_SENT,
            "open",
            "0.00",
            id="another visit is still to come",
        ),
        pytest.param(
            of(job(1), job(2, "Completed", visits=1), estimates=(estimate(1, "Dismissed"),)),
            Stage.ESTIMATE_LOST,
            "lost",
            "9000.00",
            id="another visit led to nothing",
        ),
        pytest.param(
            of(job(status="Canceled"), estimates=(estimate(at=19),)),
            Stage.CONTACTED,
            "open",
            None,
            id="open estimate of a canceled job",
        ),
        pytest.param(
            of(job(status="Canceled"), estimates=(SALE,)),
            Stage.JOB_SOLD,
            "won",
            "9000.00",
            id="a sale counts until it is taken back",
        ),
        pytest.param(of(install()), Stage.INSTALL_CREATED, "open", "0.00", id="install"),
        pytest.param(
            of(job(), install(), estimates=(SALE,)),
            Stage.INSTALL_CREATED,
            "won",
            "9000.00",
            id="install of a sale",
        ),
        pytest.param(
            of(job(), install(visits=1), estimates=(SALE,)),
            Stage.INSTALL_SCHEDULED,
            "won",
            "9000.00",
            id="install scheduled",
        ),
        pytest.param(
            of(job(), install(status="Dispatched", visits=1), estimates=(SALE,)),
            Stage.INSTALL_SCHEDULED,
            "won",
            "9000.00",
            id="install on its way",
        ),
        pytest.param(
            of(job(), install(status="InProgress"), estimates=(SALE,)),
            Stage.INSTALL_IN_PROGRESS,
            "won",
            "9000.00",
            id="install in progress",
        ),
        pytest.param(
            of(job(), install(status="Hold"), estimates=(SALE,)),
            Stage.INSTALL_ON_HOLD,
            "won",
            "9000.00",
            id="install on hold",
        ),
        pytest.param(
            of(job(), install(status="Completed"), estimates=(SALE,)),
            Stage.INSTALL_COMPLETED,
            "won",
            "9000.00",
            id="installed",
        ),
        pytest.param(
            of(install(status="Completed")), Stage.INSTALL_COMPLETED, "won", "0.00", id="installed unsold"
        ),
        pytest.param(
            of(install(8, "Completed", completed_at=day(15)), install(9, visits=1)),
            Stage.INSTALL_SCHEDULED,
            "open",
            "0.00",
            id="one of two installs is still to come",
        ),
    ],
)
def test_stage_status_and_value_follow_from_the_facts(
    facts: CustomerFacts, stage: Stage, status: str, value: str | None
) -> None:
    assert shown(wished(facts)) == [(1, stage, status, value)]


@pytest.mark.parametrize(
    ("after", "now", "stage", "reconsider"),
    [
        pytest.param("7d", 11, Stage.PROPOSAL_SENT, 12, id="not yet"),
        pytest.param("7d", 12, Stage.FOLLOW_UP, None, id="to the instant"),
        pytest.param("7d", 90, Stage.FOLLOW_UP, None, id="long ago"),
        pytest.param("", 90, Stage.PROPOSAL_SENT, None, id="never"),
    ],
)
def test_proposal_without_an_answer_is_followed_up(
    after: str, now: float, stage: Stage, reconsider: float | None
) -> None:
    settings = replace(SETTINGS, followup_after=timedelta(days=7) if after else None)
    desired = wished(of(job(), estimates=(estimate(at=5),)), settings, now=day(now))
    assert only(desired).stage is stage
    assert desired.reconsider_at == (None if reconsider is None else day(reconsider))


def test_a_newer_proposal_waits_anew_unless_it_was_followed_up_already() -> None:
    one = of(job(), estimates=(estimate(1, at=5),))
    two = of(job(), estimates=(estimate(1, at=5), estimate(2, at=11)))
    assert only(wished(two, now=day(13))).stage is Stage.PROPOSAL_SENT
    earlier = wished(one, now=day(13))
    later = wished(two, now=day(13.5), history=earlier.history)
    assert only(later).stage is Stage.FOLLOW_UP
    assert later.reconsider_at is None


STORY = [
    (of(), Stage.CONTACTED),
    (of(job(visits=1)), Stage.APPOINTMENT_SCHEDULED),
    (of(job(status="Completed", visits=1), estimates=(estimate(at=19),)), Stage.PROPOSAL_SENT),
    (of(job(status="Completed", visits=1), estimates=(SALE,)), Stage.JOB_SOLD),
    (of(job(status="Completed", visits=1), install(), estimates=(SALE,)), Stage.INSTALL_CREATED),
    (of(job(status="Completed"), install(visits=1), estimates=(SALE,)), Stage.INSTALL_SCHEDULED),
    (of(job(status="Completed"), install(status="InProgress"), estimates=(SALE,)), Stage.INSTALL_IN_PROGRESS),
    (of(job(status="Completed"), install(status="Hold"), estimates=(SALE,)), Stage.INSTALL_ON_HOLD),
    (of(job(status="Completed"), install(status="InProgress"), estimates=(SALE,)), Stage.INSTALL_IN_PROGRESS),
    (of(job(status="Completed"), install(status="Completed"), estimates=(SALE,)), Stage.INSTALL_COMPLETED),
]


def test_one_opportunity_goes_the_whole_way() -> None:
    desired = wished(STORY[0][0])
    for facts, stage in STORY:
        desired = wished(facts, history=desired.history)
        assert [(one.cycle, one.stage) for one in desired.opportunities] == [(1, stage)]
    assert desired.history[0].outcome is Outcome.INSTALLED


@pytest.mark.parametrize(
    ("before", "after", "stage", "status"),
    [
        pytest.param(
            of(job(visits=1)), of(job()), Stage.APPOINTMENT_SCHEDULED, "open", id="appointment is deleted"
        ),
        pytest.param(
            of(job(visits=1)),
            of(job(status="Canceled", visits=1)),
            Stage.APPOINTMENT_SCHEDULED,
            "open",
            id="job is canceled",
        ),
        pytest.param(
            of(job(), estimates=(estimate(at=19),)),
            of(job(visits=1)),
            Stage.PROPOSAL_SENT,
            "open",
            id="estimate is deleted",
        ),
        pytest.param(
            of(install(status="InProgress")),
            of(install(status="Scheduled")),
            Stage.INSTALL_IN_PROGRESS,
            "open",
            id="install is rescheduled",
        ),
        pytest.param(
            of(job(), install(status="InProgress"), estimates=(SALE,)),
            of(job(), install(visits=1), estimates=(estimate(1, at=19),)),
            Stage.INSTALL_IN_PROGRESS,
            "open",
            id="install is rescheduled and its sale taken back",
        ),
        pytest.param(
            of(job(), install(visits=1), estimates=(SALE,)),
            of(job(), install(status="Canceled"), estimates=(SALE,)),
            Stage.INSTALL_SCHEDULED,
            "won",
            id="install is canceled",
        ),
    ],
)
def test_stage_goes_forward_only(
    before: CustomerFacts, after: CustomerFacts, stage: Stage, status: str
) -> None:
    one = only(wished(after, history=wished(before).history))
    assert (one.stage, one.status) == (stage, status)


@pytest.mark.parametrize(
    ("before", "after", "stage", "status"),
    [
        pytest.param(
            of(job(), estimates=(SALE,)),
            of(job(), estimates=(estimate(1, at=19),)),
            Stage.PROPOSAL_SENT,
            "open",
            id="sold to open",
        ),
        pytest.param(
            of(job(), estimates=(SALE,)),
            of(job(status="Completed"), estimates=(estimate(1, "Dismissed"),)),
            Stage.ESTIMATE_LOST,
            "lost",
            id="sold to dismissed",
        ),
        pytest.param(
            of(job(), install(visits=1), estimates=(SALE,)),
            of(job(), install(status="Canceled"), estimates=(estimate(1, at=19),)),
            Stage.PROPOSAL_SENT,
            "open",
            id="its install canceled too",
        ),
        pytest.param(
            of(job(), install(visits=1), estimates=(SALE,)),
            of(job(), install(visits=1), estimates=(estimate(1, at=19),)),
            Stage.INSTALL_SCHEDULED,
            "open",
            id="its install goes on",
        ),
        pytest.param(
            of(job(), estimates=(SALE, estimate(2, "Sold", "100"))),
            of(job(), estimates=(SALE, estimate(2, total="100"))),
            Stage.JOB_SOLD,
            "won",
            id="one of two sales",
        ),
    ],
)
def test_sale_that_is_taken_back_goes_back(
    before: CustomerFacts, after: CustomerFacts, stage: Stage, status: str
) -> None:
    one = only(wished(after, history=wished(before).history))
    assert (one.stage, one.status) == (stage, status)


def test_what_was_unsold_goes_forward_again() -> None:
    sold, unsold = of(job(), estimates=(SALE,)), of(job(), estimates=(estimate(1, at=19),))
    desired = wished(sold)
    for facts, stage in ((unsold, Stage.PROPOSAL_SENT), (sold, Stage.JOB_SOLD), (sold, Stage.JOB_SOLD)):
        desired = wished(facts, history=desired.history)
        assert only(desired).stage is stage


def test_lost_one_that_is_sold_after_all_is_the_same_opportunity() -> None:
    lost = wished(of(job(status="Completed"), estimates=(estimate(1, "Dismissed"),)))
    revived = wished(of(job(status="Completed"), estimates=(SALE,)), history=lost.history)
    assert shown(revived) == [(1, Stage.JOB_SOLD, "won", "9000.00")]
