"""``pcd demo``: a simulated company, an empty database, a simulated CRM, the real daemon between them."""

from __future__ import annotations

import shlex
import shutil
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import anyio

from pcd.cli.context import reporting
from pcd.cli.running import run_async
from pcd.cli.show import screen
from pcd.errors import ConfigError, ControlError, DaemonUnreachable

if TYPE_CHECKING:
    from pcd.sim.ghl.subaccount import Subaccount
    from pcd.sim.tenant import Tenant
    from pcd.stage import Stage

_POLL = 0.25
_LOOK_EVERY = 10.0

_WHERE = """
The daemon mirrors it now. While it runs, look:
  {page:<52} the status page, in a browser
  PCD_CONFIG={config} {pcd} status
  PCD_CONFIG={config} {pcd} events tail
  PCD_CONFIG={config} {pcd} ghl drift
  tail -f {log}
  psql "{database}"
Ctrl-C ends the demo and leaves nothing behind.
"""


def run_demo(exit_after: str, *, customers: int, speed: float) -> None:
    """Run the demo until Ctrl-C, or for the length of time *exit_after*."""
    with reporting():
        limit = _limit(exit_after)

    async def work() -> int:
        with anyio.move_on_after(limit.total_seconds() if limit else float("inf")):
            await _show(customers=customers, speed=speed)
        return 0

    run_async(work, farewell="The demo is over; nothing of it is left.")


def _limit(text: str) -> timedelta | None:
    from pcd.config import durations

    try:
        return durations.parse(text) if text else None
    except ValueError as error:
        raise ConfigError(f"--exit-after: found {text!r}, expected {error}") from None


async def _show(*, customers: int, speed: float) -> None:
    from pcd.stage import daemon_on, open_stage

    _say(f"Inventing a pool company with {customers:,} customers and five years of work ...")
    with tempfile.TemporaryDirectory(prefix="pcd-demo-", ignore_cleanup_errors=True) as name:
        async with open_stage(Path(name), customers=customers, pace=speed) as stage:
            tenant, subaccount = stage.tenant, stage.subaccount
            _say(f"A simulated ServiceTitan with {len(tenant.simulator.store):,} records is at {tenant.url}")
            _say(f"A simulated GoHighLevel, still empty, is at {subaccount.url}")
            async with daemon_on(stage) as process, anyio.create_task_group() as group:
                group.start_soon(_narrate, stage)
                group.start_soon(_tell_story, tenant, subaccount)
                code = await process.wait()
                group.cancel_scope.cancel()
                print(stage.last_lines(), file=sys.stderr)
                raise ControlError(f"the daemon ended by itself (exit code {code})", code="ended")


async def _tell_story(tenant: Tenant, subaccount: Subaccount) -> None:
    """Tell what happens in ServiceTitan and what becomes of it in GoHighLevel."""
    from pcd.cli.story import Story

    store = subaccount.simulator.store
    fields = {field.key: field.id for field in store.custom_fields.values()}
    story = Story(tenant.simulator.store, store, customer_field=fields["contact.st_customer_id"])
    while True:
        for line in story.news():
            _say(fill(line, width=screen() or sys.maxsize, subsequent_indent=" " * 14))
        await anyio.sleep(_POLL)


async def _narrate(stage: Stage) -> None:
    """Say where to look once the daemon answers, then how the mirror grows."""
    from pcd.control.client import connect
    from pcd.db.embedded import Embedded

    socket, told, last = stage.folder / "control.sock", False, -1
    while True:
        try:
            async with connect(socket) as client:
                while True:
                    status = await client.call("status")
                    if not told and _is_up(status):
                        database = Embedded(stage.folder).url()
                        _say(
                            _WHERE.format(
                                page=status["http"],
                                config=stage.config,
                                pcd=_program(),
                                log=stage.log,
                                database=database,
                            )
                        )
                        told = True
                    last = _tell_rows(status, last)
                    await anyio.sleep(_LOOK_EVERY if told else _POLL)
        except DaemonUnreachable:
            await anyio.sleep(_POLL)


def _program() -> str:
    """Return how the user can call us: by the name that this process was called by, if by any."""
    called = Path(sys.argv[0])
    if called.name != "pcd":
        return f"{shlex.quote(sys.executable)} -m pcd"
    return "pcd" if shutil.which("pcd") == str(called) else shlex.quote(str(called))


def _is_up(status: dict[str, Any]) -> bool:
    states = {service["name"]: service["state"] for service in status["services"]}
    return bool(status["http"]) and states["database"] == "running"


def _tell_rows(status: dict[str, Any], last: int) -> int:
    rows: int = sum(resource["rows"] for resource in status["resources"])
    if rows != last and rows:
        filled = sum(resource["rows"] > 0 for resource in status["resources"])
        more = f", {rows - last:+,}" if last > 0 else ""
        _say(f"— the mirror holds {rows:,} rows in {filled} tables{more}")
    return rows


def _say(text: str) -> None:
    print(text, flush=True)
