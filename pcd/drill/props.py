"""What a drill needs beside the company: a small disk, a Redis, a webhook that kills."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from subprocess import DEVNULL
from typing import TYPE_CHECKING

import anyio
from aiohttp import web

from pcd.sim.front import hosted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from pathlib import Path

    from anyio.abc import Process

_SIZE = 512 * 2**20
_LEFT = 128 * 2**10
_UNIX = "unix"

POISON = """\
name = "Poison"
enabled = true

[trigger]
event = "customer_created"

[[steps]]
name = "kill"
action = "post_webhook"
[steps.with]
url = "{url}/poison"
"""
"""A workflow whose only step kills the process that takes it, every time."""


@dataclass(slots=True, kw_only=True)
class Disk:
    """A folder on a disk of its own. *why_not* says why it is an ordinary one, empty where it is not."""

    folder: Path
    why_not: str = ""

    def fill(self) -> None:
        """Leave hardly any room."""
        free = os.statvfs(self.folder)
        with self._ballast.open("wb") as file, suppress(OSError):
            file.write(b"\0" * (free.f_bavail * free.f_frsize - _LEFT))

    def clear(self) -> None:
        """Make room again."""
        self._ballast.unlink()

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"


@contextmanager
def small_disk(folder: Path) -> Generator[Disk]:
    """Yield a disk of half a gigabyte in memory at *folder*; who may not mount gets a plain folder."""
    folder.mkdir(mode=0o755)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE},mode=0755", "tmpfs", str(folder)]
    done = subprocess.run(mount, check=False, capture_output=True, text=True)  # noqa: S603 - ours alone
    if done.returncode != 0:
        yield Disk(folder=folder, why_not="only root may mount a small disk")
        return
    try:
        yield Disk(folder=folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S603, S607 - ours alone


@dataclass(slots=True, kw_only=True)
class RedisServer:
    """A Redis at *url*, empty where there is no program for one."""

    url: str = ""
    command: tuple[str, ...] = ()
    process: Process | None = field(default=None)

    async def start(self) -> None:
        """Start it, empty."""
        self.process = await anyio.open_process(self.command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)

    async def stop(self) -> None:
        """End it at once."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


@asynccontextmanager
async def redis_server(folder: Path) -> AsyncGenerator[RedisServer]:
    """Yield a Redis of our own on a socket in *folder*, where the machine has the program."""
    program = shutil.which("redis-server")
    if program is None:
        yield RedisServer()
        return
    socket = folder / "redis.sock"
    command = (program, "--port", "0", "--unixsocket", str(socket), "--save", "", "--loglevel", "warning")
    server = RedisServer(url=f"{_UNIX}://{socket}", command=command)
    await server.start()
    try:
        yield server
    finally:
        with anyio.CancelScope(shield=True):
            await server.stop()


@asynccontextmanager
async def deadly_hook(kill: Callable[[], None]) -> AsyncGenerator[str]:
    """Yield the address of a webhook at which every call kills whoever makes it."""

    async def answer(_request: web.Request) -> web.Response:
        kill()
        return web.Response(status=503)

    app = web.Application()
    app.router.add_post("/poison", answer)
    async with hosted(app, port=0) as url:
        yield url
