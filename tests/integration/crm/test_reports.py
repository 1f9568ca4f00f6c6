"""What reports find in our copies: whose an opportunity is, which job and estimate it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.selling import selling

if TYPE_CHECKING:
    from pathlib import Path

    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

LINKS = "SELECT st_customer_id, st_job_id, st_estimate_id FROM integrations.ghl_opportunities"


async def test_opportunity_is_linked_to_customer_job_and_estimate(db: Database, tmp_path: Path) -> None:
    """Under the columns in which the old system had them."""
    async with selling(db, tmp_path) as company:
        await company.customer(7)
        await company.settle()
        assert [tuple(row) for row in await db.fetch(LINKS)] == [(7, None, None)]
        await company.job(70, 7)
        await company.appointment(700, 70)
        await company.settle()
        assert [tuple(row) for row in await db.fetch(LINKS)] == [(7, 70, None)]
        await company.estimate(701, 7, job_id=70)
        await company.settle()
        assert [tuple(row) for row in await db.fetch(LINKS)] == [(7, 70, 701)]
