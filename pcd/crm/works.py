"""Everything that keeps GoHighLevel in step under one lease, put together."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from pcd.crm.breaker import Breaker, opens
from pcd.crm.lanes import Lanes
from pcd.crm.marker import Marker
from pcd.crm.outbox import Outbox
from pcd.crm.performer import Performer
from pcd.crm.puller import Puller
from pcd.crm.reconciler import Reconciler
from pcd.crm.sender import Pace, Sender
from pcd.crm.switch import Switch
from pcd.supervisor import Gate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pcd.clock import Clock
    from pcd.config import Config
    from pcd.crm.desired import Fields
    from pcd.crm.outbox import Owed
    from pcd.crm.premises import Premises
    from pcd.crm.switch import Mode
    from pcd.db.leases import Lease
    from pcd.db.pool import Database
    from pcd.errors import PcdError
    from pcd.ghl.client import GoHighLevel
    from pcd.redis.cache import Cache


SESSION: Mapping[str, str] = MappingProxyType(
    {
        "synchronous_commit": "off",
        "plan_cache_mode": "force_generic_plan",
        "enable_seqscan": "off",
        # Only a plain scan of an index forgets the entries of what was sent, and comes in its order.
        "enable_bitmapscan": "off",
    }
)
"""Settings for sessions that need not wait for the disk: what a crash undoes is considered anew.

A plan that was made while a table was empty must serve when it is large."""


class Works:
    """The right to write to GoHighLevel, and the means."""

    def __init__(  # noqa: PLR0913 - one keyword each for what it works with
        self,
        config: Config,
        db: Database,
        client: GoHighLevel,
        *,
        lease: Lease,
        premises: Premises,
        clock: Clock,
        pace: Pace | None = None,
        gate: Gate | None = None,
        is_durable: bool = True,
        cache: Cache | None = None,
        observe: Callable[[Owed, str, float], None] = lambda _call, _outcome, _seconds: None,
    ) -> None:
        """*gate* opens once it is known what stands there; *is_durable*: commits wait for the disk.

        *cache* is where processes keep the ids of contacts for each other.
        """
        self.db = db
        self.client = client
        self.lease = lease
        self.premises = premises
        self.gate = gate or Gate("what stands in GoHighLevel is being copied")
        self.lanes = Lanes()
        self.switch = Switch(config.ghl)
        self.breaker = Breaker(db)
        self.marker = Marker(db, lease=lease, settings=lambda: premises.settings, dry_run=config.ghl.dry_run)
        self.puller = Puller(db, client, settings=lambda: premises.settings)
        self.reconciler = Reconciler(
            db,
            lease=lease,
            switch=self.switch,
            lanes=self.lanes,
            settings=lambda: premises.settings,
            clock=clock,
        )
        self.performer = Performer(
            db,
            client,
            lease=lease,
            lanes=self.lanes,
            settings=lambda: premises.settings,
            is_settled=lambda: premises.is_settled,
            lacks_stage=self.lacks_stage,
            cache=cache,
        )
        self.outbox = Outbox(db, lease=lease, is_durable=is_durable)
        self.sender = Sender(
            self.outbox,
            self.performer,
            breaker=self.breaker,
            lanes=self.lanes,
            dry_run=config.ghl.dry_run,
            observe=observe,
            pace=pace or Pace.fitting(config.ghl),
        )

    async def mode(self) -> Mode:
        """Return what happens to calls now."""
        return await self.switch.mode(self.db)

    async def lacks_stage(self, fields: Fields) -> bool:
        """Return whether *fields* name a stage that the account lacks, by asking unless that is known."""
        if "pipelineStageId" not in fields:
            return False
        if self.premises.has_stage(fields["pipelineStageId"]):
            await self.puller.account()
            await self.premises.refresh(self.db)
        return not self.premises.has_stage(fields["pipelineStageId"])

    async def doubt(self, error: PcdError) -> None:
        """Stop sending if *error* says that no call would fare better."""
        if opens(error):
            await self.breaker.open(error)
