"""``pcd ghl``, ``pcd switch`` and ``pcd explain``, as a person types them, without a daemon and with one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest
from support.daemons import Home, started
from support.selling import LIMITLESS, Written, selling, shipped_ghl

from pcd.sim.ghl.subaccount import open_subaccount

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio


async def test_commands_work_without_a_daemon(db: Database, tmp_path: Path) -> None:
    async with selling(db, tmp_path, begun=False) as company:
        for st_id in (1, 2, 3):
            await company.customer(st_id)
        await company.estimate(1, 3, total=800)
        await company.detection.events()
        home = Home(tmp_path, {"database.url": db.url} | _keys(company))
    async with open_subaccount(settings=LIMITLESS) as subaccount:
        home.keys |= {"ghl.api_url": subaccount.url}
        checked = await home.command("ghl", "check")
        assert checked.code == 0, checked.out + checked.err
        shown = await home.command("ghl", "sync", "estimates", "--dry-run")
        assert shown.code == 0, shown.err
        assert "create_contact" in shown.out
        assert subaccount.simulator.calls.writes == []
        pushed = await home.command("ghl", "sync", "estimates")
        assert pushed.code == 0, pushed.err
        assert len(subaccount.simulator.store.contacts) == 1
        cost = await home.command("ghl", "backfill")
        assert cost.code == 0, cost.err
        assert "Nothing was written" in cost.out
        assert len(subaccount.simulator.store.contacts) == 1
        done = await home.command("ghl", "backfill", "--yes")
        assert done.code == 0, done.err
        assert len(subaccount.simulator.store.contacts) == 3
        told = await home.command("explain", "customer", "3")
        assert told.code == 0, told.err
        assert "estimate_created" in told.out
        for words in (("status",), ("drift",), ("conflicts",), ("units",), ("retry",)):
            each = await home.command("ghl", *words)
            assert each.code == 0, each.err
        unit = await db.fetchval("SELECT min(st_id) FROM servicetitan.st_business_units")
        marked = await home.command("ghl", "units", str(unit), "somewhere")
        assert marked.code == 0, marked.err
        chosen = "SELECT ghl_pipeline_id FROM servicetitan.st_business_units WHERE st_id = $1"
        assert await db.fetchval(chosen, unit) == "somewhere"


async def test_dry_run_of_a_pull_says_what_it_would_copy_and_copies_nothing(
    db: Database, tmp_path: Path
) -> None:
    """Not even since when GoHighLevel is enabled, nor that a pass was made."""
    async with open_subaccount(settings=LIMITLESS) as subaccount:
        person = subaccount.simulator.person
        for number in range(3):
            person.add_contact(first_name="Heron", email=f"c{number}@example.com")
        home = Home(tmp_path, {"database.url": db.url, **shipped_ghl(subaccount.simulator, subaccount.url)})
        shown = await home.command("ghl", "sync", "all", "--dry-run")
        assert shown.code == 0, shown.err
        assert "contacts: 3 read; 3 new, 0 changed and 0 gone would be copied, nothing was" in shown.out
        for table in ("integrations.ghl_contacts", "integrations.ghl_sync_log", "pcd.crm_progress"):
            assert await db.fetchval(f"SELECT count(*) FROM {table}") == 0
        assert (await home.command("ghl", "sync", "contacts")).code == 0
        first, second, _ = subaccount.simulator.store.contacts
        person.edit_contact(first, last_name="Court")
        person.delete_contact(second)
        person.add_contact(first_name="Heron", email="c9@example.com")
        shown = await home.command("ghl", "sync", "contacts", "--dry-run", "--full")
        assert "contacts: 3 read; 1 new, 1 changed and 1 gone would be copied, nothing was" in shown.out
        assert await db.fetchval("SELECT count(*) FROM integrations.ghl_contacts WHERE gone_at IS NULL") == 3


async def test_check_says_all_that_is_wrong_at_once(db: Database, tmp_path: Path) -> None:
    """Somebody who ticks rights in GoHighLevel does so once."""
    async with open_subaccount(settings=LIMITLESS) as subaccount:
        keys = shipped_ghl(subaccount.simulator, subaccount.url) | {"ghl.pipelines.sales.id": "nonsense"}
        home = Home(tmp_path, {"database.url": db.url, **keys})
        subaccount.simulator.gate.revoked = frozenset({"locations.readonly", "users.readonly"})
        done = await home.command("ghl", "check")
        assert done.code == 1
        wrong = [line for line in done.out.splitlines() if line.startswith("NO")]
        assert wrong == [
            "NO  right locations.readonly: is missing",
            "NO  sales pipeline: there is none with the id nonsense (any more)",
            "NO  right users.readonly: is missing",
        ]
        assert "SALES PIPELINE = " in done.out


async def test_daemon_goes_live_and_back_in_one_step(db: Database, tmp_path: Path) -> None:
    async with open_subaccount(settings=LIMITLESS) as subaccount:
        company = Written(db, subaccount.simulator)
        await company.watch()
        keys = shipped_ghl(subaccount.simulator, subaccount.url, dry_run=True)
        home = Home(tmp_path, {"database.url": db.url, "events.poll_interval": "500ms", **keys})
        async with started(home, "run", "--only", "events,ghl") as daemon:
            await daemon.until_state("ghl sender", "running")
            assert (await home.command("switch", "off", "--json")).json["mode"] == "shadow"
            assert (await home.command("switch", "on", "--json")).json["mode"] == "live"
            passed = await home.command("ghl", "reconcile", "--json")
            assert passed.json["customers"] == 0
            cost = await home.command("ghl", "backfill", "--json")
            assert cost.json["calls"] == {}


async def test_stage_that_is_deleted_is_an_alert_until_it_is_back(db: Database, tmp_path: Path) -> None:
    """Whoever is told of alerts hears of it when the first call finds out; everything else goes on."""
    async with open_subaccount(settings=LIMITLESS) as subaccount:
        company = Written(db, subaccount.simulator)
        await company.watch()
        keys = shipped_ghl(subaccount.simulator, subaccount.url)
        more = {"health.interval": "500ms", "events.poll_interval": "500ms"}
        home = Home(tmp_path, {"database.url": db.url, **more, **keys})
        async with started(home, "run", "--only", "events,ghl,health") as daemon:
            await daemon.until_state("ghl sender", "running")
            pipelines = subaccount.simulator.store.pipelines
            sales = next(iter(pipelines.values()))
            left = tuple(stage for stage in sales.stages if stage.name != "Contacted")
            pipelines[sales.id] = replace(sales, stages=left)
            await company.customer(7)
            await _until(lambda: _alerts(home), lambda alerts: any("contacted" in each for each in alerts))
            assert (await home.command("health")).code == 0
            assert "stage contacted" in (await home.command("ghl", "status")).out
            pipelines[sales.id] = sales
            assert (await home.command("ghl", "reconcile")).code == 0
            await _until(lambda: _alerts(home), lambda alerts: not alerts)
            await _until(lambda: _stages(company), lambda stages: stages == ["Contacted"])


async def _alerts(home: Home) -> list[str]:
    """Return the titles of the alerts about stages that are open."""
    found = (await home.command("alerts", "list", "--json")).json
    return [each["title"] for each in found if "stage" in each["title"]]


async def _stages(company: Written) -> list[str]:
    return [card[1] for card in company.cards()]


async def _until(
    look: Callable[[], Awaitable[list[str]]], is_so: Callable[[list[str]], bool], *, within: float = 60
) -> None:
    with anyio.fail_after(within):
        while not is_so(await look()):  # noqa: ASYNC110 - no event tells
            await anyio.sleep(0.1)


def _keys(company: Written) -> dict[str, object]:
    return shipped_ghl(company.sim, "http://127.0.0.1:9")
