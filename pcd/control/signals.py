"""What signals ask of the daemon: to end, which it is made sure of, or to read its files again."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

import anyio
import asyncpg

from pcd.control.ending import ending_signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskStatus

    from pcd.telemetry.notify import Systemd

_log = logging.getLogger(__name__)

_LEAVE_WITHIN = 9.5


async def listen(
    stop: anyio.Event,
    systemd: Systemd,
    caught: list[int],
    *,
    on_hangup: Callable[[], None],
    task_status: TaskStatus[None],
) -> None:
    """Set *stop* at the first signal that asks to end, whose number goes into *caught*.

    The process is gone ten seconds later, whatever hangs; a second signal ends it at once. SIGHUP says that
    the terminal was closed; to a process without one it says that files have changed: *on_hangup*.
    """
    has_terminal = any(os.isatty(number) for number in range(3))
    with anyio.open_signal_receiver(*ending_signals()) as signals:
        task_status.started()
        async for number in signals:
            if number == signal.SIGHUP and not has_terminal:
                on_hangup()
                continue
            if caught:
                os._exit(128 + number)
            caught.append(number)
            _log.info("stopping (%s); once more stops at once", signal.Signals(number).name)
            systemd.tell(STOPPING=1, EXTEND_TIMEOUT_USEC=int(_LEAVE_WITHIN * 1_000_000))
            last_resort = threading.Timer(_LEAVE_WITHIN, _leave)
            last_resort.daemon = True
            last_resort.start()
            stop.set()


def tell_stray_errors() -> None:
    """Log errors that no task of ours awaits through our log.

    asyncpg and uvloop leave such errors behind when a connection dies under them; whoever used the
    connection has told about that already.
    """
    asyncio.get_running_loop().set_exception_handler(_tell)


def _tell(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    is_expected = isinstance(error, (TimeoutError, OSError, asyncpg.PostgresError, asyncio.InvalidStateError))
    level = logging.DEBUG if is_expected else logging.ERROR
    _log.log(level, "stray error: %s", context.get("message", ""), exc_info=error)


def _leave() -> None:
    # A thread of its own: neither a frozen database nor a stuck loop can hold it up.
    os.write(2, b"pcd: something does not let go; leaving without it\n")
    os._exit(1)
