"""What a measurement talks to, in processes of its own: it would be measured too."""

from __future__ import annotations

import os
import subprocess
import sys
from asyncio import Runner
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio
import uvloop
from aiohttp import web
from anyio.streams.buffered import BufferedByteReceiveStream
from support.mirroring import quick

from pcd.sim.clock import SimClock
from pcd.sim.company import bulk
from pcd.sim.front import hosted
from pcd.sim.server import Simulator
from pcd.sim.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_NOW = datetime(2026, 3, 2, tzinfo=UTC)
_PAGE = 5000
_LONGEST_URL = 200


@asynccontextmanager
async def simulator(records: int) -> AsyncIterator[str]:
    """Yield the URL of a simulated ServiceTitan with that many jobs.

    The real one is elsewhere: this one computes only when nobody else wants to.
    """
    async with _served("simulator", records, niceness=19) as url:
        yield url


@asynccontextmanager
async def bare(size: int) -> AsyncIterator[str]:
    """Yield the URL of a server that does nothing but answer with *size* bytes."""
    async with _served("bare", size, niceness=0) as url:
        yield url


@asynccontextmanager
async def _served(kind: str, number: int, *, niceness: int) -> AsyncIterator[str]:
    """Serve in another process, which ends with the block, or when this one is gone."""
    command = [sys.executable, "-m", __name__, kind, str(number), str(niceness)]
    process = await anyio.open_process(command, stdin=subprocess.PIPE, stderr=None)
    try:
        assert process.stdout is not None
        line = await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", _LONGEST_URL)
        yield line.decode()
    finally:
        process.kill()
        with anyio.CancelScope(shield=True):
            await process.aclose()


def _simulator(records: int) -> web.Application:
    store = Store(clock=SimClock(_NOW, speed=0.0))
    bulk(store, "jobs", records, seed=1, now=_NOW)
    return Simulator(store, settings=quick(export_page_size=_PAGE)).app()


def _bare(size: int) -> web.Application:
    body = b"#" * size

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=body)

    app = web.Application()
    app.router.add_get("/", answer)
    return app


async def _serve(kind: str, number: int) -> None:
    async with hosted({"simulator": _simulator, "bare": _bare}[kind](number)) as url:
        print(url, flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)


if __name__ == "__main__":
    os.nice(int(sys.argv[3]))
    with Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(sys.argv[1], int(sys.argv[2])))
