"""A simulated ServiceTitan, and a daemon's home between it and a database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.from_thread
import pytest
from support.daemons import Home, servicetitan

from pcd.sim.tenant import Tenant, open_tenant

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@pytest.fixture(scope="module")
def tenant() -> Generator[Tenant]:
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(open_tenant(customers=20, pace=0)) as opened,
    ):
        yield opened


@pytest.fixture
def home(tmp_path: Path, database_url: str, tenant: Tenant) -> Home:
    return Home(
        tmp_path,
        {
            "database.url": database_url,
            **servicetitan(tenant),
        },
    )
