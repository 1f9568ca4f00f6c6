"""Processes find contacts by the ids that others found; a wrong one is noticed, and nothing needs Redis."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING

import anyio
import msgspec
import pytest
from support.redises import RedisServer, redis_server
from support.selling import LIMITLESS, QUICK, Selling, selling

from pcd.clock import Clock
from pcd.config import Url
from pcd.config.secret import Secret
from pcd.crm.calls import CallKind
from pcd.crm.finder import Finder
from pcd.crm.outbox import Owed
from pcd.crm.works import Works
from pcd.db.leases import Leaser
from pcd.ghl.client import connect as connect_to_ghl
from pcd.redis import link as link_module
from pcd.redis.link import Link, connect
from pcd.selling import contact_ids
from pcd.sim.trouble import Trouble, TroubleRates

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

NUMBERS = count(1)
KEYS = {"email": "c7@example.com", "phone": "+18132340007"}
LEASE = "sender"
SEARCH = "/contacts/search/duplicate"
BLIND = replace(
    LIMITLESS, search_lag=timedelta(hours=1), duplicate_search_lags=True, allow_duplicate_contact=True
)


@pytest.fixture
def folder(short_dir: Path) -> Path:
    return short_dir / f"ids-{next(NUMBERS)}"


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a Redis on a busy machine, and soon look again for one that went."""
    monkeypatch.setattr(link_module, "_WITHIN", 5.0)
    monkeypatch.setattr(link_module, "_ALTOGETHER", 5.0)
    monkeypatch.setattr(link_module, "_LEFT_ALONE", 0.05)


@dataclass(slots=True)
class Process:
    """What one process finds contacts with, and what it told of the ids in Redis."""

    finder: Finder
    link: Link
    told: list[str]


@asynccontextmanager
async def linked(server: RedisServer) -> AsyncIterator[Link]:
    async with connect(Url(server.url), clock=Clock()) as link:
        assert link is not None
        yield link


@asynccontextmanager
async def process(company: Selling, server: RedisServer, *, token: str = "") -> AsyncIterator[Process]:
    """Run one with a connection to Redis of its own, and with another *token* than the company's."""
    config = company.config
    if token:
        config = msgspec.structs.replace(config, ghl=msgspec.structs.replace(config.ghl, token=Secret(token)))
    told: list[str] = []
    async with linked(server) as link:
        cache = contact_ids(config, link, observe=told.append)
        works = company.works
        finder = Finder(works.client, settings=lambda: works.premises.settings, cache=cache)
        yield Process(finder, link, told)


def owed(**fields: str) -> Owed:
    now = datetime.now(UTC)
    return Owed(
        id=1, lane="7", customer_id=7, kind=CallKind.CREATE_CONTACT, cycle=None, reuses=None, target_id=None,
        fields=fields or KEYS, reason="", cause="", event_id=None, step_key=None, priority=0, attempt=2,
        is_doubtful=True, owed_at=now, taken_at=now,
    )  # fmt: skip


async def ids(one: Process, call: Owed | None = None) -> list[str]:
    return [contact.id for contact in await one.finder.find(call or owed())]


def searches(company: Selling) -> int:
    return len(company.sim.calls.to(SEARCH))


async def test_what_one_process_has_found_another_does_not_search_for(
    db: Database, tmp_path: Path, folder: Path
) -> None:
    async with (
        redis_server(folder) as server,
        selling(db, tmp_path) as company,
        process(company, server) as one,
        process(company, server) as other,
    ):
        made = await company.works.client.create_contact(KEYS)
        assert await ids(one) == await ids(other) == [made.id]
        assert searches(company) == 2
        assert (one.told, other.told) == (["miss"] * 3, ["miss", "hit", "hit"])


async def test_redis_is_told_nothing_about_customers(db: Database, tmp_path: Path, folder: Path) -> None:
    """Nor can one who reads it try all numbers: the digest needs the secret."""
    async with (
        redis_server(folder) as server,
        selling(db, tmp_path) as company,
        process(company, server) as one,
        server.client() as redis,
    ):
        made = await company.works.client.create_contact(KEYS)
        await one.finder.remember(owed(), made)
        names = await redis.keys("*")
        assert len(names) == 3
        for name in names:
            assert re.fullmatch(f"pcd:contact:{company.config.ghl.location_id}:[0-9a-f]{{64}}", name)
            assert await redis.get(name) == made.id
            assert 0 < await redis.pttl(name) <= 3_600_000
        async with process(company, server, token="another") as other:
            await ids(other)
            assert "hit" not in other.told


