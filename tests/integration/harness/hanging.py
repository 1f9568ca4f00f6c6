"""Tests that hang, for the test of what ends them; not collected by themselves."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import anyio
import pytest

if TYPE_CHECKING:
    from pcd.db.pool import Database

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.mark.asyncio
@pytest.mark.every_server
async def test_has_a_server(db: Database) -> None:
    """Starting one is not what hangs."""
    assert await db.fetchval("SELECT 1")


@pytest.mark.asyncio
@pytest.mark.every_server
@pytest.mark.timeout(3)
async def test_waits_for_what_never_comes(db: Database) -> None:
    sleeper = await anyio.open_process(SLEEPER, start_new_session=True)
    print(f"\nchild {sleeper.pid} url {db.url}", flush=True)  # noqa: T201 - read by the test
    await never()


async def never() -> None:
    with anyio.CancelScope(shield=True):
        await anyio.Event().wait()


def test_waits_without_an_event_loop() -> None:
    with subprocess.Popen(SLEEPER) as sleeper:
        print(f"\nchild {sleeper.pid} url -", flush=True)  # noqa: T201 - read by the test
        threading.Event().wait()
