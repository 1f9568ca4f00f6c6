"""``pcd sim``: simulated services to try things out against: ServiceTitan, GoHighLevel, carriers."""

from __future__ import annotations

import signal
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeVar

import anyio
import typer

from pcd.cli.context import Group, reporting
from pcd.cli.running import has_uvloop, leave
from pcd.errors import ConfigError, ControlError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from pcd.sim.ghl.subaccount import Subaccount
    from pcd.sim.providers import Providers
    from pcd.sim.tenant import Tenant

T = TypeVar("T")

_INTRODUCTION = """\
A simulated ServiceTitan is at {url}
  {records:,} records: {customers:,} customers, {jobs:,} jobs, {invoices:,} invoices (seed {seed})
  faults: {faults}; its company lives {speed:g} times as fast as a real one
A simulated GoHighLevel is at {ghl_url}
  an empty sub-account with the pipelines of config.toml; {guesses} unpublished things are guessed
Simulated Twilio, SendGrid, Slack and webhooks are at {carriers_url}

Point pcd at them, in another terminal:
  export PCD_SERVICETITAN__API_URL={url} PCD_SERVICETITAN__AUTH_URL={url}
  export SERVICE_TITAN_CLIENT_ID={settings.client_id} SERVICE_TITAN_CLIENT_SECRET={settings.client_secret}
  export SERVICE_TITAN_APP_KEY={settings.app_key} SERVICE_TITAN_TENANT_ID={settings.tenant}
  export PCD_GHL__API_URL={ghl_url} GHL_API_KEY={ghl.token}
  export GHL_LOCATION_ID={ghl.location_id} GHL_SYNC_ENABLED=true
  export GHL_AUTO_SYNC_CUSTOMERS=true GHL_AUTO_SYNC_JOBS=true GHL_AUTO_SYNC_ESTIMATES=true
  export PCD_MESSAGING__TWILIO__API_URL={carriers_url} PCD_MESSAGING__SENDGRID__API_URL={carriers_url}
  export TWILIO_ACCOUNT_SID={carriers.account_sid} TWILIO_AUTH_TOKEN={carriers.auth_token}
  export TWILIO_PHONE_NUMBER={carriers.phone_number} SENDGRID_API_KEY={carriers.sendgrid_key}
  export PCD_ALERTS__SLACK__WEBHOOK_URL={slack_url}
  pcd run

Look inside, or make trouble:
  curl {url}/_sim/state
  curl {url}/_sim/resources/customers
  curl -X PUT -d '{{"preset": "storm"}}' {url}/_sim/faults
  curl {ghl_url}/_sim/opportunities
  curl "{ghl_url}/_sim/calls?writes=1"
  curl -X PUT -d '{{"preset": "storm"}}' {ghl_url}/_sim/faults
  curl -X POST -d '{{"rate": 6}}' {ghl_url}/_sim/person
  curl {carriers_url}/_sim/received

Ctrl-C ends them; their records live in memory only."""

app = typer.Typer(cls=Group, help="Run simulated services.", invoke_without_command=True)

Port = Annotated[
    int,
    typer.Option(
        metavar="NUMBER",
        help="ServiceTitan's port on 127.0.0.1; the others take the next two. 0: any free ones.",
        min=0,
        max=65533,
    ),
]
Seed = Annotated[int, typer.Option(metavar="NUMBER", help="The same seed invents the same company.")]
Customers = Annotated[
    int, typer.Option(metavar="NUMBER", help="How many customers, about 65 records each.", min=1)
]
Speed = Annotated[
    float, typer.Option(metavar="NUMBER", help="How many hours of the company pass in an hour.", min=0.0)
]
FaultsOption = Annotated[
    str, typer.Option("--faults", metavar="NAME", help="none, storm, throttle, drift or lost.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulators:
    """What is served."""

    tenant: Tenant
    subaccount: Subaccount
    providers: Providers


@app.callback()
def sim(
    port: Port = 3002,
    seed: Seed = 1,
    customers: Customers = 2000,
    speed: Speed = 60.0,
    faults: FaultsOption = "none",
) -> None:
    """Run simulated services until Ctrl-C. Nothing is written to disk."""
    with reporting():
        options = {"use_uvloop": has_uvloop()}
        anyio.run(_serve, port, seed, customers, speed, faults, backend_options=options)
    leave(0)


async def _serve(port: int, seed: int, customers: int, speed: float, preset: str) -> None:
    from pcd.sim.faults import PRESETS
    from pcd.sim.trouble import TROUBLES

    known = tuple(dict.fromkeys((*PRESETS, *TROUBLES)))
    if preset not in known:
        raise ConfigError(f"--faults: found {preset!r}, expected one of {', '.join(known)}")
    print(f"Inventing a pool company with {customers:,} customers ...", flush=True)
    async with anyio.create_task_group() as group:
        group.start_soon(_end_on_signal, group.cancel_scope)
        async with _simulators(port, seed, customers, speed, preset) as found:
            print(_introduction(found, seed=seed, speed=speed, preset=preset), flush=True)
            await anyio.sleep_forever()


@asynccontextmanager
async def _simulators(
    port: int, seed: int, customers: int, speed: float, preset: str
) -> AsyncGenerator[Simulators]:
    """Serve all three at *port* and the next two, or at any free ones for 0."""
    from pcd.sim.faults import PRESETS, Faults
    from pcd.sim.ghl.subaccount import open_subaccount
    from pcd.sim.providers import open_providers
    from pcd.sim.tenant import open_tenant
    from pcd.sim.trouble import TROUBLES

    ports = [port and port + number for number in range(3)]
    troubles, faults = TROUBLES.get(preset), PRESETS.get(preset, Faults())
    async with AsyncExitStack() as stack:
        tenant = await _opened(
            stack, open_tenant(seed=seed, customers=customers, pace=speed, faults=faults, port=port), port
        )
        subaccount = await _opened(stack, open_subaccount(faults=troubles, port=ports[1]), ports[1])
        providers = await _opened(stack, open_providers(faults=troubles, port=ports[2]), ports[2])
        yield Simulators(tenant=tenant, subaccount=subaccount, providers=providers)


async def _opened(stack: AsyncExitStack, context: AbstractAsyncContextManager[T], port: int) -> T:
    """Enter *context*, which wants *port*. Raises ControlError where that is taken."""
    try:
        return await stack.enter_async_context(context)
    except OSError as error:
        found = error.strerror or error
        raise ControlError(f"port {port} cannot be used ({found}); choose others with --port") from error


def _introduction(found: Simulators, *, seed: int, speed: float, preset: str) -> str:
    from pcd.sim.ghl.guesses import GUESSES

    store = found.tenant.simulator.store
    return _INTRODUCTION.format(
        url=found.tenant.url,
        ghl_url=found.subaccount.url,
        carriers_url=found.providers.url,
        slack_url=found.providers.slack_url,
        records=len(store),
        customers=len(store["customers"]),
        jobs=len(store["jobs"]),
        invoices=len(store["invoices"]),
        seed=seed,
        faults=preset,
        speed=speed,
        guesses=len(GUESSES),
        settings=found.tenant.simulator.settings,
        ghl=found.subaccount.simulator.settings,
        carriers=found.providers.settings,
    )


async def _end_on_signal(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()
            return
