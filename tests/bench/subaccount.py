"""A simulated GoHighLevel in a process of its own: its memory and its processor time are not the pusher's."""

from __future__ import annotations

import subprocess
import sys
from asyncio import Runner
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import uvloop
from anyio.streams.buffered import BufferedByteReceiveStream
from support.selling import LIMITLESS

from pcd.sim.ghl.subaccount import open_subaccount

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_LONGEST_URL = 200


@asynccontextmanager
async def subaccount() -> AsyncIterator[str]:
    """Yield the URL of a subaccount that lets every call through at once; it ends with this process."""
    process = await anyio.open_process([sys.executable, "-m", __name__], stdin=subprocess.PIPE, stderr=None)
    try:
        assert process.stdout is not None
        line = await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", _LONGEST_URL)
        yield line.decode()
    finally:
        with anyio.CancelScope(shield=True):
            await process.aclose()


async def _serve() -> None:
    async with open_subaccount(settings=LIMITLESS) as served:
        print(served.url, flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)


if __name__ == "__main__":
    with Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve())
