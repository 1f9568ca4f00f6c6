"""A mirror without a ServiceTitan, a simulated GoHighLevel, and everything that keeps the one in step."""

from __future__ import annotations

import tomllib
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import anyio
import msgspec

from pcd.clock import Clock
from pcd.config import load
from pcd.crm.clerk import Clerk
from pcd.crm.patroller import Patroller
from pcd.crm.premises import Premises
from pcd.crm.sender import Pace
from pcd.crm.works import Works
from pcd.db.leases import Leaser
from pcd.ghl.client import connect
from pcd.sim.ghl.settings import GhlSimSettings
from pcd.sim.ghl.subaccount import open_subaccount
from support.detecting import Detection, detecting, upsert, watch
from support.shipped import shipped_text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from pcd.config import Config
    from pcd.db.pool import Database
    from pcd.ghl.client import GoHighLevel
    from pcd.sim.ghl.server import Simulator
    from pcd.sim.trouble import TroubleRates

NOW = datetime.now(UTC)
QUICK = Pace(
    doubt=timedelta(seconds=0.05),
    first=timedelta(seconds=0.02),
    most=timedelta(seconds=0.1),
    closed=timedelta(seconds=0.1),
)
LIMITLESS = GhlSimSettings(search_lag=timedelta(0), window_calls=1_000_000, daily_calls=10_000_000)
UNITS = {1: "Pool Service", 2: "Pool Install"}


@dataclass(slots=True)
class Written:
    """A company whose rows a test writes, and the subaccount that follows them."""

    db: Database
    sim: Simulator

    async def watch(self) -> None:
        """Let every table be watched, and have two business units."""
        await watch(self.db)
        for st_id, name in UNITS.items():
            await self.write("business_units", st_id, name=name)

    async def write(self, resource: str, st_id: int, **columns: object) -> None:
        """Insert or update one row of *resource*, in a transaction of its own."""
        await self.db.execute(*upsert(resource, st_id, **columns))

    async def customer(self, st_id: int, *, created: datetime | None = None, **columns: object) -> None:
        """Write a customer whom e-mail and phone tell from all others."""
        given = {
            "name": f"Heron Court {st_id}",
            "email": f"c{st_id}@example.com",
            "phone": f"813{2_340_000 + st_id}",
            "st_created_on": created or datetime.now(UTC),
            "active": True,
        }
        await self.write("customers", st_id, **{**given, **columns})

    async def job(self, st_id: int, customer_id: int, **columns: object) -> None:
        """Write a job of a service unit."""
        given = {
            "customer_id": customer_id,
            "job_number": str(st_id),
            "job_status": "Scheduled",
            "business_unit_id": 1,
            "st_created_on": datetime.now(UTC),
            "st_modified_on": datetime.now(UTC),
            "active": True,
        }
        await self.write("jobs", st_id, **{**given, **columns})

    async def appointment(self, st_id: int, job_id: int, **columns: object) -> None:
        """Write an appointment."""
        given = {
            "job_id": job_id,
            "status": "Scheduled",
            "start_on": datetime.now(UTC) + timedelta(days=1),
            "st_created_on": datetime.now(UTC),
            "st_modified_on": datetime.now(UTC),
            "active": True,
        }
        await self.write("appointments", st_id, **{**given, **columns})

    async def estimate(self, st_id: int, customer_id: int, **columns: object) -> None:
        """Write an open estimate."""
        given = {
            "customer_id": customer_id,
            "name": "Heat pump",
            "status": "Open",
            "total": 1200,
            "business_unit_id": 1,
            "st_created_on": datetime.now(UTC),
            "st_modified_on": datetime.now(UTC),
            "active": True,
        }
        await self.write("estimates", st_id, **{**given, **columns})

    def writes(self) -> list[str]:
        """Return every write that reached GoHighLevel, as ``"POST /contacts/"``."""
        return [f"{call.method} {call.path}" for call in self.sim.calls.writes]

    def cards(self) -> list[tuple[str, str, str, str]]:
        """Return each opportunity as (contact's e-mail, stage, status, value), sorted."""
        stages = {
            stage.id: stage.name for pipeline in self.sim.settings.pipelines for stage in pipeline.stages
        }
        store = self.sim.store
        return sorted(
            (
                store.contacts[each.contact_id].email or "",
                stages[each.stage_id],
                each.status,
                str(each.monetary_value),
            )
            for each in store.opportunities.values()
        )


