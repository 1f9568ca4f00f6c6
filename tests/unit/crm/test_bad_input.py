"""Each kind of bad input has one outcome, and the documentation lists them all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.customers import SETTINGS, STAGES, customer, day, estimate, install, job, wished

from pcd.crm import describe
from pcd.crm.desired import Stage
from pcd.crm.oddity import Oddity

if TYPE_CHECKING:
    from collections.abc import Callable

    from pcd.crm.desired import Desired, DesiredContact, DesiredOpportunity
    from pcd.crm.facts import CustomerFacts
    from pcd.crm.settings import CrmSettings

DOCUMENT = Path(__file__).parents[3] / "docs" / "crm.md"
ONE = replace(SETTINGS, allow_duplicate_opportunity=False)
SALE = estimate(1, "Sold")


def contact(desired: Desired) -> DesiredContact:
    assert desired.contact is not None
    return desired.contact


def only(desired: Desired) -> DesiredOpportunity:
    (one,) = desired.opportunities
    return one


def has_nothing(desired: Desired) -> bool:
    return desired.contact is None and not desired.opportunities


def stands(stage: Stage, value: str | None) -> Callable[[Desired], bool]:
    """Return a check of the one opportunity."""

    def check(desired: Desired) -> bool:
        one = only(desired)
        return (one.stage, None if one.value is None else str(one.value)) == (stage, value)

    return check


CASES: dict[Oddity, tuple[CustomerFacts, Callable[[Desired], bool]]] = {
    Oddity.NO_KEY: (customer(phone=None, email=None), has_nothing),
    Oddity.NO_NAME: (customer(name="  "), lambda found: contact(found).name == "Customer 7"),
    Oddity.NAME_WITHOUT_LETTERS: (customer(name="🏊‍♀️💦"), lambda found: contact(found).name == "🏊‍♀️💦"),
    Oddity.LONG_NAME: (
        customer(name="Ann " + "a" * 600, jobs=(job(),), estimates=(estimate(at=19),)),
        lambda found: (
            len(contact(found).last_name) == 255
            and len(only(found).name or "") == 255
            and (only(found).name or "").endswith("… - Pool pump - $9,000")
        ),
    ),
    Oddity.FOREIGN_PHONE: (
        customer(phone="+44 20 7946 0958"),
        lambda found: contact(found).phone == "+442079460958",
    ),
    Oddity.BROKEN_PHONE: (
        customer(phone="call his wife"),
        lambda found: contact(found).phone is None and contact(found).email == "rosa@example.com",
    ),
    Oddity.PHONE_EXTENSION: (
        customer(phone="239-555-0142 ext. 7"),
        lambda found: contact(found).phone == "+12395550142",
    ),
    Oddity.BROKEN_EMAIL: (
        customer(email="rosa field@example.com"),
        lambda found: contact(found).email is None and contact(found).phone == "+12395550142",
    ),
    Oddity.DO_NOT_CONTACT: (customer(do_not_contact=True), lambda found: contact(found).do_not_contact),
    Oddity.DO_NOT_SERVICE: (
        customer(do_not_service=True, jobs=(job(),)),
        lambda found: found.contact is not None and not found.opportunities,
    ),
    Oddity.INACTIVE: (customer(is_active=False, jobs=(job(),)), has_nothing),
    Oddity.MERGED: (customer(merged_into=8, jobs=(job(),)), has_nothing),
    Oddity.ZERO_ESTIMATE: (
        customer(jobs=(job(),), estimates=(estimate(total="0"), estimate(2, "Dismissed", "0"))),
        stands(Stage.CONTACTED, None),
    ),
    Oddity.NEGATIVE_ESTIMATE: (
        customer(jobs=(job(),), estimates=(SALE, estimate(2, "Sold", "-1000"), estimate(3, total="-1"))),
        stands(Stage.JOB_SOLD, "8000.00"),
    ),
    Oddity.NO_AMOUNT: (
        customer(jobs=(job(),), estimates=(estimate(1, "Sold", None),)),
        stands(Stage.CONTACTED, None),
    ),
    Oddity.ESTIMATE_WITHOUT_JOB: (
        customer(estimates=(estimate(job_id=None, at=19),)),
        lambda found: (
            stands(Stage.PROPOSAL_SENT, "9000.00")(found)
            and only(found).job_id is None
            and "f-job" not in only(found).custom_fields
        ),
    ),
    Oddity.STRANGE_ESTIMATE: (
        customer(jobs=(job(),), estimates=(estimate(1, "Maybe"),)),
        stands(Stage.CONTACTED, None),
    ),
    Oddity.STRANGE_JOB: (customer(jobs=(install(status="Paused"),)), stands(Stage.INSTALL_CREATED, "0.00")),
    Oddity.UNIT_OFF: (
        customer(jobs=(job(visits=1),), estimates=(estimate(1, "Sold", is_pushed=False),)),
        stands(Stage.APPOINTMENT_SCHEDULED, None),
    ),
    Oddity.UNKNOWN_TECHNICIAN: (
        customer(jobs=(job(technician_ids=(99, 1)),)),
        lambda found: only(found).custom_fields["f-leads"] == ("Ada",),
    ),
    Oddity.UNKNOWN_OPTION: (
        customer(jobs=(job(technician_ids=(4, 1)),)),
        lambda found: only(found).custom_fields["f-leads"] == ("Ada",),
    ),
}
TRANSITIONS: dict[Oddity, tuple[CustomerFacts, CustomerFacts, CrmSettings]] = {
    Oddity.INSTALL_CANCELED: (
        customer(jobs=(install(visits=1),)),
        customer(jobs=(install(status="Canceled"),)),
        SETTINGS,
    ),
    Oddity.UNSOLD: (
        customer(jobs=(job(),), estimates=(SALE,)),
        customer(jobs=(job(),), estimates=(estimate(),)),
        SETTINGS,
    ),
    Oddity.REVIVED: (
        customer(jobs=(job(status="Completed"),), estimates=(estimate(1, "Dismissed"),)),
        customer(jobs=(job(status="Completed"),), estimates=(SALE,)),
        SETTINGS,
    ),
    Oddity.RESET: (
        customer(jobs=(job(),), estimates=(SALE,)),
        customer(jobs=(job(), job(2, at=15)), estimates=(SALE,)),
        ONE,
    ),
    Oddity.WAITS: (
        customer(jobs=(job(), install()), estimates=(SALE,)),
        customer(jobs=(job(), install(), job(2, at=15)), estimates=(SALE,)),
        ONE,
    ),
}


@pytest.mark.parametrize("oddity", CASES, ids=lambda oddity: oddity.name.lower())
def test_bad_input_has_its_outcome(oddity: Oddity) -> None:
    facts, has_outcome = CASES[oddity]
    found = wished(facts)
    assert has_outcome(found)
    assert oddity in {note.oddity for note in found.notes}


@pytest.mark.parametrize("oddity", TRANSITIONS, ids=lambda oddity: oddity.name.lower())
def test_what_happened_is_told(oddity: Oddity) -> None:
    """What comes of it, the tests of the stages say."""
    before, after, settings = TRANSITIONS[oddity]
    history = wished(before, settings).history
    assert oddity in {note.oddity for note in wished(after, settings, history=history).notes}
    assert oddity not in {note.oddity for note in wished(before, settings).notes}


def test_missing_stage_is_told() -> None:
    stages = dict(STAGES)
    del stages[Stage.CONTACTED]
    notes = wished(customer(), replace(SETTINGS, stages=stages)).notes
    assert [(note.oddity, note.about) for note in notes] == [(Oddity.NO_STAGE, "stage contacted")]


def test_everything_strange_is_tested() -> None:
    assert CASES.keys() | TRANSITIONS.keys() | {Oddity.NO_STAGE} == set(Oddity)


def test_document_has_the_table_of_bad_input() -> None:
    """Made anew by ``python -c "from pcd.crm import describe; print(describe.markdown())"``."""
    assert describe.markdown() in DOCUMENT.read_text(encoding="utf-8")


def test_ordinary_customer_is_not_strange() -> None:
    facts = customer(jobs=(job(visits=1, technician_ids=(1,)), install(at=12)), estimates=(SALE,))
    assert wished(facts).notes == ()


def test_linked_customer_without_a_key_is_kept_in_step() -> None:
    found = wished(customer(phone="none", email=""), is_linked=True)
    assert contact(found).name == "Rosa Field"
    assert only(found).stage is Stage.CONTACTED


def test_inactive_customer_goes_on_with_what_is_there() -> None:
    before = wished(customer(jobs=(job(),)))
    found = wished(
        customer(is_active=False, jobs=(job(visits=1), job(2, at=19))), history=before.history, is_linked=True
    )
    assert only(found).stage is Stage.APPOINTMENT_SCHEDULED


@pytest.mark.parametrize(
    ("total", "value"),
    [
        pytest.param("-9000", "0.00", id="all of it"),
        pytest.param("-12000", "0.00", id="more than there is"),
        pytest.param("-0.01", "8999.99", id="a cent"),
    ],
)
def test_credit_lessens_the_value_to_nothing_at_the_lowest(total: str, value: str) -> None:
    found = wished(customer(jobs=(job(),), estimates=(SALE, estimate(2, "Sold", total))))
    assert str(only(found).value) == value


def test_sale_of_nothing_is_a_sale() -> None:
    found = wished(customer(jobs=(job(),), estimates=(estimate(1, "Sold", "0"),)))
    assert stands(Stage.JOB_SOLD, "0.00")(found)
    assert only(found).status == "won"


def test_credit_alone_is_no_sale() -> None:
    assert stands(Stage.CONTACTED, None)(
        wished(customer(jobs=(job(),), estimates=(estimate(1, "Sold", "-5"),)))
    )


def test_customer_without_a_date_counts_as_new() -> None:
    assert only(wished(customer(created_at=None))).stage is Stage.CONTACTED


def test_work_without_a_date_counts_as_news() -> None:
    facts = customer(created_at=day(-99), jobs=(job(created_at=None, visits=1),))
    assert only(wished(facts)).stage is Stage.APPOINTMENT_SCHEDULED


def test_next_usable_key_takes_the_place_of_a_broken_one() -> None:
    """The contact can be reached and found by it; the others are for recognising it."""
    found = wished(
        customer(
            email="rosa at example",
            emails=("rosa at example", "rosa@work.example.com", "Rosa@Example.com"),
            phone="call his wife",
            phones=("call his wife", "239-555-0142", "(239) 555-0142"),
        )
    )
    one = contact(found)
    assert (one.email, one.phone) == ("rosa@work.example.com", "+12395550142")
    assert (one.other_emails, one.other_phones) == (("rosa@example.com",), ())
    assert found.notes == ()
