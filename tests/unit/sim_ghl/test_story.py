"""A sale in ServiceTitan and the card that moves in GoHighLevel, told in the order of their happening."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

from pcd.cli.story import Story
from pcd.sim.business import Business
from pcd.sim.clock import SimClock
from pcd.sim.company import found
from pcd.sim.ghl.defaults import PIPELINES
from pcd.sim.ghl.person import Person
from pcd.sim.ghl.settings import GhlSimSettings
from pcd.sim.ghl.store import Store as Subaccount
from pcd.sim.store import Store as Company

NOW = datetime(2026, 9, 4, 12, 0, tzinfo=UTC)
FIELD = "ctStCustomerId000001"


def test_story_tells_the_sale_and_how_long_the_card_took() -> None:
    clock = SimClock(NOW, speed=0)
    company, subaccount = Company(clock=clock), Subaccount(GhlSimSettings(), clock=clock)
    found(company, seed=3, customers=20, now=NOW)
    story = Story(company, subaccount, customer_field=FIELD)
    assert story.news() == []
    business, person = Business(company, Random(1)), Person(subaccount, GhlSimSettings())
    job = company["jobs"].get(company["jobs"].ids()[-1])
    name = company["customers"].get(job["customerId"])["name"]
    estimate_id = business.propose(job["id"], at=NOW)
    [line] = story.news()
    assert line.startswith(f"ServiceTitan  {name}: gets a proposal, ")

    clock.advance(timedelta(seconds=1.5))
    contact = person.add_contact(first_name=name, custom_fields={FIELD: str(job["customerId"])})
    sales = PIPELINES[0]
    card = person.add_card(contact.id, name="x", pipeline_id=sales.id, stage_id=sales.stages[3].id)
    assert story.news() == [
        f"GoHighLevel   {name}: a new card in Appointment Completed - Proposal Sent  (1.5 s later)"
    ]

    business.decide(estimate_id, "Sold", at=clock.now())
    clock.advance(timedelta(seconds=2))
    person.set_value(card.id, 1200)
    person.move_card(card.id, sales.stages[5].id)
    sold, moved = story.news()
    assert sold.startswith(f"ServiceTitan  {name}: the proposal of $")
    assert sold.endswith(" is sold")
    assert moved == (
        f"GoHighLevel   {name}: Appointment Completed - Proposal Sent → Job Sold, $1,200.00  (2.0 s later)"
    )
    person.set_status(card.id, "won")
    assert story.news() == [f"GoHighLevel   {name}: the card in Job Sold is won, $1,200.00"]
    assert story.news() == []