@pytest.mark.parametrize("how", ["deleted", "moved"])
async def test_id_that_is_wrong_by_now_is_forgotten_and_looked_up(
    db: Database, tmp_path: Path, folder: Path, how: str
) -> None:
    """A contact that somebody gave other keys is another person's: nothing may be written to it."""
    async with (
        redis_server(folder) as server,
        selling(db, tmp_path) as company,
        process(company, server) as one,
        process(company, server) as other,
    ):
        made = await company.works.client.create_contact(KEYS)
        assert await ids(one) == [made.id]
        if how == "deleted":
            company.sim.store.contacts.remove(made.id)
        else:
            await company.works.client.update_contact(
                made.id, {"email": "someone@example.com", "phone": "+18132349999"}
            )
        assert await ids(other) == []
        assert other.told.count("stale") == 2
        again = await company.works.client.create_contact(KEYS)
        assert await ids(one) == [again.id]


async def test_contact_is_found_by_the_customers_own_id_alone(
    db: Database, tmp_path: Path, folder: Path
) -> None:
    async with (
        redis_server(folder) as server,
        selling(db, tmp_path) as company,
        process(company, server) as one,
        process(company, server) as other,
    ):
        field = company.works.premises.settings.custom_fields.customer
        assert field
        made = await company.works.client.create_contact(
            {"firstName": "Heron", "customFields": [{"id": field, "field_value": "7"}]}
        )
        call = owed(firstName="Heron")
        assert await ids(other, call) == []
        await one.finder.remember(call, made)
        assert await ids(other, call) == [made.id]
        await one.finder.forget(call)
        assert await ids(other, call) == []


async def test_redis_that_goes_and_returns_costs_searches_only(
    db: Database, tmp_path: Path, folder: Path
) -> None:
    async with (
        redis_server(folder) as server,
        selling(db, tmp_path) as company,
        process(company, server) as one,
    ):
        made = await company.works.client.create_contact(KEYS)
        assert await ids(one) == [made.id]
        before = searches(company)
        await server.stop()
        assert await ids(one) == [made.id]
        await one.finder.remember(owed(), made)
        await one.finder.forget(owed())
        assert searches(company) == before + 2
        await server.start()
        one.told.clear()
        with anyio.fail_after(10):
            # It may return between the two keys of one look-up, of which it keeps only the second then.
            while one.told.count("hit") < 2:
                one.told.clear()
                assert await ids(one) == [made.id]
                await anyio.sleep(0.02)
        before = searches(company)
        assert await ids(one) == [made.id]
        assert searches(company) == before


async def test_contact_whose_maker_died_before_it_was_stored_is_not_made_twice(
    db: Database, tmp_path: Path, folder: Path
) -> None:
    """GoHighLevel's search does not show it yet, and would let a second one be made."""
    slow = TroubleRates(slow_seconds=1)
    async with (
        redis_server(folder) as server,
        selling(db, tmp_path, settings=BLIND, faults=slow) as company,
    ):
        company.sim.troubles.plan(Trouble.SLOW_ANSWER, method="POST", path="^/contacts/$")
        await company.customer(7)
        await company.detection.events()
        await company.works.marker.look_at_events()
        await company.works.reconciler.drain()
        with pytest.raises(ExceptionGroup, match="TaskGroup"):
            await _send_until_overtaken(company, server)
        before = searches(company)
        async with holder(company, server) as works:
            await works.outbox.rescue(after=timedelta(0))
            await works.sender.empty()
        (contact,) = company.sim.store.contacts.values()
        assert await db.fetchval("SELECT contact_id FROM pcd.crm_customers") == contact.id
        assert searches(company) == before


async def _send_until_overtaken(company: Selling, server: RedisServer) -> None:
    """Let another take over after the contact was made and before the answer is there."""
    async with holder(company, server) as works, anyio.create_task_group() as group:
        group.start_soon(works.sender.empty)
        with anyio.fail_after(10):
            while not company.sim.store.contacts:  # noqa: ASYNC110 - no event tells
                await anyio.sleep(0.01)
        await company.db.execute(
            "UPDATE pcd.leases SET expires_at = now(), term = nextval('pcd.lease_terms') WHERE name = $1",
            LEASE,
        )


@asynccontextmanager
async def holder(company: Selling, server: RedisServer) -> AsyncIterator[Works]:
    """Send with connections of one's own, as another process would."""
    clock = Clock()
    leaser = Leaser(company.db, holder="another", ttl=timedelta(seconds=30), clock=clock)
    async with (
        linked(server) as link,
        connect_to_ghl(company.config.ghl, clock=clock) as client,
        leaser.hold(LEASE, wait=timedelta(seconds=5)) as lease,
    ):
        yield Works(
            company.config,
            company.db,
            client,
            lease=lease,
            premises=company.works.premises,
            clock=clock,
            pace=QUICK,
            cache=contact_ids(company.config, link),
        )
