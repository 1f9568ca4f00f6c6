"""Real daemons and commands in processes of their own, and a proxy that can freeze what they talk to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
import msgspec

from pcd.control.client import connect
from pcd.errors import ControlError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from anyio.abc import Process

    from pcd.sim.tenant import Tenant

_POLL = 0.05
_PATIENCE = 50.0
_LAST_WORDS = 5.0


class Done(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON
        """What it printed with ``--json``."""
        return msgspec.json.decode(self.out)


def servicetitan(tenant: Tenant) -> dict[str, object]:
    """Return the keys with which a daemon mirrors *tenant*."""
    settings = tenant.simulator.settings
    return {
        "servicetitan.api_url": tenant.url,
        "servicetitan.auth_url": tenant.url,
        "servicetitan.tenant_id": settings.tenant,
        "servicetitan.client_id": settings.client_id,
        "servicetitan.client_secret": settings.client_secret,
        "servicetitan.app_key": settings.app_key,
    }


@dataclass(slots=True)
class Home:
    """A folder with a configuration of its own; keys are spelled ``"section.key"``."""

    folder: Path
    keys: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        defaults = {
            "daemon.data_dir": str(self.folder),
            "daemon.control_socket": str(self.folder / "control.sock"),
            "daemon.heartbeat_file": str(self.folder / "heartbeat"),
            "daemon.heartbeat_interval": "200ms",
            "daemon.http_port": 0,
            "sync.fresh_interval": "",
            "leases.ttl": "2s",
        }
        self.keys = defaults | self.keys

    @property
    def socket(self) -> Path:
        """The control socket."""
        return Path(str(self.keys["daemon.control_socket"]))

    @property
    def config(self) -> Path:
        """The configuration file, written as the keys are now."""
        sections: dict[str, list[str]] = {}
        for name, value in self.keys.items():
            section, _, key = name.rpartition(".")
            sections.setdefault(section, []).append(f"{key} = {msgspec.json.encode(value).decode()}")
        path = self.folder / "config.toml"
        path.write_text("\n".join(f"[{name}]\n" + "\n".join(lines) for name, lines in sections.items()))
        return path

    async def command(self, *arguments: str) -> Done:
        """Run ``pcd`` with *arguments* until it ends."""
        done = await anyio.run_process(
            [sys.executable, "-m", "pcd", *arguments, "--config", str(self.config)],
            check=False,
            env=environment(),
            stdin=subprocess.DEVNULL,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    async def status(self) -> dict[str, Any]:
        """Ask the daemon how it is."""
        async with connect(self.socket) as client:
            status: dict[str, Any] = await client.call("status")
            return status

    async def until(self, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the first status of which *is_so* holds."""
        with anyio.fail_after(_PATIENCE):
            while True:
                with suppress(ControlError):
                    status = await self.status()
                    if is_so(status):
                        return status
                await anyio.sleep(_POLL)


def environment(**more: str) -> Mapping[str, str]:
    """Return an environment in which nothing configures pcd, plus *more*."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | more


def service(status: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return one service of *status*."""
    return next(each for each in status["services"] if each["name"] == name)


def finished(status: dict[str, list[dict[str, str]]]) -> list[dict[str, str]]:
    """Return the schedules of *status* that have been kept once."""
    return [
        {"outcome": each["last_outcome"]}
        for each in status["schedules"]
        if each["last_outcome"] == "completed"
    ]


@dataclass(slots=True)
class Daemon:
    """A running ``pcd``."""

    home: Home
    process: Process
    log: list[str] = field(default_factory=list)
    news: anyio.Event = field(default_factory=anyio.Event)
    all_read: anyio.Event = field(default_factory=anyio.Event)

    async def until_state(self, name: str, state: str) -> dict[str, Any]:
        """Return the status once service *name* is in *state*."""
        return await self.home.until(lambda status: service(status, name)["state"] == state)

    async def until_logged(self, text: str) -> None:
        """Return once *text* stands in the log."""
        with anyio.fail_after(_PATIENCE):
            while text not in self.text:
                await self.news.wait()

    async def read(self) -> None:
        """Collect what it logs until it ends."""
        assert self.process.stderr is not None
        async for chunk in self.process.stderr:
            self.log += [chunk.decode(errors="replace")]
            self.news.set()
            self.news = anyio.Event()
        self.all_read.set()

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send signal *number* and return the exit code, its last words read."""
        self.process.send_signal(number)
        return await self.end()

    async def end(self) -> int:
        """Return the exit code once it has ended and all that it said is read."""
        code = await self.process.wait()
        # uvloop tells of the end before the pipe is empty; whoever inherited the pipe keeps it open.
        with anyio.move_on_after(_LAST_WORDS):
            await self.all_read.wait()
        return code

    @property
    def text(self) -> str:
        """What it logged."""
        return "".join(self.log)


def running(home: Home, *, fast_by: timedelta = timedelta()) -> AbstractAsyncContextManager[Daemon]:
    """Run a daemon; it is gone when the block is left, by force if need be."""
    return started(home, "run", fast_by=fast_by)


@asynccontextmanager
async def started(
    home: Home, *arguments: str, fast_by: timedelta = timedelta(), **more: str
) -> AsyncIterator[Daemon]:
    """Run ``pcd`` with *arguments*, *more* in its environment; it is gone when the block is left.

    Its clock is fast by *fast_by*, slow when that is below 0.
    """
    module = "pcd.cli.leashed" if fast_by else "pcd"
    command = [sys.executable, "-m", module, *arguments, "--config", str(home.config)]
    stdin = subprocess.PIPE if fast_by else subprocess.DEVNULL
    process = await anyio.open_process(
        command, stdin=stdin, stdout=subprocess.DEVNULL, env=environment(**more)
    )
    if process.stdin is not None:
        await process.stdin.send(str(fast_by.total_seconds()).encode())
    daemon = Daemon(home, process)
    async with anyio.create_task_group() as group:
        group.start_soon(daemon.read)
        try:
            yield daemon
        finally:
            with anyio.CancelScope(shield=True):
                await _end(process)
                await daemon.end()
        group.cancel_scope.cancel()
    await process.aclose()


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
        with anyio.move_on_after(12):
            await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()
