"""One PostgreSQL data directory: made, configured, started, looked at, stopped."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import anyio
import anyio.to_thread

from pcd.db import account as accounts
from pcd.db import processes, settings
from pcd.db.binaries import MAJOR
from pcd.errors import ConfigError, StoreUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from pcd.db.account import Account

_LOG = logging.getLogger(__name__)

_INITDB = 180.0
_STOP = 60.0
_REACT = 2.0
_POLL = 0.02
_TELL_AFTER = 5.0
_SHARED_MEMORY_WAIT = 15.0


class State(Enum):
    """What the server over a data directory is doing."""

    STOPPED = "stopped"
    STARTING = "starting"
    STOPPING = "stopping"
    READY = "ready"


class Postmaster(NamedTuple):
    """What ``postmaster.pid`` says, checked against the process list."""

    state: State
    pid: int = 0
    socket_dir: str = ""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The data directory *pgdata*, served by *programs* under *account*, listening in *socket_dir*."""

    pgdata: Path
    socket_dir: Path
    programs: Path
    account: Account
    extra: Mapping[str, str] = field(default_factory=dict)

    async def initialise(self) -> None:
        """Make the data directory unless it is there; half a one, from a crash, is made anew."""
        if (self.pgdata / "PG_VERSION").exists():
            _check_version(self.pgdata)
            return
        partial = self.pgdata.with_name(f"{self.pgdata.name}.partial")
        await anyio.to_thread.run_sync(_clear, partial, self.account)
        command = [str(self.programs / "initdb"), f"--pgdata={partial}", *settings.INITDB]
        finished = await accounts.run(command, account=self.account, seconds=_INITDB)
        if finished.code != 0:
            raise StoreUnreachable(f"the embedded PostgreSQL cannot be set up: {_reason(finished.output)}")
        main = partial / "postgresql.conf"
        accounts.write(main, main.read_text(encoding="utf-8") + settings.INCLUDE, self.account)
        partial.rename(self.pgdata)

    def configure(self) -> None:
        """Write the files that say how the server runs and who may log in."""
        files = {
            settings.FILE: settings.postgresql_conf(socket_dir=self.socket_dir, extra=self.extra),
            "pg_hba.conf": settings.PG_HBA,
            "pg_ident.conf": settings.pg_ident(users=("root", self.account.name)),
        }
        for name, text in files.items():
            partial = self.pgdata / f"{name}.partial"
            accounts.write(partial, text, self.account)
            partial.rename(self.pgdata / name)

    def look(self) -> Postmaster:
        """Return what the server is doing. A file left behind by a dead server means stopped."""
        return _look(self.pgdata)

    @staticmethod
    def running_socket_dir(pgdata: Path) -> Path | None:
        """Return where the server over *pgdata* listens, or None when it does not run."""
        found = _look(pgdata)
        return Path(found.socket_dir) if found.state is not State.STOPPED and found.socket_dir else None

    async def start(self, *, seconds: float, on_wait: Callable[[str], None]) -> None:
        """Start the server and return when it is ready, which after a crash takes as long as it takes."""
        self._check_alone()
        self._disown_lock_files()
        log = self.pgdata / "start.log"
        log.unlink(missing_ok=True)
        command = [
            str(self.programs / "pg_ctl"), "start", "--wait", "--silent", f"--timeout={int(seconds)}",
            f"--pgdata={self.pgdata}", f"--log={log}",
        ]  # fmt: skip
        retry_until = anyio.current_time() + _SHARED_MEMORY_WAIT
        while True:
            finished = await self._told(command, seconds=seconds, on_wait=on_wait)
            if finished.code == 0:
                return
            text = self._last_words() + finished.output
            # Backends of a killed server take a moment to notice that it is gone.
            if "shared memory block" not in text or anyio.current_time() > retry_until:
                raise StoreUnreachable(f"the embedded PostgreSQL does not start: {_reason(text)}")
            await anyio.sleep(0.2)

    async def wait_ready(self, *, seconds: float, on_wait: Callable[[str], None]) -> Postmaster:
        """Return once a server that somebody else is starting or stopping is ready or stopped."""
        told_at = anyio.current_time() + _TELL_AFTER
        deadline = anyio.current_time() + seconds
        while (found := self.look()).state in (State.STARTING, State.STOPPING):
            if anyio.current_time() > deadline:
                text = f"the embedded PostgreSQL has been {found.state.value} for {seconds:g} s"
                raise StoreUnreachable(text)
            if anyio.current_time() > told_at:
                told_at = deadline + 1
                on_wait(_RECOVERING)
            await anyio.sleep(0.05)
        return found

    async def stop(self) -> None:
        """Stop the server, rolling open transactions back; one that does not react or end is killed.

        Killed, it recovers at its next start.
        """
        found = self.look()
        if found.state is State.STOPPED:
            return
        server = processes.family(found.pid, uid=self.account.uid)
        processes.send(server[:1], signal.SIGINT)
        # Somebody may have stopped it, or the machine was suspended: it could not hear.
        processes.send(server, signal.SIGCONT)
        if await self._reaches((State.STOPPING, State.STOPPED), seconds=_REACT) and await self._reaches(
            (State.STOPPED,), seconds=_STOP
        ):
            return
        _LOG.warning("the embedded PostgreSQL does not react; it is killed, and recovers when it starts")
        processes.send(processes.family(found.pid, uid=self.account.uid), signal.SIGKILL)
        if not await self._reaches((State.STOPPED,), seconds=_REACT):
            raise StoreUnreachable(f"the embedded PostgreSQL in {self.pgdata} does not stop")

    async def _reaches(self, states: Collection[State], *, seconds: float) -> bool:
        with anyio.move_on_after(seconds):
            while self.look().state not in states:  # noqa: ASYNC110 - another process
                await anyio.sleep(_POLL)
        return self.look().state in states

    async def _told(
        self, command: list[str], *, seconds: float, on_wait: Callable[[str], None]
    ) -> accounts.Finished:
        async def tell() -> None:
            await anyio.sleep(_TELL_AFTER)
            on_wait(_RECOVERING)

        async with anyio.create_task_group() as group:
            group.start_soon(tell)
            finished = await accounts.run(command, account=self.account, seconds=seconds + 10)
            group.cancel_scope.cancel()
        return finished

    def _check_alone(self) -> None:
        path = self.socket_dir / settings.SOCKET
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            if probe.connect_ex(str(path)) == 0:
                raise StoreUnreachable(
                    f"another PostgreSQL, of another container perhaps, already serves {self.pgdata}"
                )

    def _disown_lock_files(self) -> None:
        # The number in a file left behind may by now belong to any process, or to a zombie that nobody
        # collects, and PostgreSQL would then refuse to start. Our own number, its grandparent's, it knows
        # to be none of its kind; and it still checks that no old backend uses the data.
        for path in (self.pgdata / "postmaster.pid", self.socket_dir / f"{settings.SOCKET}.lock"):
            if path.exists():
                _, *others = path.read_text(encoding="utf-8").splitlines() or [""]
                accounts.write(path, "\n".join([str(os.getpid()), *others]) + "\n", self.account)

    def _last_words(self) -> str:
        collected = sorted((self.pgdata / "log").glob("*.log"), key=lambda path: path.stat().st_mtime)
        logs = (self.pgdata / "start.log", *collected[-1:])
        return "\n".join(_tail(log) for log in logs if log.exists())


