"""The processes of a server as the kernel lists them, and signals to exactly those."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterable, Iterator

_PROC = Path("/proc")


def family(pid: int, *, uid: int) -> list[int]:
    """Return *pid* and its children, as far as they run as user *uid*: the number may have passed on."""
    return [each for each in (pid, *_children(pid)) if _owner(each) == uid]


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to each process that is still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _children(parent: int) -> Iterator[int]:
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and _parent(entry) == parent:
            yield int(entry.name)


def _parent(entry: Path) -> int | None:
    try:
        text = (entry / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The program's name, in brackets, may hold anything.
    return int(text.rpartition(")")[2].split()[1])


def _owner(pid: int) -> int | None:
    with suppress(FileNotFoundError, ProcessLookupError):
        return (_PROC / str(pid)).stat().st_uid
    return None
