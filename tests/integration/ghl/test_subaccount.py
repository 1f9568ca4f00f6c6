"""The client in a whole simulated sub-account, which is as strict as the real one is known to be."""

from __future__ import annotations

import os
import random
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import anyio
import pytest
from support.subaccounts import SETTINGS, config_of, subaccount

from pcd.clock import Clock
from pcd.errors import Duplicate, NoAnswer, RateLimited, Rejected, Unavailable
from pcd.fetcher import open_session
from pcd.ghl.authenticator import PrivateToken
from pcd.ghl.caller import Caller
from pcd.ghl.client import GoHighLevel, connect
from pcd.ghl.limiter import Limiter
from pcd.retry import Patience
from pcd.sim.ghl.subaccount import Subaccount, open_subaccount
from pcd.sim.trouble import TroubleRates

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pcd.sim.ghl.settings import GhlSimSettings


pytestmark = pytest.mark.asyncio

ROUNDS = int(os.environ.get("PCD_SOAK_ROUNDS", "1"))


IMPATIENT = Patience(attempts=8, decodes=3, attempt=timedelta(milliseconds=250), total=timedelta(seconds=20))


@asynccontextmanager
async def stormy(faults: TroubleRates) -> AsyncIterator[tuple[GoHighLevel, Subaccount]]:
    """Yield a client that waits for nobody long, and what it speaks to."""
    settings = varied(window_calls=100_000, search_lag=timedelta())
    async with open_subaccount(settings=settings, faults=faults) as there, open_session() as session:
        config, clock = config_of(there), Clock()
        caller = Caller(
            config,
            session=session,
            clock=clock,
            limiter=Limiter(clock=clock, calls=100_000),
            authenticator=PrivateToken(config.token, path=None),
            patience=IMPATIENT,
            sleep=lambda seconds: anyio.sleep(seconds / 100),
        )
        yield GoHighLevel(config, caller=caller), there


def varied(**changes: object) -> GhlSimSettings:
    return replace(SETTINGS, **changes)  # type: ignore[arg-type]


async def test_contact_is_kept_in_step() -> None:
    async with subaccount() as (ghl, there):
        made = await ghl.create_contact(
            {
                "firstName": "Otter",
                "email": "otter@heron.example",
                "phone": "+13055550100",
                "customFields": [{"id": "ctStCustomerId000001", "field_value": "3001"}],
            }
        )
        found = await ghl.get_contact(made.id)
        assert found is not None
        assert (found.first_name, found.phone) == ("Otter", "+13055550100")
        assert found.custom_fields == {"ctStCustomerId000001": "3001"}
        for key in ({"email": "otter@heron.example"}, {"phone": "+13055550100"}):
            owner = await ghl.find_duplicate(email=key.get("email", ""), phone=key.get("phone", ""))
            assert owner is not None
            assert owner.id == made.id
        await ghl.update_contact(made.id, {"city": "Miami"})
        await ghl.add_tags(made.id, ["Pool Owner", "vip"])
        await ghl.remove_tags(made.id, ["vip"])
        changed = await ghl.get_contact(made.id)
        assert changed is not None
        assert (changed.city, changed.tags) == ("Miami", ("pool owner",))
        assert await ghl.get_contact("nobody000000000000000") is None
        assert len(there.simulator.calls.writes) == 4


async def test_notes_tasks_and_messages_are_found_again() -> None:
    async with subaccount() as (ghl, _):
        otter = await ghl.create_contact({"firstName": "Otter", "phone": "+13055550100"})
        note = await ghl.add_note(otter.id, "Asked for a heater.")
        assert [(found.id, found.body) for found in await ghl.notes(otter.id)] == [
            (note, "Asked for a heater.")
        ]
        due_at = datetime(2026, 12, 1, 15, tzinfo=UTC)
        user = (await ghl.users())[0]
        task = await ghl.add_task(otter.id, title="Call back", due_at=due_at, assigned_to=user.id)
        (found,) = await ghl.tasks(otter.id)
        assert (found.id, found.due_at, found.assigned_to) == (task, due_at, user.id)
        sent = await ghl.send_message(otter.id, kind="SMS", text="On our way.")
        assert [(one.id, one.text) for one in await ghl.messages(otter.id)] == [(sent, "On our way.")]
        published = next(one for one in await ghl.workflows() if one.status == "published")
        await ghl.enrol(otter.id, published.id)


async def test_opportunity_is_made_moved_and_valued() -> None:
    async with subaccount(varied(search_lag=timedelta())) as (ghl, _):
        sales = ghl.settings.pipelines.sales
        otter = await ghl.create_contact({"firstName": "Otter", "email": "otter@heron.example"})
        made = await ghl.create_opportunity(
            {
                "pipelineId": sales.id,
                "pipelineStageId": sales.stages.contacted,
                "name": "Otter",
                "status": "open",
                "contactId": otter.id,
            }
        )
        await ghl.update_opportunity(
            made.id,
            {
                "pipelineStageId": sales.stages.job_sold,
                "monetaryValue": Decimal("1234.50"),
                "customFields": [{"id": "sJ3jmGpHGFUssEVZ9Npi", "field_value": ["Alder", "Cedar"]}],
            },
        )
        found = await ghl.get_opportunity(made.id)
        assert found is not None
        assert (found.stage_id, found.monetary_value) == (sales.stages.job_sold, Decimal("1234.5"))
        assert found.custom_fields == {"sJ3jmGpHGFUssEVZ9Npi": ("Alder", "Cedar")}
        assert [one.id for one in await ghl.opportunities_of(otter.id)] == [made.id]
        assert await ghl.get_opportunity("nothing00000000000000") is None


