"""Runs what a command does: on uvloop where there is one, interruptible, with one line for each error."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NoReturn

from pcd.cli.context import reporting
from pcd.control.ending import ending_signals

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskStatus


def has_uvloop() -> bool:
    """Return whether uvloop can be used; without it asyncio's own loop serves."""
    try:
        import uvloop
    except ImportError:
        return False
    return bool(uvloop)


def run_async(work: Callable[[], Awaitable[int]], *, farewell: str = "pcd: interrupted") -> NoReturn:
    """Run *work* and end the process with the exit code it returns.

    SIGINT, SIGTERM and a closed terminal cancel it, which lets it clean up; then *farewell* is said and the
    process ends with 128 and the signal's number. A second signal does not wait.
    """
    import anyio

    caught: list[int] = []
    with reporting():
        code = anyio.run(_interruptible, work, caught, backend_options={"use_uvloop": has_uvloop()})
    if caught:
        leave(128 + caught[0], farewell=farewell)
    raise SystemExit(code)


def leave(code: int, *, farewell: str = "") -> NoReturn:
    """End the process now, when everything is cleaned up but for a thread that computes on.

    Python itself would wait for that thread.
    """
    streams = ((sys.stdout, ""), (sys.stderr, f"{farewell}\n" if farewell else ""))
    for stream, text in ((stream, text) for stream, text in streams if stream):
        try:
            stream.write(text)
            stream.flush()
        except OSError:  # the terminal is gone; nobody is left to tell
            continue
    os._exit(code)


async def _interruptible(work: Callable[[], Awaitable[int]], caught: list[int]) -> int:
    import anyio

    code = 0

    async def listen(*, task_status: TaskStatus[None]) -> None:
        with anyio.open_signal_receiver(*ending_signals()) as signals:
            task_status.started()
            async for number in signals:
                if caught:
                    os._exit(128 + number)
                caught.append(number)
                group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        await group.start(listen)
        code = await work()
        group.cancel_scope.cancel()
    return code
