"""What GoHighLevel should show for a customer, rule by rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from support.customers import NOW, SETTINGS, customer, day, estimate, install, job, visit, wished

from pcd.crm.desired import Outcome, Stage

if TYPE_CHECKING:
    from pcd.crm.desired import Desired, DesiredOpportunity
    from pcd.crm.facts import CustomerFacts, EstimateFacts, JobFacts
    from pcd.crm.settings import CrmSettings

ONE = replace(SETTINGS, allow_duplicate_opportunity=False)
SALE = estimate(1, "Sold", at=5)


def shown(desired: Desired) -> list[tuple[int, Stage | None, str, str | None]]:
    """Return cycle, stage, status and value of each opportunity."""
    return [
        (one.cycle, one.stage, one.status, None if one.value is None else str(one.value))
        for one in desired.opportunities
    ]


def only(desired: Desired) -> DesiredOpportunity:
    """Return the one opportunity that there is."""
    (one,) = desired.opportunities
    return one


def of(*jobs: JobFacts, estimates: tuple[EstimateFacts, ...] = (), **changes: object) -> CustomerFacts:
    """Return a customer with these."""
    return customer(jobs=jobs, estimates=estimates, **changes)


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


OLD: dict[str, Any] = {"created_at": day(-400)}


@pytest.mark.parametrize(
    ("facts", "stages"),
    [
        pytest.param(of(**OLD), [], id="nothing"),
        pytest.param(of(job(at=-9), estimates=(estimate(at=-8),), **OLD), [], id="all of it before"),
        pytest.param(of(job(at=2), **OLD), [Stage.CONTACTED], id="new job"),
        pytest.param(
            of(job(at=-9), estimates=(estimate(at=19),), **OLD), [Stage.PROPOSAL_SENT], id="new estimate"
        ),
        pytest.param(
            of(job(at=-9), estimates=(estimate(1, "Sold", at=-8, sold_at=day(2)),), **OLD),
            [Stage.JOB_SOLD],
            id="sold now",
        ),
        pytest.param(
            of(job(status="InProgress", at=-9, modified_at=day(2)), **OLD),
            [Stage.CONTACTED],
            id="job that is under way changes",
        ),
        pytest.param(
            of(job(status="Completed", at=-9, modified_at=day(2)), **OLD), [], id="job that is done changes"
        ),
        pytest.param(
            of(
                job(1, "Completed", at=-30),
                install(at=2),
                estimates=(estimate(1, "Sold", at=-29, sold_at=day(-28)),),
                **OLD,
            ),
            [Stage.INSTALL_CREATED],
            id="install of an old sale",
        ),
        pytest.param(
            of(
                job(1, "Completed", at=-90),
                job(2, at=2),
                estimates=(estimate(1, at=-89),),
                **OLD,
            ),
            [Stage.CONTACTED],
            id="old proposal does not come back with a new job",
        ),
    ],
)
def test_of_an_old_customer_only_what_happens_now_counts(facts: CustomerFacts, stages: list[Stage]) -> None:
    desired = wished(facts)
    assert [one.stage for one in desired.opportunities] == stages
    assert (desired.contact is not None) is bool(stages)


def test_install_of_an_old_sale_shows_its_value() -> None:
    sale = estimate(1, "Sold", at=-29, sold_at=day(-28))
    assert (
        only(wished(of(job(1, "Completed", at=-30), install(at=2), estimates=(sale,), **OLD))).value == 9000
    )


@pytest.mark.parametrize(
    "earlier",
    [
        pytest.param({"created_from_estimate_id": 55}, id="it names another one"),
        pytest.param({}, id="that one was installed already"),
    ],
)
def test_install_takes_no_old_sale_that_is_not_its_own(earlier: dict[str, Any]) -> None:
    sale = estimate(1, "Sold", at=-29, sold_at=day(-28))
    done = install(8, "Completed", at=-20, created_from_estimate_id=1)
    jobs = (job(1, "Completed", at=-30), install(9, at=2, **earlier), *(() if earlier else (done,)))
    desired = wished(of(*jobs, estimates=(sale,), **OLD))
    assert [state.job_ids for state in desired.history] == [(9,)]
    assert only(desired).value == 0


@pytest.mark.parametrize(
    ("facts", "stages"),
    [
        pytest.param(of(**OLD), [], id="contact alone"),
        pytest.param(of(job(at=-9, modified_at=day(-9)), **OLD), [Stage.CONTACTED], id="job under way"),
        pytest.param(
            of(job(status="Completed", at=-9), estimates=(estimate(at=-8),), **OLD),
            [Stage.FOLLOW_UP],
            id="open proposal",
        ),
        pytest.param(
            of(job(status="Completed", at=-9), estimates=(estimate(1, "Dismissed", at=-8),), **OLD),
            [],
            id="lost long ago",
        ),
        pytest.param(
            of(job(status="Completed", at=-99), estimates=(estimate(at=-98),), **OLD), [], id="too old"
        ),
    ],
)
def test_backfill_takes_in_what_is_under_way(facts: CustomerFacts, stages: list[Stage]) -> None:
    desired = wished(facts, replace(SETTINGS, backfill_since=day(-90)))
    assert [one.stage for one in desired.opportunities] == stages
    assert desired.contact is not None
    assert desired.contact.tags == ("servicetitan-backfill",)


def test_linked_old_customer_is_kept_in_step() -> None:
    desired = wished(of(**OLD), is_linked=True)
    assert desired.contact is not None
    assert desired.opportunities == ()


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        pytest.param(of(job(visits=1)), "Rosa Field - New Customer Qualifying", id="new"),
        pytest.param(
            of(job(), estimates=(estimate(total="9000.5"),)),
            "Rosa Field - Pool pump - $9,000.50",
            id="estimate",
        ),
        pytest.param(
            of(job(), estimates=(estimate(name=""),)),
            "Rosa Field - Estimate - $9,000",
            id="nameless estimate",
        ),
        pytest.param(of(install()), "Rosa Field - Install Job #1009", id="install without a value"),
        pytest.param(
            of(job(), install(), estimates=(SALE,)), "Rosa Field - Install Job #1009 - $9,000", id="install"
        ),
    ],
)
def test_opportunity_is_called_as_the_old_system_called_it(facts: CustomerFacts, name: str) -> None:
    assert only(wished(facts)).name == name


def test_opportunity_is_linked_to_its_job_and_estimate() -> None:
    one = only(wished(of(job(1), job(2), estimates=(estimate(1), estimate(2, total="10000", job_id=2)))))
    assert (one.job_id, one.estimate_id) == (2, 2)
    assert one.custom_fields["f-job"] == "https://go.servicetitan.com/#/Job/Index/2"


@pytest.mark.parametrize(
    ("technicians", "leads", "helpers"),
    [
        pytest.param((), (), (), id="none"),
        pytest.param((2, 1), ("Ada", "Bo"), (), id="two leads, in the order of their names"),
        pytest.param((1, 3), ("Ada",), ("Cy",), id="a lead and a helper"),
        pytest.param((1, 99), ("Ada",), (), id="one who is not in the configuration"),
        pytest.param((4,), (), (), id="one whose option is gone"),
    ],
)
def test_technicians_go_into_the_field_of_their_role(
    technicians: tuple[int, ...], leads: tuple[str, ...], helpers: tuple[str, ...]
) -> None:
    fields = only(wished(of(job(technician_ids=technicians)))).custom_fields
    assert (fields["f-leads"], fields["f-helpers"]) == (leads, helpers)


def test_technicians_are_those_of_the_job_that_the_opportunity_is_about() -> None:
    facts = of(job(technician_ids=(1,)), install(technician_ids=(2, 3)), estimates=(SALE,))
    assert only(wished(facts)).custom_fields["f-leads"] == ("Bo",)


def test_without_any_technician_configured_the_field_is_a_persons() -> None:
    desired = wished(of(job(technician_ids=(1,))), replace(SETTINGS, technicians={}))
    assert only(desired).custom_fields.keys() == {"f-job"}
    assert desired.notes == ()


def test_both_roles_may_share_a_field() -> None:
    lists = SETTINGS.custom_fields.technicians
    shared = replace(lists["lead"], options=frozenset({"Ada", "Cy"}))
    fields = replace(SETTINGS.custom_fields, technicians={"lead": shared, "helper": shared})
    one = only(wished(of(job(technician_ids=(3, 1))), replace(SETTINGS, custom_fields=fields)))
    assert one.custom_fields["f-leads"] == ("Ada", "Cy")


def test_sold_one_may_stay_open_until_it_is_installed() -> None:
    settings: CrmSettings = replace(SETTINGS, sold_status="open")
    sold, installed = of(job(), estimates=(SALE,)), of(job(), install(status="Completed"), estimates=(SALE,))
    assert only(wished(sold, settings)).status == "open"
    assert only(wished(installed, settings)).status == "won"


def test_merged_customer_gives_up_what_its_jobs_took_along() -> None:
    before = wished(of(job(), estimates=(estimate(at=19),)))
    merged = wished(customer(merged_into=8), history=before.history, is_linked=True)
    assert merged.contact is None
    assert shown(merged) == [(1, None, "abandoned", None)]
    assert merged.history == before.history
    again = wished(customer(merged_into=8), history=merged.history, is_linked=True)
    assert again == merged


def test_merged_customer_whose_jobs_stayed_goes_on() -> None:
    facts = of(job(), estimates=(estimate(at=19),))
    merged = wished(replace(facts, merged_into=8), history=wished(facts).history)
    assert shown(merged) == [(1, Stage.PROPOSAL_SENT, "open", "9000.00")]


def test_cents_are_rounded_once() -> None:
    sold = (estimate(1, "Sold", "0.125"), estimate(2, "Sold", "0.125"))
    assert only(wished(of(job(), estimates=sold))).value == Decimal("0.25")


def test_nothing_depends_on_the_time_but_the_follow_up() -> None:
    facts = of(job(visits=1), install(), estimates=(SALE,))
    assert wished(facts, now=NOW) == wished(facts, now=NOW + timedelta(days=900))