async def test_what_exists_is_named() -> None:
    async with subaccount() as (ghl, _):
        otter = await ghl.create_contact({"firstName": "Otter", "phone": "+13055550100"})
        with pytest.raises(Duplicate) as caught:
            await ghl.create_contact({"firstName": "O.", "phone": "(305) 555-0100"})
        assert (caught.value.existing_id, caught.value.matching_field) == (otter.id, "phone")
        card = {
            "pipelineId": ghl.settings.pipelines.sales.id,
            "name": "Otter",
            "status": "open",
            "contactId": otter.id,
        }
        made = await ghl.create_opportunity(card)
        with pytest.raises(Duplicate) as caught:
            await ghl.create_opportunity(card)
        assert (caught.value.existing_id, caught.value.matching_field) == (made.id, "opportunity")


async def test_everything_is_walked_once() -> None:
    async with subaccount(varied(search_lag=timedelta(), window_calls=10_000)) as (ghl, there):
        person = there.simulator.person
        sales = ghl.settings.pipelines.sales
        for number in range(1203):
            contact = person.add_contact(first_name="Otter", email=f"otter{number}@heron.example")
            if number < 250:
                person.add_card(
                    contact.id, name=f"Card {number}", pipeline_id=sales.id, stage_id=sales.stages.contacted
                )
        pages = [page async for page in ghl.contacts()]
        assert [len(page) for page in pages] == [500, 500, 203]
        assert len({contact.id for page in pages for contact in page}) == 1203
        cards = [page async for page in ghl.opportunities()]
        assert sum(len(page) for page in cards) == len({card.id for page in cards for card in page}) == 250
        assert len(there.simulator.calls) == 6


async def test_changed_contacts_are_found_without_walking_all() -> None:
    async with subaccount(varied(search_lag=timedelta())) as (ghl, there):
        person = there.simulator.person
        contacts = [
            person.add_contact(first_name="Otter", email=f"otter{number}@heron.example")
            for number in range(600)
        ]
        newest = max(contact.updated_at for contact in contacts)
        await anyio.sleep(0.01)
        person.edit_contact(contacts[3].id, city="Miami")
        since = newest + timedelta(milliseconds=1)
        found = [contact.id async for page in ghl.contacts(updated_since=since) for contact in page]
        assert found == [contacts[3].id]
        assert len(there.simulator.calls) == 1


async def test_limit_is_used_and_never_hit() -> None:
    """Eighty of a hundred in each interval, which is scaled from ten seconds to a fifth of one."""
    async with subaccount(requests_per_10s=4000) as (ghl, there):
        await ghl.pipelines()
        started = anyio.current_time()

        async def ask() -> None:
            for _ in range(20):
                await ghl.get_contact("nobody000000000000000", low_priority=True)

        async with anyio.create_task_group() as tasks:
            for _ in range(30):
                tasks.start_soon(ask)
        rate = 600 / (anyio.current_time() - started)
        assert there.simulator.gate.throttled == 0
        assert rate >= 0.5 * 400, "the machine may be busy; how much of it is used is known from the limiter"


async def test_limit_that_others_use_up_too_is_kept() -> None:
    async with (
        subaccount(requests_per_10s=4000) as (ghl, there),
        connect(ghl.settings, clock=Clock()) as other,
    ):

        async def ask(client: GoHighLevel) -> None:
            for _ in range(20):
                await client.get_contact("nobody000000000000000")

        async with anyio.create_task_group() as tasks:
            for client in (ghl, other) * 6:
                tasks.start_soon(ask, client)
        throttled = there.simulator.gate.throttled
        assert throttled <= 24, "what was under way when the allowance ended, at most"


async def test_day_that_runs_out_stops_the_backfill_alone() -> None:
    async with subaccount(varied(daily_calls=100)) as (ghl, _):
        for _ in range(96):
            await ghl.get_contact("nobody000000000000000")
        with pytest.raises(RateLimited, match="kept for what cannot wait"):
            await ghl.get_contact("nobody000000000000000", low_priority=True)
        await ghl.get_contact("nobody000000000000000")
        assert ghl.budget.remaining == 3


STORM = TroubleRates(
    rate_limited=0.02,
    server_error=0.05,
    reset=0.04,
    hang=0.02,
    hang_seconds=0.5,
    server_error_after=0.06,
    reset_after=0.06,
    hang_after=0.02,
    refused_after=0.04,
    retry_seconds=0,
)


async def make_sure(ghl: GoHighLevel, email: str) -> str:
    """Return the id of the contact, made at most once: look, make, and look again where nobody knows."""
    while True:
        try:
            if (found := await ghl.find_duplicate(email=email)) is not None:
                return found.id
            return (await ghl.create_contact({"firstName": "Otter", "email": email})).id
        except Duplicate as error:
            return error.existing_id
        except (NoAnswer, Rejected, Unavailable, RateLimited):
            await anyio.sleep(0.01)


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_nothing_is_written_twice_in_a_storm(seed: int) -> None:
    rates = replace(STORM, seed=seed)
    async with stormy(rates) as (ghl, there):
        emails = [f"otter{number}@heron.example" for number in range(60)]
        chance = random.Random(seed)
        chance.shuffle(emails)

        async def some(part: list[str]) -> None:
            for email in part:
                await make_sure(ghl, email)

        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                for start in range(6):
                    tasks.start_soon(some, emails[start::6])
        calls = there.simulator.calls
        created = Counter(call.body["email"] for call in calls.committed if call.path == "/contacts/")
        assert created == dict.fromkeys(emails, 1)
        assert len(there.simulator.store.contacts) == 60
        assert sum(there.simulator.troubles.counts.values()) > 0