@dataclass(slots=True)
class Selling(Written):
    """The same with everything that keeps the one in step with the other."""

    detection: Detection
    works: Works
    patroller: Patroller
    config: Config

    @property
    def clerk(self) -> Clerk:
        """What does as a person asks."""
        return Clerk(self.works, self.patroller)

    async def settle(self) -> None:
        """Record what happened, consider whom it was about, and send what is owed until nothing is left."""
        await self.detection.events()
        await self.works.marker.look_at_events()
        for _ in range(20):
            await self.works.reconciler.drain()
            await self.works.sender.empty()
            if not await self.db.fetchval(
                "SELECT EXISTS (SELECT FROM pcd.crm_dirty) "
                "OR EXISTS (SELECT FROM integrations.ghl_outbox WHERE state IN ('owed', 'sending'))"
            ):
                return
            await anyio.sleep(0.01)

    async def catch_up(self) -> None:
        """Do the five-minute pass, and send what it finds."""
        await self.detection.events()
        await self.patroller.reconcile(by="test")
        await self.settle()


def _hurry(client: GoHighLevel) -> None:
    """Have *client* wait a hundredth of the time that it wants to wait before another try."""
    limiter, caller = client.caller.limiter, client.caller
    pause = limiter.pause
    limiter.pause = lambda seconds: pause(seconds / 100)  # type: ignore[method-assign]
    caller._sleep = lambda seconds: anyio.sleep(seconds / 100)


def configured(sim: Simulator, url: str, folder: Path, **keys: Any) -> Config:  # noqa: ANN401 - values of keys
    """Return a configuration for *sim* with everything switched on; *keys* of ``[ghl]`` say otherwise."""
    given = {
        "enabled": True,
        "api_url": url,
        "token": sim.settings.token,
        "location_id": sim.settings.location_id,
        "auto_sync_customers": True,
        "auto_sync_jobs": True,
        "auto_sync_estimates": True,
        "requests_per_10s": 100_000,
        **keys,
    }
    return load(config_file(folder, given), {})


def shipped_ghl(sim: Simulator, url: str, **keys: object) -> dict[str, object]:
    """Return keys for a configuration file: *sim* with the shipped pipelines and everything switched on."""
    shipped = tomllib.loads(shipped_text())["ghl"]
    given = {
        "enabled": True,
        "api_url": url,
        "token": sim.settings.token,
        "location_id": sim.settings.location_id,
        "auto_sync_customers": True,
        "auto_sync_jobs": True,
        "auto_sync_estimates": True,
        "requests_per_10s": 100_000,
        **keys,
    }
    found: dict[str, object] = {f"ghl.{key}": value for key, value in given.items()}
    for name, pipeline in shipped["pipelines"].items():
        found |= {f"ghl.pipelines.{name}.{key}": pipeline[key] for key in ("id", "name")}
        found |= {f"ghl.pipelines.{name}.stages.{key}": stage for key, stage in pipeline["stages"].items()}
    return found


def config_file(folder: Path, ghl: dict[str, Any], more: str = "") -> Path:
    """Write the shipped configuration with these keys of ``[ghl]`` in place."""
    lines = "\n".join(f"{key} = {msgspec.json.encode(value).decode()}" for key, value in ghl.items())
    path = folder / "config.toml"
    path.write_text(shipped_text().replace("[ghl]\n", f"[ghl]\n{lines}\n", 1) + more)
    path.chmod(0o600)
    return path


@asynccontextmanager
async def selling(
    db: Database,
    folder: Path,
    *,
    settings: GhlSimSettings = LIMITLESS,
    faults: TroubleRates | None = None,
    pulled: bool = True,
    begun: bool = True,
    pace: Pace = QUICK,
    fast: Database | None = None,
    **keys: Any,  # noqa: ANN401 - values of keys
) -> AsyncIterator[Selling]:
    """Keep a simulated subaccount in step with the rows of *db*, step by step as the test says."""
    clock = Clock()
    async with (
        detecting(db) as detection,
        open_subaccount(settings=settings, faults=faults) as subaccount,
    ):
        for st_id, name in UNITS.items():
            await detection.write("business_units", st_id, name=name)
        await detection.events()
        config = configured(subaccount.simulator, subaccount.url, folder, **keys)
        leaser = Leaser(db, holder="test", ttl=timedelta(seconds=30), clock=clock)
        async with (
            connect(config.ghl, clock=clock) as client,
            leaser.hold("ghl", wait=timedelta(seconds=5)) as lease,
        ):
            _hurry(client)
            premises = Premises(config, clock=clock)
            await premises.refresh(db)
            works = Works(
                config,
                fast or db,
                client,
                lease=lease,
                premises=premises,
                clock=clock,
                pace=pace,
                is_durable=fast is None,
            )
            if begun:
                await works.marker.begin()
            if pulled:
                await works.puller.account()
                await works.puller.pull(full=True, by="test")
            await premises.refresh(db)
            patroller = Patroller(works, config=config.ghl, zone=ZoneInfo("UTC"), clock=clock)
            yield Selling(db, subaccount.simulator, detection, works, patroller, config)
