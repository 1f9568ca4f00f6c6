"""The client in a simulated sub-account, for tests that look at both."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from pcd.clock import Clock
from pcd.config import Secret
from pcd.ghl.client import GoHighLevel, connect
from pcd.sim.ghl.settings import GhlSimSettings
from pcd.sim.ghl.subaccount import Subaccount, open_subaccount
from support.shipped import shipped

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pcd.config import GhlConfig

SETTINGS = GhlSimSettings(window=timedelta(milliseconds=200))
FIELDS = {"customer": "contact.st_customer_id", "job": "opportunity.st_job_link"}


def config_of(there: Subaccount) -> GhlConfig:
    """Return the configuration that comes with the program, for the simulated sub-account."""
    config = shipped().ghl
    settings = there.simulator.settings
    return msgspec.structs.replace(
        config,
        api_url=there.url,
        token=Secret(settings.token),
        location_id=settings.location_id,
        requests_per_10s=100_000,
        custom_fields=msgspec.structs.replace(config.custom_fields, **FIELDS),
    )


@asynccontextmanager
async def subaccount(
    settings: GhlSimSettings = SETTINGS,
    **changes: Any,  # noqa: ANN401 - the fields of GhlConfig
) -> AsyncIterator[tuple[GoHighLevel, Subaccount]]:
    """Yield a client and the sub-account that it speaks to; *changes* are those of the configuration."""
    async with open_subaccount(settings=settings) as there:
        config = msgspec.structs.replace(config_of(there), **changes)
        async with connect(config, clock=Clock()) as ghl:
            yield ghl, there
