"""The PostgreSQL that pcd brings along: found, started, shared, stopped by the last one who owes it."""

from __future__ import annotations

import fcntl
import logging
import os
import stat
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import asyncpg

from pcd.db import account as accounts
from pcd.db import binaries, settings
from pcd.db.cluster import Cluster, State
from pcd.db.errors import translated
from pcd.db.url import socket_url
from pcd.errors import ConfigError, StoreUnreachable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Mapping

    from pcd.db.account import Account

_LOG = logging.getLogger(__name__)

# The longest path that fits into a socket's address, with its final NUL.
_SOCKET_PATH = 107
_POLL = 0.05
_TELL_AFTER = 3.0
_LEAVE = 90.0


class Embedded:
    """The server under *data_dir*. Using it starts it where it is not running.

    *settings* are PostgreSQL's, on top of ours; *on_wait* is told one sentence when it takes long.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        start_timeout: timedelta = timedelta(minutes=5),
        settings: Mapping[str, str] | None = None,
        on_wait: Callable[[str], None] | None = None,
    ) -> None:
        self.data_dir = Path(os.path.abspath(data_dir.expanduser()))  # noqa: PTH100 - no symlink is resolved
        self._seconds = start_timeout.total_seconds()
        self._extra = dict(settings or {})
        self._on_wait = on_wait or _LOG.info
        self._marker = self.data_dir / "database.owed"

    @property
    def pgdata(self) -> Path:
        """PostgreSQL's own folder."""
        return self.data_dir / "postgres"

    def url(self) -> str:
        """Return the URL of the server, running or not; starts and creates nothing."""
        return socket_url(folder=str(self._socket_dir()), user=settings.ROLE, database=settings.DATABASE)

    def is_running(self) -> bool:
        """Whether the server runs now; starts nothing."""
        return Cluster.running_socket_dir(self.pgdata) is not None

    @asynccontextmanager
    async def use(self, *, owner: bool = False) -> AsyncGenerator[str]:
        """Keep the server running for the length of the block and yield its URL.

        The *owner* (the daemon) and whoever started it stop it on leaving, when nobody else uses it;
        otherwise that duty passes to the last one out. One who only found it running leaves it so.
        """
        account = self._prepare()
        with _opened(self.data_dir / "database.lock", account) as users:
            joined = False
            duty = owner
            try:
                async with self._turn(account):
                    fcntl.flock(users, fcntl.LOCK_SH)
                    joined = True
                    with _told_apart():
                        started = await self._ensure_running(account)
                    duty = duty or started
                    if duty:
                        self._marker.unlink(missing_ok=True)
                yield self.url()
            finally:
                if joined:
                    with anyio.move_on_after(_LEAVE, shield=True):
                        await self._leave(users, account, duty=duty)

    async def _ensure_running(self, account: Account) -> bool:
        """Return whether it was us who started the server, which is ready now."""
        cluster = await self._cluster(account)
        found = await cluster.wait_ready(seconds=self._seconds, on_wait=self._on_wait)
        if found.state is State.READY:
            await self._ensure_database(Path(found.socket_dir))
            return False
        await cluster.initialise()
        cluster.configure()
        running = False
        try:
            await cluster.start(seconds=self._seconds, on_wait=self._on_wait)
            await self._ensure_database(cluster.socket_dir)
            running = True
        finally:
            if not running:
                with anyio.CancelScope(shield=True):
                    await cluster.stop()
        return True

    async def _cluster(self, account: Account) -> Cluster:
        programs = await binaries.reachable(account, data_dir=self.data_dir)
        return Cluster(
            pgdata=self.pgdata,
            socket_dir=self._socket_dir(account),
            programs=programs,
            account=account,
            extra=self._extra,
        )

    async def _ensure_database(self, socket_dir: Path) -> None:
        def url(database: str) -> str:
            return socket_url(folder=str(socket_dir), user=settings.ROLE, database=database)

        with translated(connecting=url(settings.DATABASE)):
            try:
                connection = await asyncpg.connect(url(settings.DATABASE), timeout=30)
            except asyncpg.InvalidCatalogNameError:
                connection = await asyncpg.connect(url("postgres"), timeout=30)
                await connection.execute(f"CREATE DATABASE {settings.DATABASE}", timeout=60)
            await connection.close(timeout=5)

    async def _leave(self, users: int, account: Account, *, duty: bool) -> None:
        async with self._turn(account):
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if duty:
                    accounts.write(self._marker, "", account)
                return
            if duty or self._marker.exists():
                await (await self._cluster(account)).stop()
                self._marker.unlink(missing_ok=True)

    @asynccontextmanager
    async def _turn(self, account: Account) -> AsyncGenerator[None]:
        """Be the only one who starts or stops the server."""
        with _opened(self.data_dir / "database.turn.lock", account) as lock:
            tell_at = anyio.current_time() + _TELL_AFTER
            while not _locked(lock):
                if anyio.current_time() > tell_at:
                    tell_at = float("inf")
                    self._on_wait("another pcd process is starting or stopping the embedded PostgreSQL")
                await anyio.sleep(_POLL)
            yield

    def _prepare(self) -> Account:
        try:
            account = accounts.choose(self.pgdata)
            if not self.data_dir.exists():
                self.data_dir.mkdir(parents=True, mode=0o711 if account.switch else 0o700)
                accounts.give(self.data_dir, account)
            self._open_to(account)
            _private_dir(self._socket_dir(account), account)
        except OSError as error:
            raise ConfigError(
                f"daemon.data_dir: {error.filename or self.data_dir}: {error.strerror or error}"
            ) from error
        return account

    def _open_to(self, account: Account) -> None:
        if not account.switch:
            return
        if not accounts.may_enter(self.data_dir, account):
            self.data_dir.chmod(stat.S_IMODE(self.data_dir.stat().st_mode) | 0o011)
        for folder in self.data_dir.parents:
            if not accounts.may_enter(folder, account):
                raise ConfigError(
                    f"daemon.data_dir: user {account.name}, who runs the embedded PostgreSQL, cannot enter "
                    f"{folder}; choose a folder whose parents everybody may enter, such as /var/lib/pcd"
                )

    def _socket_dir(self, account: Account | None = None) -> Path:
        found = Cluster.running_socket_dir(self.pgdata)
        if found is not None:
            return found
        preferred = self.data_dir / "run"
        if _fits(preferred):
            return preferred
        uid = account.uid if account is not None else os.geteuid()
        mark = blake2b(os.fsencode(self.data_dir), digest_size=6).hexdigest()
        private = Path("/run") if os.geteuid() == 0 else Path(f"/run/user/{uid}")
        return (private if os.access(private, os.W_OK) else Path("/tmp")) / f"pcd-{mark}"  # noqa: S108 - checked when made


@contextmanager
def _told_apart() -> Generator[None]:
    """Raise what the file system refuses (a full disk, a lost right) as trouble of the database."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        text = f"the embedded PostgreSQL cannot be started: {error.strerror or error}{where}"
        raise StoreUnreachable(text) from error


@contextmanager
def _opened(path: Path, account: Account) -> Generator[int]:
    """Yield a descriptor of the lock file at *path*; closing it lets go of the lock."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"daemon.data_dir: {path}: {error.strerror}") from error
    try:
        if account.switch:
            os.fchown(descriptor, account.uid, account.gid)
        yield descriptor
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / settings.SOCKET)) <= _SOCKET_PATH


def _private_dir(folder: Path, account: Account) -> None:
    """Make *folder* for *account* alone. One that somebody else prepared is refused, never repaired."""
    try:
        folder.mkdir(mode=0o700)
        accounts.give(folder, account)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.uid or found.st_mode & 0o077:
            raise ConfigError(
                f"daemon.data_dir: {folder}, meant for the socket of the embedded PostgreSQL, must be "
                f"a folder of mode 0700 that belongs to user {account.name}"
            ) from None
