"""An address or a number that is another contact's already is left to it; everything else is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.selling import selling

if TYPE_CHECKING:
    from pathlib import Path

    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

TAKEN = {"email": "heron@example.com", "phone": "+18132349999"}


@pytest.mark.parametrize("keys", [("email",), ("phone",), ("email", "phone")], ids="-".join)
async def test_what_is_anothers_is_left_out_and_the_rest_is_written(
    db: Database, tmp_path: Path, keys: tuple[str, ...]
) -> None:
    async with selling(db, tmp_path) as company:
        await company.customer(7, city="Tampa")
        await company.settle()
        (ours,) = company.sim.store.contacts.values()
        for key in keys:
            await company.works.client.create_contact({"firstName": "Heron", key: TAKEN[key]})
        taken: dict[str, Any] = {key: TAKEN[key] for key in keys}
        await company.customer(7, city="Heron Bay", **taken)
        await company.settle()
        now = company.sim.store.contacts[ours.id]
        assert now.city == "Heron Bay"
        assert all(getattr(now, key) == getattr(ours, key) for key in keys)
        assert await db.fetchval("SELECT count(*) FROM integrations.ghl_outbox WHERE state <> 'done'") == 0
