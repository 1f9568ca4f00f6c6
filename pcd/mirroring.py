"""The mirror in a daemon or a command: the right to sync, and the means."""

from __future__ import annotations

import difflib
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from pcd.changes import armer
from pcd.control.methods import Compare, Errand, Outcome
from pcd.control.surveyor import Surveyor
from pcd.errors import ConfigError, StoreError
from pcd.redis import link as redis_link
from pcd.redis.budget import SharedBudget
from pcd.servicetitan.client import connect
from pcd.sync.syncer import Syncer
from pcd.tables import RESOURCES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from pcd.clock import Clock
    from pcd.config import Config
    from pcd.control.progress import Progress
    from pcd.db.leases import Lease
    from pcd.db.pool import Database
    from pcd.redis.link import Link
    from pcd.servicetitan.client import ServiceTitan
    from pcd.sync.request import Report
    from pcd.tables.spec import Resource

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Mirror:
    """The right to sync, and the means."""

    db: Database
    syncer: Syncer
    surveyor: Surveyor
    lease: Lease
    observe: Callable[[Report], None]

    async def perform(self, errand: Errand, progress: Progress) -> Outcome:
        """Carry out *errand* under the lease, and tell *progress* meanwhile how much there is to read."""
        async with anyio.create_task_group() as group:
            group.start_soon(self.surveyor.survey, errand, progress.expect)
            outcome = await self._carry_out(errand, progress)
            group.cancel_scope.cancel()
        return outcome

    async def _carry_out(self, errand: Errand, progress: Progress) -> Outcome:
        if isinstance(errand, Compare):
            return await self.syncer.compare(errand.only, lease=self.lease, progress=progress.hear)
        report = await self.syncer.run(errand, lease=self.lease, progress=progress.hear)
        self.observe(report)
        await self._watch()
        return report

    async def _watch(self) -> None:
        """Begin to capture the changes of what is loaded by now."""
        try:
            await armer.arm(self.db, self.syncer.resources.values())
        except StoreError as error:
            _log.warning("changes cannot be captured yet (%s); tried again after the next sync", error)


def mirrored(config: Config) -> dict[str, Resource]:
    """Return the resources that *config* asks for, by name; all of them where it names none.

    Raises ConfigError for a name that no resource has.
    """
    chosen = config.sync.resources
    for name in chosen:
        if name not in RESOURCES:
            near = difflib.get_close_matches(name, RESOURCES, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(RESOURCES)}"
            raise ConfigError(f"sync.resources: there is no resource {name!r}; {hint}")
    return {name: each for name, each in RESOURCES.items() if not chosen or name in chosen}


def mirror_of(
    config: Config,
    db: Database,
    st: ServiceTitan,
    lease: Lease,
    *,
    clock: Clock,
    observe: Callable[[Report], None],
) -> Mirror:
    """Return the means to sync under *lease*; *observe* hears what each sync did."""
    resources = mirrored(config)
    syncer = Syncer(
        db,
        st,
        resources=resources,
        tenant_id=int(config.servicetitan.tenant_id),
        lookback=config.sync.lookback,
        clock=clock,
        technician_roles={key: each.role for key, each in config.ghl.technicians.items()},
    )
    return Mirror(db, syncer, Surveyor(db, st, resources=resources), lease, observe)


@asynccontextmanager
async def upstream(config: Config, *, clock: Clock) -> AsyncGenerator[tuple[ServiceTitan, Link | None]]:
    """Yield ServiceTitan's client and the link to Redis: where there is one, processes share their budget."""
    async with redis_link.connect(config.redis.url, clock=clock) as link:
        settings = config.servicetitan
        shared = None
        if link is not None:
            name = f"servicetitan:{settings.tenant_id}"
            shared = SharedBudget(link, name, per_second=settings.requests_per_second).claim
        async with connect(settings, clock=clock, shared=shared) as st:
            yield st, link
