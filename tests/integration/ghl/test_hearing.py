"""What GoHighLevel tells by itself, from the port on which it comes to our copy of the record."""

from __future__ import annotations

import base64
import json
import logging
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio
import msgspec
import pytest
import pytest_asyncio
from support.signing import header, public_of

from pcd.clock import Clock
from pcd.config import Config, Secret, load
from pcd.control.status import About, StatusReader
from pcd.crm.hearer import MOST_WAITING, Hearer
from pcd.db import queries
from pcd.errors import ConfigError
from pcd.ghl.admit import Hint
from pcd.ghl.client import GoHighLevel, connect
from pcd.selling import HOOK
from pcd.sim.ghl.settings import GhlSimSettings
from pcd.sim.ghl.subaccount import Subaccount, open_subaccount
from pcd.supervisor import State, Supervisor
from pcd.telemetry.metrics import Metrics
from pcd.web.server import WebServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

SEED = bytes(range(32))
SECRET = {"Authorization": "Bearer heron-secret"}
COPY = queries.load("pcd.crm")["copy_of_contact"]


def configured(there: Subaccount, **changes: Any) -> Config:  # noqa: ANN401 - the fields of GhlWebhooksConfig
    settings = there.simulator.settings
    base = load(None, {})
    key = base64.b64encode(public_of(SEED)).decode()
    told = {"enabled": True, "secret": Secret("heron-secret"), "public_key": key, **changes}
    hooks = msgspec.structs.replace(base.ghl.webhooks, **told)
    ghl = msgspec.structs.replace(
        base.ghl,
        api_url=there.url,
        token=Secret(settings.token),
        location_id=settings.location_id,
        webhooks=hooks,
    )
    return msgspec.structs.replace(base, ghl=ghl)


@pytest_asyncio.fixture
async def there() -> AsyncIterator[Subaccount]:
    async with open_subaccount(settings=GhlSimSettings(search_lag=timedelta())) as subaccount:
        yield subaccount


@pytest_asyncio.fixture
async def ghl(there: Subaccount) -> AsyncIterator[GoHighLevel]:
    async with connect(configured(there).ghl, clock=Clock()) as client:
        yield client


@pytest.fixture
def hearer(there: Subaccount, ghl: GoHighLevel, db: Database) -> Hearer:
    return Hearer(configured(there), db=lambda: db, client=lambda: ghl, clock=Clock())


def hook(there: Subaccount, record_id: str, **fields: object) -> bytes:
    told = {
        "type": "ContactUpdate",
        "locationId": there.simulator.settings.location_id,
        "id": record_id,
        "timestamp": Clock().now().isoformat(),
        **fields,
    }
    return json.dumps(told).encode()


async def test_change_there_is_copied_at_once(there: Subaccount, hearer: Hearer, db: Database) -> None:
    """From the signed webhook on the port to the row."""
    otter = there.simulator.person.add_contact(first_name="Otter", email="otter@heron.example")
    clock, supervisor = Clock(), Supervisor(Clock())
    about = About(version="1", pid=1, started_at=clock.now(), database="", config="")
    status = StatusReader(supervisor, about=about, db=lambda: db, live=dict, resources={}, clock=clock)
    web = WebServer(
        "127.0.0.1", 0, token=Secret("t"), status=status, metrics=Metrics(), hooks={HOOK: hearer.take}
    )
    stop = anyio.Event()
    async with AsyncExitStack() as stack:
        group = await stack.enter_async_context(anyio.create_task_group())
        for service in (web, hearer):
            supervisor.add(service)
        group.start_soon(supervisor.run, stop)
        stack.callback(stop.set)
        for service in (web, hearer):
            await supervisor.wait_for(service.name, State.RUNNING)
        body = hook(there, otter.id, email="otter@heron.example")
        signature = {"X-GHL-Signature": header(body, seed=SEED)}
        async with aiohttp.ClientSession(web.address) as session:
            for headers, expected in ((signature, 200), ({"Authorization": "Bearer t"}, 401), (SECRET, 200)):
                async with session.post(HOOK, data=body, headers=headers) as response:
                    assert response.status == expected
        with anyio.fail_after(20):
            while await db.fetchval(COPY, otter.id) is None:  # noqa: ASYNC110 - any state of the database
                await anyio.sleep(0.01)


