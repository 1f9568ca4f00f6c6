"""How an app is let in, and what is found wrong with an account before anything is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from support.subaccounts import SETTINGS, config_of, subaccount

from pcd.clock import Clock
from pcd.config import Secret
from pcd.errors import Unauthorized
from pcd.fetcher import open_session
from pcd.ghl.checker import check
from pcd.ghl.client import GoHighLevel, connect
from pcd.ghl.oauth import OAuth
from pcd.sim.ghl.subaccount import Subaccount, open_subaccount

pytestmark = pytest.mark.asyncio


async def test_app_is_let_in_by_oauth() -> None:
    class Shelf:
        sealed: bytes | None = None

        async def load(self) -> bytes | None:
            return self.sealed

        async def save(self, sealed: bytes) -> None:
            self.sealed = sealed

    async with open_subaccount(settings=SETTINGS) as there:
        settings = there.simulator.settings
        config = config_of(there)
        oauth = msgspec.structs.replace(
            config.oauth,
            client_id=settings.client_id,
            client_secret=Secret(settings.client_secret),
            encryption_key=Secret("a long enough text"),
        )
        config = msgspec.structs.replace(config, oauth=oauth, token=Secret())
        shelf = Shelf()
        async with open_session() as session:
            await OAuth(config, store=shelf, session=session, clock=Clock()).adopt(settings.refresh_token)
        async with connect(config, clock=Clock(), store=shelf) as ghl:
            assert (await ghl.subaccount()).id == settings.location_id
            there.simulator.grants.expire()
            assert await ghl.pipelines()


async def test_check_of_an_account_that_fits_finds_no_fault() -> None:
    async with subaccount() as (ghl, there):
        findings = await check(ghl, sends_messages=True)
        assert [found for found in findings if not found.ok] == []
        assert there.simulator.calls.writes == []


Spoil = Callable[[GoHighLevel, Subaccount], None]


def _revoke(*scopes: str) -> Spoil:
    def spoil(_: GoHighLevel, there: Subaccount) -> None:
        there.simulator.gate.revoked = frozenset(scopes)

    return spoil


def _refuse(_: GoHighLevel, there: Subaccount) -> None:
    there.simulator.gate.tokens.clear()


@pytest.mark.parametrize(
    ("spoil", "changes", "subject", "remedy"),
    [
        pytest.param(_refuse, {}, "token", "put the token", id="token"),
        pytest.param(_revoke(), {"location_id": "elsewhere"}, "subaccount", "ghl.location_id", id="location"),
        pytest.param(
            _revoke("locations.readonly"), {}, "right locations.readonly", "tick locations.readonly", id="1"
        ),
        pytest.param(
            _revoke("contacts.readonly"), {}, "right contacts.readonly", "tick contacts.readonly", id="2"
        ),
        pytest.param(
            _revoke("opportunities.readonly"),
            {},
            "right opportunities.readonly",
            "tick opportunities.readonly",
            id="3",
        ),
        pytest.param(
            _revoke("locations/customFields.readonly"),
            {},
            "right locations/customFields.readonly",
            "tick locations/customFields.readonly",
            id="4",
        ),
    ],
)
async def test_check_says_what_is_wrong_and_what_to_do(
    spoil: Spoil, changes: dict[str, Any], subject: str, remedy: str
) -> None:
    async with subaccount(**changes) as (ghl, there):
        spoil(ghl, there)
        (fault,) = [found for found in await check(ghl) if not found.ok]
        assert fault.subject == subject
        assert remedy in fault.remedy


async def test_token_without_anything_is_told_before_anybody_is_asked() -> None:
    async with subaccount(token=Secret(), location_id="") as (ghl, there):
        assert [found.subject for found in await check(ghl)] == ["token", "subaccount"]
        with pytest.raises(Unauthorized):
            await ghl.pipelines()
        assert len(there.simulator.calls) == 0
