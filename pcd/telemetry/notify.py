"""Tells systemd how the daemon is doing; without systemd it does nothing."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Systemd:
    """The service manager that started us; *address* is ``""`` when none did.

    Source: sd_notify(3). An address that starts with ``@`` lies in the abstract namespace.
    """

    address: str = ""
    watchdog: timedelta | None = None

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> Systemd:
        """Return the manager that *env* names; a watchdog meant for another process is not ours."""
        microseconds, pid = env.get("WATCHDOG_USEC", ""), env.get("WATCHDOG_PID", "")
        is_ours = microseconds.isdigit() and pid in {"", str(os.getpid())}
        return cls(
            address=env.get("NOTIFY_SOCKET", ""),
            watchdog=timedelta(microseconds=int(microseconds)) if is_ours else None,
        )

    def tell(self, **assignments: str | int) -> None:
        """Send *assignments* (``READY=1, STATUS="..."``); a manager that does not listen is no trouble."""
        if not self.address:
            return
        text = "\n".join(f"{name}={value}" for name, value in assignments.items())
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with (
            suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as out,
        ):
            out.sendto(text.encode(), address)
