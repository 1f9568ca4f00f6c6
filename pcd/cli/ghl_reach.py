"""How ``pcd ghl`` reaches the database, GoHighLevel and the daemon."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pcd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from pcd.config import Config
    from pcd.crm.clerk import Clerk
    from pcd.crm.premises import Premises
    from pcd.db.pool import Database
    from pcd.ghl.client import GoHighLevel

_TAKES_LEASE_WITHIN = timedelta(seconds=35)


@asynccontextmanager
async def asking(config: Config) -> AsyncGenerator[tuple[Database, GoHighLevel]]:
    """Yield the database and GoHighLevel, to be asked and not written to: it needs no lease."""
    from pcd import app as root
    from pcd.cli.progress import say
    from pcd.clock import Clock
    from pcd.crm.grants import StoredGrant
    from pcd.db.migrate import migrate
    from pcd.ghl.authenticator import token_path
    from pcd.ghl.client import connect

    async with root.opened(config, tell=say) as db:
        await migrate(db)
        path, store = token_path(config), StoredGrant(lambda: db)
        async with connect(config.ghl, clock=Clock(), token_path=path, store=store) as client:
            yield db, client


async def read(config: Config, look: Callable[[Database, Premises], Awaitable[Any]]) -> Any:  # noqa: ANN401 - JSON values
    """Return what *look* finds in the database; needs no lease and no daemon."""
    from pcd import app as root
    from pcd.cli.progress import say
    from pcd.clock import Clock
    from pcd.crm.premises import Premises
    from pcd.db.migrate import migrate

    async with root.opened(config, tell=say) as db:
        await migrate(db)
        premises = Premises(config, clock=Clock())
        await premises.refresh(db)
        return await look(db, premises)


async def ask_or_do(
    config: Config,
    method: str,
    params: dict[str, Any],
    do: Callable[[Clerk], Awaitable[dict[str, Any]]],
    *,
    sends: bool = True,
) -> dict[str, Any]:
    """Return what the daemon answers, or do it here, under the same lease, while none runs.

    Here, what is owed is sent before it returns, if *sends*.
    """
    from pcd.control.client import connect_if_any

    async with connect_if_any(config.daemon.control_socket) as client:
        if client is not None:
            answer: dict[str, Any] = await client.call(method, params)
            return answer
    return await _do(config, do, sends=sends)


async def _do(
    config: Config, do: Callable[[Clerk], Awaitable[dict[str, Any]]], *, sends: bool
) -> dict[str, Any]:
    from pcd import app as root
    from pcd import selling
    from pcd.cli.progress import say
    from pcd.clock import Clock
    from pcd.db.migrate import migrate

    if not selling.is_configured(config):
        raise ConfigError(
            "ghl.token and ghl.location_id: nothing is set, expected both to speak to GoHighLevel"
        )
    clock = Clock()
    async with root.opened(config, tell=say) as db, root.opened(config, tell=say) as spare:
        await migrate(db)
        leaser = root.leaser_of(config, spare, clock)
        async with selling.clerk(config, db, leaser=leaser, clock=clock, wait=_TAKES_LEASE_WITHIN) as clerk:
            done = await do(clerk)
            if sends:
                await clerk.works.reconciler.drain()
                await clerk.works.sender.empty()
            return done
