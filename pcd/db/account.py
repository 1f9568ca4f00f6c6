"""The operating system account that runs the embedded server, and the programs run as it."""

from __future__ import annotations

import os
import pwd
import signal
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, NamedTuple

import anyio

from pcd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

# PostgreSQL refuses to run as root. The first of these that exists runs it then.
_UNPRIVILEGED = ("pcd", "postgres", "nobody")
_POLL = 0.02
_KILL_AFTER = 10.0


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the operating system. *switch* tells whether processes have to be put under it."""

    name: str
    uid: int
    gid: int
    switch: bool


class Finished(NamedTuple):
    """How a program ended and what it said, both streams together."""

    code: int
    output: str


def choose(pgdata: Path) -> Account:
    """Return the account that runs the server over *pgdata*: ourselves, or under root an unprivileged one.

    Existing data are served by their owner.
    """
    owner = pgdata.stat().st_uid if pgdata.exists() else None
    if os.geteuid() != 0:
        if owner not in (None, os.geteuid()):
            raise ConfigError(
                f"daemon.data_dir: {pgdata} belongs to {_name(owner)}; run pcd as that user or as root"
            )
        return _account(_named(os.geteuid()), switch=False)
    if owner == 0:
        raise ConfigError(
            f"daemon.data_dir: {pgdata} belongs to root, and PostgreSQL refuses to run as root; "
            f"give it to an unprivileged user (chown -R postgres {pgdata})"
        )
    return _account(_named(owner) if owner is not None else _unprivileged(), switch=True)


async def run(
    command: Sequence[str],
    *,
    account: Account | None,
    seconds: float,
    environment: Mapping[str, str] | None = None,
) -> Finished:
    """Run a program to its end as *account* (None: as ourselves), in a session of its own.

    A Ctrl-C at the terminal therefore does not reach it; a cancellation here ends its process group.
    Raises TimeoutError when it takes longer than *seconds*. Without an *environment* it gets a clean one.
    """
    variables = environment if environment is not None else clean_environment()
    with (
        tempfile.TemporaryFile() as output,
        _start(command, account=account, output=output, environment=variables) as process,
    ):
        try:
            with anyio.fail_after(seconds):
                while process.poll() is None:  # noqa: ASYNC110 - a process is polled on any event loop
                    await anyio.sleep(_POLL)
        finally:
            if process.returncode is None:
                await _end(process)
        output.seek(0)
        return Finished(process.returncode, output.read().decode(errors="replace").strip())


def give(path: Path, account: Account) -> None:
    """Make *account* the owner of *path*, which we have just made, where we may decide that."""
    if account.switch:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def write(path: Path, text: str, account: Account) -> None:
    """Write a private file that belongs to *account*, in a folder that it may have changed.

    A symbolic link in its place is refused: root would follow it to anywhere.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
        if account.switch:
            os.fchown(file.fileno(), account.uid, account.gid)
        file.write(text)


def may_enter(folder: Path, account: Account) -> bool:
    """Whether *account* may pass through *folder*, as far as its mode tells."""
    found = folder.stat()
    if found.st_uid == account.uid:
        return bool(found.st_mode & stat.S_IXUSR)
    return bool(found.st_mode & (stat.S_IXGRP if found.st_gid == account.gid else stat.S_IXOTH))


def clean_environment() -> dict[str, str]:
    """Return an environment for PostgreSQL's programs without anybody's PG* variables."""
    kept = ("PATH", "LD_LIBRARY_PATH", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C", "TZ": "UTC"}


def _start(
    command: Sequence[str],
    *,
    account: Account | None,
    output: IO[bytes],
    environment: Mapping[str, str],
) -> subprocess.Popen[bytes]:
    switch = account is not None and account.switch
    return subprocess.Popen(  # noqa: S603 - our own binaries, no shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd="/",
        env=environment,
        start_new_session=True,
        user=account.uid if account is not None and switch else None,
        group=account.gid if account is not None and switch else None,
        extra_groups=[] if switch else None,
    )


async def _end(process: subprocess.Popen[bytes]) -> None:
    with anyio.CancelScope(shield=True):
        os.killpg(process.pid, signal.SIGTERM)
        with anyio.move_on_after(_KILL_AFTER):
            while process.poll() is None:  # noqa: ASYNC110 - as above
                await anyio.sleep(_POLL)
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _unprivileged() -> pwd.struct_passwd:
    for name in _UNPRIVILEGED:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ConfigError(
        "PostgreSQL refuses to run as root and none of the users pcd, postgres, nobody exists; "
        "create one (useradd --system pcd) or set database.url"
    )


def _named(uid: int) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(uid)
    except KeyError as error:
        raise ConfigError(
            f"the embedded PostgreSQL needs an account with a name, and user id {uid} has none; "
            "add it to /etc/passwd or set database.url"
        ) from error


def _name(uid: int | None) -> str:
    return next((entry.pw_name for entry in pwd.getpwall() if entry.pw_uid == uid), f"user id {uid}")


def _account(entry: pwd.struct_passwd, *, switch: bool) -> Account:
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid, switch=switch)
