"""Where a drill takes place: a simulated company, a daemon of its own, and hands to break and to look."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from pcd.control.client import connect
from pcd.db import processes
from pcd.db.embedded import Embedded
from pcd.db.pool import Database
from pcd.errors import ConfigError, ControlError, DaemonUnreachable, StoreError
from pcd.stage import daemon_on, open_stage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from anyio.abc import Process

    from pcd.drill.props import Disk, RedisServer
    from pcd.stage import Stage

_CUSTOMERS = 40
_POLL = 0.1
_PATIENCE = 90.0
_MORE = """
[leases]
ttl = "3s"

[workflows]
definitions = "{definitions}"
check_interval = "1s"
lease = "3s"

[health]
interval = "2s"
{redis}
"""

_ROWS = "SELECT st_id AS id FROM servicetitan.st_customers WHERE st_id = ANY ($1::bigint[])"
_EVENTS = """
SELECT entity_id AS id
FROM automation.events
WHERE type = 'customer_created' AND entity_id = ANY ($1::bigint[])
"""


class NotWell(ControlError):
    """Something did not come about in time."""


class Ground:
    """The company, the daemon and what it stands on. Made by `open_ground`."""

    def __init__(self, stage: Stage, *, disk: Disk, redis: RedisServer) -> None:
        self.stage = stage
        self.disk = disk
        self.redis = redis
        self.embedded = Embedded(disk.folder)
        self.hook = ""
        self._process: Process | None = None
        self._read = 0
        self._arrived: dict[int, int] = {}

    @property
    def process(self) -> Process:
        """The daemon's process."""
        assert self._process is not None
        return self._process

    @asynccontextmanager
    async def daemon(self) -> AsyncGenerator[None]:
        """Keep a daemon running, as a service manager does, until the block is left."""
        async with anyio.create_task_group() as group:
            await group.start(self._keep)
            try:
                yield
            finally:
                group.cancel_scope.cancel()

    async def _keep(self, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        while True:
            async with daemon_on(self.stage) as self._process:
                with suppress(RuntimeError):  # only the first one is waited for
                    task_status.started()
                await self._process.wait()

    async def call(self, method: str, params: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 - JSON
        """Return what the daemon answers."""
        async with connect(self.stage.folder / "control.sock") as client:
            return await client.call(method, params)

    async def tell_clock(self, seconds: float) -> None:
        """Set the daemon's clock forward by *seconds*; 0 sets it right."""
        assert self.process.stdin is not None
        await self.process.stdin.send(f"{seconds}\n".encode())

    @asynccontextmanager
    async def database(self) -> AsyncGenerator[Database]:
        """Hold a connection to the daemon's database."""
        wait = timedelta(seconds=10)
        db = await Database.connect(self.embedded.url(), pool_size=2, application_name="pcd drill", wait=wait)
        try:
            yield db
        finally:
            await db.close()

    def postgres(self) -> list[int]:
        """Return the processes of the database server."""
        pid = int((self.embedded.pgdata / "postmaster.pid").read_text().split()[0])
        return processes.family(pid, uid=Path(f"/proc/{pid}").stat().st_uid)

    def signal_postgres(self, number: signal.Signals) -> None:
        """Send a signal to all of them."""
        processes.send(self.postgres(), number)

    async def define(self, name: str, definition: str) -> None:
        """Let the daemon know a workflow; an empty *definition* takes it away."""
        path = anyio.Path(self.stage.folder / "workflows" / f"{name}.toml")
        await (path.write_text(definition) if definition else path.unlink())

        async def is_told() -> bool:
            return bool(await self.call("workflows.reload"))

        await self.until(is_told, what="the definitions read again")

    def kill_daemon(self) -> None:
        """End the daemon as the kernel does when memory is short."""
        os.kill(self.process.pid, signal.SIGKILL)

    def customer_arrives(self) -> int:
        """Let a new customer arrive in ServiceTitan, and return the id."""
        store = self.stage.tenant.simulator.store
        customers, contacts = store["customers"], store["customer_contacts"]
        new_id = store.next_id()
        pattern = customers.get(customers.ids()[0])
        for name in ("createdOn", "mergedToId"):
            pattern.pop(name, None)
        customers.put(pattern | {"id": new_id, "name": f"Drill Household {new_id}", "active": True})
        contact = contacts.get(contacts.ids()[0])
        contact.pop("createdOn", None)
        contact |= {"id": store.next_id(), "customerId": new_id, "active": True}
        contacts.put(contact | {"type": "Email", "value": f"drill-{new_id}@example.com"})
        self._arrived[new_id] = contact["id"]
        return new_id

    def mark(self) -> None:
        """Forget what the log says until now."""
        self._read = self.stage.log.stat().st_size

    def sign(self, pattern: str) -> str:
        """Return the first line of the log since `mark` that matches *pattern*; empty while none does."""
        with self.stage.log.open("rb") as log:
            log.seek(self._read)
            text = log.read().decode(errors="replace")
        lines = (line for line in text.splitlines() if re.search(pattern, line))
        return next(lines, "")

    async def until(self, is_so: Callable[[], Awaitable[bool]], *, what: str) -> None:
        """Wait until *is_so*. Raises NotWell, naming *what*, when that takes a minute and a half."""
        with anyio.move_on_after(_PATIENCE):
            while True:
                # A server that has just started does not have our database yet: ConfigError.
                with suppress(DaemonUnreachable, ControlError, ConfigError, StoreError, OSError):
                    if await is_so():
                        return
                await anyio.sleep(_POLL)
        raise NotWell(f"{what}: not within {_PATIENCE:.0f} s", code="not_well")

    async def is_watching(self) -> bool:
        """Whether the company is loaded, and what happens from now on is news."""
        async with self.database() as db:
            watched = await db.fetchval("SELECT count(*) FROM pcd.baselines WHERE resource = 'customers'")
        return bool(watched) and await self.is_well()

    async def is_well(self) -> bool:
        """Whether all services run and everybody who arrived is in the mirror, told, and in GoHighLevel."""
        status = await self.call("status")
        resting = {"running", "paused", "off"}
        if any(each["state"] not in resting for each in status["services"]):
            return False
        return not await self.lost()

    async def lost(self) -> tuple[str, ...]:
        """Return what is missing or there twice of the customers that have arrived."""
        arrived = list(self._arrived)
        if not arrived:
            return ()
        async with self.database() as db:
            rows = await db.fetch(_ROWS, arrived)
            events = await db.fetch(_EVENTS, arrived)
        # By the id: in a company that lives on, the customer's address may have changed since.
        store = self.stage.subaccount.simulator.store
        marks = (value for each in store.contacts for value in store.contacts[each].custom_fields.values())
        counted = {
            "row": Counter(row["id"] for row in rows),
            "event": Counter(row["id"] for row in events),
            "contact": Counter(int(mark) for mark in marks if isinstance(mark, str) and mark.isdecimal()),
        }
        return tuple(
            f"customer {one}: {name} {counts[one]} times"
            for one in arrived
            for name, counts in counted.items()
            if counts[one] != 1 and not (name == "contact" and counts[one] == 0 and self._is_mute(one))
        )

    def _is_mute(self, customer_id: int) -> bool:
        """Whether the address was taken away again: who cannot be reached gets no contact."""
        contacts = self.stage.tenant.simulator.store["customer_contacts"]
        return not contacts.get(self._arrived[customer_id])["active"]


@asynccontextmanager
async def open_ground(folder: Path) -> AsyncGenerator[Ground]:
    """Set everything up under *folder*, with a daemon that has loaded the company; nothing is left of it."""
    from pcd.drill import props

    folder.chmod(0o755)  # noqa: ASYNC240 - at once
    async with AsyncExitStack() as stack:
        disk = stack.enter_context(props.small_disk(folder / "disk"))
        redis = await stack.enter_async_context(props.redis_server(folder))
        definitions = folder / "workflows"
        definitions.mkdir()
        section = f'\n[redis]\nurl = "{redis.url}"' if redis.url else ""
        stage = await stack.enter_async_context(
            open_stage(
                folder,
                customers=_CUSTOMERS,
                pace=0.0,
                data_dir=disk.folder,
                more=_MORE.format(definitions=definitions, redis=section),
            )
        )
        ground = Ground(stage, disk=disk, redis=redis)
        hook = await stack.enter_async_context(props.deadly_hook(ground.kill_daemon))
        ground.hook = hook
        await stack.enter_async_context(ground.daemon())
        await ground.until(ground.is_watching, what="the first load")
        yield ground