_RECOVERING = (
    "the embedded PostgreSQL is starting up; after a crash it recovers first, which may take minutes"
)


def _look(pgdata: Path) -> Postmaster:
    lines = _pid_file(pgdata)
    if len(lines) < 2 or not _is_postmaster(int(lines[0]), lines[1], pgdata):
        return Postmaster(State.STOPPED)
    word = lines[7].strip() if len(lines) > 7 else "starting"
    state = {"ready": State.READY, "stopping": State.STOPPING}.get(word, State.STARTING)
    return Postmaster(state, int(lines[0]), lines[4] if len(lines) > 4 else "")


def _pid_file(pgdata: Path) -> list[str]:
    try:
        lines = (pgdata / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return lines if lines and lines[0].strip().isdigit() else []


def _is_postmaster(pid: int, served: str, pgdata: Path) -> bool:
    """Whether *pid* lives, is no zombie, and is a postgres over *served*, which is *pgdata* by any path."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        same = Path(served).samefile(pgdata)
    except (FileNotFoundError, ProcessLookupError):
        return False
    return same and words[0].endswith(b"postgres") and os.fsencode(served) in words


def _check_version(pgdata: Path) -> None:
    found = (pgdata / "PG_VERSION").read_text(encoding="utf-8").strip()
    if found == str(MAJOR):
        return
    age = "an older" if found.isdigit() and int(found) < MAJOR else "a newer"
    raise ConfigError(
        f"daemon.data_dir: {pgdata} was written by PostgreSQL {found}, {age} one than the {MAJOR} "
        "that pcd brings; use the pcd that wrote it, or restore its dump into an empty data_dir"
    )


def _clear(folder: Path, account: Account) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(mode=0o700)
    accounts.give(folder, account)


def _tail(path: Path, *, size: int = 4000) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - size))
        return file.read().decode(errors="replace")


def _reason(text: str) -> str:
    if "No space left on device" in text:
        return "the disk is full; free some space in daemon.data_dir"
    lines = text.strip().splitlines()
    telling = [n for n, line in enumerate(lines) if "FATAL" in line or "PANIC" in line or "error:" in line]
    # The line before says which setting or file it is about.
    told = lines[max(0, telling[-1] - 1) : telling[-1] + 1] if telling else lines[-2:]
    return " ".join(" ".join(told).split())[-400:] or "it does not say why"
