"""PostgreSQL servers of a test's own, which may be killed, frozen and filled."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from pcd.db import account as accounts
from pcd.db import binaries
from pcd.db.embedded import Embedded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

FAST = {"fsync": "off", "full_page_writes": "off"}
_RESTART = 60.0


@dataclass(slots=True)
class OwnServer:
    """An embedded server under *data_dir*, reachable at *url*."""

    data_dir: Path
    url: str = ""
    settings: Mapping[str, str] = field(default_factory=lambda: FAST)

    @property
    def pgdata(self) -> Path:
        """PostgreSQL's own folder."""
        return self.data_dir / "postgres"

    def processes(self) -> list[psutil.Process]:
        """Return the postmaster and its children; none when it does not run."""
        return processes(self.data_dir)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all of its processes."""
        for process in self.processes():
            process.send_signal(number)

    async def restart(self) -> None:
        """Stop it like a power failure does, and start it again."""
        account = accounts.choose(self.pgdata)
        programs = await binaries.reachable(account, data_dir=self.data_dir)
        command = [
            str(programs / "pg_ctl"), "restart", "--mode=immediate", "--wait", "--silent",
            f"--pgdata={self.pgdata}", f"--log={self.pgdata / 'start.log'}",
        ]  # fmt: skip
        done = await accounts.run(command, account=account, seconds=_RESTART)
        assert done.code == 0, done.output


def processes(data_dir: Path) -> list[psutil.Process]:
    """Return the postmaster over *data_dir* and its children, zombies not."""
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if str(data_dir / "postgres") in words and process.info["status"] != psutil.STATUS_ZOMBIE:
            return [process, *process.children()]
    return []


def copy_of(prepared: Path, *, parent: Path) -> Path:
    """Return a data directory of the test's own with what *prepared* holds; faster than to make one."""
    folder = Path(tempfile.mkdtemp(dir=parent))
    folder.chmod(0o755)
    # Python's copy forgets the owner.
    subprocess.run(["cp", "-a", prepared, folder / "data"], check=True)
    return folder / "data"


@asynccontextmanager
async def serving(prepared: Path, *, parent: Path) -> AsyncIterator[OwnServer]:
    """Run a server with a migrated, empty database on a copy of *prepared*; nothing is left of it."""
    server = OwnServer(copy_of(prepared, parent=parent))
    try:
        async with Embedded(server.data_dir, settings=server.settings).use(owner=True) as server.url:
            yield server
    finally:
        server.send(signal.SIGKILL)
        shutil.rmtree(server.data_dir.parent)
