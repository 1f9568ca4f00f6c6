"""`pcd config check --connect`: the configuration tried out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.from_thread
import pytest

from pcd.sim.tenant import Tenant, open_tenant

if TYPE_CHECKING:
    from collections.abc import Generator

    from support.daemons import Home

pytestmark = pytest.mark.asyncio


@pytest.fixture(scope="module")
def tenant() -> Generator[Tenant]:
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(open_tenant(customers=1, pace=0)) as opened,
    ):
        yield opened


async def test_good_configuration_is_let_in_by_both(home: Home) -> None:
    done = await home.command("config", "check", "--connect", "--json")
    assert (done.code, done.err) == (0, "")
    texts = {each["what"]: each["text"] for each in done.json["connections"]}
    assert texts["servicetitan"].startswith("ServiceTitan accepts the credentials")
    assert texts["database"].startswith("PostgreSQL ")


async def test_refusals_are_told_together_and_exit_with_one(home: Home) -> None:
    home.keys["servicetitan.client_secret"] = "wrong-secret"
    home.keys["database.url"] = "postgresql://nobody:here@127.0.0.1:1/nothing"
    with anyio.fail_after(30):
        done = await home.command("config", "check", "--connect")
    assert done.code == 1
    assert done.out.count("FAILED") == 2
    assert "servicetitan.client_secret" in done.out
    assert "PostgreSQL does not answer" in done.out
    assert "wrong-secret" not in done.out + done.err


async def test_embedded_database_is_not_started_for_it(home: Home) -> None:
    home.keys["database.url"] = ""
    done = await home.command("config", "check", "--connect")
    assert done.code == 0
    assert "is not running" in done.out
    assert not (home.folder / "postgres").exists()
