"""What of customers from before GoHighLevel is shown there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.customers import (
    SETTINGS,
    day,
    estimate,
    install,
    job,
    of,
    only,
    wished,
)

from pcd.crm.desired import Stage

if TYPE_CHECKING:
    from pcd.crm.facts import CustomerFacts


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
