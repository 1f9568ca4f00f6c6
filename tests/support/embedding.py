"""Embedded servers of tests, and other processes that use them."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import asyncpg
import psutil
import pytest

from pcd.db.embedded import Embedded

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from anyio.abc import Process

FAST = {"fsync": "off"}
USER = Path(__file__).with_name("embedded_user.py")
is_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")


def servers(data_dir: Path) -> list[psutil.Process]:
    """Return the postmaster over *data_dir*, if any."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if str(data_dir / "postgres") in words and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def embedded(data_dir: Path) -> Embedded:
    """Return a server that does not wait for the disk."""
    return Embedded(data_dir, settings=FAST)


async def ask(url: str, sql: str) -> object:
    """Return what *sql* answers, on a connection of its own."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def line(process: Process) -> str:
    """Return the next line that *process* prints."""
    assert process.stdout is not None
    text = b""
    with anyio.fail_after(30):
        while not text.endswith(b"\n"):
            text += await process.stdout.receive(1)
    return text.decode().strip()


@asynccontextmanager
async def user(data_dir: Path, role: str) -> AsyncGenerator[Process]:
    """Run another process that uses the server; yields once it has begun."""
    command = [sys.executable, str(USER), str(data_dir), role]
    async with await anyio.open_process(command, stderr=subprocess.STDOUT) as process:
        assert await line(process) == "starting"
        yield process


async def leave(process: Process) -> None:
    """Let another user leave, and wait until it has."""
    assert process.stdin is not None
    await process.stdin.aclose()
    assert await line(process) == "left"


async def kill(process: Process) -> None:
    """Kill *process*, and wait until it is gone."""
    process.kill()
    await process.wait()
