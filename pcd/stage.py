"""What `pcd demo` and `pcd drill` play on: simulated ServiceTitan and GoHighLevel, and the real daemon."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from anyio.abc import Process

    from pcd.sim.ghl.settings import GhlSimSettings
    from pcd.sim.ghl.subaccount import Subaccount
    from pcd.sim.tenant import Tenant

_LEAVE_WITHIN = 12.0
_LINES = 20

_CONFIG = """\
# Made by pcd for a simulated company, gone when that ends.
[daemon]
data_dir = "{data_dir}"
control_socket = "{folder}/control.sock"
heartbeat_file = "{folder}/heartbeat"
http_port = 0

[servicetitan]
api_url = "{url}"
auth_url = "{url}"
tenant_id = "{tenant}"
client_id = "{client_id}"
client_secret = "{client_secret}"
app_key = "{app_key}"

[sync]
incremental_cron = "* * * * *"
fresh_interval = "2s"

[ghl]
enabled = true
api_url = "{ghl_url}"
token = "{ghl_token}"
location_id = "{ghl_location}"
cron = "* * * * *"
auto_sync_customers = true
auto_sync_jobs = true
auto_sync_estimates = true
{pipelines}
{more}
"""
_PIPELINE = """
[ghl.pipelines.{name}]
id = "{id}"
name = "{title}"

[ghl.pipelines.{name}.stages]
{stages}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A simulated company, served, and the configuration of a daemon for it.

    Everything of the daemon's is under *folder*; what it says goes into *log*.
    """

    folder: Path
    config: Path
    log: Path
    tenant: Tenant
    subaccount: Subaccount

    def last_lines(self) -> str:
        """Return the end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_LINES:])


@asynccontextmanager
async def open_stage(
    folder: Path, *, customers: int, pace: float, data_dir: Path | None = None, more: str = ""
) -> AsyncGenerator[Stage]:
    """Found the company and serve it until the block is left; no daemon runs yet.

    *pace* is how fast the company's life goes on, *more* what the configuration says besides.
    """
    from pcd.sim.ghl.subaccount import open_subaccount
    from pcd.sim.tenant import open_tenant

    async with open_tenant(customers=customers, pace=pace) as tenant, open_subaccount() as subaccount:
        config = folder / "config.toml"
        config.touch(mode=0o600)
        config.write_text(_configuration(folder, data_dir or folder, tenant, subaccount, more))
        yield Stage(
            folder=folder, config=config, log=folder / "daemon.log", tenant=tenant, subaccount=subaccount
        )


def _configuration(folder: Path, data_dir: Path, tenant: Tenant, subaccount: Subaccount, more: str) -> str:
    settings, ghl = tenant.simulator.settings, subaccount.simulator.settings
    return _CONFIG.format(
        folder=folder,
        data_dir=data_dir,
        url=tenant.url,
        tenant=settings.tenant,
        client_id=settings.client_id,
        client_secret=settings.client_secret,
        app_key=settings.app_key,
        ghl_url=subaccount.url,
        ghl_token=ghl.token,
        ghl_location=ghl.location_id,
        pipelines=_pipelines(ghl),
        more=more,
    )


def _pipelines(settings: GhlSimSettings) -> str:
    """Return the configuration of the sub-account's sales and install pipelines."""
    from pcd.config.shape import InstallStages, SalesStages

    sections = []
    for name, shape, pipeline in zip(
        ("sales", "install"), (SalesStages, InstallStages), settings.pipelines, strict=False
    ):
        stages = zip(shape.__struct_fields__, pipeline.stages, strict=True)
        lines = "\n".join(f'{key} = "{stage.id}"' for key, stage in stages)
        sections.append(_PIPELINE.format(name=name, id=pipeline.id, title=pipeline.name, stages=lines))
    return "".join(sections)


@asynccontextmanager
async def daemon_on(stage: Stage) -> AsyncGenerator[Process]:
    """Run the daemon in a process of its own; it has stopped its database when the block is left.

    Should we be killed, it stops by itself.
    """
    # A session of its own: Ctrl-C reaches us alone, and we stop things in order.
    command = [sys.executable, "-m", "pcd.cli.leashed", "run", "--config", str(stage.config)]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PCD_", "NOTIFY_"))
    }
    with stage.log.open("ab") as said:
        process = await anyio.open_process(
            command, stdin=subprocess.PIPE, stdout=said, stderr=said, start_new_session=True, env=environment
        )
    try:
        yield process
    finally:
        with anyio.CancelScope(shield=True):
            await _stop(process)
            await process.aclose()


async def _stop(process: Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    with anyio.move_on_after(_LEAVE_WITHIN) as patience:
        await process.wait()
    if patience.cancelled_caught:
        process.kill()
        await process.wait()
