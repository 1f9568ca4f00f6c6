"""``pcd ghl authorize``, as a process, against a simulated sub-account and a database."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import anyio
import pytest
import pytest_asyncio
from support.daemons import environment
from support.program import write_config

from pcd.clock import Clock
from pcd.config import load
from pcd.crm.grants import StoredGrant
from pcd.ghl.client import connect
from pcd.sim.ghl.subaccount import open_subaccount

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from subprocess import CompletedProcess

    from pcd.db.pool import Database
    from pcd.sim.ghl.subaccount import Subaccount

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def there() -> AsyncIterator[Subaccount]:
    async with open_subaccount() as subaccount:
        yield subaccount


def configured(folder: Path, there: Subaccount, *, database_url: str, secret: str = "") -> Path:
    settings = there.simulator.settings
    more = f"""
[ghl]
api_url = "{there.url}"
location_id = "{settings.location_id}"
oauth.client_id = "{settings.client_id}"
oauth.client_secret = "{secret or settings.client_secret}"
oauth.encryption_key = "a long enough text"
"""
    return write_config(folder, database_url=database_url, servicetitan_url="http://127.0.0.1:9", more=more)


async def authorize(config: Path, *options: str) -> CompletedProcess[bytes]:
    command = [sys.executable, "-m", "pcd", "ghl", "authorize", *options, "--config", str(config)]
    with anyio.fail_after(30):
        return await anyio.run_process(command, check=False, env=environment(HOME=str(config.parent)))


async def test_refresh_token_of_another_program_is_taken_over(
    tmp_path: Path, there: Subaccount, database_url: str, db: Database
) -> None:
    config = configured(tmp_path, there, database_url=database_url)
    token = tmp_path / "refresh"
    token.write_text(there.simulator.settings.refresh_token)
    token.chmod(0o600)
    done = await authorize(config, "--refresh-token-file", str(token))
    assert done.returncode == 0, done.stderr.decode()
    assert b"GoHighLevel lets pcd in" in done.stdout
    assert there.simulator.grants.refresh != there.simulator.settings.refresh_token
    ghl = load(config, {}).ghl
    async with connect(ghl, clock=Clock(), store=StoredGrant(lambda: db)) as client:
        assert (await client.subaccount()).id == ghl.location_id


async def test_page_to_open_is_shown_first(tmp_path: Path, there: Subaccount, database_url: str) -> None:
    config = configured(tmp_path, there, database_url=database_url)
    done = await authorize(config, "--redirect-uri", "https://heron.example/in")
    assert done.returncode == 0
    assert b"redirect_uri=https%3A%2F%2Fheron.example%2Fin" in done.stdout
    assert b"--code CODE" in done.stdout
    assert len(there.simulator.calls) == 0


@pytest.mark.parametrize(
    ("options", "secret", "code", "says"),
    [
        pytest.param([], "", 2, b"--redirect-uri: expected", id="nothing"),
        pytest.param(["--code", "c"], "", 2, b"--redirect-uri: expected", id="code alone"),
        pytest.param(
            ["--code", "c", "--redirect-uri", "https://heron.example/"],
            "wrong-secret",
            1,
            b"see ghl.oauth.client_id and ghl.oauth.client_secret",
            id="wrong secret",
        ),
    ],
)
async def test_what_is_missing_or_wrong_is_told(
    tmp_path: Path,
    there: Subaccount,
    database_url: str,
    *,
    options: list[str],
    secret: str,
    code: int,
    says: bytes,
) -> None:
    config = configured(tmp_path, there, database_url=database_url, secret=secret)
    done = await authorize(config, *options)
    assert done.returncode == code
    assert says in done.stderr
    assert b"wrong-secret" not in done.stderr