async def test_echo_of_our_own_write_costs_no_call(
    there: Subaccount, hearer: Hearer, ghl: GoHighLevel
) -> None:
    otter = await ghl.create_contact({"firstName": "Otter", "email": "otter@heron.example"})
    told = {"email": "otter@heron.example", "firstName": "Otter"}
    assert await hearer.look(Hint(model="contact", record_id=otter.id, told=told))
    calls = len(there.simulator.calls)
    assert not await hearer.look(Hint(model="contact", record_id=otter.id, told=told))
    assert len(there.simulator.calls) == calls
    assert await hearer.look(Hint(model="contact", record_id=otter.id, told={"city": "Miami"}))
    assert len(there.simulator.calls) == calls + 1


async def test_what_is_gone_there_is_gone_here(there: Subaccount, hearer: Hearer, db: Database) -> None:
    person = there.simulator.person
    otter = person.add_contact(first_name="Otter", email="otter@heron.example")
    sales = there.simulator.settings.pipelines[0]
    card = person.add_card(otter.id, name="Otter", pipeline_id=sales.id, stage_id=sales.stages[0].id)
    await hearer.look(Hint(model="contact", record_id=otter.id, told={"a": 1}))
    await hearer.look(Hint(model="opportunity", record_id=card.id, told={"a": 1}))
    rows = "SELECT count(*) FROM integrations.ghl_opportunities WHERE gone_at IS NULL"
    assert await db.fetchval(rows) == 1
    person.delete_contact(otter.id)
    await hearer.look(Hint(model="contact", record_id=otter.id, told={"a": 1}))
    await hearer.look(Hint(model="opportunity", record_id=card.id, told={"a": 1}))
    assert await db.fetchval(COPY, otter.id) is None
    assert await db.fetchval(rows) == 0


async def test_webhook_is_taken_once_and_a_record_waits_once(there: Subaccount, hearer: Hearer) -> None:
    for _ in range(3):
        assert await hearer.take(SECRET, hook(there, "c1", webhookId="w1")) == 200
    assert await hearer.take(SECRET, hook(there, "c1", webhookId="w2")) == 200
    assert len(hearer._waiting) == 1
    assert await hearer.take(SECRET, hook(there, "u1", type="UserCreate")) == 200
    assert len(hearer._waiting) == 1


async def test_update_that_comes_with_a_deletion_does_not_hide_it(
    there: Subaccount, hearer: Hearer, db: Database
) -> None:
    """The update tells of the record what we know already."""
    otter = there.simulator.person.add_contact(first_name="Otter", email="otter@heron.example")
    await hearer.look(Hint(model="contact", record_id=otter.id, told={"a": 1}))
    there.simulator.person.delete_contact(otter.id)
    for kind in ("ContactDelete", "ContactUpdate"):
        assert await hearer.take(SECRET, hook(there, otter.id, type=kind, firstName="Otter")) == 200
    async with anyio.create_task_group() as group:
        group.start_soon(hearer.run)
        with anyio.fail_after(20):
            while hearer._waiting or await db.fetchval(COPY, otter.id) is not None:  # noqa: ASYNC110
                await anyio.sleep(0.01)
        group.cancel_scope.cancel()


async def test_more_than_can_wait_is_to_be_sent_again(there: Subaccount, hearer: Hearer) -> None:
    for number in range(MOST_WAITING):
        assert await hearer.take(SECRET, hook(there, f"c{number}")) == 200
    assert await hearer.take(SECRET, hook(there, "one-more")) == 429
    assert await hearer.take(SECRET, hook(there, "c7")) == 200, "that one waits already"


async def test_refused_webhook_is_told_without_what_it_said(
    there: Subaccount, hearer: Hearer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert await hearer.take({}, hook(there, "c1", email="otter@heron.example")) == 401
    assert "neither the signature nor the secret" in caplog.text
    assert "heron.example" not in caplog.text


async def test_unreadable_key_keeps_the_daemon_from_starting(there: Subaccount, db: Database) -> None:
    config = configured(there, public_key="AAAA")
    with pytest.raises(ConfigError, match=r"ghl.webhooks.public_key: found not an Ed25519 public key"):
        Hearer(config, db=lambda: db, client=lambda: pytest.fail("nobody is asked"), clock=Clock())
