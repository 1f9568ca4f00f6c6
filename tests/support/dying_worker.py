"""Runs steps with the real actions, as the process of a test; dies by its own hand at a named point.

Arguments: the database's URL, the providers' URL or a configuration file, the point (``""``: never), after
how many passages of it.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import timedelta
from pathlib import Path
from subprocess import DEVNULL
from typing import TYPE_CHECKING

import anyio
import msgspec

from pcd.actions import build
from pcd.clock import Clock
from pcd.config import Secret, Url, load
from pcd.config.shape import MessagingConfig, StepWebhook, TwilioConfig
from pcd.db.pool import Database
from pcd.sim.providers import ProviderSettings
from pcd.workflows.decode import decode
from pcd.workflows.facts.reader import FactReader
from pcd.workflows.performer import Performer
from pcd.workflows.rescuer import Rescuer
from pcd.workflows.runner import Runner
from pcd.workflows.store import Store
from support.daemons import environment
from support.messaging import SetClock
from support.working import NEW_YORK

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import Process

    from pcd.config import Config
    from pcd.workflows.workflow import Workflow

POINTS = ("after call", "before commit", "after claim", "before claim")
"""Where a process can die."""

LEFT = "SELECT count(*) FROM automation.workflow_instances WHERE status = 'active'"
"""How many instances are not at their end."""

LEASE = timedelta(seconds=1)
_INTERVAL = timedelta(milliseconds=200)
_AT_ONCE = 10


async def work_until_death(db: Database, reaching: str, point: str, *, after: int, within: timedelta) -> None:
    """Run a process until it dies at *point*, or until nothing is left to do."""
    words = [sys.executable, "-m", "support.dying_worker", db.url, reaching, point, str(after)]
    folder = str(Path(__file__).parents[1])
    process = await anyio.open_process(
        words, stdin=DEVNULL, stdout=DEVNULL, stderr=None, env=environment(PYTHONPATH=folder)
    )
    try:
        with anyio.fail_after(within.total_seconds()):
            while process.returncode is None and await db.fetchval(LEFT):  # noqa: ASYNC110 - no event tells
                await anyio.sleep(0.05)
    finally:
        await _end(process)
    assert process.returncode == -signal.SIGKILL


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    with anyio.CancelScope(shield=True):
        await process.wait()


class Kept:
    """The versions that the database keeps."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._found: dict[tuple[str, str], Workflow] = {}

    async def version(self, name: str, version: str) -> Workflow:
        """Return one of them."""
        if (name, version) not in self._found:
            document = await self._store.document(name, version)
            assert document is not None
            self._found[name, version] = decode(document, source="kept")
        return self._found[name, version]


def reaper(point: str, after: int) -> Callable[[str], None]:
    """Return what ends the process at the passage number *after* of *point*."""
    passages = 0

    def passing(name: str) -> None:
        nonlocal passages
        if name == point:
            passages += 1
            if passages == after:
                os.kill(os.getpid(), signal.SIGKILL)

    return passing


def configured(reaching: str) -> Config:
    """Return the configuration in a file, or one that sends live through the simulated providers at a URL."""
    if not reaching.startswith("http"):
        return load(Path(reaching), {})
    made_up = ProviderSettings()
    config = load(None, {})
    return msgspec.structs.replace(
        config,
        messaging=MessagingConfig(
            mode="live",
            sms="twilio",
            twilio=TwilioConfig(
                api_url=reaching,
                account_sid=made_up.account_sid,
                auth_token=Secret(made_up.auth_token),
                phone_number=made_up.phone_number,
            ),
        ),
        workflows=msgspec.structs.replace(
            config.workflows, webhooks=(StepWebhook(name="n8n", url=Url(f"{reaching}/webhook/flow")),)
        ),
    )


async def main(url: str, reaching: str, point: str, after: int) -> None:
    """Take steps until the process dies or is ended."""
    clock, passing = Clock(), reaper(point, after)
    db = await Database.connect(url, pool_size=6, wait=timedelta(seconds=10))
    store = Store(db, holder=f"worker {os.getpid()}", lease=LEASE, clock=clock)
    performer = Performer(
        store=store,
        versions=Kept(store),
        actions=build(configured(reaching), db=db, ghl=None, clock=SetClock()),
        reader=FactReader(db, business={}, zone=NEW_YORK, clock=clock),
        zone=NEW_YORK,
        clock=clock,
        passing=passing,
    )
    runner = Runner(
        store, performer, check_interval=_INTERVAL, clock=clock, at_once=_AT_ONCE, passing=passing
    )
    rescuer = Rescuer(store, check_interval=_INTERVAL, wake=runner.wake)
    async with anyio.create_task_group() as group:
        await group.start(rescuer.run)
        await group.start(runner.run)


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
