"""The token that the client shows, and what it does without one."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from integration.ghl.conftest import CONTACT

from pcd.config import Secret
from pcd.errors import (
    Unauthorized,
)
from pcd.ghl.authenticator import PrivateToken, token_path
from pcd.ghl.client import GoHighLevel

if TYPE_CHECKING:
    from integration.ghl.conftest import Upstream


pytestmark = pytest.mark.asyncio


Connect = Callable[..., Awaitable[GoHighLevel]]


async def test_rotated_token_is_found_without_a_restart(
    connect: Connect, upstream: Upstream, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text("pit-old-one\n")
    file.chmod(0o600)
    upstream.good_tokens = {"pit-old-one"}
    upstream.by_default = type(upstream.by_default)(body=json.dumps(CONTACT).encode())
    ghl = await connect(authenticator=PrivateToken(Secret("pit-old-one"), path=file))
    await ghl.get_contact("c1")
    file.write_text("pit-new-one\n")
    upstream.good_tokens = {"pit-new-one"}
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(ghl.create_contact, {"firstName": "Otter"})
    assert upstream.asked[-1].headers["Authorization"] == "Bearer pit-new-one"
    upstream.good_tokens = set()
    with pytest.raises(Unauthorized, match=f"see ghl.token, read from {file}"):
        await ghl.get_contact("c1")


async def test_token_file_that_is_gone_is_told(
    connect: Connect, upstream: Upstream, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.good_tokens = set()
    ghl = await connect(authenticator=PrivateToken(Secret("pit-old-one"), path=tmp_path / "none"))
    with caplog.at_level(logging.WARNING), pytest.raises(Unauthorized):
        await ghl.get_contact("c1")
    assert "cannot be read again" in caplog.text
    assert "pit-old-one" not in caplog.text


async def test_missing_token_asks_nobody(connect: Connect, upstream: Upstream) -> None:
    ghl = await connect(token=Secret())
    with pytest.raises(Unauthorized, match=r"GHL_API_KEY"):
        await ghl.get_contact("c1")
    assert upstream.asked == []


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        pytest.param("file /run/token", Path("/run/token"), id="its own file"),
        pytest.param("/etc/pcd/config.toml", None, id="the configuration"),
        pytest.param("environment GHL_API_KEY", None, id="the environment"),
        pytest.param("", None, id="nowhere"),
    ],
)
async def test_file_of_the_token_is_known_from_the_configuration(origin: str, expected: Path | None) -> None:
    from pcd.config import Config

    assert token_path(Config(origins={"ghl.token": origin} if origin else {})) == expected
