"""Ends a test run that hangs: with every stack on the terminal, and with nothing left behind.

A signal handler cannot do that: uvloop logs what a handler raises and goes on waiting. This is a thread.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import os
import signal
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

WATCHDOG: pytest.StashKey[Watchdog] = pytest.StashKey()

TIMED_OUT, TERMINATED = 124, 143
"""The exit codes of a run whose test took too long, and of one that was told to end and did not."""

_LEAVE_WITHIN = 15.0
_CLEAN_UP_WITHIN = 30.0
_FOREVER = float("inf")


class Watchdog:
    """A thread that ends this process when a test takes longer than it may."""

    def __init__(self, *, output: int) -> None:
        """Write to the descriptor *output*, which nobody captures."""
        self._output = output
        self._changed = threading.Condition(threading.RLock())
        self._bite_at, self._code, self._reason = _FOREVER, TIMED_OUT, ""
        self._clean_up: list[Callable[[], None]] = [kill_children]

    def start(self) -> None:
        """Watch from now on."""
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def at_end(self, clean_up: Callable[[], None]) -> None:
        """Have *clean_up* called before the process is ended by force; the last one is called first."""
        self._clean_up.insert(0, clean_up)

    def expect(self, what: str, *, within: float) -> None:
        """End the run unless `calm` is called within so many seconds."""
        # For code that keeps the interpreter's lock, where no thread of ours gets its turn.
        faulthandler.dump_traceback_later(within + _CLEAN_UP_WITHIN, exit=True, file=self._output)
        self._expect(f"{what} is still running after {within:g} s", code=TIMED_OUT, within=within)

    def calm(self) -> None:
        """Forget what was expected."""
        faulthandler.cancel_dump_traceback_later()
        self._expect("", code=TIMED_OUT, within=_FOREVER)

    def terminate(self, _number: int, _frame: FrameType | None) -> None:
        """Handle SIGTERM: like Ctrl-C, which even an event loop heeds, but only for some seconds."""
        self._expect("terminated, and it does not end", code=TERMINATED, within=_LEAVE_WITHIN)
        signal.raise_signal(signal.SIGINT)

    def _expect(self, reason: str, *, code: int, within: float) -> None:
        with self._changed:
            if self._code == TIMED_OUT:  # who was told to end, has to
                self._bite_at, self._code, self._reason = time.monotonic() + within, code, reason
                self._changed.notify()

    def _watch(self) -> None:
        with self._changed:
            while (patience := self._bite_at - time.monotonic()) > 0:
                self._changed.wait(min(patience, threading.TIMEOUT_MAX))
        self._bite()

    def _bite(self) -> None:
        faulthandler.dump_traceback_later(_CLEAN_UP_WITHIN, exit=True, file=self._output)
        try:
            self._say(f"\n\n{self._reason}; what every thread and every task is doing:\n")
            faulthandler.dump_traceback(file=self._output)
            for task in _tasks():
                self._say(f"\nTask {task.get_name()}, waiting for the last line:\n")
                self._say("\n".join(_stack(task)) + "\n")
            for clean_up in self._clean_up:
                with suppress(Exception):  # each of them gets its chance
                    clean_up()
        finally:
            os._exit(self._code)

    def _say(self, text: str) -> None:
        os.write(self._output, text.encode())


def kill_children() -> None:
    """End every process that this one has started, directly or not."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill()


def stop_servers(folder: Path) -> None:
    """End every PostgreSQL server whose data lie below *folder*; they are nobody's children."""
    found = [process for process in psutil.process_iter() if _serves(process, folder)]
    for number in (signal.SIGCONT, signal.SIGQUIT, signal.SIGKILL):
        for process in found:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        if number is not signal.SIGCONT:
            _, found = psutil.wait_procs(found, timeout=5)


def _serves(process: psutil.Process, folder: Path) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    return bool(words) and words[0].endswith("postgres") and any(w.startswith(f"{folder}/") for w in words)


def _tasks() -> list[asyncio.Task[object]]:
    # asyncio lists the tasks of one loop, and only to its own thread.
    return [found for found in gc.get_objects() if isinstance(found, asyncio.Task) and not found.done()]


def _stack(task: asyncio.Task[object]) -> Iterator[str]:
    """Yield where *task* stands, from the outermost coroutine to the innermost."""
    awaited: object = task.get_coro()
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "ag_frame", None)
        if frame is not None:
            yield f'  File "{frame.f_code.co_filename}", line {frame.f_lineno} in {frame.f_code.co_qualname}'
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "ag_await", None)
