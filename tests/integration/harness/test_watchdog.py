"""A test that hangs ends the run, and so does SIGTERM; no server, process or database stays behind."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import anyio
import psutil
import pytest
from support.watchdog import TIMED_OUT

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from anyio.abc import Process

    from pcd.db.pool import Database

pytestmark = pytest.mark.asyncio

HANGING = Path(__file__).with_name("hanging.py")


class Run:
    """A pytest of its own over the tests that hang."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.output = ""

    async def until_hanging(self) -> tuple[int, str]:
        """Return the process that the hanging test has started and the database that it uses."""
        while (found := re.search(r"^child (\d+) url (\S+)$", self.output, re.MULTILINE)) is None:
            await self._read()
        return int(found[1]), found[2]

    async def end(self) -> int:
        """Return the exit code."""
        try:
            while True:
                await self._read()
        except anyio.EndOfStream:
            return await self.process.wait()

    async def _read(self) -> None:
        assert self.process.stdout is not None
        self.output += (await self.process.stdout.receive()).decode()


@asynccontextmanager
async def hanging(words: str) -> AsyncGenerator[Run]:
    command = [sys.executable, "-m", "pytest", "-qs", "-p", "no:cacheprovider", "-k", words, str(HANGING)]
    async with await anyio.open_process(command, stderr=subprocess.STDOUT) as process:
        yield Run(process)


def lives(pid: int) -> bool:
    try:
        status: str = psutil.Process(pid).status()
    except psutil.NoSuchProcess:
        return False
    return status != "zombie"  # who collects it, is not our concern


async def until_gone(pid: int) -> None:
    """Return when the process has died of its signal, which may take a moment on a busy machine."""
    with anyio.fail_after(20):
        while lives(pid):  # noqa: ASYNC110 - another process
            await anyio.sleep(0.01)


@pytest.mark.every_server
async def test_hanging_test_ends_the_run_with_every_stack_and_leaves_nothing(
    db: Database, request: pytest.FixtureRequest
) -> None:
    """It stands in an event loop, where a signal handler could not end it."""
    server = request.node.callspec.params["server"]
    async with hanging(f"(server or never_comes) and {server}") as run:
        child, url = await run.until_hanging()
        assert await run.end() == TIMED_OUT
    assert "still running after 3 s" in run.output
    assert re.search(r'hanging\.py", line \d+ in never$', run.output, re.MULTILINE)
    await until_gone(child)
    if server == "embedded":
        folder = Path(parse_qs(urlsplit(url).query)["host"][0]).parents[1]
        assert folder.name.startswith("pcd-")
        assert not await anyio.Path(folder).exists()
        assert not [one for one in psutil.process_iter(["cmdline"]) if str(folder) in str(one.info)]
    else:
        prefix, _, run_id, _ = urlsplit(url).path.split("_")
        left = "SELECT datname FROM pg_database WHERE split_part(datname, '_', 3) = $1"
        assert prefix == "/pcd"
        assert not await db.fetch(left, run_id)


async def test_terminated_run_ends_at_once() -> None:
    async with hanging("without_an_event_loop") as run:
        child, _ = await run.until_hanging()
        run.process.send_signal(signal.SIGTERM)
        assert await run.end() == pytest.ExitCode.INTERRUPTED
    assert "KeyboardInterrupt" in run.output
    await until_gone(child)
