"""A real daemon writes to a customer through GoHighLevel, and stops when the customer says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.daemons import Home, started
from support.detecting import upsert, watch
from support.messaging import PHONE
from support.working import until_true

from pcd.sim.ghl.subaccount import open_subaccount

if TYPE_CHECKING:
    from pathlib import Path

    from pcd.db.pool import Database

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(120)]

FLOW = """
name = "tell"
enabled = true
max_concurrent_per_customer = 0
[trigger]
event = "estimate_created"
[[steps]]
action = "send_sms"
with = { text = "Hi {customer.name}, your estimate comes to ${estimate.total}." }
"""
LINK = "INSERT INTO pcd.crm_customers (customer_id, admitted_by, contact_id) VALUES (1, 'test', $1)"
OPT_OUT = (
    "INSERT INTO public.customer_communication_preferences (customer_id, sms_opted_out) VALUES (1, true)"
)
STATES = "SELECT count(*) FROM automation.messaging_log WHERE status = $1"
DROPPED = "SELECT count(*) FROM automation.workflow_step_executions WHERE status = 'dropped'"


@pytest.mark.parametrize("mode", ["live", "dry_run"])
async def test_daemon_writes_until_the_customer_opts_out(
    db: Database, database_url: str, tmp_path: Path, mode: str
) -> None:
    await watch(db)
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "tell.toml").write_text(FLOW)
    async with open_subaccount() as subaccount:
        sim = subaccount.simulator
        home = Home(
            tmp_path,
            {
                "database.url": database_url,
                "servicetitan.tenant_id": "1",
                "workflows.definitions": str(tmp_path / "workflows"),
                "messaging.mode": mode,
                "messaging.quiet_hours": "",
                "ghl.enabled": True,
                "ghl.api_url": subaccount.url,
                "ghl.token": sim.settings.token,
                "ghl.location_id": sim.settings.location_id,
            },
        )
        contact = sim.person.add_contact(phone=PHONE)
        await db.execute(*upsert("customers", 1, name="Heron Court", phone="(813) 234-5001", active=True))
        await db.execute(LINK, contact.id)
        async with started(home, "run", "--only", "events,workflows") as daemon:
            await daemon.until_state("workflows", "running")
            await db.execute(*upsert("estimates", 1, status="Open", total=9, customer_id=1))
            await until_true(lambda: db.fetchval(STATES, "sent" if mode == "live" else mode))
            await db.execute(OPT_OUT)
            await db.execute(*upsert("estimates", 2, status="Open", total=9, customer_id=1))
            await until_true(lambda: db.fetchval(DROPPED))
            assert await daemon.stop() == 0
    texts = [one.body for one in sim.store.messages.values()]
    assert texts == (["Hi Heron Court, your estimate comes to $9.00."] if mode == "live" else [])
    assert PHONE not in daemon.text, "no number in the log"
